/* SPDX-License-Identifier: MIT */
/*
 * pattern4_cancel_context: the same with a context. Cancelling it stops all that have it or a child of it; each says why it stopped.
 *
 * Prints, in any order:
 *     worker 1: cancelled
 *     worker 2: cancelled
 *     worker 3: out of time
 *     all stopped
 */
#include <errno.h>
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void worker(int id, struct goro_context *ctx)
{
	goro_chan_recv(goro_context_done(ctx), NULL, GORO_FOREVER); /* or as one case of a select */
	printf("worker %d: %s\n", id, goro_context_err(ctx) == -ECANCELED ? "cancelled" : "out of time");
	goro_context_unref(ctx);
}

static int start(void *arg)
{
	struct goro_context *ctx = goro_context_with_cancel(goro_context_background());
	struct goro_context *brief = goro_context_with_timeout(ctx, GORO_MILLISECOND);
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	GORO_WAITGROUP_GO(&wg, worker, 1, goro_context_ref(ctx));
	GORO_WAITGROUP_GO(&wg, worker, 2, goro_context_ref(ctx));
	GORO_WAITGROUP_GO(&wg, worker, 3, goro_context_ref(brief));
	goro_chan_recv(goro_context_done(brief), NULL, GORO_FOREVER);
	goro_context_cancel(ctx);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	goro_context_unref(brief);
	goro_context_unref(ctx);
	puts("all stopped");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
