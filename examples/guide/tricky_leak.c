/* SPDX-License-Identifier: MIT */
/*
 * tricky_leak: the function returns without receiving, so the goroutine is stuck in its send until the program ends. With room for one value it is
 * not.
 *
 * Prints:
 *     unbuffered: 1 leaked
 *     capacity 1: 0 leaked
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

GORO_CHAN_TYPE(result, int);

static void compute(struct result *c, struct goro_chan *computed)
{
	goro_chan_close(computed);
	GORO_CHAN_SEND(c, 42, GORO_FOREVER);
}

static void leak(int condition, size_t capacity, struct goro_chan *computed)
{
	struct result *c = GORO_CHAN_NEW(struct result, capacity);
	int v;

	go(compute, c, computed);
	if (condition)
		return;
	GORO_CHAN_RECV(c, &v, GORO_FOREVER);
	printf("%d\n", v);
}

static int start(void *arg)
{
	struct goro_chan *computed = goro_chan_new(0, 0);

	(void)arg;
	leak(1, 0, computed);
	goro_chan_recv(computed, NULL, GORO_FOREVER);
	printf("unbuffered: %ld leaked\n", goro_count() - 1);
	goro_chan_free(computed);

	computed = goro_chan_new(0, 0);
	leak(1, 1, computed);
	goro_chan_recv(computed, NULL, GORO_FOREVER);
	while (goro_count() > 2) /* main and the one of before */
		goro_yield();
	printf("capacity 1: %ld leaked\n", goro_count() - 2);
	goro_chan_free(computed);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
