/* SPDX-License-Identifier: MIT */
/* asleep.h: is a thread blocked in the kernel, and which threads are there? Layer 2. */
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

/*
 * How many threads of the program there are for which known() is false; negative: that cannot be found out. known() is called on another thread. tsan: one that
 * blocks all signals does not count. sysmon only; takes some microseconds for each.
 */
int goro__threads_unknown(bool (*known)(int tid), bool tsan);

/* The threads of ours that are no Ms; each writes down its number itself. */
enum { HELPER_SYSMON, HELPER_MAKER, HELPER_READER, HELPERS };
extern int goro__helper_tid[HELPERS]; /* atomic */

#endif
