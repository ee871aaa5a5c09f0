/* SPDX-License-Identifier: MIT */
/*
 * build_ticker: a periodic task beside main. A ticker says when, a done channel when to stop, and a timer makes the whole end.
 *
 * Prints:
 *     tick 1
 *     tick 2
 *     tick 3
 *     stopped
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void metrics(struct goro_chan *done, struct goro_chan *enough)
{
	struct goro_ticker *ticker = goro_ticker_new(5 * GORO_MILLISECOND);
	struct goro_case cases[] = { { .chan = done, .op = GORO_RECV }, { .chan = goro_ticker_chan(ticker), .op = GORO_RECV } };

	for (int i = 1; goro_select(cases, 2, GORO_FOREVER) == 1; i++) {
		if (i <= 3)
			printf("tick %d\n", i);
		if (i == 3)
			goro_chan_close(enough);
	}
	goro_ticker_free(ticker);
}

static int start(void *arg)
{
	struct goro_chan *done = goro_chan_new(0, 0), *enough = goro_chan_new(0, 0);
	struct goro_timer *timeout = goro_timer_new(600 * GORO_SECOND);
	struct goro_case cases[] = { { .chan = enough, .op = GORO_RECV }, { .chan = goro_timer_chan(timeout), .op = GORO_RECV } };
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	GORO_WAITGROUP_GO(&wg, metrics, done, enough);
	if (goro_select(cases, 2, GORO_FOREVER) != 0)
		puts("too slow");
	goro_chan_close(done);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	goro_timer_free(timeout);
	puts("stopped");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
