/* SPDX-License-Identifier: MIT */
/*
 * runq.h: a P's local queues, and the lock that their owner takes for a nanosecond. Layer 5. See runq.c for the protocol.
 *
 * runq holds goroutines that were woken or that yielded: first in, first out. newq holds those that have never run: their owner takes the
 * newest (depth first: a tree of a million goroutines keeps few stacks alive), thieves take the older half, which are
 * the largest subtrees. runnext is the goroutine that the running one woke last.
 */
#ifndef LIB_RUNQ_H
#define LIB_RUNQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"
#include "attr.h"
#include "lock.h"

struct g;

/* A power of two; the model test makes it 4, so that the indexes wrap within few steps. */
#ifndef RUNQ_SIZE
#define RUNQ_SIZE 256u
#endif

/* Slots [head, tail) are full; the indexes count without end. Inside the section; the indexes are also read outside, as a hint. */
struct runq {
	uint32_t head, tail;
	struct g *slot[RUNQ_SIZE];
};

struct runqs {
	/* The owner's. */
	uint32_t inside; /* atomic: the owner is in its section */
	struct g *next;	 /* runnext; inside */
	struct runq woken, fresh;

	/* The thieves'. */
	struct lock thief CACHE_ALIGNED; /* RANK_LEAF: one thief at a time */
	uint32_t claim;			 /* atomic: a thief wants in, or is in */
};

/* A chain of goroutines linked by g->next. */
struct glist {
	struct g *first, *last;
	uint32_t n;
};

/* Constant after goro__runqs_setup(): membarrier() works, so the owner needs no fence of its own. */
extern uint32_t goro__have_membarrier;
void goro__runqs_setup(void);
void goro__runqs_init(struct runqs *q);

void goro__runqs_wait(struct runqs *q);

/* The owner's section. A few instructions: no system call, no other lock, no nesting. */
static inline void runqs_enter(struct runqs *q)
{
	store_rlx(&q->inside, 1);
	/* [QUEUE-1] store-load: pairs with [QUEUE-2], whose membarrier() is a fence here too. Without both, each may miss the other. */
	if (likely(load_rlx(&goro__have_membarrier)))
		compiler_barrier();
	else
		fence_seq();
	/* [QUEUE-3] acquire: pairs with [QUEUE-4]. Without it we might see the queues as they were before a thief's section. */
	if (unlikely(load_acq(&q->claim)))
		goro__runqs_wait(q);
}

static inline void runqs_leave(struct runqs *q)
{
	/* [QUEUE-5] release: pairs with [QUEUE-6]. Without it a thief might see the queues as they were inside of our section. */
	store_rel(&q->inside, 0);
}

bool goro__runqs_claim(struct runqs *q);
void goro__runqs_release(struct runqs *q);

/* Hints, outside of the section. */
static inline uint32_t runq_len(const struct runq *q)
{
	return load_rlx(&q->tail) - load_rlx(&q->head);
}
static inline uint32_t runqs_len(const struct runqs *q)
{
	return runq_len(&q->woken) + runq_len(&q->fresh);
}
static inline bool runqs_any(const struct runqs *q)
{
	return load_rlx(&q->next) != NULL || runqs_len(q) != 0;
}

/* All of these inside of the section, the owner's or a thief's. */
static inline bool runq_push(struct runq *q, struct g *g)
{
	uint32_t t = load_rlx(&q->tail);

	if (unlikely(t - load_rlx(&q->head) == RUNQ_SIZE))
		return false;
	q->slot[t % RUNQ_SIZE] = g;
	store_rlx(&q->tail, t + 1);
	return true;
}
static inline struct g *runq_pop_oldest(struct runq *q)
{
	uint32_t h = load_rlx(&q->head);

	if (h == load_rlx(&q->tail))
		return NULL;
	store_rlx(&q->head, h + 1);
	return q->slot[h % RUNQ_SIZE];
}
static inline struct g *runq_pop_newest(struct runq *q)
{
	uint32_t t = load_rlx(&q->tail);

	if (t == load_rlx(&q->head))
		return NULL;
	store_rlx(&q->tail, t - 1);
	return q->slot[(t - 1) % RUNQ_SIZE];
}
static inline struct g *runqs_pop_next(struct runqs *q)
{
	struct g *g = load_rlx(&q->next);

	if (g)
		store_rlx(&q->next, NULL);
	return g;
}

/* Moves the older half, rounded up, at most max, to ret: how many. */
uint32_t goro__runq_take_half(struct runq *q, struct g **ret, uint32_t max);

/* Chains n goroutines. */
void goro__glist_make(struct glist *l, struct g **v, uint32_t n);

#endif
