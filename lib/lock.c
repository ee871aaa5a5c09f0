/* SPDX-License-Identifier: MIT */
/* lock.c: the slow path of the runtime's lock, and the check of lock ranks in a debug build. */
#include "lock.h"

#include "fatal.h"
#include "sys.h"
#include "tls.h"

#define LOOKS 20	 /* with the pauses between them some microseconds: longer than any critical section whose holder runs */
#define PAUSES_MAX 32 /* between two looks: each look takes the line away from the holder, who needs it to release */

COLD void goro__lock_slow(struct lock *l)
{
	for (;;) {
		for (int i = 0, pauses = 1; i < LOOKS; i++) {
			/* [LOCK-1], as in goro__lock(). */
			if (load_rlx(&l->v) == 0 && xchg_acq(&l->v, 1) == 0)
				return;
			for (int k = 0; k < pauses; k++)
				arch_pause();
			if (pauses < PAUSES_MAX)
				pauses *= 2;
		}
		sys_sched_yield();
	}
}

#ifdef GORO_DEBUG
/*
 * Ranks held by this thread, a bit each. Several channel locks may be held at once, so RANK_CHAN
 * is counted by select, which takes them in the order of their addresses.
 */
void goro__lock_check(struct lock *l)
{
	struct lockranks *h = goro__tls_lockranks();

	if (l->rank == RANK_NONE)
		return;
	for (unsigned r = l->rank + 1; r <= RANK_LEAF; r++)
		if (h->held[r])
			goro__throw("lock order violation");
	if (h->held[l->rank] && l->rank != RANK_CHAN)
		goro__throw("two locks of one rank");
	h->held[l->rank]++;
}

void goro__lock_drop(struct lock *l)
{
	struct lockranks *h = goro__tls_lockranks();

	if (l->rank != RANK_NONE)
		h->held[l->rank]--;
}
#endif
