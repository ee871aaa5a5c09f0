/* SPDX-License-Identifier: MIT */
/*
 * group.c: Go's sync.WaitGroup on the table of sema.c.
 *
 * The word, wg->state: the counter in the high half, a signed number; in the low half one bit, WAITERS: sleepers may be in the queue.
 * Add is one locked addition. Only if it brings the counter to zero while WAITERS is set does it go to the queue.
 *
 * Invariants, whenever the bucket's lock is free:
 *   I1 the queue is not empty => WAITERS. It is set by a waiter, in a compare-and-swap that requires a counter that is not zero, and cleared by
 *      who empties the queue; both under the bucket's lock.
 *   I2 the counter goes to zero with WAITERS set => whoever did it takes the lock and wakes all. Either it sees WAITERS in the value that its
 *      addition returned, or the waiter's compare-and-swap came later and found zero, and does not wait.
 *   I3 Add touches the word after its addition only under the lock and if the queue is not empty: then a Wait is under way that keeps the
 *      group's memory alive. So a waiter may free the group as soon as it is back.
 *
 * Waiters are woken from a private chain, in the order of their arrival, after the lock has been dropped.
 */
#include <goro/sync.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <goro/time.h>

#include "atomic.h"
#include "attr.h"
#include "clock.h"
#include "context.h"
#include "fatal.h"
#include "m.h"
#include "sema.h"

#define WAITERS 1u
#define COUNTER(state) ((int32_t)((state) >> 32))

/* The counter is zero: everybody goes on. */
static NOINLINE void wake_all(struct goro_waitgroup *wg)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(wg);
	struct sleeper *w = goro__sema_take_all(b, wg), *next;
	bool misuse = false;

	if (w) {
		uint64_t old = WAITERS;

		misuse = !cas_ar(&wg->state, &old, 0);
		if (misuse)
			and_seq(&wg->state, ~(uint64_t)WAITERS);
	}
	sema_unlock(b);
	for (; w; w = next) {
		next = w->after;
		sema_wake(m, w, 0);
	}
	rt_exit(m);
	if (unlikely(misuse))
		goro__panic("sync: WaitGroup misuse: Add called concurrently with Wait");
}

void goro_waitgroup_add(struct goro_waitgroup *wg, int delta)
{
	uint64_t state;
	int32_t count;

	if (delta < 0)
		san_release(wg);
	/* [GROUP-1] release: pairs with [GROUP-2]. Without it a waiter may go on before it sees what was done. */
	state = add_seq(&wg->state, (uint64_t)(uint32_t)delta << 32);
	count = COUNTER(state);
	if (likely(count > 0 && !(state & WAITERS)))
		return;
	if (unlikely(count < 0))
		goro__panic("sync: negative WaitGroup counter");
	if (unlikely((state & WAITERS) && delta > 0 && count == delta))
		goro__panic("sync: WaitGroup misuse: Add called concurrently with Wait");
	if (count == 0 && (state & WAITERS))
		wake_all(wg);
}

void goro_waitgroup_done(struct goro_waitgroup *wg)
{
	goro_waitgroup_add(wg, -1);
}

/* The deadline has taken a sleeper off (bucket locked): I1. */
static void give_up(struct sleeper *w, bool more)
{
	if (!more)
		and_seq((uint64_t *)w->addr, ~(uint64_t)WAITERS);
}

static NOINLINE GORO_PARKS int wait_slow(struct goro_waitgroup *wg, int64_t deadline)
{
	struct sleeper w = { .addr = wg, .expired = give_up, .result = 0 };
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(wg);
	uint64_t old = load_rlx(&wg->state);

	do {
		if (COUNTER(old) == 0) {
			/* [GROUP-2], read side of a counter that went to zero meanwhile. */
			old = load_acq(&wg->state);
			sema_unlock(b);
			rt_exit(m);
			return 0;
		}
	} while (!cas_ar(&wg->state, &old, old | WAITERS));
	m = goro__sema_wait(m, b, &w, WAIT_WAITGROUP, deadline, false);
	rt_exit(m);
	return w.result;
}

int goro_waitgroup_wait(struct goro_waitgroup *wg, int64_t deadline)
{
	int ret = 0;

	/* [GROUP-2] acquire: pairs with [GROUP-1]. */
	if (COUNTER(load_acq(&wg->state)) != 0) {
		if (deadline == GORO_NOW)
			return -EAGAIN;
		if (deadline > 0 && deadline <= goro__now())
			return -ETIMEDOUT;
		ret = wait_slow(wg, deadline);
	}
	if (ret == 0)
		san_acquire(wg);
	return ret;
}
