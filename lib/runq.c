/* SPDX-License-Identifier: MIT */
/*
 * runq.c: who may touch a P's local queues.
 *
 * The owner pushes and pops a dozen times a microsecond, a thief comes by a few times a millisecond. So the queues are plain arrays under a lock
 * that is biased towards the owner: he takes it with two plain stores and a load, the thief pays for both.
 *
 *	owner:	1 inside = 1	2 [QUEUE-1] compiler barrier	3 claim set? then inside = 0, wait, again
 *		4 push, pop	5 [QUEUE-5] inside = 0
 *	thief:	1 takes the thieves' lock	2 claim = 1	3 [QUEUE-2] membarrier()	4 waits until inside is 0, a limited time
 *		5 takes half	6 [QUEUE-4] claim = 0	7 drops the lock
 *
 * This is Dekker's exclusion. It needs a store-load fence on both sides; membarrier(PRIVATE_EXPEDITED) executes one on every CPU that runs a thread
 * of ours, so the thief's call stands for the owner's too: if the owner's step 1 came before that fence, the thief sees it in step 4; if
 * after, the owner's step 3 comes after it as well and sees the claim. Where membarrier() does not work (old kernels, some
 * sandboxes, Valgrind) both sides use a fence instruction: goro__have_membarrier.
 *
 * Invariants:
 *   I1 the owner between 3 and 5, and a thief between 4 and 6, are never inside at the same time.
 *   I2 in struct runq, head <= tail <= head + RUNQ_SIZE, and slots [head, tail) are full.
 *   I3 an owner outside of his section holds up nobody. One that lost its CPU inside holds up a thief, who gives up after CLAIM_SPINS and goes
 *	elsewhere. A thief that lost its CPU inside holds up the owner, who yields his until the thief is done: rare, as steals are.
 *
 * Measured on the machine of benchmarks/results: a locked instruction costs 5.8 ns, the owner's section 1 ns; a yield needs two of them, a
 * spawn and its dispatch two, a wake-up and its dispatch two. The thief's membarrier() costs 1 to 2 us, less than the transfer of what he takes.
 *
 * Rejected: Go's lock-free ring (a compare-and-swap per pop) with a second, packed one for last in, first out; Chase-Lev deques, whose
 * thieves take one at a time; Cilk's THE protocol with the same asymmetric fence, which excludes only on conflict but does
 * not fit a queue whose owner pops at both ends; restartable sequences, for what membarrier() does alone.
 */
#include "runq.h"

#include <string.h>

#include "g.h"
#include "probe.h"
#include "sys.h"

#ifndef CLAIM_SPINS /* the model's is smaller */
#define CLAIM_SPINS 200
#define MEMBARRIER() SYS3(SYS_membarrier, 1 << 3 /* MEMBARRIER_CMD_PRIVATE_EXPEDITED */, 0, 0)
#endif

uint32_t goro__have_membarrier;

void goro__runqs_setup(void)
{
	store_rlx(&goro__have_membarrier, goro__probe(FEAT_MEMBARRIER));
}

void goro__runqs_init(struct runqs *q)
{
	memset(q, 0, sizeof(*q));
	lock_init(&q->thief, RANK_LEAF);
}

/* The owner found a claim. */
COLD void goro__runqs_wait(struct runqs *q)
{
	do {
		store_rel(&q->inside, 0); /* [QUEUE-5] */
		goro__lock(&q->thief);	  /* who claims holds it */
		goro__unlock(&q->thief);
		store_rlx(&q->inside, 1);
		fence_seq(); /* [QUEUE-1] */
	} while (load_acq(&q->claim)); /* [QUEUE-3] */
}

/* A thief's section; false if it cannot be had soon. From any thread but the owner's. */
bool goro__runqs_claim(struct runqs *q)
{
	if (!goro__trylock(&q->thief))
		return false;
	store_rlx(&q->claim, 1);
	/* [QUEUE-2] store-load, on every CPU of ours: pairs with [QUEUE-1]. */
	if (load_rlx(&goro__have_membarrier))
		MEMBARRIER();
	fence_seq();
	for (int i = 0; i < CLAIM_SPINS; i++) {
		if (load_acq(&q->inside) == 0) /* [QUEUE-6] acquire: pairs with [QUEUE-5] */
			return true;
		arch_pause();
	}
	goro__runqs_release(q);
	return false;
}

void goro__runqs_release(struct runqs *q)
{
	store_rel(&q->claim, 0); /* [QUEUE-4] release: pairs with [QUEUE-3] */
	goro__unlock(&q->thief);
}

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
