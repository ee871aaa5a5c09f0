/* SPDX-License-Identifier: MIT */
/*
 * tricky_what_prints: three goroutines print the loop's variable. As in Go since 1.22: each its own, in any order.
 *
 * Prints, in any order:
 *     0
 *     1
 *     2
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void print(int i)
{
	printf("%d\n", i);
}

static int start(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		go(print, i);
	goro_sleep(GORO_SECOND); /* as in the question; ex06_loop_parameter waits as it should be done */
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
