/* SPDX-License-Identifier: MIT */
/* bench_pingpong: a number there and back over two unbuffered channels; an operation is a round trip. */
#include "bench.h"

static void echo(struct goro_chan *there, struct goro_chan *back)
{
	int64_t v;

	while (goro_chan_recv(there, &v, GORO_FOREVER) > 0) {
		v++;
		goro_chan_send(back, &v, GORO_FOREVER);
	}
	goro_chan_close(back);
}

static void ping_pong(long n, long unused)
{
	struct goro_chan *there = goro_chan_new(sizeof(int64_t), 0);
	struct goro_chan *back = goro_chan_new(sizeof(int64_t), 0);
	int64_t v = 0;

	(void)unused;
	bench_check(there && back, "goro_chan_new");
	bench_check(go(echo, there, back) == 0, "go");
	for (long i = 0; i < n; i++) {
		goro_chan_send(there, &v, GORO_FOREVER);
		goro_chan_recv(back, &v, GORO_FOREVER);
	}
	goro_chan_close(there);
	/* The close of back, which the last receive sees, is the last that echo does with a channel. */
	bench_check(goro_chan_recv(back, NULL, GORO_FOREVER) == 0 && v == n, "ping-pong lost count");
	goro_chan_free(there);
	goro_chan_free(back);
}

static void pingpong(long n)
{
	bench_repeat("PingPong", n, ping_pong, 0);
}

static const struct bench_subject subjects[] = { { "pingpong", 1000000, pingpong } };

BENCH_MAIN(subjects, 0)
