/* SPDX-License-Identifier: MIT */
/*
 * park.h: the one door to sleep and the one door to wake. Layer 6; what layers 7 to 10 may use of the scheduler
 * is here, in timer.h and in spawn.h. See park.c for the protocol.
 *
 * All of them are called between rt_enter() and rt_exit(); m is the current one. Those that park return the m on which
 * the goroutine goes on, which may be another thread. A foreign thread may call them too: its proxy sleeps on a futex.
 *
 *	struct m *m = rt_enter();
 *	goro__lock(&c->lock);
 *	... nothing to receive: put a waiter that names m->curg on c's list ...
 *	m = goro__park(m, &c->lock, WAIT_CHAN_RECV);    the lock is released once the context is saved
 *	... the waker took the waiter off the list under the lock, filled it in, and called goro__ready() ...
 *	rt_exit(m);
 */
#ifndef LIB_PARK_H
#define LIB_PARK_H

#include <stdint.h>

#include "attr.h"
#include "g.h"
#include "m.h"
#include "waiter.h"

/*
 * Parks the caller until goro__ready(). l, if not NULL, is held by the caller and is released when the context has been saved; the
 * waker must have held l after that (that is what orders them). Exactly one ready per park.
 */
GORO_PARKS struct m *goro__park(struct m *m, struct lock *l, enum wait_reason why);

/*
 * The same with a deadline (absolute ns, negative: none, as goro__park()). When it passes, expire(m, arg) is called, on any thread,
 * without a lock held: it must take l, and if the waiter is still listed, take it off, mark it as timed out, drop l and
 * goro__ready() it. On return the expiry has either happened whole or never will.
 */
GORO_PARKS struct m *goro__park_until(struct m *m, struct lock *l, enum wait_reason why, int64_t deadline,
				      void (*expire)(struct m *m, void *arg), void *arg);

/*
 * Makes a goroutine runnable that was parked by goro__park(). From a goroutine it runs next on this P (runnext); from a scheduler
 * stack (timers, completions) it goes to the end of the local queue; from a foreign thread to the global one.
 * Never parks, never switches. m may hold locks up to RANK_SEMA.
 */
void goro__ready(struct m *m, struct g *g);

/*
 * Parking by token, for waits that are guarded by no lock: like a thread's park and unpark. goro__park_token() returns at once if a
 * notification came since the last return, and may return for a late one of an earlier wait: callers loop on a condition of
 * theirs. goro__notify() may be called any number of times, by any thread, early or late.
 */
GORO_PARKS struct m *goro__park_token(struct m *m, enum wait_reason why);
GORO_PARKS struct m *goro__park_token_until(struct m *m, enum wait_reason why, int64_t deadline);
void goro__notify(struct m *m, struct g *g);

/* Ends p's sleep, or makes its next one return at once: for backends that have put something where p will look. Any thread. */
void goro__wake_p(struct p *p);

/*
 * For plain threads that use what belongs to a run, timers for instance: true if a runtime runs, which then does not go before
 * goro__guest_leave(). A goroutine's run is there anyway: true, and there is nothing to leave.
 */
bool goro__guest_enter(struct m *m);
void goro__guest_leave(struct m *m);

/*
 * Starts a timer (timer.h) on the caller's P, or on any if a plain thread calls, after goro__guest_enter(). 0; -ENOMEM; -ECANCELED the runtime
 * stops, -EPERM it has not started. If *ret_wake is not NULL afterwards, the caller has to call goro__wake_p() for it, once he has dropped his locks.
 */
struct timer;
int goro__timer_add(struct m *m, struct timer *t, int64_t when, struct p **ret_wake);

/* Appends the caller to the local queue and runs others. On a foreign thread: sched_yield(). */
GORO_PARKS struct m *goro__yield(struct m *m);

/* The calling goroutine, or the foreign thread's proxy. */
static inline struct g *goro__self(struct m *m)
{
	return m->curg;
}

/* For the end of a run, see forget.c: where g is listed by a channel; and what is to be undone for it, NULL: nothing any more. */
static inline void goro__waits_at(struct g *g, void *waiter)
{
	g->run.waiter = waiter;
}

static inline void goro__undoes(struct g *g, struct undo *u)
{
	g->run.undo = u;
}

#endif
