/* SPDX-License-Identifier: MIT */
/*
 * pool.c: Go's sync.Pool: objects that are used for a short time, kept for the next one who wants such an object.
 *
 * Concepts. A pool has shards, one per processor of the machine, each a stack of at most POOL_CAP objects under a lock. A caller uses the shard
 * of his P, so its lock is nearly always free and its objects are in this CPU's cache; plain threads take the one that their number leads to. A get whose
 * shard is empty takes from another one before it makes an object. A put whose shard is full tries one other, and then destroys.
 *
 * When are objects destroyed? Go's pool is emptied by two runs of the garbage collector, the second of which takes those that were not used since the first. C has
 * no such moment, and no thread of ours may call a user's destructor. So it is bound to use: each shard remembers the smallest number of
 * objects that it had during an age. That many lay below all that was got and put in this time, so nobody needed them: the first put after the
 * age has passed destroys them, the ones put longest ago. A pool in steady use keeps what it needs at its peaks, gives back in an age or two what it needed
 * once, and holds at most POOL_CAP objects per shard. A pool that nobody uses keeps what it has until goro_pool_fini().
 *
 * Invariants, whenever the lock of a shard is free:
 *   I1 item[0 .. n) are objects that nobody else has: an object is in one place, or in one caller's hands.
 *   I2 low <= n, and item[0 .. low) have been there since the age began.
 *   I3 the code of users, make and destroy, runs outside of the runtime with no lock held. It may use the pool.
 *
 * The lock is held inside of the runtime only, so a goroutine that is preempted between two calls holds none; that it may have moved to another P
 * meanwhile is no matter, since which shard one uses is a matter of speed. The table of shards is made by the first put, in user context, published
 * by a compare-and-swap [POOL-1], [POOL-2], and constant until the end.
 *
 * Rejected: Go's lock-free deques (the owner saves one locked instruction of 20 cycles, the thief needs the same two; and a bound on their number
 * is missing there because the collector is it); the biased lock of run queues (bias.h: a thief pays a system call, which is right
 * for a P that steals now and then, not for plain threads); an array per P of the run (a pool may outlive the run, and maxprocs
 * changes); a reaper goroutine (destructors at times of its own, and no pool without a runtime).
 */
#include <goro/sync.h>

#include <errno.h>
#include <goro/go.h>
#include <stdbool.h>

#include "arch.h"
#include "clock.h"
#include "context.h"
#include "cpu.h"
#include "mem.h"
#include "p.h"
#include "park.h"
#include "rand.h"

#ifndef POOL_CAP
#define POOL_CAP 64
#endif
#ifndef POOL_AGE_MS
#define POOL_AGE_MS 10000
#endif
#define SHARDS_MAX 64
#define LOOK_EVERY 32 /* puts to a shard, between two looks at the time */
#define GONE_MAX 16   /* objects that one put destroys */

struct shard {
	struct lock lock;    /* RANK_LEAF; over all that follows */
	uint32_t n;	     /* atomic: written under the lock, read without it by those who look for an object */
	uint32_t low;	     /* least n of this age */
	uint32_t puts;
	uint64_t since;	     /* arch_ticks() when the age began */
	void *item[POOL_CAP];
} CACHE_ALIGNED;

struct goro_pool_shards {
	uint32_t mask;	     /* constant: their number, a power of two, less one */
	struct shard shard[];
};

/* The shards, made if need be; NULL without memory. User context. */
static NOINLINE struct goro_pool_shards *make_shards(struct goro_pool *pool)
{
	int procs = goro_maxprocs(0);
	uint32_t n = 1, want = (uint32_t)(procs > 0 ? procs : goro__cpu_default_procs());
	struct goro_pool_shards *s, *other = NULL;

	while (n < want && n < SHARDS_MAX)
		n *= 2;
	s = goro__mem_alloc(sizeof(*s) + n * sizeof(struct shard));
	if (!s)
		return NULL;
	s->mask = n - 1;
	for (uint32_t i = 0; i < n; i++) {
		s->shard[i] = (struct shard){ .since = arch_ticks() };
		lock_init(&s->shard[i].lock, RANK_LEAF);
	}
	/* [POOL-1] release: pairs with [POOL-2]. Without it another one may see the shards before they are set up. */
	if (cas_rel(&pool->shards, &other, s))
		return s;
	goro__mem_free(s);
	return load_acq(&pool->shards); /* [POOL-2] */
}

static inline struct shard *own_shard(struct m *m, struct goro_pool_shards *s)
{
	return &s->shard[(m->p ? m->p->id : (uint32_t)m->tid) & s->mask];
}

/* Takes the object that was put last; NULL: there is none. In the runtime. */
static inline void *pop(struct shard *s)
{
	void *item;

	if (load_rlx(&s->n) == 0)
		return NULL;
	goro__lock(&s->lock);
	if (s->n == 0) {
		goro__unlock(&s->lock);
		return NULL;
	}
	store_rlx(&s->n, s->n - 1);
	item = s->item[s->n];
	san_acquire(&s->item[s->n]);
	if (s->n < s->low)
		s->low = s->n;
	goro__unlock(&s->lock);
	return item;
}

/* In the runtime: true, or the shard is full. *ret_look: it is time to look at the time. */
static inline bool push(struct shard *s, void *item, bool *ret_look)
{
	bool room;

	goro__lock(&s->lock);
	room = s->n < POOL_CAP;
	*ret_look = ++s->puts % LOOK_EVERY == 0;
	if (room) {
		san_release(&s->item[s->n]);
		s->item[s->n] = item;
		store_rlx(&s->n, s->n + 1);
	}
	goro__unlock(&s->lock);
	return room;
}

/* If an age has passed: moves those that nobody needed in it to gone. How many these are. In the runtime. */
static uint32_t grow_old(struct shard *s, void **gone)
{
	uint64_t now = arch_ticks();
	uint32_t n = 0;

	goro__lock(&s->lock);
	if (now - s->since > ticks_per_us() * 1000 * POOL_AGE_MS) {
		n = s->low < GONE_MAX ? s->low : GONE_MAX;
		for (uint32_t i = 0; i < s->n; i++) {
			san_acquire(&s->item[i]);
			if (i < n) {
				gone[i] = s->item[i];
				continue;
			}
			s->item[i - n] = s->item[i];
			san_release(&s->item[i - n]);
		}
		store_rlx(&s->n, s->n - n);
		s->low -= n;
		/* The rest of what was not needed goes with the next looks. */
		if (s->low == 0) {
			s->low = s->n;
			s->since = now;
		}
	}
	goro__unlock(&s->lock);
	return n;
}

static void destroy(struct goro_pool *pool, void *item)
{
	if (pool->destroy)
		pool->destroy(item, pool->arg);
}

void *goro_pool_get(struct goro_pool *pool)
{
	struct goro_pool_shards *s = load_acq(&pool->shards); /* [POOL-2] acquire: pairs with [POOL-1] */
	void *item = NULL;
	struct m *m;

	if (likely(s)) {
		m = rt_enter();
		item = pop(own_shard(m, s));
		if (!item) {
			uint32_t start = rand_next(&m->rand);

			for (uint32_t i = 0; !item && i <= s->mask; i++)
				item = pop(&s->shard[(start + i) & s->mask]);
		}
		rt_exit(m);
	}
	return item || !pool->make ? item : pool->make(pool->arg);
}

void goro_pool_put(struct goro_pool *pool, void *item)
{
	struct goro_pool_shards *s = load_acq(&pool->shards); /* [POOL-2] */
	void *gone[GONE_MAX];
	struct shard *own;
	uint32_t n = 0;
	struct m *m;
	bool kept, look, unused;

	if (!item)
		return;
	if (unlikely(!s)) {
		s = make_shards(pool);
		if (!s) {
			destroy(pool, item);
			return;
		}
	}
	m = rt_enter();
	own = own_shard(m, s);
	kept = push(own, item, &look);
	if (!kept)
		kept = push(&s->shard[rand_next(&m->rand) & s->mask], item, &unused);
	if (unlikely(look))
		n = grow_old(own, gone);
	rt_exit(m);
	if (!kept)
		destroy(pool, item);
	while (n > 0)
		destroy(pool, gone[--n]);
}

void goro_pool_fini(struct goro_pool *pool)
{
	struct goro_pool_shards *s = load_acq(&pool->shards); /* [POOL-2] */

	pool->shards = NULL;
	for (uint32_t i = 0; s && i <= s->mask; i++)
		while (s->shard[i].n > 0) {
			s->shard[i].n--;
			san_acquire(&s->shard[i].item[s->shard[i].n]);
			destroy(pool, s->shard[i].item[s->shard[i].n]);
		}
	goro__mem_free(s);
}
