/* SPDX-License-Identifier: MIT */
/* bench_chan: numbers through a channel of 128, from one producer to one consumer and from eight to eight. */
#include "bench.h"

#define MAX_PAIRS 8

static void producer(struct goro_chan *c, int64_t each, struct goro_waitgroup *wg)
{
	for (int64_t k = 0; k < each; k++)
		goro_chan_send(c, &k, GORO_FOREVER);
	goro_waitgroup_done(wg);
}

static void consumer(struct goro_chan *c, int64_t *ret_sum, struct goro_waitgroup *wg)
{
	int64_t sum = 0, v;

	while (goro_chan_recv(c, &v, GORO_FOREVER) > 0)
		sum += v;
	*ret_sum = sum;
	goro_waitgroup_done(wg);
}

static void channel(long n, long pairs)
{
	struct goro_chan *c = goro_chan_new(sizeof(int64_t), 128);
	struct goro_waitgroup producers = GORO_WAITGROUP_INIT, consumers = GORO_WAITGROUP_INIT;
	int64_t sums[MAX_PAIRS], each = n / pairs, total = 0;

	bench_check(c != NULL, "goro_chan_new");
	goro_waitgroup_add(&producers, (int)pairs);
	goro_waitgroup_add(&consumers, (int)pairs);
	for (long i = 0; i < pairs; i++) {
		bench_check(go(producer, c, each, &producers) == 0, "go");
		bench_check(go(consumer, c, &sums[i], &consumers) == 0, "go");
	}
	goro_waitgroup_wait(&producers, GORO_FOREVER);
	goro_chan_close(c);
	goro_waitgroup_wait(&consumers, GORO_FOREVER);
	goro_chan_free(c);
	for (long i = 0; i < pairs; i++)
		total += sums[i];
	bench_check(total == pairs * each * (each - 1) / 2, "the channel lost a value");
}

static void one_to_one(long n)
{
	bench_repeat("Chan128", n, channel, 1);
}

static void eight_by_eight(long n)
{
	bench_repeat("Chan8x8", n, channel, MAX_PAIRS);
}

static const struct bench_subject subjects[] = {
	{ "chan128", 8000000, one_to_one },
	{ "chan8x8", 8000000, eight_by_eight },
};

BENCH_MAIN(subjects, 0)
