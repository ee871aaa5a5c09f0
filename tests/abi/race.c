/* SPDX-License-Identifier: MIT */
/*
 * race.c: a program for sanitizers.sh: channels, a mutex, a WaitGroup, sleeps and yields on two processors; correct without an argument, with
 * "race" two goroutines share a counter without a lock, with "free" one reads memory that it has freed.
 */
#include <goro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 1000

static struct goro_chan *c;
static struct goro_mutex mu = GORO_MUTEX_INIT;
static struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
static long sum, racy;
static int race, use_after_free;

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

static int main_goroutine(void *arg)
{
	(void)arg;
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
