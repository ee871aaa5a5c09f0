/* SPDX-License-Identifier: MIT */
/* bench_yield: goroutines that hand the processor round; an operation is one goro_yield(). */
#include "bench.h"

static void yielder(long rounds, struct goro_waitgroup *wg)
{
	for (long i = 0; i < rounds; i++)
		goro_yield();
	goro_waitgroup_done(wg);
}

static void yield(long n, long goroutines)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	goro_waitgroup_add(&wg, (int)goroutines);
	for (long i = 0; i < goroutines; i++)
		bench_check(go(yielder, n / goroutines, &wg) == 0, "go");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
}

static void yield2(long n)
{
	bench_repeat("Yield", n, yield, 2);
}

static void yield1000(long n)
{
	bench_repeat("Yield1000", n, yield, 1000);
}

static const struct bench_subject subjects[] = {
	{ "yield", 5000000, yield2 },
	{ "yield1000", 5000000, yield1000 },
};

BENCH_MAIN(subjects, 0)
