/* SPDX-License-Identifier: MIT */
/*
 * ex03_waitgroup: a WaitGroup waits until the goroutine is done. Add comes before go; Done is deferred, so that a panic would not miss it.
 *
 * Prints, in any order:
 *     hello from main
 *     hello from goroutine
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup wg;

static void hello(void)
{
	defer(goro_waitgroup_done, &wg);
	puts("hello from goroutine");
}

static int start(void *arg)
{
	(void)arg;
	goro_waitgroup_add(&wg, 1);
	go(hello);
	puts("hello from main");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
