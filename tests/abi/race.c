/* SPDX-License-Identifier: MIT */
/*
 * race.c: a program for sanitizers.sh: channels, all of <goro/sync.h>, sleeps and yields on two processors; correct without an argument, with
 * "race" two goroutines share a counter without a lock, with "readers" some that hold an RWMutex for reading, with "free" one reads memory that it has freed.
 */
#include <goro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 1000

static struct goro_chan *c;
static struct goro_mutex mu = GORO_MUTEX_INIT;
static struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
static struct goro_rwmutex rw = GORO_RWMUTEX_INIT;
static struct goro_cond cond = GORO_COND_INIT;
static struct goro_semaphore sem = GORO_SEMAPHORE_INIT(1);
static struct goro_once once = GORO_ONCE_INIT;
static long sum, racy, under_rw, under_sem, by_once, by_go, read_by;
static int race, race_in_readers, use_after_free, opened;

static void producer(void)
{
	for (int i = 0; i < N; i++) {
		int *p = malloc(64);

		p[3] = i;
		goro_chan_send(c, &p, GORO_FOREVER);
	}
	goro_waitgroup_done(&wg);
}

static void consumer(void)
{
	for (int i = 0; i < N; i++) {
		int *p;

		goro_chan_recv(c, &p, GORO_FOREVER);
		goro_mutex_lock(&mu);
		sum += p[3];
		goro_mutex_unlock(&mu);
		p[4] = 1;
		free(p);
		if (use_after_free && i == N / 2)
			sum += ((volatile int *)p)[4];
	}
	goro_waitgroup_done(&wg);
}

static void worker(void)
{
	for (int i = 0; i < N; i++) {
		goro_mutex_lock(&mu);
		sum++;
		goro_mutex_unlock(&mu);
		if (race && i % 10 == 0)
			racy++;
		if (i % 64 == 0)
			goro_yield();
		if (i % 500 == 0)
			goro_sleep(10000);
	}
	goro_waitgroup_done(&wg);
}

static void sets_once(void *arg)
{
	by_once = (long)(intptr_t)arg;
}

/* Plain accesses, each ordered by one of the objects only. */
static void user(int me)
{
	goro_once_do(&once, sets_once, (void *)(intptr_t)7);
	if (by_once != 7)
		abort();
	for (int i = 0; i < N; i++) {
		goro_semaphore_acquire(&sem, 1, GORO_FOREVER);
		under_sem++;
		goro_semaphore_release(&sem, 1);
		if (i % 16 == me) {
			goro_rwmutex_lock(&rw);
			under_rw++;
			goro_rwmutex_unlock(&rw);
		} else {
			goro_rwmutex_rlock(&rw);
			if (under_rw < 0)
				abort();
			goro_rwmutex_runlock(&rw);
		}
	}
	goro_rwmutex_rlock(&rw);
	while (!opened)
		goro_cond_wait_rlock(&cond, &rw, GORO_FOREVER);
	goro_rwmutex_runlock(&rw);
}

static void opens(void)
{
	goro_rwmutex_lock(&rw);
	opened = 1;
	goro_rwmutex_unlock(&rw);
	goro_cond_broadcast(&cond);
	by_go = 1;
}

/* Nothing else may order them: no writer, no other object, and not that one begins on the stack of the other when that has ended. */
static void reader(void)
{
	for (int i = 0; i < N; i++) {
		goro_rwmutex_rlock(&rw);
		read_by++;
		goro_rwmutex_runlock(&rw);
		if (i % 64 == 0)
			goro_sleep(10000);
	}
}

static int main_goroutine(void *arg)
{
	(void)arg;
	if (race_in_readers) {
		GORO_WAITGROUP_GO(&wg, reader);
		GORO_WAITGROUP_GO(&wg, reader);
		return goro_waitgroup_wait(&wg, GORO_FOREVER);
	}
	opened = 0;
	for (int i = 0; i < 3; i++)
		GORO_WAITGROUP_GO(&wg, user, i);
	GORO_WAITGROUP_GO(&wg, opens);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	if (by_go != 1 || under_sem % (3 * N))
		return 1;
	goro_waitgroup_add(&wg, 6);
	for (int i = 0; i < 2; i++) {
		GORO_GO(producer);
		GORO_GO(consumer);
		GORO_GO(worker);
	}
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("sum %ld\n", sum);
	return sum == N * (N - 1) + 2 * N || use_after_free ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct goro_config cfg = GORO_CONFIG_INIT;
	int r = 0;

	race = argc > 1 && strcmp(argv[1], "race") == 0;
	race_in_readers = argc > 1 && strcmp(argv[1], "readers") == 0;
	use_after_free = argc > 1 && strcmp(argv[1], "free") == 0;
	cfg.maxprocs = 2;
	for (int capacity = 0; r == 0 && capacity < 5; capacity += 4) {
		sum = 0;
		c = goro_chan_new(sizeof(int *), (size_t)capacity);
		r = goro_run(&cfg, main_goroutine, NULL);
		goro_chan_free(c);
	}
	return r;
}
