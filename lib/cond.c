/* SPDX-License-Identifier: MIT */
/*
 * cond.c: Go's sync.Cond on the table of sema.c.
 *
 * The word, cond->state, is 1 if somebody may be in the queue of its address, else 0; a signal that finds 0 has nothing to do.
 *
 *	wait:	1 under the bucket's lock: state = 1, into the queue	2 unlock the user's lock	3 under the bucket's lock: still in the queue: park
 *		4 lock the user's lock
 *	signal:	1 state is 0: done	2 under the bucket's lock: take the oldest off; if it has parked, wake it
 *
 * Invariants:
 *   I1 the queue is not empty => state is 1 (I2 of sema.c).
 *   I2 a waiter is in the queue before it unlocks. So whoever locks after it, changes the condition and signals, in whatever order with his own
 *      unlock, sees the state and finds the waiter: the user's lock orders his look at the state after step 1. Who changes the condition
 *      without the lock may miss a waiter that looks at the condition just now, as in Go.
 *   I3 `parked` is set under the bucket's lock as the waiter parks. A waiter that is taken off before step 3 is not woken: it finds itself
 *      off the queue, and its memory is not touched by others any more. One that is taken off later is owed one wake-up.
 *   I4 a deadline acts only on a parked waiter, under the bucket's lock; so each signal ends one wait or finds none, and a wait that has timed
 *      out has consumed no signal.
 *   I5 signal and broadcast touch the word last under the bucket's lock, before the last waiter can go on. So the last one may free the Cond.
 *
 * Why two holds of the bucket's lock? The user's lock cannot be unlocked under it: its own queue may be in the same bucket, and unlock may park.
 *
 * Rejected: a counter of tickets, as in Go, which lets wait go to sleep in one step (a waiter with a deadline leaves a hole in the
 * order of tickets); parking by token (a late notification would have to be told from a signal).
 */
/* In a program with TSan the inline lock and unlock are seen by it only in what is compiled with it; this file is not. */
#define GORO_NO_INLINE
#include <goro/sync.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <goro/time.h>

#include "atomic.h"
#include "attr.h"
#include "clock.h"
#include "context.h"
#include "m.h"
#include "sema.h"

struct waiting {
	struct sleeper w; /* first */
	bool parked;	  /* under the bucket's lock: I3 */
};

/* The lock that a wait gives back and takes again: one of the two, and how it is held. */
struct held {
	struct goro_mutex *mu;
	struct goro_rwmutex *rw;
	bool reading;
};

static GORO_PARKS void unlock(const struct held *h)
{
	if (h->mu)
		goro_mutex_unlock(h->mu);
	else if (h->reading)
		goro_rwmutex_runlock(h->rw);
	else
		goro_rwmutex_unlock(h->rw);
}

static GORO_PARKS void lock_again(const struct held *h)
{
	if (h->mu)
		goro_mutex_lock(h->mu);
	else if (h->reading)
		goro_rwmutex_rlock(h->rw);
	else
		goro_rwmutex_lock(h->rw);
}

/* The deadline has taken a waiter off (bucket locked): I1. */
static void wait_expired(struct sleeper *w, bool more)
{
	if (!more)
		store_rlx((uint32_t *)w->addr, 0);
}

static GORO_PARKS int cond_wait(struct goro_cond *c, const struct held *h, int64_t deadline)
{
	struct waiting w = { .w = { .addr = c, .expired = wait_expired, .result = 0 }, .parked = false };
	struct bucket *b;
	struct m *m;

	if (deadline == GORO_NOW)
		return -EAGAIN;
	if (deadline > 0 && deadline <= goro__now())
		return -ETIMEDOUT;
	m = rt_enter();
	b = goro__sema_lock(c);
	store_rlx(&c->state, 1);
	goro__sema_list(m, b, &w.w, false);
	sema_unlock(b);
	rt_exit(m);
	unlock(h);
	m = rt_enter();
	b = goro__sema_lock(w.w.addr);
	if (w.w.listed) {
		w.parked = true;
		m = goro__sema_park(m, b, &w.w, WAIT_COND, deadline);
	} else {
		sema_unlock(b);
	}
	rt_exit(m);
	if (w.w.result == 0)
		san_acquire(c);
	lock_again(h);
	return w.w.result;
}

int goro_cond_wait(struct goro_cond *cond, struct goro_mutex *mu, int64_t deadline)
{
	return cond_wait(cond, &(struct held){ .mu = mu }, deadline);
}

int goro_cond_wait_lock(struct goro_cond *cond, struct goro_rwmutex *rw, int64_t deadline)
{
	return cond_wait(cond, &(struct held){ .rw = rw }, deadline);
}

int goro_cond_wait_rlock(struct goro_cond *cond, struct goro_rwmutex *rw, int64_t deadline)
{
	return cond_wait(cond, &(struct held){ .rw = rw, .reading = true }, deadline);
}

static inline bool has_parked(const struct sleeper *w)
{
	return ((const struct waiting *)w)->parked;
}

void goro_cond_signal(struct goro_cond *cond)
{
	struct sleeper *w;
	struct bucket *b;
	struct m *m;

	if (load_rlx(&cond->state) == 0)
		return;
	m = rt_enter();
	b = goro__sema_lock(cond);
	w = goro__sema_take(b, cond);
	san_release(cond);
	if (w && !w->more)
		store_rlx(&cond->state, 0);
	if (w && !has_parked(w))
		w = NULL; /* I3: its result is 0 already */
	sema_unlock(b);
	if (w)
		sema_wake(m, w, 0);
	rt_exit(m);
}

void goro_cond_broadcast(struct goro_cond *cond)
{
	struct sleeper *w, *next, *parked = NULL, **tail = &parked;
	struct bucket *b;
	struct m *m;

	if (load_rlx(&cond->state) == 0)
		return;
	m = rt_enter();
	b = goro__sema_lock(cond);
	w = goro__sema_take_all(b, cond);
	san_release(cond);
	if (w)
		store_rlx(&cond->state, 0);
	for (; w; w = w->after) {
		if (has_parked(w)) {
			*tail = w;
			tail = &w->after;
		}
	}
	*tail = NULL;
	sema_unlock(b);
	for (w = parked; w; w = next) {
		next = w->after;
		sema_wake(m, w, 0);
	}
	rt_exit(m);
}
