/* SPDX-License-Identifier: MIT */
/*
 * mistake_forgotten_add: Done without Add. The counter would be negative, which is a panic, in Go's words.
 *
 * Ends with status 2 and, on stderr:
 *     panic: sync: negative WaitGroup counter
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup wg;

static void work(void)
{
	goro_waitgroup_done(&wg);
}

static int start(void *arg)
{
	(void)arg;
	go(work); /* the mistake: no goro_waitgroup_add(&wg, 1) before it */
	goro_sleep(60 * GORO_SECOND);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
