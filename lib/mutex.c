/* SPDX-License-Identifier: MIT */
/*
 * mutex.c: Go's sync.Mutex on the table of sema.c.
 *
 * The word, mu->state:
 *	LOCKED	 somebody has it
 *	WOKEN	 a waiter is awake and on its way: unlock need not wake another
 *	STARVING a waiter has been passed over for more than a millisecond: the lock is handed over, nobody may barge
 *	PARKED	 sleepers may be in the queue of this address
 *
 * Normal mode: unlock frees the lock and wakes the oldest sleeper, which competes with those who are running; they mostly win, which is
 * good for throughput (no switch per unlock) and bad for the sleeper. One that has waited for STARVE_NS and loses again
 * sets STARVING and sleeps as the first of the queue. Starving mode: unlock leaves LOCKED set and makes the oldest sleeper the
 * owner, and gives way to it; newcomers queue at the end. The mode ends when a sleeper that has waited for less, or the last one, gets the lock.
 *
 * Invariants, whenever the bucket's lock is free:
 *   I1 the queue is not empty => PARKED. PARKED is set and cleared under the bucket's lock only.
 *   I2 STARVING => LOCKED and PARKED.
 *   I3 PARKED and not LOCKED => WOKEN, or an unlocker or a woken waiter is on its way to make it so. So no sleeper is forgotten:
 *      - unlock of a word with PARKED and without WOKEN wakes one and sets WOKEN, in one step that also clears LOCKED;
 *      - whoever is woken either takes the lock (and its unlock sees PARKED), or clears WOKEN in a step that requires LOCKED,
 *	  when it goes to sleep again or gives up: then the owner's unlock sees PARKED without WOKEN.
 *   I4 LOCKED is cleared by the last access of unlock to the word; the sleeper was taken off before that, under the bucket's lock.
 *      So the next owner may free the mutex.
 *   A waiter sets PARKED by a compare-and-swap that requires LOCKED, and the unlocker's compare-and-swap requires a word without PARKED: one word,
 *   so there is no gap between "is it free?" and "I wait".
 *
 * The way without a decision is one compare-and-swap each for lock and unlock, inline in <goro/sync.h>; a call would cost two thirds of that
 * again. It is taken with any word, not only 0 and LOCKED: while sleepers wait and one of them has been woken, which may be long if it was
 * woken behind a goroutine that computes, whoever runs locks and unlocks as if he were alone. (Expecting 0 and LOCKED, each operation
 * failed once and went the slow way: eight goroutines at one mutex took 19.0 ns of CPU time an operation on two processors, and take 12.4 so, as on
 * one; benchmarks/results/2026-11-24-mutex-word.txt.)
 *
 * Where it differs from Go's (internal/sync/mutex.go), on purpose:
 *   - one bit says that somebody sleeps; Go counts sleepers in the word. Which of them is the last the queue knows;
 *   - in starving mode LOCKED stays set while the lock is handed over, so STARVING need not be looked at beside it; and the unlocker decides when the
 *     mode ends, by the same two rules, not the new owner: it takes the sleeper off and writes the word in one step;
 *   - who arrives spins as often as in Go (four times, and again after each wake-up), longer, and whether or not others wait in its processor's queue, but
 *     not on one processor, where Go does not either;
 *   - trylock fails only if the mutex is locked, never because another one has changed the word meanwhile;
 *   - an unlock of an unlocked mutex leaves the word as it is before it ends the process;
 *   - a deadline may end a wait: then PARKED and STARVING go with the last sleeper, by the rules I1 and I2.
 * Alike: the threshold of a millisecond, counted from the first sleep; the place at the front for who was woken in vain; that a newcomer cannot take
 * the lock in starving mode; that an unlocker who hands the lock over gives way to the new owner.
 *
 * Rejected: a plain store as release (a waiter count beside the lock needs a fence behind it, as dear as the locked instruction; membarrier(2)
 * in the waiter costs tens of microseconds across virtual CPUs); always handing over (a switch per unlock).
 */
#define GORO_NO_INLINE
#include <goro/sync.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <goro/go.h>
#include <goro/time.h>

#include "arch.h"
#include "atomic.h"
#include "attr.h"
#include "clock.h"
#include "context.h"
#include "fatal.h"
#include "m.h"
#include "sema.h"

enum { LOCKED = 1, WOKEN = 2, STARVING = 4, PARKED = 8 };

enum { AWAKE = 1, OWNER = 2 }; /* what a sleeper is told */

#define STARVE_NS 1000000

/*
 * Who finds the lock taken looks again after a while, SPINS times, before it sleeps, if the owner can be running at all. It
 * waits without looking, so that the owner has the cache line to itself: two processors at one mutex then take turns in
 * bursts of many operations, and the line moves once a burst (70 ns) and not once an operation.
 */
#ifndef SPINS
#define SPINS 4
#endif
#define SPIN_PAUSES 64 /* the first time, about 1.5 us; 16 cost half as much again on two processors at one mutex */
#define SPIN_PAUSES_MAX 128

/* The deadline has taken a sleeper off (bucket locked): I1 and I2. */
static void give_up(struct sleeper *w, bool more)
{
	if (!more)
		and_seq((uint32_t *)w->addr, ~(uint32_t)(PARKED | STARVING));
}

/*
 * Sleeps if the mutex is still locked. *ret_told is what the sleeper was told, -ETIMEDOUT, or 0 if it did not sleep. With a
 * deadline in the past it only clears WOKEN.
 */
static GORO_PARKS struct m *sleep_on(struct m *m, struct goro_mutex *mu, struct sleeper *w, bool woken, bool starving,
				     int64_t deadline, int *ret_told)
{
	bool late = deadline >= 0 && deadline <= goro__now(), again = w->result != 0;
	struct bucket *b = goro__sema_lock(&mu->state);
	uint32_t old = load_rlx(&mu->state), new;

	*ret_told = 0;
	do {
		if (!(old & LOCKED)) {
			sema_unlock(b);
			return m;
		}
		new = woken ? old & ~(uint32_t)WOKEN : old;
		if (!late)
			new |= starving ? PARKED | STARVING : PARKED;
	} while (!cas_ar(&mu->state, &old, new));
	if (late) {
		sema_unlock(b);
		*ret_told = -ETIMEDOUT;
		return m;
	}
	/* Who was woken in vain keeps its place. */
	m = goro__sema_wait(m, b, w, WAIT_MUTEX, deadline, again);
	*ret_told = w->result;
	return m;
}

/* Waits a little. Takes the WOKEN bit, if others sleep, so that unlock leaves them asleep: *woken says if the caller has it. */
static void spin(struct goro_mutex *mu, uint32_t old, unsigned round, bool *woken)
{
	unsigned pauses = SPIN_PAUSES << round;

	if (!*woken && (old & (PARKED | WOKEN)) == PARKED)
		*woken = cas_acq(&mu->state, &old, old | WOKEN);
	for (unsigned i = 0; i < pauses && i < SPIN_PAUSES_MAX; i++)
		arch_pause();
}

static inline bool owner_may_run(struct m *m)
{
	return m->foreign || goro_maxprocs(0) > 1;
}

static NOINLINE GORO_PARKS int lock_slow(struct goro_mutex *mu, uint32_t old, int64_t deadline)
{
	struct sleeper w = { .addr = &mu->state, .expired = give_up, .result = 0 };
	bool woken = false, starving = false;
	unsigned spins = 0;
	int told = 0;
	struct m *m;

	for (;;) {
		while (!(old & LOCKED)) {
			uint32_t new = (old | LOCKED) & (woken ? ~(uint32_t)WOKEN : ~0u);

			/* [MUTEX-1] acquire: pairs with [MUTEX-2]. Without it what the last owner wrote may be read stale. */
			if (cas_acq(&mu->state, &old, new))
				return 0;
		}
		if (deadline == GORO_NOW)
			return -EAGAIN;
		m = rt_enter();
		if (spins < SPINS && !(old & STARVING) && owner_may_run(m)) {
			rt_exit(m);
			spin(mu, old, spins++, &woken);
			old = load_rlx(&mu->state);
			continue;
		}
		spins = 0;
		if (w.since == 0)
			w.since = goro__now();
		else
			starving = starving || goro__now() - w.since > STARVE_NS;
		m = sleep_on(m, mu, &w, woken, starving, deadline, &told);
		rt_exit(m);
		if (told == OWNER || told < 0)
			return told == OWNER ? 0 : told;
		woken = woken || told == AWAKE;
		old = load_rlx(&mu->state);
	}
}

/* Takes a sleeper off and decides, in one step with the word, what it gets: AWAKE or OWNER. The bucket is locked. */
static struct sleeper *pass_on(struct bucket *b, struct goro_mutex *mu, uint32_t old, int *ret_told)
{
	struct sleeper *w = goro__sema_take(b, &mu->state);
	bool patient = w && (!w->more || ((old & STARVING) && goro__now() - w->since < STARVE_NS));
	uint32_t new;

	old = load_rlx(&mu->state);
	do {
		if (!w) {
			new = old & ~(uint32_t)(LOCKED | PARKED | STARVING);
			continue;
		}
		*ret_told = old & STARVING ? OWNER : AWAKE;
		new = old & STARVING ? old : (old & ~(uint32_t)LOCKED) | WOKEN;
		if (patient)
			new &= ~(uint32_t)STARVING;
		if (!w->more)
			new &= ~(uint32_t)PARKED;
		/* [MUTEX-2], and acquire for an owner that is handed the lock without [MUTEX-1]. */
	} while (!cas_ar(&mu->state, &old, new));
	return w;
}

/* Locked, and unlocking it concerns no sleeper: none is there, or one was woken and has not decided yet. */
static inline bool nobody_to_wake(uint32_t word)
{
	return (word & (LOCKED | STARVING)) == LOCKED && (word & (PARKED | WOKEN)) != PARKED;
}

static NOINLINE GORO_PARKS void unlock_slow(struct goro_mutex *mu, uint32_t old)
{
	struct sleeper *w;
	struct bucket *b;
	struct m *m;
	int told = 0;

	for (;;) {
		if (unlikely(!(old & LOCKED)))
			goro__throw("sync: unlock of unlocked mutex");
		if (!nobody_to_wake(old))
			break;
		if (cas_rel(&mu->state, &old, old & ~(uint32_t)LOCKED)) /* [MUTEX-2] */
			return;
	}
	m = rt_enter();
	b = goro__sema_lock(&mu->state);
	w = pass_on(b, mu, old, &told);
	sema_unlock(b);
	if (w)
		sema_wake(m, w, told);
	/* Give way to the new owner, which runs next: it would hold the lock without running until our slice ends. */
	if (told == OWNER && m->p && !m->foreign)
		m = goro__yield(m);
	rt_exit(m);
}

void goro_mutex_lock(struct goro_mutex *mu)
{
	uint32_t old = load_rlx(&mu->state);

	if (unlikely((old & LOCKED) || !cas_acq(&mu->state, &old, old | LOCKED))) /* [MUTEX-1] */
		lock_slow(mu, old, GORO_FOREVER);
	san_acquire(&mu->state);
}

int goro_mutex_lock_until(struct goro_mutex *mu, int64_t deadline)
{
	uint32_t old = load_rlx(&mu->state);
	int ret;

	if (unlikely((old & LOCKED) || !cas_acq(&mu->state, &old, old | LOCKED))) { /* [MUTEX-1] */
		ret = lock_slow(mu, old, deadline);
		if (ret < 0)
			return ret;
	}
	san_acquire(&mu->state);
	return 0;
}

int goro_mutex_trylock(struct goro_mutex *mu)
{
	uint32_t old = load_rlx(&mu->state);

	do {
		if (old & LOCKED)
			return 0;
	} while (!cas_acq(&mu->state, &old, old | LOCKED)); /* [MUTEX-1] */
	san_acquire(&mu->state);
	return 1;
}

void goro_mutex_unlock(struct goro_mutex *mu)
{
	uint32_t old = load_rlx(&mu->state);

	san_release(&mu->state);
	/* [MUTEX-2] release: pairs with [MUTEX-1]. Without it the next owner may read what was written under the lock stale. */
	if (unlikely(!nobody_to_wake(old) || !cas_rel(&mu->state, &old, old & ~(uint32_t)LOCKED)))
		unlock_slow(mu, old);
}
