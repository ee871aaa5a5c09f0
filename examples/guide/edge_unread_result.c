/* SPDX-License-Identifier: MIT */
/*
 * edge_unread_result: the caller gives up before the result is there. On an unbuffered channel the sender then waits for ever: a leak. With room for one
 * it sends, and ends.
 *
 * Prints:
 *     gave up: 1 goroutine leaked
 *     gave up: 0 goroutines leaked
 */
#include <errno.h>
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

GORO_CHAN_TYPE(result, int);

static void compute(struct result *c, struct goro_chan *gate)
{
	goro_chan_recv(gate, NULL, GORO_FOREVER); /* it takes longer than the caller has patience */
	GORO_CHAN_SEND(c, 42, GORO_FOREVER);
}

/* How many goroutines are left of it. */
static long give_up(struct result *c)
{
	struct goro_chan *gate = goro_chan_new(0, 0);
	long before = goro_count();
	int v;

	go(compute, c, gate);
	if (GORO_CHAN_RECV(c, &v, goro_after(GORO_MILLISECOND)) != -ETIMEDOUT)
		return -1;
	goro_chan_close(gate);
	if (goro_chan_cap(GORO_CHAN_PTR(c)) > 0)
		while (goro_count() > before)
			goro_yield();
	return goro_count() - before;
}

static int start(void *arg)
{
	(void)arg;
	printf("gave up: %ld goroutine leaked\n", give_up(GORO_CHAN_NEW(struct result, 0)));
	printf("gave up: %ld goroutines leaked\n", give_up(GORO_CHAN_NEW(struct result, 1)));
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
