/* SPDX-License-Identifier: MIT */
/*
 * goro/time.h: deadlines and sleeping. All times are nanoseconds of CLOCK_MONOTONIC; a deadline is
 * absolute, so that it composes: pass it down and each call takes what is left.
 */
#ifndef GORO_TIME_H
#define GORO_TIME_H

#include <goro/attr.h>
#include <stdint.h>

GORO_BEGIN_DECLS

#define GORO_FOREVER INT64_C(-1) /* no deadline (any negative value is taken as this) */
#define GORO_NOW INT64_C(0)	 /* do not wait: -EAGAIN if the call would block */

#define GORO_MICROSECOND INT64_C(1000)
#define GORO_MILLISECOND INT64_C(1000000)
#define GORO_SECOND INT64_C(1000000000)

/* The current time of CLOCK_MONOTONIC in nanoseconds. Parks: no. From: any thread, signal handlers too. */
GORO_API int64_t goro_now(void);

/*
 * The deadline that lies ns nanoseconds from now; GORO_FOREVER if ns is negative or the sum overflows.
 * Parks: no. From: any thread.
 */
GORO_API int64_t goro_after(int64_t ns);

/*
 * Sleeps for at least ns nanoseconds (Go's time.Sleep); returns at once if ns is not positive. Returns 0; or -ECANCELED or -ETIMEDOUT if the current
 * context is cancelled before or meanwhile, and there is one only if the caller has entered it (goro_context_enter()).
 * Parks: yes. From: any thread (a plain thread blocks).
 */
GORO_API GORO_PARKS int goro_sleep(int64_t ns);

/* Sleeps until the deadline; GORO_FOREVER sleeps for ever. Returns as goro_sleep(). Parks: yes. From: any thread. */
GORO_API GORO_PARKS int goro_sleep_until(int64_t deadline);

GORO_END_DECLS

#endif
