/* SPDX-License-Identifier: MIT */
/*
 * ex01_hello_trap: the program ends when the main goroutine does. Nobody waits for the other one, so it runs only if another processor was quick.
 *
 * Prints, in any order:
 *     hello from main
 *     hello from goroutine        (perhaps)
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
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
