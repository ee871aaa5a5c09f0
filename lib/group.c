/* SPDX-License-Identifier: MIT */
/*
 * group.c: Go's sync.WaitGroup on the table of sema.c.
 *
 * The word, wg->state: the counter in the high half, a signed number; in the low half WAITERS: sleepers may be in the queue, and OWED: somebody is on his
 * way to wake sleepers who have all timed out meanwhile. Add is one locked addition. Only if it brings the counter to zero while WAITERS is set, and nobody
 * is on his way already, does it go to the queue.
 *
 * Invariants, whenever the bucket's lock is free:
 *   I1 the queue is not empty => WAITERS. It is set by a waiter, in a compare-and-swap that requires a counter that is not zero, and cleared by
 *      who empties the queue; both under the bucket's lock.
 *   I2 the counter goes to zero with WAITERS set => whoever did it takes the lock and wakes all. Either it sees WAITERS in the value that its
 *      addition returned, or the waiter's compare-and-swap came later and found zero, and does not wait.
 *   I3 Add touches the word after its addition only under the lock, and WAITERS or OWED stays set until then. A Wait returns 0 only when neither is set: so
 *      a waiter may free the group, or use it again, as soon as it and all others are back. (A Wait that timed out says nothing of the group's memory.)
 *   I4 OWED is set by the last sleeper that times out while the counter is zero, and cleared by the one who is on his way: there is one such at most.
 *      He finds a counter that is zero again, and wakes whoever sleeps now, or not zero, and leaves the sleepers of this new round alone.
 *
 * Waiters are woken from a private chain, in the order of their arrival, after the lock has been dropped.
 *
 * Used again too early. "New Add calls must happen after all previous Wait calls have returned": what breaks that rule is misuse, which Go names where it
 * notices, by a panic of the Wait that is woken and finds that the word is not 0 any more. So do we. Who wakes has made the word 0 before (I2 and I4), and
 * nobody but an Add changes it then, so the panic has no other reason. The look costs one load of who slept, and nothing of who did not.
 *
 * Rejected: letting such a Wait return, as its own round is over (it could: who was woken needs nothing of the word). Its caller would take the counter
 * for zero, and free the group under those who are counted now; with a panic he hears of it at once, and in the words that Go has for it.
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
#define OWED 2u
#define COUNTER(state) ((int32_t)((state) >> 32))

/* The counter was brought to zero: everybody goes on. */
static NOINLINE void wake_all(struct goro_waitgroup *wg)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(wg);
	struct sleeper *w = NULL, *next;
	uint64_t old = load_rlx(&wg->state), new;

	do
		new = COUNTER(old) == 0 ? 0 : old & ~(uint64_t)(old & OWED ? OWED : WAITERS);
	while (!cas_ar(&wg->state, &old, new));
	if (COUNTER(old) == 0 || !(old & OWED))
		w = goro__sema_take_all(b, wg);
	sema_unlock(b);
	for (; w; w = next) {
		next = w->after;
		sema_wake(m, w, 0);
	}
	rt_exit(m);
	if (unlikely(COUNTER(old) != 0 && !(old & OWED)))
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
	if (count == 0 && (state & (WAITERS | OWED)) == WAITERS)
		wake_all(wg);
}

void goro_waitgroup_done(struct goro_waitgroup *wg)
{
	goro_waitgroup_add(wg, -1);
}

/* The deadline has taken a sleeper off (bucket locked): I1, I4. */
static void give_up(struct sleeper *w, bool more)
{
	uint64_t *state = (uint64_t *)w->addr, old = load_rlx(state);

	if (more)
		return;
	while (!cas_ar(state, &old, (old & ~(uint64_t)WAITERS) | (COUNTER(old) == 0 ? OWED : 0)))
		;
}

static NOINLINE GORO_PARKS int wait_slow(struct goro_waitgroup *wg, int64_t deadline)
{
	struct sleeper w = { .addr = wg, .expired = give_up, .result = 0 };
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(wg);
	uint64_t old = load_rlx(&wg->state);

	do {
		if (old == 0) {
			/* [GROUP-2], read side of a counter that went to zero meanwhile. */
			old = load_acq(&wg->state);
			sema_unlock(b);
			rt_exit(m);
			return 0;
		}
	} while (!cas_ar(&wg->state, &old, old | WAITERS));
	m = goro__sema_wait(m, b, &w, WAIT_WAITGROUP, deadline, false);
	rt_exit(m);
	if (unlikely(w.result == 0 && load_rlx(&wg->state) != 0))
		goro__panic("sync: WaitGroup is reused before previous Wait has returned");
	return w.result;
}

int goro_waitgroup_wait(struct goro_waitgroup *wg, int64_t deadline)
{
	int ret = 0;

	/* [GROUP-2] acquire: pairs with [GROUP-1]. */
	if (load_acq(&wg->state) != 0) {
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
