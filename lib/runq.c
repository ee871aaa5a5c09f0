/* SPDX-License-Identifier: MIT */
/*
 * runq.c: a P's local queues.
 *
 * The holder of the P pushes and pops a dozen times a microsecond, a thief comes by a few times a millisecond. So the queues are plain arrays, and
 * who is inside of the section of their biased lock (bias.c) has them to himself.
 *
 * Invariant: head <= tail <= head + RUNQ_SIZE, slots [head, tail) are full, and a goroutine is in at most one slot. The indexes are stored
 * atomically because others read them outside as a hint of the length.
 *
 * Rejected: Go's lock-free ring (a compare-and-swap per pop) with a second, packed one for last in, first out; Chase-Lev deques, whose
 * thieves take one at a time; Cilk's THE protocol with the same asymmetric fence, which excludes only on conflict but does
 * not fit a queue whose owner pops at both ends.
 */
#include "runq.h"

#include <string.h>

#include "g.h"

void goro__runqs_init(struct runqs *q)
{
	memset(q, 0, sizeof(*q));
	goro__bias_init(&q->bias);
}

/* Inside of the section. */
uint32_t goro__runq_take_half(struct runq *q, struct g **ret, uint32_t max)
{
	uint32_t h = load_rlx(&q->head), n = load_rlx(&q->tail) - h;

	n -= n / 2;
	if (n > max)
		n = max;
	for (uint32_t i = 0; i < n; i++)
		ret[i] = q->slot[(h + i) % RUNQ_SIZE];
	store_rlx(&q->head, h + n);
	return n;
}

void goro__glist_make(struct glist *l, struct g **v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		v[i]->next = i + 1 < n ? v[i + 1] : NULL;
	l->n = n;
	l->first = n ? v[0] : NULL;
	l->last = n ? v[n - 1] : NULL;
}
