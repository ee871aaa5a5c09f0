/* SPDX-License-Identifier: MIT */
/*
 * test_spawn: the guide's two tests. A hundred goroutines count to a hundred, and a goroutine that closes a channel lets main go on.
 *
 * Prints:
 *     counter: 100
 *     done
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static long counter;

static void count(void)
{
	__atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct goro_chan *done = goro_chan_new(0, 0);

	(void)arg;
	for (int i = 0; i < 100; i++)
		GORO_WAITGROUP_GO(&wg, count);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("counter: %ld\n", counter);

	go(goro_chan_close, done);
	goro_chan_recv(done, NULL, GORO_FOREVER);
	puts("done");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
