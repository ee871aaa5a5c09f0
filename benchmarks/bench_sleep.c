/* SPDX-License-Identifier: MIT */
/* bench_sleep: goroutine i sleeps 1 + i mod 100 milliseconds, 100,000 of them at once. */
#include "bench.h"

static void sleeper(int64_t ns, struct goro_waitgroup *wg)
{
	goro_sleep(ns);
	goro_waitgroup_done(wg);
}

static void sleep100k(long n)
{
	for (int r = 0; r < bench.count; r++) {
		struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
		struct bench_span start = bench_start();

		goro_waitgroup_add(&wg, (int)n);
		for (long i = 0; i < n; i++)
			bench_check(go(sleeper, (1 + i % 100) * GORO_MILLISECOND, &wg) == 0, "go");
		goro_waitgroup_wait(&wg, GORO_FOREVER);
		bench_whole_row("Sleep100k", bench_stop(start));
	}
}

static const struct bench_subject subjects[] = { { "sleep100k", 100000, sleep100k } };

BENCH_MAIN(subjects, 0)
