/* SPDX-License-Identifier: MIT */
/*
 * edge_range_unclosed: a range over a channel that nobody closes never ends: that goroutine is leaked. Close it, and the range is over.
 *
 * Prints:
 *     1
 *     2
 *     3
 *     goroutines: 2
 *     after close: 1
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

GORO_CHAN_TYPE(numbers, int);

static void print_all(struct numbers *c, struct goro_chan *printed)
{
	GORO_CHAN_RANGE(v, c) {
		printf("%d\n", v);
		goro_chan_send(printed, NULL, GORO_FOREVER);
	}
}

static int start(void *arg)
{
	struct numbers *c = GORO_CHAN_NEW(struct numbers, 0);
	struct goro_chan *printed = goro_chan_new(0, 0);

	(void)arg;
	go(print_all, c, printed);
	for (int i = 1; i <= 3; i++) {
		GORO_CHAN_SEND(c, i, GORO_FOREVER);
		goro_chan_recv(printed, NULL, GORO_FOREVER);
	}
	printf("goroutines: %ld\n", goro_count());
	GORO_CHAN_CLOSE(c);
	while (goro_count() > 1)
		goro_yield();
	printf("after close: %ld\n", goro_count());
	GORO_CHAN_FREE(c);
	goro_chan_free(printed);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
