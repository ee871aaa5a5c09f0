/* SPDX-License-Identifier: MIT */
/*
 * mistake_wait_inside: a goroutine that the WaitGroup counts waits for that WaitGroup, that is for itself. With GORO_FOREVER it would stay there; a
 * deadline turns the deadlock into an error. Right: somebody waits who is not counted.
 *
 * Prints:
 *     wrong: timed out
 *     right: all done
 */
#include <errno.h>
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup wg;

static void waits_for_itself(void)
{
	if (goro_waitgroup_wait(&wg, goro_after(20 * GORO_MILLISECOND)) == -ETIMEDOUT) /* the mistake */
		puts("wrong: timed out");
}

static void work(void)
{
}

static void closer(struct goro_chan *all_done)
{
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	goro_chan_close(all_done);
}

static int start(void *arg)
{
	struct goro_chan *all_done = goro_chan_new(0, 0);

	(void)arg;
	GORO_WAITGROUP_GO(&wg, waits_for_itself);
	goro_waitgroup_wait(&wg, GORO_FOREVER);

	GORO_WAITGROUP_GO(&wg, work);
	GORO_WAITGROUP_GO(&wg, work);
	go(closer, all_done);
	goro_chan_recv(all_done, NULL, GORO_FOREVER);
	puts("right: all done");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
