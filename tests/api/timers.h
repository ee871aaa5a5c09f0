/* SPDX-License-Identifier: MIT */
/* timers.h: what the tests of timers and of tickers share. */
#ifndef TIMERS_H
#define TIMERS_H

#include <goro.h>
#include <errno.h>

#include "api.h"
#include "t.h"

#define MS GORO_MILLISECOND
#define HOUR (3600 * GORO_SECOND)

static inline struct goro_timer *timer(int64_t ns)
{
	struct goro_timer *t = goro_timer_new(ns);

	t_check(t != NULL);
	return t;
}

static inline struct goro_ticker *ticker(int64_t ns)
{
	struct goro_ticker *t = goro_ticker_new(ns);

	t_check(t != NULL);
	return t;
}

/* Nothing is there to be received. */
static inline void silent(struct goro_chan *c)
{
	int64_t v = 17;

	t_check_int(goro_chan_recv(c, &v, GORO_NOW), ==, -EAGAIN);
	t_check_int(v, ==, 17);
}

/* A value comes, of a moment between from and now. */
static inline int64_t comes(struct goro_chan *c, int64_t from)
{
	int64_t v = -1;

	t_check_int(goro_chan_recv(c, &v, goro_after(API_PATIENCE * MS)), ==, 1);
	t_check(v >= from, "%lld before %lld", (long long)v, (long long)from);
	t_check(v <= goro_now());
	return v;
}

/* Until a timer that was to fire at `when` has fired for sure, whoever looks: another one, later, has. */
static inline void pass(int64_t ns)
{
	struct goro_chan *c = goro_time_after(ns);

	comes(c, 0);
	goro_chan_free(c);
}

#endif
