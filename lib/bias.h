/* SPDX-License-Identifier: MIT */
/*
 * bias.h: a lock that is biased towards one owner. Layer 2. See bias.c for the protocol.
 *
 * The owner enters and leaves with plain stores and a load, a tenth of what a locked instruction costs (bias.c); anybody else pays for
 * both with membarrier(). For what the holder of a P does a million times a second and a thief now and then. Ownership may move to another
 * thread with the P, whose hand-over orders the two.
 */
#ifndef LIB_BIAS_H
#define LIB_BIAS_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "attr.h"
#include "lock.h"

struct bias {
	uint32_t inside;	/* atomic: the owner is in his section */
	uint32_t claim;		/* atomic: somebody else wants in, or is in */
	struct lock others;	/* one of the others at a time; no rank: what may be locked inside is the user's rule */
};

/* Constant after goro__bias_setup(): membarrier() works, so the owner needs no fence of his own. */
extern uint32_t goro__have_membarrier;
void goro__bias_setup(void);
void goro__membarrier(void); /* a fence on every CPU that runs a thread of ours; only if goro__have_membarrier */
void goro__bias_init(struct bias *b);
void goro__bias_wait(struct bias *b);

/* The owner's section; not nested. Short: what it holds up is another CPU. */
static inline void bias_enter(struct bias *b)
{
	store_rlx(&b->inside, 1);
	/* [BIAS-1] store-load: pairs with [BIAS-2], whose membarrier() is a fence here too. Without both, each may miss the other. */
	if (likely(load_rlx(&goro__have_membarrier)))
		compiler_barrier();
	else
		fence_seq();
	/* [BIAS-3] acquire: pairs with [BIAS-4]. Without it we might see the data as they were before another's section. */
	if (unlikely(load_acq(&b->claim)))
		goro__bias_wait(b);
}

static inline void bias_leave(struct bias *b)
{
	/* [BIAS-5] release: pairs with [BIAS-6]. Without it another might see the data as they were inside of our section. */
	store_rel(&b->inside, 0);
}

/* The same without waiting: false if somebody else wants in. */
static inline bool bias_try_enter(struct bias *b)
{
	store_rlx(&b->inside, 1);
	if (likely(load_rlx(&goro__have_membarrier)))
		compiler_barrier();
	else
		fence_seq(); /* [BIAS-1] */
	if (likely(!load_acq(&b->claim))) /* [BIAS-3] */
		return true;
	bias_leave(b);
	return false;
}

/* The others' section; false if it cannot be had soon. From any thread but the owner's. */
bool goro__bias_claim(struct bias *b);
void goro__bias_release(struct bias *b);

#endif
