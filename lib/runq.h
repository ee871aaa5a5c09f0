/* SPDX-License-Identifier: MIT */
/*
 * runq.h: a P's local queues. Layer 5. Plain arrays under a lock that is biased towards the P's holder (bias.h).
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
#include "bias.h"

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

/* A P's queues. Inside of the section of `bias`: the holder's of the P, or a thief's. */
struct runqs {
	struct bias bias;
	struct g *next; /* runnext */
	struct runq woken, fresh;
};

/* A chain of goroutines linked by g->next. */
struct glist {
	struct g *first, *last;
	uint32_t n;
};

void goro__runqs_init(struct runqs *q);

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
