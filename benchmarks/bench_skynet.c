/* SPDX-License-Identifier: MIT */
/*
 * bench_skynet: a tree of goroutines, ten children each and a million leaves; every node sends the sum of its
 * children up an unbuffered channel. A node's channel may go once it has received ten times: a send whose value has
 * arrived no longer touches the channel.
 */
#include "bench.h"

#define CHILDREN 10

static void node(struct goro_chan *up, int64_t first, int64_t size)
{
	int64_t sum = 0, v;
	struct goro_chan *down;

	if (size == 1) {
		goro_chan_send(up, &first, GORO_FOREVER);
		return;
	}
	down = goro_chan_new(sizeof(int64_t), 0);
	bench_check(down != NULL, "goro_chan_new");
	for (int64_t i = 0; i < CHILDREN; i++)
		bench_check(go(node, down, first + i * (size / CHILDREN), size / CHILDREN) == 0, "go");
	for (int i = 0; i < CHILDREN; i++) {
		goro_chan_recv(down, &v, GORO_FOREVER);
		sum += v;
	}
	goro_chan_free(down);
	goro_chan_send(up, &sum, GORO_FOREVER);
}

static void skynet(long n)
{
	for (int r = 0; r < bench.count; r++) {
		struct bench_span start = bench_start();
		struct goro_chan *up = goro_chan_new(sizeof(int64_t), 0);
		int64_t sum, size = n;

		bench_check(up && go(node, up, (int64_t)0, size) == 0, "go");
		goro_chan_recv(up, &sum, GORO_FOREVER);
		bench_whole_row("Skynet", bench_stop(start));
		goro_chan_free(up);
		bench_check(sum == size * (size - 1) / 2, "skynet got the wrong sum");
	}
}

static const struct bench_subject subjects[] = { { "skynet", 1000000, skynet } };

BENCH_MAIN(subjects, 0)
