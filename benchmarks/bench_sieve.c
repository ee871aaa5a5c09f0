/* SPDX-License-Identifier: MIT */
/*
 * bench_sieve: the nth prime by a chain of filters, a goroutine and an unbuffered channel each. They stay blocked when the
 * prime is there, as in the classic program, and end with the runtime.
 */
#include "bench.h"

static void generate(struct goro_chan *out)
{
	for (int64_t i = 2;; i++)
		goro_chan_send(out, &i, GORO_FOREVER);
}

static void filter(struct goro_chan *in, struct goro_chan *out, int64_t prime)
{
	int64_t v;

	while (goro_chan_recv(in, &v, GORO_FOREVER) > 0)
		if (v % prime != 0)
			goro_chan_send(out, &v, GORO_FOREVER);
}

static int64_t nth_prime(long n)
{
	struct goro_chan *c = goro_chan_new(sizeof(int64_t), 0);
	int64_t prime = 0;

	bench_check(c && go(generate, c) == 0, "go");
	for (long i = 0; i < n; i++) {
		struct goro_chan *next;

		goro_chan_recv(c, &prime, GORO_FOREVER);
		if (i == n - 1)
			break;
		next = goro_chan_new(sizeof(int64_t), 0);
		bench_check(next && go(filter, c, next, prime) == 0, "go");
		c = next;
	}
	return prime;
}

static void sieve(long n)
{
	for (int r = 0; r < bench.count; r++) {
		struct bench_span start = bench_start();
		int64_t prime = nth_prime(n);

		bench_whole_row("Sieve", bench_stop(start));
		bench_check(n != 2000 || prime == 17389, "the sieve got a wrong prime");
	}
}

static const struct bench_subject subjects[] = { { "sieve", 2000, sieve } };

BENCH_MAIN(subjects, 0)
