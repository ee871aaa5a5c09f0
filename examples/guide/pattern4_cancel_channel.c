/* SPDX-License-Identifier: MIT */
/*
 * pattern4_cancel_channel: a goroutine that works until a channel is closed. A select with GORO_NOW is one with a default branch.
 *
 * Prints:
 *     ticking
 *     stopped
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void work(struct goro_chan *done, struct goro_chan *ticked)
{
	struct goro_case cases[] = { { .chan = done, .op = GORO_RECV } };
	int ticks = 0;

	while (goro_select(cases, 1, GORO_NOW) < 0) {
		if (++ticks == 3)
			goro_chan_close(ticked);
		goro_yield();
	}
}

static int start(void *arg)
{
	struct goro_chan *done = goro_chan_new(0, 0), *ticked = goro_chan_new(0, 0);
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	GORO_WAITGROUP_GO(&wg, work, done, ticked);
	goro_chan_recv(ticked, NULL, GORO_FOREVER);
	puts("ticking");
	goro_chan_close(done);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	puts("stopped");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
