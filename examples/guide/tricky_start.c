/* SPDX-License-Identifier: MIT */
/*
 * tricky_start: go() returns at once, and nothing says when the goroutine begins: not before the next line, nor after it. Who has to know is told.
 *
 * Prints:
 *     goroutine: I have started
 *     main: it has started
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void work(struct goro_chan *started)
{
	puts("goroutine: I have started");
	goro_chan_close(started);
}

static int start(void *arg)
{
	struct goro_chan *started = goro_chan_new(0, 0);

	(void)arg;
	go(work, started);
	/* Whatever main printed here could come first or second. */
	goro_chan_recv(started, NULL, GORO_FOREVER);
	puts("main: it has started");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
