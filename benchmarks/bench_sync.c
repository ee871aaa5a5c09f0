/* SPDX-License-Identifier: MIT */
/*
 * bench_sync: what the package sync has beside the contended mutex of bench_mutex: a mutex that only one goroutine uses, eight that read under an
 * RWMutex, a WaitGroup alone and one that eight goroutines use. Go's twins are in peers/go/sync.go.
 */
#include "bench.h"

#define GOROUTINES 8

static struct goro_mutex mutex;
static struct goro_rwmutex rwmutex;
static struct goro_waitgroup group;
static volatile long counter;

/* Eight goroutines call work(n / 8, ...), which says by wg when it is done. */
static void eight(void (*work)(long rounds, struct goro_waitgroup *wg), long n)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	goro_waitgroup_add(&wg, GOROUTINES);
	for (int i = 0; i < GOROUTINES; i++)
		bench_check(go(work, n / GOROUTINES, &wg) == 0, "go");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
}

static void lock_alone(long n, long arg)
{
	(void)arg;
	counter = 0;
	for (long i = 0; i < n; i++) {
		goro_mutex_lock(&mutex);
		counter++;
		goro_mutex_unlock(&mutex);
	}
	bench_check(counter == n, "the mutex lost count");
}

static void reader(long rounds, struct goro_waitgroup *wg)
{
	long sum = 0;

	for (long i = 0; i < rounds; i++) {
		goro_rwmutex_rlock(&rwmutex);
		sum += counter;
		goro_rwmutex_runlock(&rwmutex);
	}
	bench_check(sum == rounds, "a reader read something else");
	goro_waitgroup_done(wg);
}

static void read8(long n, long arg)
{
	(void)arg;
	goro_rwmutex_lock(&rwmutex);
	counter = 1;
	goro_rwmutex_unlock(&rwmutex);
	eight(reader, n);
}

static void group_alone(long n, long arg)
{
	(void)arg;
	for (long i = 0; i < n; i++) {
		goro_waitgroup_add(&group, 1);
		goro_waitgroup_done(&group);
		goro_waitgroup_wait(&group, GORO_FOREVER);
	}
}

static void member(long rounds, struct goro_waitgroup *wg)
{
	for (long i = 0; i < rounds; i++) {
		goro_waitgroup_add(&group, 1);
		goro_waitgroup_done(&group);
	}
	goro_waitgroup_done(wg);
}

static void group8(long n, long arg)
{
	(void)arg;
	eight(member, n);
	bench_check(goro_waitgroup_wait(&group, GORO_NOW) == 0, "the group lost count");
}

static void mutex_row(long n) { bench_repeat("Mutex", n, lock_alone, 0); }
static void rwmutex_row(long n) { bench_repeat("RWMutexRead8", n, read8, 0); }
static void group_row(long n) { bench_repeat("WaitGroup", n, group_alone, 0); }
static void group8_row(long n) { bench_repeat("WaitGroup8", n, group8, 0); }

static const struct bench_subject subjects[] = {
	{ "mutex", 40000000, mutex_row },
	{ "rwmutex_read8", 20000000, rwmutex_row },
	{ "waitgroup", 20000000, group_row },
	{ "waitgroup8", 20000000, group8_row },
};

BENCH_MAIN(subjects, 0)
