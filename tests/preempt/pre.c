/* SPDX-License-Identifier: MIT */
/* pre.c: see pre.h. */
#define _GNU_SOURCE
#include "pre.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "t.h"

#define LONGEST_SLICE 10000.0 /* microseconds */
#define UNSEEN (10 * GORO_SECOND)
#define MAX_JOBS 64

/* Of the run that was configured last. */
static int64_t slice_ns, unseen_end;

int64_t pre_patient(int64_t ns)
{
	return (int64_t)((double)ns * t_multiplier());
}

void pre_config(struct goro_config *cfg, unsigned procs, unsigned slice_us)
{
	static const struct goro_config init = GORO_CONFIG_INIT;
	double us = (slice_us ? slice_us : LONGEST_SLICE) * t_multiplier();
	char text[32];

	us = us < LONGEST_SLICE ? us : LONGEST_SLICE;
	slice_ns = (int64_t)(us * 1000);
	unseen_end = pre_now() + pre_patient(UNSEEN);

	*cfg = init;
	cfg->maxprocs = procs;
	t_check(unsetenv("GORO_PREEMPT") == 0 && unsetenv("GORO_SLICE_US") == 0);
	if (slice_us) {
		snprintf(text, sizeof text, "%u", (unsigned)us);
		t_check(setenv("GORO_SLICE_US", text, 1) == 0);
	}
}

void pre_run(unsigned procs, unsigned slice_us, goro_main_fn fn, void *arg)
{
	struct goro_config cfg;

	pre_config(&cfg, procs, slice_us);
	t_check_int(goro_run(&cfg, fn, arg), ==, 0);
}

struct goro_stats pre_stats(void)
{
	struct goro_stats st = GORO_STATS_INIT;

	t_check_int(goro_get_stats(&st), ==, 0);
	return st;
}

int64_t pre_slice(void)
{
	return slice_ns;
}

bool pre_unseen(void)
{
	return pre_stats().preemptions == 0 && pre_now() < unseen_end;
}

PRE_NO_TSAN void pre_spin_until(const int *flag)
{
	while (!*(const volatile int *)flag)
		;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	t_check(clock_gettime(clock, &ts) == 0);
	return ts.tv_sec * GORO_SECOND + ts.tv_nsec;
}

int64_t pre_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t pre_thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

PRE_NO_TSAN static void little_loop(void)
{
	for (volatile int i = 0; i < 2000; i++)
		;
}

void pre_spin(int64_t ns)
{
	int64_t end = pre_now() + ns;

	while (pre_now() < end)
		little_loop();
}

void pre_burn(int64_t ns)
{
	int64_t end = pre_thread_ns() + ns;

	while (pre_thread_ns() < end)
		little_loop();
}

void pre_setter(int *flag)
{
	pre_set(flag, 1);
}

void pre_hog(const int *stop)
{
	pre_spin_until(stop);
}

PRE_NO_TSAN void pre_counter(const int *stop, long *rounds)
{
	while (!*(const volatile int *)stop)
		++*(volatile long *)rounds;
}

uint64_t pre_hash(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = (const unsigned char *)data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* ---- the same work on threads and in goroutines ----------------------------------------------------------- */

struct task {
	pre_job job;
	uint64_t seed, result;
	struct goro_waitgroup *wg;
};

static struct task tasks[MAX_JOBS];
static int ntasks;

static void *on_thread(void *arg)
{
	struct task *t = arg;

	t->result = t->job(t->seed);
	return NULL;
}

static void in_goroutine(struct task *t)
{
	do {
		uint64_t result = t->job(t->seed);

		t_check(result == t->result, "job %d: %llx, on a plain thread %llx", (int)t->seed,
			(unsigned long long)result, (unsigned long long)t->result);
	} while (pre_unseen());
	goro_waitgroup_done(t->wg);
}

static int jobs_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int i = 0; i < ntasks; i++)
		tasks[i].wg = &wg;
	/* Only where some wait is anybody stopped. */
	for (int n = 0; n < ntasks || n <= 2 * goro_maxprocs(0); n++) {
		goro_waitgroup_add(&wg, 1);
		t_check_int(GORO_GO(in_goroutine, &tasks[n % ntasks]), ==, 0);
	}
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(pre_stats().preemptions, >, 0);
	return 0;
}

void pre_agree(pre_job job, int n)
{
	struct goro_config cfg;
	pthread_t threads[MAX_JOBS];
	const char *list = getenv("GORO_TEST_PROCS") ? getenv("GORO_TEST_PROCS") : "1 2";

	pre_config(&cfg, 1, PRE_SHORT);
	t_check(n <= MAX_JOBS);
	ntasks = n;
	for (int i = 0; i < n; i++) {
		tasks[i] = (struct task){ .job = job, .seed = (uint64_t)i };
		threads[i] = api_thread(on_thread, &tasks[i]);
	}
	for (int i = 0; i < n; i++)
		t_check(pthread_join(threads[i], NULL) == 0);
	for (; *list; list += strspn(list, " ")) {
		char *end;
		unsigned procs = (unsigned)strtoul(list, &end, 10);

		t_check(end > list && procs > 0, "GORO_TEST_PROCS: %s", list);
		list = end;
		pre_config(&cfg, procs, PRE_SHORT);
		cfg.stack_size = 1 << 20; /* as much as these libraries could want */
		t_check_int(goro_run(&cfg, jobs_main, NULL), ==, 0);
	}
}
