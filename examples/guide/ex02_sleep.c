/* SPDX-License-Identifier: MIT */
/*
 * ex02_sleep: the goroutine runs while the main one sleeps. That shows how goroutines live, and is no way to wait for one: how long is enough?
 * ex03_waitgroup has the right way.
 *
 * Prints, in any order:
 *     hello from main
 *     hello from goroutine
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void hello(void)
{
	puts("hello from goroutine");
}

static int start(void *arg)
{
	(void)arg;
	go(hello);
	puts("hello from main");
	goro_sleep(GORO_SECOND);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
