/* SPDX-License-Identifier: MIT */
/* asleep.h: is a thread blocked in the kernel? Layer 2. */
#ifndef LIB_ASLEEP_H
#define LIB_ASLEEP_H

#include <stdbool.h>

int goro__asleep_start(void); /* 0 or negative errno; user context */
void goro__asleep_stop(void);

/*
 * Does the thread tid of this process sleep? guess, if nothing can be found out; late, if no answer comes in time, because the machine is busy. sysmon only; takes
 * some microseconds.
 */
bool goro__thread_sleeps(int tid, bool guess, bool late);

#endif
