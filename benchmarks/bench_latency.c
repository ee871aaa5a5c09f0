/* SPDX-License-Identifier: MIT */
/*
 * bench_latency: how long a goroutine that could run waits until it does, under load. Every millisecond or so one goroutine wakes sixteen others, which then
 * compute for 20 us each; four more compute for ever. What is counted is the time from each wake-up to the woken one's first instruction: the last
 * of the sixteen has the work of fifteen before it.
 *
 *	ReadyLatency		p50-us p99-us p999-us max-us, the computing ones there
 *	ReadyLatencyQuiet	the same without them
 *
 * Behind each row its histogram, "#" lines of powers of two, which parsers of the format skip.
 */
#include "bench.h"

#define HOGS 4
#define WORKERS 16
#define WORK_NS 20000
#define BUCKETS 32

static volatile int stop;
static struct goro_chan *wake[WORKERS];
static int64_t *samples;
static long nsamples;	/* atomic */

static void hog(struct goro_waitgroup *wg)
{
	while (!stop)
		;
	goro_waitgroup_done(wg);
}

static void worker(int i, struct goro_waitgroup *wg)
{
	int64_t sent, now;

	while (goro_chan_recv(wake[i], &sent, GORO_FOREVER) > 0) {
		now = bench_clock(CLOCK_MONOTONIC);
		samples[__atomic_fetch_add(&nsamples, 1, __ATOMIC_RELAXED)] = now - sent;
		while (bench_clock(CLOCK_MONOTONIC) < now + WORK_NS)
			;
	}
	goro_waitgroup_done(wg);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Of sorted samples. Bucket b holds what is below 2^b microseconds and not in the one before. */
static void print_histogram(const char *name, long n)
{
	long i = 0;

	for (int b = 0; b < BUCKETS && i < n; b++) {
		long first = i;
		double percent;

		while (i < n && samples[i] < (INT64_C(1000) << b))
			i++;
		percent = 100.0 * (double)(i - first) / (double)n;
		if (i > first)
			printf("# %s %8ld us %8ld %7.3f %% %.*s\n", name, 1L << b, i - first, percent, (int)(percent / 2 + 0.5),
			       "**************************************************");
	}
	fflush(stdout);
}

static void wake_all(long rounds)
{
	unsigned rng = 1;

	for (long r = 0; r < rounds; r++) {
		goro_sleep(500000 + (rng = rng * 1664525 + 1013904223) % 1000000);
		for (int i = 0; i < WORKERS; i++) {
			int64_t now = bench_clock(CLOCK_MONOTONIC);

			goro_chan_send(wake[i], &now, GORO_FOREVER);
		}
	}
}

static void run(const char *name, long rounds, int hogs)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct bench_span s = bench_start();
	long n = rounds * WORKERS;
	char extra[128];

	samples = malloc((size_t)n * sizeof samples[0]);
	bench_check(samples != NULL, "malloc");
	nsamples = 0;
	stop = 0;
	goro_waitgroup_add(&wg, WORKERS + hogs);
	for (int i = 0; i < WORKERS; i++) {
		wake[i] = goro_chan_new(sizeof(int64_t), 1);
		bench_check(go(worker, i, &wg) == 0, "spawn");
	}
	for (int i = 0; i < hogs; i++)
		bench_check(go(hog, &wg) == 0, "spawn");
	wake_all(rounds);
	for (int i = 0; i < WORKERS; i++)
		goro_chan_close(wake[i]);
	stop = 1;
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	bench_check(nsamples == n, "a wake-up is missing");
	s = bench_stop(s);
	qsort(samples, (size_t)n, sizeof samples[0], by_value);
	snprintf(extra, sizeof extra, "%.1f p50-us\t%.1f p99-us\t%.1f p999-us\t%.1f max-us", (double)samples[n / 2] / 1e3,
		 (double)samples[n * 99 / 100] / 1e3, (double)samples[n * 999 / 1000] / 1e3, (double)samples[n - 1] / 1e3);
	bench_row(name, n, s, extra);
	print_histogram(name, n);
	for (int i = 0; i < WORKERS; i++)
		goro_chan_free(wake[i]);
	free(samples);
}

static void ready_latency(long rounds)
{
	run("ReadyLatency", rounds, HOGS);
}

static void ready_latency_quiet(long rounds)
{
	run("ReadyLatencyQuiet", rounds, 0);
}

static const struct bench_subject subjects[] = {
	{ "ready_latency", 2000, ready_latency },
	{ "ready_latency_quiet", 2000, ready_latency_quiet },
};

BENCH_MAIN(subjects, 0)
