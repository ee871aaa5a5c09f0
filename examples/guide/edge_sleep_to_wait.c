/* SPDX-License-Identifier: MIT */
/*
 * edge_sleep_to_wait: sleeping for what ought to be long enough. The work is as slow as it likes: here it waits for a disk that answers after the
 * sleep, elsewhere it is a busy machine. A WaitGroup waits for as long as it takes, and no longer.
 *
 * Prints:
 *     after the sleep: 0 of 2 done
 *     after the wait: 2 of 2 done
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_chan *disk;
static int done;

static void work(void)
{
	goro_chan_recv(disk, NULL, GORO_FOREVER);
	__atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	disk = goro_chan_new(0, 0);
	GORO_WAITGROUP_GO(&wg, work);
	GORO_WAITGROUP_GO(&wg, work);
	goro_sleep(10 * GORO_MILLISECOND); /* the mistake */
	printf("after the sleep: %d of 2 done\n", __atomic_load_n(&done, __ATOMIC_RELAXED));
	goro_chan_close(disk);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("after the wait: %d of 2 done\n", __atomic_load_n(&done, __ATOMIC_RELAXED));
	goro_chan_free(disk);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
