/* SPDX-License-Identifier: MIT */
/*
 * ex09_recover: a deferred call that recovers ends the panic; the goroutine is over, the program goes on.
 *
 * Prints:
 *     recovered: boom
 *     main goes on
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup wg;

static void report(void *arg)
{
	const struct goro_panicked *p = recover();

	(void)arg;
	if (p)
		printf("recovered: %s\n", p->text);
}

static void explode(void)
{
	defer(goro_waitgroup_done, &wg);
	defer(report, NULL);
	panic("boom");
}

static int start(void *arg)
{
	(void)arg;
	goro_waitgroup_add(&wg, 1);
	go(explode);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	puts("main goes on");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
