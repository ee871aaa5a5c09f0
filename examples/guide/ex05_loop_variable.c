/* SPDX-License-Identifier: MIT */
/*
 * ex05_loop_variable: the captured loop variable. C has no closures, so it takes a pointer to make Go's old mistake: five goroutines share one i, and
 * print what it is when they come to look. Here they look after the loop; without the gate they would do so while the loop changes it, which is a
 * data race. ex06_loop_parameter has the right way.
 *
 * Prints:
 *     5
 *     5
 *     5
 *     5
 *     5
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup wg;

static void print(const int *i, struct goro_chan *gate)
{
	defer(goro_waitgroup_done, &wg);
	goro_chan_recv(gate, NULL, GORO_FOREVER); /* closed when the loop is over */
	printf("%d\n", *i);
}

static int start(void *arg)
{
	struct goro_chan *gate = goro_chan_new(0, 0);
	int i;

	(void)arg;
	for (i = 0; i < 5; i++) {
		goro_waitgroup_add(&wg, 1);
		go(print, &i, gate); /* the mistake: one address for all */
	}
	goro_chan_close(gate);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	goro_chan_free(gate);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
