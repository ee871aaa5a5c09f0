/* SPDX-License-Identifier: MIT */
/*
 * edge_add_inside: Add in the goroutine comes too late if the wait comes first. The gate makes sure of that here; without it, it happens now and then,
 * which is worse. Right: Add before go, or GORO_WAITGROUP_GO(), which does both.
 *
 * Prints:
 *     wrong: the wait is over, done: 0
 *     right: the wait is over, done: 1
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup wg;
static int done; /* under wg; the wrong way is not, hence atomic */

static void work(void)
{
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
}

static void adds_itself(struct goro_chan *gate)
{
	goro_chan_recv(gate, NULL, GORO_FOREVER);
	goro_waitgroup_add(&wg, 1); /* the mistake */
	defer(goro_waitgroup_done, &wg);
	work();
}

static int start(void *arg)
{
	struct goro_chan *gate = goro_chan_new(0, 0);

	(void)arg;
	go(adds_itself, gate);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("wrong: the wait is over, done: %d\n", __atomic_load_n(&done, __ATOMIC_RELAXED));
	goro_chan_close(gate);
	while (goro_count() > 1)
		goro_yield();

	__atomic_store_n(&done, 0, __ATOMIC_RELAXED);
	GORO_WAITGROUP_GO(&wg, work);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("right: the wait is over, done: %d\n", __atomic_load_n(&done, __ATOMIC_RELAXED));
	goro_chan_free(gate);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
