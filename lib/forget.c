/* SPDX-License-Identifier: MIT */
/*
 * forget.c: the end of a run, for channels and for goroutine-local values, whose memory is given back. A channel lives as long as its user wants, and its lists may hold waiters that lie on the
 * stacks of goroutines which have stopped where they were. Before the stacks go, those waiters are taken off: the next run would
 * meet them, and goro_chan_free() would take them for a misuse. Plain threads go on waiting.
 *
 * All Ms have left. A goroutine that has been served but has not run since is not listed by the channel any more, and its
 * select may still be listed by others: so a plain waiter counts while the goroutine waits, a select until it says that it has ended, and likewise an
 * operation that is listed by the context that may end it (scope.c).
 */
#include "chan.h"
#include "g.h"
#include "spawn.h"

static void forget(struct g *g, void *arg)
{
	uint8_t why = g->wait_reason;

	(void)arg;
	if ((!g->sp && !(g->flags & G_PINNED)) || (g->flags & G_FOREIGN)) /* never run: run.waiter is not there yet */
		return;
	if (load_rlx(&g->status) == G_WAITING && (why == WAIT_CHAN_SEND || why == WAIT_CHAN_RECV))
		goro__waiter_forget(g->run.waiter);
	else if (g->run.undo)
		g->run.undo->fn(g->run.undo);
	goro__locals_drop(g);
}

void goro__chan_forget(void)
{
	goro__g_each(forget, NULL);
}
