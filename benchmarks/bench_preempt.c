/* SPDX-License-Identifier: MIT */
/*
 * bench_preempt: what preemption costs and what it gives. Rows, each with its own figure behind the usual three:
 *
 *	PreemptOverhead	two goroutines that compute on one processor: percent of the time that is lost to stopping them, against one that is alone. By turns in
 *			stretches of a tenth of a second; see lost()
 *	PreemptReaders	a goroutine that computes beside four that block in read(2) on pipes, each written every 37 ms: lost-percent of the CPU
 *			time that the loop gets alone
 *	PreemptShare	four that compute beside one that answers a plain thread as fast as it asks: hogs-percent and others-percent of one processor
 *	PreemptLatency	from the end of a sleep to the goroutine's next instruction, beside four that compute: p50-us p99-us p999-us max-us
 *	PreemptIdle	CPU time of a process with 1,000 goroutines that sleep or wait for I/O: cpu-us/s
 */
#include "bench.h"

#include <pthread.h>
#include <sys/socket.h>

#define HOGS 4
#define READERS 4
#define SAMPLES_MAX 100000

static struct { _Alignas(64) volatile unsigned long turns; } spun[HOGS];
static volatile int stop;

static void hog(int i, int64_t end, struct goro_waitgroup *wg)
{
	do
		for (int k = 0; k < 1000; k++)
			spun[i].turns++;
	while (!stop && bench_clock(CLOCK_MONOTONIC) < end);
	goro_waitgroup_done(wg);
}

static unsigned long all_turns(void)
{
	unsigned long sum = 0;

	for (int i = 0; i < HOGS; i++)
		sum += spun[i].turns;
	return sum;
}

/*
 * What a loop loses. It looks at the clock all the time, and so do those that take turns with it on its processor: a gap between two looks, whoever they
 * are of, is time that nobody computed: the signal, the switch of threads, the observer if it has the same CPU, the kernel's tick. Gaps longer
 * than GAP_MOST are the host's or other processes' and count for nothing: a whole run compared with another drowns in those.
 */
#define GAP_LEAST 1000
#define GAP_MOST 300000
#define STRETCH 100 /* milliseconds */
#define STRETCHES_MAX 10000

static struct {
	int64_t last; /* look, of anybody */
	int64_t lost;
} loop;

static void looking_hog(int64_t end, struct goro_waitgroup *wg)
{
	unsigned long x = 1;
	int64_t now;

	do {
		for (int i = 0; i < 20; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			__asm__ volatile("" : "+r"(x));
		}
		now = bench_clock(CLOCK_MONOTONIC);
		if (now - loop.last > GAP_LEAST && now - loop.last < GAP_MOST)
			loop.lost += now - loop.last;
		loop.last = now;
	} while (now < end);
	goro_waitgroup_done(wg);
}

/* Percent of a stretch that n of them lose. */
static double lost(int n)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int64_t begin = bench_clock(CLOCK_MONOTONIC), end = begin + STRETCH * GORO_MILLISECOND;

	loop.lost = 0;
	loop.last = INT64_MAX; /* the way to the first look is not counted */
	goro_waitgroup_add(&wg, n);
	for (int i = 0; i < n; i++)
		bench_check(go(looking_hog, end, &wg) == 0, "spawn");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 100.0 * (double)loop.lost / (double)(end - begin);
}

static int by_percent(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* n hogs for ns nanoseconds: turns per nanosecond of CPU time. */
static double rate(int n, int64_t ns)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int64_t end = bench_clock(CLOCK_MONOTONIC) + ns;
	unsigned long before = all_turns();
	struct bench_span s = bench_start();

	goro_waitgroup_add(&wg, n);
	for (int i = 0; i < n; i++)
		bench_check(go(hog, i, end, &wg) == 0, "spawn");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return (double)(all_turns() - before) / (double)bench_stop(s).cpu;
}

static void overhead(long ms)
{
	static double alone[STRETCHES_MAX], shared[STRETCHES_MAX];
	long pairs = ms / STRETCH / 2 > 0 ? ms / STRETCH / 2 : 1;
	struct goro_stats before = GORO_STATS_INIT, after = GORO_STATS_INIT;
	struct bench_span s = bench_start();
	char extra[128];

	pairs = pairs < STRETCHES_MAX ? pairs : STRETCHES_MAX;
	goro_maxprocs(1);
	goro_get_stats(&before);
	for (long i = 0; i < pairs; i++) {
		alone[i] = lost(1);
		shared[i] = lost(2);
	}
	goro_get_stats(&after);
	goro_maxprocs(bench.procs);
	qsort(alone, (size_t)pairs, sizeof alone[0], by_percent);
	qsort(shared, (size_t)pairs, sizeof shared[0], by_percent);
	snprintf(extra, sizeof extra, "%.3f percent\t%.3f alone-percent\t%.1f preemptions/s", shared[pairs / 2] - alone[pairs / 2], alone[pairs / 2],
		 (double)(after.preemptions - before.preemptions) * 1000 / (double)(pairs * STRETCH));
	bench_row("PreemptOverhead", ms, bench_stop(s), extra);
}

static int pipes[READERS][2];

static void reader(int i, struct goro_waitgroup *wg)
{
	char c;

	while (!stop)
		if (read(pipes[i][0], &c, 1) != 1)
			bench_check(false, "read");
	goro_waitgroup_done(wg);
}

static void *writer(void *arg)
{
	struct timespec ts = { 0, 37000000 };

	while (!stop) {
		nanosleep(&ts, NULL);
		for (int i = 0; i < READERS; i++)
			bench_check(write(pipes[i][1], "x", 1) == 1, "write");
	}
	return arg;
}

static void readers(long ms)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct bench_span s;
	double alone = rate(1, ms * 1000000 / 4);
	unsigned long before;
	char extra[64];
	pthread_t t;

	stop = 0;
	goro_waitgroup_add(&wg, READERS);
	for (int i = 0; i < READERS; i++) {
		bench_check(pipe(pipes[i]) == 0, "pipe");
		bench_check(go(reader, i, &wg) == 0, "spawn");
	}
	pthread_create(&t, NULL, writer, NULL);
	before = all_turns();
	s = bench_start();
	rate(1, ms * 1000000);
	s = bench_stop(s);
	before = all_turns() - before;
	stop = 1;
	pthread_join(t, NULL);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	stop = 0;
	snprintf(extra, sizeof extra, "%.2f lost-percent", 100 * (1 - (double)before / (double)s.wall / alone));
	bench_row("PreemptReaders", ms, s, extra);
}

static void answer(int fd, struct goro_waitgroup *wg)
{
	char c;

	while (goro_read(fd, &c, 1, GORO_FOREVER) == 1 && goro_write(fd, &c, 1, GORO_FOREVER) == 1)
		;
	goro_waitgroup_done(wg);
}

static unsigned long asked;

/* Sixteen questions at a time, so that there is always something to answer. */
static void *asker(void *arg)
{
	int fd = *(int *)arg;
	char c[64] = "sixteen in flight";
	ssize_t n;

	bench_check(write(fd, c, 16) == 16, "write");
	while (!stop) {
		n = read(fd, c, sizeof c);
		bench_check(n > 0 && write(fd, c, (size_t)n) == n, "echo");
		asked += (unsigned long)n;
	}
	shutdown(fd, SHUT_RDWR);
	return arg;
}

static void share(long ms)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT, hogs = GORO_WAITGROUP_INIT;
	double alone = rate(1, ms * 1000000 / 4), hog_part;
	int64_t end = bench_clock(CLOCK_MONOTONIC) + ms * 1000000;
	struct bench_span s;
	unsigned long before;
	char extra[96];
	pthread_t t;
	int fd[2];

	bench_check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0, "socketpair");
	goro_waitgroup_add(&wg, 1);
	bench_check(go(answer, fd[0], &wg) == 0, "spawn");
	pthread_create(&t, NULL, asker, &fd[1]);
	before = all_turns();
	s = bench_start();
	goro_waitgroup_add(&hogs, HOGS);
	for (int i = 0; i < HOGS; i++)
		bench_check(go(hog, i, end, &hogs) == 0, "spawn");
	goro_waitgroup_wait(&hogs, GORO_FOREVER);
	s = bench_stop(s);
	hog_part = (double)(all_turns() - before) / (double)s.wall / alone / bench.procs;
	stop = 1;
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	pthread_join(t, NULL);
	goro_close(fd[0]);
	close(fd[1]);
	stop = 0;
	snprintf(extra, sizeof extra, "%.1f hogs-percent\t%.1f others-percent\t%lu answers", 100 * hog_part, 100 - 100 * hog_part, asked);
	bench_row("PreemptShare", ms, s, extra);
}

static int64_t late[SAMPLES_MAX];

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void latency(long n)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct bench_span s = bench_start();
	unsigned rng = 1;
	char extra[128];

	n = n < SAMPLES_MAX ? n : SAMPLES_MAX;
	goro_waitgroup_add(&wg, HOGS);
	for (int i = 0; i < HOGS; i++)
		bench_check(go(hog, i, INT64_MAX, &wg) == 0, "spawn");
	for (long i = 0; i < n; i++) {
		int64_t due = goro_now() + 500000 + (rng = rng * 1664525 + 1013904223) % 2000000;

		goro_sleep_until(due);
		late[i] = goro_now() - due;
	}
	stop = 1;
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	stop = 0;
	qsort(late, (size_t)n, sizeof late[0], by_value);
	snprintf(extra, sizeof extra, "%.1f p50-us\t%.1f p99-us\t%.1f p999-us\t%.1f max-us", (double)late[n / 2] / 1e3,
		 (double)late[n * 99 / 100] / 1e3, (double)late[n * 999 / 1000] / 1e3, (double)late[n - 1] / 1e3);
	bench_row("PreemptLatency", n, bench_stop(s), extra);
}

static void sleeper(void)
{
	goro_sleep(INT64_C(3600) * GORO_SECOND);
}

static void listener(int fd)
{
	char c;

	goro_read(fd, &c, 1, GORO_FOREVER);
}

static void idle(long ms)
{
	struct bench_span s;
	char extra[64];
	int fd[2];

	bench_check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0, "socketpair");
	for (int i = 0; i < 1000; i++)
		bench_check((i % 2 ? go(sleeper) : go(listener, fd[0])) == 0, "spawn");
	goro_sleep(GORO_SECOND / 2); /* what the start has left to do is not idleness */
	s = bench_start();
	goro_sleep(ms * GORO_MILLISECOND);
	s = bench_stop(s);
	snprintf(extra, sizeof extra, "%.1f cpu-us/s", (double)s.cpu / 1e3 / ((double)s.wall / 1e9));
	bench_row("PreemptIdle", ms, s, extra);
}

static const struct bench_subject subjects[] = {
	{ "preempt_overhead", 4000, overhead },
	{ "preempt_readers", 2000, readers },
	{ "preempt_share", 2000, share },
	{ "preempt_latency", 2000, latency },
	{ "preempt_idle", 5000, idle },
};

BENCH_MAIN(subjects, 0)
