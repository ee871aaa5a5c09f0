/* SPDX-License-Identifier: MIT */
/* clock.c: clock_gettime() by the C library's vDSO path, which never sets errno for a clock that exists. */
#include "clock.h"

#include <time.h>

#include "atomic.h"

uint64_t goro__ticks_per_us = 1000;

int64_t goro__now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void goro__clock_init(void)
{
	uint64_t t0 = arch_ticks(), t;
	int64_t n0 = goro__now(), n;

	do {
		t = arch_ticks();
		n = goro__now();
	} while (n - n0 < 200000);
	t = (t - t0) * 1000 / (uint64_t)(n - n0);
	store_rlx(&goro__ticks_per_us, t ? t : 1); /* plain threads in a channel may be reading it */
}
