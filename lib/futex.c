/* SPDX-License-Identifier: MIT */
/* futex.c: FUTEX_WAIT_BITSET with an absolute deadline, FUTEX_WAKE; both private to the process. */
#include "futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "sys.h"

int goro__futex_wait(uint32_t *word, uint32_t val, int64_t deadline)
{
	struct timespec ts, *tp = NULL;
	long r;

	if (deadline >= 0) {
		ts.tv_sec = deadline / 1000000000;
		ts.tv_nsec = deadline % 1000000000;
		tp = &ts;
	}
	r = SYS6(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, tp, NULL, FUTEX_BITSET_MATCH_ANY);
	return r == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

void goro__futex_wake(uint32_t *word, int n)
{
	SYS3(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}
