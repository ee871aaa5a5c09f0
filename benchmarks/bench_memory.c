/* SPDX-License-Identifier: MIT */
/*
 * bench_memory: a million goroutines parked at once on one channel, with 64 KiB of reserve each: the time to create one,
 * and what one takes all told. The clock stops when the last one has started; with one processor each has parked
 * by then but that one.
 *
 * rss-B/op is the growth of the resident set as the page tables have it (Rss of smaps_rollup, which is exact, where
 * VmRSS of status lags by a batch for each CPU), pte-B/op that of the page tables themselves (VmPTE), and
 * mem-B/op, the figure that has a bar, the sum. vmas is the growth of the number of mappings, the one other thing that
 * the kernel keeps for us: a guard must not cost one.
 */
#include "bench.h"

#include <stdatomic.h>

static atomic_long started;

static void parked(struct goro_chan *stop)
{
	atomic_fetch_add(&started, 1);
	goro_chan_recv(stop, NULL, GORO_FOREVER);
}

/* The figure after "key:" in a file of /proc, in bytes. */
static long long proc_bytes(const char *path, const char *key)
{
	char line[256];
	long long kib = -1;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
			kib = atoll(line + strlen(key) + 1);
			break;
		}
	if (f)
		fclose(f);
	bench_check(kib >= 0, "a file of /proc lacks a line");
	return kib * 1024;
}

static long mappings(void)
{
	long lines = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	for (int c; f && (c = getc(f)) != EOF;)
		lines += c == '\n';
	if (f)
		fclose(f);
	return lines;
}

static void park_million(long n)
{
	struct goro_chan *stop = goro_chan_new(0, 0);
	long long rss = proc_bytes("/proc/self/smaps_rollup", "Rss");
	long long tables = proc_bytes("/proc/self/status", "VmPTE");
	long vmas = mappings();
	struct bench_span span = bench_start();
	char extra[160];

	bench_check(stop != NULL, "goro_chan_new");
	for (long i = 0; i < n; i++)
		bench_check(go(parked, stop) == 0, "go");
	while (atomic_load(&started) != n)
		goro_yield();
	span = bench_stop(span);
	rss = proc_bytes("/proc/self/smaps_rollup", "Rss") - rss;
	tables = proc_bytes("/proc/self/status", "VmPTE") - tables;
	snprintf(extra, sizeof extra, "%.1f rss-B/op\t%.1f pte-B/op\t%.1f mem-B/op\t%ld vmas", (double)rss / (double)n,
		 (double)tables / (double)n, (double)(rss + tables) / (double)n, mappings() - vmas);
	bench_row("ParkMillion", n, span, extra);
}

static const struct bench_subject subjects[] = { { "park_million", 1000000, park_million } };

BENCH_MAIN(subjects, 64 * 1024)
