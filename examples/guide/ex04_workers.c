/* SPDX-License-Identifier: MIT */
/*
 * ex04_workers: five workers in an order that nobody knows. Certain is that the wait returns after all of them, so the last line is the last one.
 *
 * Prints, in any order:
 *     worker 1 starting
 *     worker 1 done
 *     worker 2 starting
 *     worker 2 done
 *     worker 3 starting
 *     worker 3 done
 *     worker 4 starting
 *     worker 4 done
 *     worker 5 starting
 *     worker 5 done
 *     all workers finished
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void worker(int id, struct goro_waitgroup *wg)
{
	defer(goro_waitgroup_done, wg);
	printf("worker %d starting\n", id);
	printf("worker %d done\n", id);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int i = 1; i <= 5; i++) {
		goro_waitgroup_add(&wg, 1);
		go(worker, i, &wg);
	}
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	puts("all workers finished");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
