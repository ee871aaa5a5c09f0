/* SPDX-License-Identifier: MIT */
/* bench_mutex: eight goroutines at one counter, with no yield in between; an operation is a lock and an unlock. */
#include "bench.h"

static struct goro_mutex mutex;
static long counter;

static void worker(long rounds, struct goro_waitgroup *wg)
{
	for (long i = 0; i < rounds; i++) {
		goro_mutex_lock(&mutex);
		counter++;
		goro_mutex_unlock(&mutex);
	}
	goro_waitgroup_done(wg);
}

static void contend(long n, long goroutines)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	counter = 0;
	goro_waitgroup_add(&wg, (int)goroutines);
	for (long i = 0; i < goroutines; i++)
		bench_check(go(worker, n / goroutines, &wg) == 0, "go");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	bench_check(counter == n / goroutines * goroutines, "the mutex let two in");
}

static void mutex8(long n)
{
	bench_repeat("Mutex8", n, contend, 8);
}

static const struct bench_subject subjects[] = { { "mutex8", 40000000, mutex8 } };

BENCH_MAIN(subjects, 0)
