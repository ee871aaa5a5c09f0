/* SPDX-License-Identifier: MIT */
/*
 * bench_spawn: starting goroutines that do nothing but report, and waiting for them. In batches of 1,000, after ten
 * batches to warm up; and a million at once, in a fresh process (cold) and again.
 */
#include "bench.h"

#define BATCH 1000

static void spawn_join(long n, long unused)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)unused;
	goro_waitgroup_add(&wg, (int)n);
	for (long i = 0; i < n; i++)
		bench_check(go(goro_waitgroup_done, &wg) == 0, "go");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
}

static void batches(long n, long batch)
{
	for (long i = 0; i < n / batch; i++)
		spawn_join(batch, 0);
}

static void spawn_batch(long n)
{
	batches(10L * BATCH, BATCH);
	bench_repeat("SpawnBatch", n, batches, BATCH);
}

static void spawn_million(long n)
{
	struct bench_span start = bench_start();

	spawn_join(n, 0);
	bench_row("SpawnMillionCold", n, bench_stop(start), NULL);
	bench_repeat("SpawnMillionAgain", n, spawn_join, 0);
}

/* The million first, while the process is cold. */
static const struct bench_subject subjects[] = {
	{ "spawn_million", 1000000, spawn_million },
	{ "spawn_batch", 1000000, spawn_batch },
};

BENCH_MAIN(subjects, 0)
