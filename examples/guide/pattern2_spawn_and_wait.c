/* SPDX-License-Identifier: MIT */
/*
 * pattern2_spawn_and_wait: a goroutine for each item, and a join. Each writes into an element of its own, so nothing has to be locked, and the
 * wait makes all results visible.
 *
 * Prints:
 *     1 4 9 16 25 36 49 64
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

#define N 8

static void square(int *item)
{
	*item *= *item;
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int items[N] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	(void)arg;
	for (int i = 0; i < N; i++)
		GORO_WAITGROUP_GO(&wg, square, &items[i]); /* add, go and done in one, as Go's wg.Go */
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	for (int i = 0; i < N; i++)
		printf("%d%c", items[i], i < N - 1 ? ' ' : '\n');
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
