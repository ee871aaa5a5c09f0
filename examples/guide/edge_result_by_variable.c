/* SPDX-License-Identifier: MIT */
/*
 * edge_result_by_variable: go() returns before the goroutine has done anything, so what the caller reads then is old, and a data race. (The gate
 * takes the race out of this program.) Right: read after the wait, or send the result.
 *
 * Prints:
 *     at once: 0
 *     after the wait: 42
 *     by channel: 42
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

GORO_CHAN_TYPE(answer, int);

static int result;

static void compute(struct goro_chan *gate)
{
	goro_chan_recv(gate, NULL, GORO_FOREVER);
	result = 42;
}

static void compute_and_send(struct answer *c)
{
	GORO_CHAN_SEND(c, 42, GORO_FOREVER);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct goro_chan *gate = goro_chan_new(0, 0);
	struct answer *c = GORO_CHAN_NEW(struct answer, 1);
	int v;

	(void)arg;
	GORO_WAITGROUP_GO(&wg, compute, gate);
	printf("at once: %d\n", result);
	goro_chan_close(gate);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("after the wait: %d\n", result);

	go(compute_and_send, c);
	GORO_CHAN_RECV(c, &v, GORO_FOREVER);
	printf("by channel: %d\n", v);
	GORO_CHAN_FREE(c);
	goro_chan_free(gate);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
