/* SPDX-License-Identifier: MIT */
/*
 * edge_recover_elsewhere: to recover helps in the goroutine that panics and in no other. What main has deferred is not even called.
 *
 * Prints:
 *     main is prepared
 * Ends with status 2 and, on stderr:
 *     panic: boom
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void report(void *arg)
{
	(void)arg;
	if (recover())
		puts("never printed");
}

static void explode(void)
{
	panic("boom");
}

static int start(void *arg)
{
	(void)arg;
	defer(report, NULL, 1);
	puts("main is prepared");
	fflush(stdout); /* a panic ends the process without that */
	go(explode);
	goro_sleep(60 * GORO_SECOND);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
