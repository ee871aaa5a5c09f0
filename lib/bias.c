/* SPDX-License-Identifier: MIT */
/*
 * bias.c: a lock for data that one thread touches a million times a second and others now and then.
 *
 *	owner:	1 inside = 1	2 [BIAS-1] compiler barrier	3 claim set? then inside = 0, wait, again
 *		4 his section	5 [BIAS-5] inside = 0
 *	other:	1 takes the others' lock	2 claim = 1	3 [BIAS-2] membarrier()	4 waits until inside is 0, a limited time
 *		5 his section	6 [BIAS-4] claim = 0	7 drops the lock
 *
 * This is Dekker's exclusion. It needs a store-load fence on both sides; membarrier(PRIVATE_EXPEDITED) executes one on every CPU that runs a thread
 * of ours, so the other's call stands for the owner's too: if the owner's step 1 came before that fence, the other sees it in step 4; if
 * after, the owner's step 3 comes after it as well and sees the claim. Where membarrier() does not work (old kernels, some
 * sandboxes, Valgrind) both sides use a fence instruction: goro__have_membarrier.
 *
 * Invariants:
 *   I1 the owner between 3 and 5, and another between 4 and 6, are never inside at the same time.
 *   I2 an owner outside of his section holds up nobody. One that lost his CPU inside holds up another, who gives up after CLAIM_SPINS and goes
 *	elsewhere. Another that lost his CPU inside holds up the owner: rare, as his visits are.
 *   I3 what the others lock inside of their section, the owner must not hold when he enters (he may then only try).
 *
 * Measured (bench_switch, benchmarks/results/2026-11-24-bias.txt, on a busy machine): a lock by a locked instruction 6.9 ns, the owner's
 * section 0.7 ns (medians of CPU time); the other's, with its membarrier() while a second thread computes, 2.5 to 5.5 us of wall time.
 *
 * Rejected: restartable sequences with membarrier's RSEQ command, which save the owner one more load and need an assembly section per operation.
 */
#include "bias.h"

#include "probe.h"
#include "sys.h"

#ifndef CLAIM_SPINS /* the model's is smaller */
#define CLAIM_SPINS 200
#define MEMBARRIER() SYS3(SYS_membarrier, 1 << 3 /* MEMBARRIER_CMD_PRIVATE_EXPEDITED */, 0, 0)
#endif

uint32_t goro__have_membarrier;

void goro__bias_setup(void)
{
	store_rlx(&goro__have_membarrier, goro__probe(FEAT_MEMBARRIER));
}

#ifdef SYS_membarrier
void goro__membarrier(void)
{
	MEMBARRIER();
}
#endif

void goro__bias_init(struct bias *b)
{
	b->inside = b->claim = 0;
	lock_init(&b->others, RANK_NONE);
}

/* The owner found a claim. */
COLD void goro__bias_wait(struct bias *b)
{
	do {
		store_rel(&b->inside, 0); /* [BIAS-5] */
		goro__lock(&b->others);	  /* who claims holds it */
		goro__unlock(&b->others);
		store_rlx(&b->inside, 1);
		fence_seq(); /* [BIAS-1] */
	} while (load_acq(&b->claim)); /* [BIAS-3] */
}

bool goro__bias_claim(struct bias *b)
{
	if (!goro__trylock(&b->others))
		return false;
	store_rlx(&b->claim, 1);
	/* [BIAS-2] store-load, on every CPU of ours: pairs with [BIAS-1]. */
	if (load_rlx(&goro__have_membarrier))
		MEMBARRIER();
	fence_seq();
	for (int i = 0; i < CLAIM_SPINS; i++) {
		if (load_acq(&b->inside) == 0) /* [BIAS-6] acquire: pairs with [BIAS-5] */
			return true;
		arch_pause();
	}
	goro__bias_release(b);
	return false;
}

void goro__bias_release(struct bias *b)
{
	store_rel(&b->claim, 0); /* [BIAS-4] release: pairs with [BIAS-3] */
	goro__unlock(&b->others);
}
