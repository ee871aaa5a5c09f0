/* SPDX-License-Identifier: MIT */
/*
 * tricky_one_value: one value is sent and two are received. The second receive would wait for ever; with a deadline that is an error. Right: the sender
 * closes the channel, and the receiver looks at what he gets.
 *
 * Prints:
 *     42
 *     wrong: timed out
 *     42
 *     right: closed
 */
#include <errno.h>
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

GORO_CHAN_TYPE(numbers, int);

static void send_one(struct numbers *c)
{
	GORO_CHAN_SEND(c, 42, GORO_FOREVER);
}

static void send_one_and_close(struct numbers *c)
{
	send_one(c);
	GORO_CHAN_CLOSE(c);
}

static void receive_two(struct numbers *c, int64_t patience, const char *how)
{
	int v, r;

	GORO_CHAN_RECV(c, &v, GORO_FOREVER);
	printf("%d\n", v);
	r = GORO_CHAN_RECV(c, &v, goro_after(patience));
	printf("%s: %s\n", how, r == -ETIMEDOUT ? "timed out" : "closed");
	GORO_CHAN_FREE(c);
}

static int start(void *arg)
{
	struct numbers *c = GORO_CHAN_NEW(struct numbers, 0), *d = GORO_CHAN_NEW(struct numbers, 0);

	(void)arg;
	go(send_one, c);
	receive_two(c, 20 * GORO_MILLISECOND, "wrong");
	go(send_one_and_close, d);
	receive_two(d, 600 * GORO_SECOND, "right");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
