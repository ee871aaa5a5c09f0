/* SPDX-License-Identifier: MIT */
/*
 * lock.h: the lock that the runtime's own data lies under. Layer 1.
 *
 * A spin lock whose release is a plain store. Critical sections are a few dozen instructions without a system call, and
 * no one is preempted by us inside (in_runtime). A holder can still lose its virtual CPU, so a waiter that has spun for
 * a while calls sched_yield(), which lets a holder on the same CPU go on. Rejected: a futex mutex, whose
 * release needs a second locked instruction (2.6 ns on each of the four channel operations of a ping-pong).
 *
 * Ranks: a lock may be taken while one of a lower rank is held, never the other way; channels among
 * each other by address (select). With --enable-debug the order is checked at run time.
 */
#ifndef LIB_LOCK_H
#define LIB_LOCK_H

#include <stdint.h>

#include "arch.h"
#include "atomic.h"
#include "attr.h"

enum lock_rank {
	RANK_NONE = 0,
	RANK_FD,      /* an entry of the descriptor table */
	RANK_CHAN,    /* a channel; several of them in the order of their addresses */
	RANK_SEMA,    /* a bucket of the semaphore table */
	RANK_TIMERS,  /* a P's timer heap */
	RANK_SCHED,   /* the global queue and the lists of Ms and Ps */
	RANK_GLIST,   /* the list of all goroutines, the global pool of records */
	RANK_STACK,   /* the global pool of stacks */
	RANK_LEAF,    /* a slab, statistics: nothing is taken inside */
};

struct lock {
	uint32_t v; /* 0 free, 1 held; atomic */
#ifdef GORO_DEBUG
	uint32_t rank;
#endif
};
#ifdef GORO_DEBUG
#define LOCK_INIT(r) { 0, (r) }
void goro__lock_check(struct lock *l);
void goro__lock_drop(struct lock *l);
#else
#define LOCK_INIT(r) { 0 }
#define goro__lock_check(l) ((void)0)
#define goro__lock_drop(l) ((void)0)
#endif

static inline void lock_init(struct lock *l, enum lock_rank rank)
{
	l->v = 0;
#ifdef GORO_DEBUG
	l->rank = rank;
#else
	(void)rank;
#endif
}

void goro__lock_slow(struct lock *l);

static inline void goro__lock(struct lock *l)
{
	goro__lock_check(l);
	/* [LOCK-1] acquire: pairs with [LOCK-2]. Without it the data under the lock may be read stale. */
	if (unlikely(xchg_acq(&l->v, 1) != 0))
		goro__lock_slow(l);
}

static inline bool goro__trylock(struct lock *l)
{
	if (load_rlx(&l->v) != 0 || xchg_acq(&l->v, 1) != 0)
		return false;
	goro__lock_check(l);
	return true;
}

static inline void goro__unlock(struct lock *l)
{
	goro__lock_drop(l);
	/* [LOCK-2] release: pairs with [LOCK-1]. Without it writes made under the lock may come after it is free. */
	store_rel(&l->v, 0);
}

#endif
