/* SPDX-License-Identifier: MIT */
/*
 * ex07_counting: how many goroutines there are. The hundred wait at a gate, so that none is gone when they are counted. When the wait is over the
 * last ones may still be about to end: done is not gone.
 *
 * Prints:
 *     before: 1
 *     during: 101
 *     after: 1
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void wait_at(struct goro_chan *gate)
{
	goro_chan_recv(gate, NULL, GORO_FOREVER);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct goro_chan *gate = goro_chan_new(0, 0);

	(void)arg;
	printf("before: %ld\n", goro_count());
	for (int i = 0; i < 100; i++)
		GORO_WAITGROUP_GO(&wg, wait_at, gate);
	printf("during: %ld\n", goro_count());
	goro_chan_close(gate);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	while (goro_count() > 1)
		goro_yield();
	printf("after: %ld\n", goro_count());
	goro_chan_free(gate);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
