/* SPDX-License-Identifier: MIT */
/*
 * runq.c: taking from a P's local queues in batches.
 *
 * Invariants of struct runq (slots [head, tail) are full, indexes count without end and wrap at 2^32):
 *   I1 only the owner writes tail and slots; it writes a slot before the tail that covers it [RUNQ-3], [RUNQ-4].
 *   I2 head moves only by compare-and-swap, forward; who moves it owns the slots it passed.
 *   I3 a thief reads slots first and moves head then; if head has not moved in between, no slot of
 *      [head, tail) was written, since the owner writes only at tail, and tail - head <= RUNQ_SIZE [RUNQ-1], [RUNQ-2].
 *   The sequence of heads never repeats within 2^32 pops, so a compare-and-swap cannot succeed on a
 *   head that moved and came back (a thief would have to sleep through exactly 4 billion pops).
 *
 * Invariants of struct newq (slots [head, head + count) are full, head modulo 2^16, one word with a sequence number):
 *   I4 the owner alone writes slots, only at head + count, before the word that covers it [NEWQ-1], [NEWQ-2].
 *   I5 each change of the word advances its sequence number. A slot inside [head, head + count) changes only when
 *      the owner pops it and pushes another: two changes. So a thief whose compare-and-swap succeeds has read what
 *      the word covers. A 16-bit tag would repeat within a millisecond of a thief's stopped virtual CPU; 32 bits need
 *      20 seconds and an exact hit.
 *   The owner's push writes the slot before its compare-and-swap; the slot is outside of every word that
 *   a thief can have read with the current sequence number, so no successful thief reads it.
 *
 * Rejected: a Chase-Lev deque, whose thieves must take one at a time (a batch may overlap what the owner pops without
 * a fence), where one steal here costs a cache line transfer of 70 ns and more; a lock per queue, since a
 * thief that loses its virtual CPU while it holds it would stop the owner.
 */
#include "runq.h"

#include "g.h"

/* Reads up to max of the older half into ret and moves the head past them: how many. From any thread. */
uint32_t goro__runq_steal(struct runq *q, struct g **ret, uint32_t max)
{
	for (;;) {
		uint32_t h = load_acq(&q->head); /* [RUNQ-2], read side: slots of this head, not older ones */
		uint32_t t = load_acq(&q->tail); /* [RUNQ-4] acquire: pairs with [RUNQ-3] */
		uint32_t n = t - h;

		n -= n / 2;
		if (n == 0)
			return 0;
		if (n > RUNQ_SIZE / 2)
			continue; /* head and tail are not of one moment */
		if (n > max)
			n = max;
		for (uint32_t i = 0; i < n; i++)
			ret[i] = load_rlx(&q->slot[(h + i) % RUNQ_SIZE]);
		if (cas_ar(&q->head, &h, h + n)) /* [RUNQ-2] */
			return n;
	}
}

/* The owner moves the older half of a full queue to a chain. */
uint32_t goro__runq_take_half(struct runq *q, struct glist *ret)
{
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t n = goro__runq_steal(q, batch, RUNQ_SIZE / 2);

	for (uint32_t i = 0; i < n; i++)
		batch[i]->next = i + 1 < n ? batch[i + 1] : NULL;
	ret->n = n;
	ret->first = n ? batch[0] : NULL;
	ret->last = n ? batch[n - 1] : NULL;
	return n;
}

/* As goro__runq_steal(). */
uint32_t goro__newq_steal(struct newq *q, struct g **ret, uint32_t max)
{
	uint64_t w = load_acq(&q->word); /* [NEWQ-2] acquire: pairs with [NEWQ-1] */

	for (;;) {
		uint32_t h = NEWQ_HEAD(w), n = NEWQ_COUNT(w);

		n -= n / 2;
		if (n == 0)
			return 0;
		if (n > max)
			n = max;
		for (uint32_t i = 0; i < n; i++)
			ret[i] = load_rlx(&q->slot[(h + i) % RUNQ_SIZE]);
		if (cas_seq(&q->word, &w, NEWQ_WORD(w, h + n, NEWQ_COUNT(w) - n)))
			return n;
	}
}

uint32_t goro__newq_take_half(struct newq *q, struct glist *ret)
{
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t n = goro__newq_steal(q, batch, RUNQ_SIZE / 2);

	for (uint32_t i = 0; i < n; i++)
		batch[i]->next = i + 1 < n ? batch[i + 1] : NULL;
	ret->n = n;
	ret->first = n ? batch[0] : NULL;
	ret->last = n ? batch[n - 1] : NULL;
	return n;
}
