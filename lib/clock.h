/* SPDX-License-Identifier: MIT */
/* clock.h: monotonic time in nanoseconds, and the CPU's cheap tick counter. Layer 1. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

#include "arch.h"
#include "atomic.h"

int64_t goro__now(void); /* SIGSAFE; 29 ns: the vDSO */

/*
 * Ticks of arch_ticks() per microsecond, measured once by goro__clock_init(). Only for ages of a backlog and the
 * length of a spin, where a wrong figure costs a little latency and never correctness.
 */
extern uint64_t goro__ticks_per_us;
void goro__clock_init(void);

/* The same for plain threads, which may be in a channel while a run begins. */
static inline uint64_t ticks_per_us(void)
{
	return load_rlx(&goro__ticks_per_us);
}

#endif
