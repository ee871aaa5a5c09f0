/* SPDX-License-Identifier: MIT */
/*
 * ex06_loop_parameter: what go() gets is evaluated in the caller and copied. Each goroutine has an i of its own.
 *
 * Prints, in any order:
 *     0
 *     1
 *     2
 *     3
 *     4
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup wg;

static void print(int i)
{
	defer(goro_waitgroup_done, &wg);
	printf("%d\n", i);
}

static int start(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++) {
		goro_waitgroup_add(&wg, 1);
		go(print, i);
	}
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
