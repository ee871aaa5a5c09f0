/* SPDX-License-Identifier: MIT */
/*
 * semaphore.c: golang.org/x/sync/semaphore, the weighted semaphore, on the table of sema.c.
 *
 * The word, sem->state: twice the number of tokens in use, plus 1 (WAITERS) if requests may be in the queue of its address.
 * Acquire and release without WAITERS are one compare-and-swap each. With it everything happens under the bucket's lock: a request queues, and a
 * release serves from the front as long as the first request fits.
 *
 * Invariants, whenever the bucket's lock is free:
 *   I1 the queue is not empty => WAITERS. It is set in a compare-and-swap that finds too few tokens, and cleared by who empties the queue; both
 *      under the bucket's lock. Without WAITERS nobody waits, so who finds enough tokens then overtakes nobody.
 *   I2 the first request in the queue does not fit, or somebody is about to look: a release after its subtraction, or a request that has
 *      timed out (it may have been the first, and those behind it may be smaller).
 *   I3 with WAITERS set the word is changed under the bucket's lock only.
 *   I4 a release touches the word last under the lock, before it wakes anybody.
 */
#include <goro/sync.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <goro/time.h>

#include "atomic.h"
#include "attr.h"
#include "chan.h"
#include "clock.h"
#include "context.h"
#include "fatal.h"
#include "m.h"
#include "sema.h"

#define WAITERS UINT64_C(1)
#define TOKENS(n) ((n) << 1)

struct request {
	struct sleeper w; /* first */
	uint64_t n;	  /* constant */
};

static inline uint64_t in_use(uint64_t state)
{
	return state >> 1;
}

/* n is at most size. */
static inline bool fits(const struct goro_semaphore *sem, uint64_t state, uint64_t n)
{
	return n <= sem->size - in_use(state);
}

/* Serves from the front what fits. b is locked; those who are served are chained by ->after. */
static struct sleeper *serve(struct bucket *b, struct goro_semaphore *sem)
{
	struct sleeper *chain = NULL, **tail = &chain, *w;
	uint64_t state = load_rlx(&sem->state);

	while ((w = goro__sema_first(b, sem)) != NULL && fits(sem, state, ((struct request *)w)->n)) {
		goro__sema_take(b, sem);
		state += TOKENS(((struct request *)w)->n);
		if (!w->more)
			state &= ~WAITERS;
		*tail = w;
		tail = &w->after;
	}
	*tail = NULL;
	if (chain)
		store_rel(&sem->state, state); /* [SEMAPHORE-2] */
	return chain;
}

static void wake(struct m *m, struct sleeper *chain)
{
	struct sleeper *next;

	for (; chain; chain = next) {
		next = chain->after;
		sema_wake(m, chain, 0);
	}
}

/* The deadline has taken a request off (bucket locked): I1. */
static void request_expired(struct sleeper *w, bool more)
{
	if (!more)
		and_seq((uint64_t *)&((struct goro_semaphore *)w->addr)->state, ~WAITERS);
}

static NOINLINE GORO_PARKS int acquire_slow(struct goro_semaphore *sem, uint64_t n, int64_t deadline)
{
	struct request r = { .w = { .addr = sem, .expired = request_expired, .result = 0 }, .n = n };
	struct sleeper *chain;
	struct bucket *b;
	uint64_t old;
	struct m *m;
	bool now;

	if (deadline > 0 && deadline <= goro__now())
		return -ETIMEDOUT;
	m = rt_enter();
	b = goro__sema_lock(sem);
	old = load_rlx(&sem->state);
	do
		now = !(old & WAITERS) && fits(sem, old, n);
	while (!cas_ar(&sem->state, &old, now ? old + TOKENS(n) : old | WAITERS)); /* [SEMAPHORE-1] */
	if (now) {
		sema_unlock(b);
		rt_exit(m);
		return 0;
	}
	m = goro__sema_wait(m, b, &r.w, WAIT_SEMA, deadline, false);
	if (r.w.result != 0) {
		/* I2: those behind us. Our call keeps the memory alive. */
		b = goro__sema_lock(sem);
		chain = serve(b, sem);
		sema_unlock(b);
		wake(m, chain);
	}
	rt_exit(m);
	return r.w.result;
}

int goro_semaphore_tryacquire(struct goro_semaphore *sem, uint64_t n)
{
	uint64_t old = load_rlx(&sem->state);

	if (unlikely(n > sem->size))
		return 0;
	do {
		if ((old & WAITERS) || !fits(sem, old, n))
			return 0;
		/* [SEMAPHORE-1] acquire: pairs with [SEMAPHORE-2]. Without it what was done with the tokens before may be read stale. */
	} while (!cas_acq(&sem->state, &old, old + TOKENS(n)));
	san_acquire(sem);
	return 1;
}

int goro_semaphore_acquire(struct goro_semaphore *sem, uint64_t n, int64_t deadline)
{
	int ret;

	if (likely(goro_semaphore_tryacquire(sem, n)))
		return 0;
	if (unlikely(n > sem->size))
		return goro__wait_in_vain(WAIT_SEMA, deadline);
	if (deadline == GORO_NOW)
		return -EAGAIN;
	ret = acquire_slow(sem, n, deadline);
	if (ret == 0)
		san_acquire(sem);
	return ret;
}

static NOINLINE void release_slow(struct goro_semaphore *sem, uint64_t n)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(sem);
	uint64_t old = load_rlx(&sem->state);
	struct sleeper *chain = NULL;
	bool held;

	do
		held = n <= in_use(old);
	while (held && !cas_ar(&sem->state, &old, old - TOKENS(n))); /* [SEMAPHORE-2] */
	if (held)
		chain = serve(b, sem);
	sema_unlock(b);
	wake(m, chain);
	rt_exit(m);
	if (unlikely(!held))
		goro__panic("semaphore: released more than held");
}

void goro_semaphore_release(struct goro_semaphore *sem, uint64_t n)
{
	uint64_t old = load_rlx(&sem->state);

	san_release(sem);
	do {
		if (unlikely((old & WAITERS) || n > in_use(old))) {
			release_slow(sem, n);
			return;
		}
		/* [SEMAPHORE-2] release: pairs with [SEMAPHORE-1]. */
	} while (!cas_rel(&sem->state, &old, old - TOKENS(n)));
}
