/* SPDX-License-Identifier: MIT */
/*
 * ex10_maxprocs: with one processor four goroutines take turns. They are preempted if they compute for long, so none starves.
 *
 * Prints, in any order:
 *     default maxprocs: PROCS
 *     goroutine 0, iter 0
 *     goroutine 0, iter 1
 *     goroutine 0, iter 2
 *     goroutine 1, iter 0
 *     goroutine 1, iter 1
 *     goroutine 1, iter 2
 *     goroutine 2, iter 0
 *     goroutine 2, iter 1
 *     goroutine 2, iter 2
 *     goroutine 3, iter 0
 *     goroutine 3, iter 1
 *     goroutine 3, iter 2
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void count(int id)
{
	for (int i = 0; i < 3; i++)
		printf("goroutine %d, iter %d\n", id, i);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	printf("default maxprocs: %d\n", goro_maxprocs(0));
	goro_maxprocs(1);
	for (int i = 0; i < 4; i++)
		GORO_WAITGROUP_GO(&wg, count, i);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
