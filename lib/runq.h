/* SPDX-License-Identifier: MIT */
/*
 * runq.h: a P's two local queues. Layer 5.
 *
 * struct runq holds goroutines that were woken or that yielded: first in, first out; its owner pushes at the tail
 * with plain stores and pops at the head by a compare-and-swap, thieves take half from the head (Go's
 * runqput, runqget and runqgrab). struct newq holds goroutines that have never run: the owner pushes and pops
 * at the tail (depth first: a tree of a million goroutines keeps few stacks alive), thieves take the
 * oldest half, which are the largest subtrees.
 *
 * See runq.c for the invariants.
 */
#ifndef LIB_RUNQ_H
#define LIB_RUNQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"
#include "attr.h"

struct g;

/* A power of two; the model test makes it 4, so that the indexes wrap within few steps. */
#ifndef RUNQ_SIZE
#define RUNQ_SIZE 256u
#endif

struct runq {
	uint32_t head CACHE_ALIGNED; /* atomic; advanced by owner and thieves */
	uint32_t tail;		     /* atomic; written by the owner only */
	struct g *slot[RUNQ_SIZE];   /* atomic, relaxed */
};

struct newq {
	uint64_t word CACHE_ALIGNED; /* atomic: sequence, head and count packed; see runq.c */
	struct g *slot[RUNQ_SIZE];   /* atomic, relaxed */
};

/* A chain of goroutines linked by g->next. */
struct glist {
	struct g *first, *last;
	uint32_t n;
};

static inline uint32_t runq_len(const struct runq *q)
{
	return load_rlx(&q->tail) - load_rlx(&q->head);
}

/* The owner appends; false when it is full. */
static inline bool runq_push(struct runq *q, struct g *g)
{
	uint32_t t = load_rlx(&q->tail);

	/* [RUNQ-1] acquire: pairs with [RUNQ-2]. Without it a slot may be overwritten before a thief has read it. */
	if (unlikely(t - load_acq(&q->head) >= RUNQ_SIZE))
		return false;
	store_rlx(&q->slot[t % RUNQ_SIZE], g);
	/* [RUNQ-3] release: pairs with [RUNQ-4]. Without it a thief may read the slot before it is written. */
	store_rel(&q->tail, t + 1);
	return true;
}

/* The owner takes the oldest, NULL if it is empty. */
static inline struct g *runq_pop(struct runq *q)
{
	uint32_t h = load_rlx(&q->head);

	while (h != load_rlx(&q->tail)) {
		struct g *g = load_rlx(&q->slot[h % RUNQ_SIZE]);

		/* [RUNQ-2] release: pairs with [RUNQ-1]: the slot is read before it may be filled again. */
		if (likely(cas_ar(&q->head, &h, h + 1)))
			return g;
	}
	return NULL;
}

uint32_t goro__runq_steal(struct runq *q, struct g **ret, uint32_t max);
uint32_t goro__runq_take_half(struct runq *q, struct glist *ret);

/* newq's word: bits 0-15 count, 16-31 head, 32-63 a sequence number that each operation advances. */
#define NEWQ_COUNT(w) ((uint32_t)((w) & 0xffff))
#define NEWQ_HEAD(w) ((uint32_t)((w) >> 16 & 0xffff))
#define NEWQ_WORD(w, head, count) ((((w) >> 32) + 1) << 32 | (uint64_t)((head) & 0xffff) << 16 | (count))

static inline uint32_t newq_len(const struct newq *q)
{
	return NEWQ_COUNT(load_rlx(&q->word));
}

/* The owner appends; false when it is full. */
static inline bool newq_push(struct newq *q, struct g *g)
{
	uint64_t w = load_rlx(&q->word);

	do {
		if (unlikely(NEWQ_COUNT(w) >= RUNQ_SIZE))
			return false;
		store_rlx(&q->slot[(NEWQ_HEAD(w) + NEWQ_COUNT(w)) % RUNQ_SIZE], g);
		/* [NEWQ-1] release: pairs with [NEWQ-2]. Without it a thief may read the slot before it is written. */
	} while (unlikely(!cas_ar(&q->word, &w, NEWQ_WORD(w, NEWQ_HEAD(w), NEWQ_COUNT(w) + 1))));
	return true;
}

/* The owner takes the newest, NULL if it is empty. */
static inline struct g *newq_pop(struct newq *q)
{
	uint64_t w = load_rlx(&q->word);

	while (NEWQ_COUNT(w) != 0) {
		struct g *g = load_rlx(&q->slot[(NEWQ_HEAD(w) + NEWQ_COUNT(w) - 1) % RUNQ_SIZE]);

		if (likely(cas_ar(&q->word, &w, NEWQ_WORD(w, NEWQ_HEAD(w), NEWQ_COUNT(w) - 1))))
			return g;
	}
	return NULL;
}

uint32_t goro__newq_steal(struct newq *q, struct g **ret, uint32_t max);
uint32_t goro__newq_take_half(struct newq *q, struct glist *ret);

#endif
