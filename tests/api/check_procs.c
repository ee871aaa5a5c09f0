/* SPDX-License-Identifier: MIT */
/* check_procs.c: counting goroutines, their ids, the number of processors, goro_exit(). */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

/* ---- counting -------------------------------------------------------------------------------------------------- */

static void parked(struct goro_chan *c)
{
	goro_chan_recv(c, NULL, GORO_FOREVER);
}

static int count_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(0, 0);

	(void)arg;
	t_check_int(goro_count(), ==, 1);
	for (int i = 1; i <= 100; i++) {
		t_check(GORO_GO(parked, c) == 0);
		t_check_int(goro_count(), ==, i + 1);
	}
	for (int i = 0; i < 100; i++)
		t_check(goro_chan_send(c, NULL, GORO_FOREVER) == 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_chan_free(c);
	return 0;
}

START_TEST(count_counts_the_goroutines_that_exist)
{
	t_check_int(goro_count(), ==, 0);
	api_run(count_main, NULL);
	t_check_int(goro_count(), ==, 0);
}
END_TEST

#define IDS 2000

static void give_id(struct goro_chan *c)
{
	uint64_t id = goro_id();

	goro_yield();
	t_check(goro_id() == id);
	t_check(goro_chan_send(c, &id, GORO_FOREVER) == 0);
	t_check(goro_id() == id);
}

static void *thread_without_id(void *arg)
{
	(void)arg;
	t_check(goro_id() == 0);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int ids_main(void *arg)
{
	static uint64_t ids[IDS + 1];
	struct goro_chan *c = goro_chan_new(sizeof(uint64_t), 0);

	(void)arg;
	ids[0] = goro_id();
	/* Two halves, so that the records of the first are used again by the second. */
	for (int half = 0; half < 2; half++) {
		for (int i = 0; i < IDS / 2; i++)
			t_check(GORO_GO(give_id, c) == 0);
		for (int i = 0; i < IDS / 2; i++)
			t_check(goro_chan_recv(c, &ids[1 + half * IDS / 2 + i], GORO_FOREVER) == 1);
	}
	qsort(ids, IDS + 1, sizeof ids[0], by_value);
	t_check(ids[0] != 0);
	for (int i = 0; i < IDS; i++)
		t_check(ids[i] != ids[i + 1], "id %llu twice", (unsigned long long)ids[i]);
	api_join(api_thread(thread_without_id, NULL));
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_chan_free(c);
	return 0;
}

START_TEST(ids_are_unique_and_stay)
{
	t_check(goro_id() == 0);
	api_run(ids_main, NULL);
}
END_TEST

/* ---- processors ---------------------------------------------------------------------------------------------------- */

static int procs_main(void *arg)
{
	t_check_int(goro_maxprocs(0), ==, *(int *)arg);
	t_check_int(goro_maxprocs(-1), ==, *(int *)arg);
	return 0;
}

START_TEST(the_default_number_of_processors_follows_mask_and_environment)
{
	cpu_set_t all, one;
	int n = 1, cpus;

	t_check_int(goro_maxprocs(0), ==, -EPERM);
	t_check(setenv("GORO_MAXPROCS", "3", 1) == 0);
	n = 3;
	api_run(procs_main, &n);
	n = 5;
	api_run_procs(5, procs_main, &n);
	unsetenv("GORO_MAXPROCS");
	t_check(sched_getaffinity(0, sizeof all, &all) == 0);
	CPU_ZERO(&one);
	for (cpus = 0; !CPU_ISSET(cpus, &all); cpus++)
		;
	CPU_SET(cpus, &one);
	t_check(sched_setaffinity(0, sizeof one, &one) == 0);
	n = 1;
	api_run(procs_main, &n);
}
END_TEST

struct busy {
	struct goro_chan *c;
	int stop;   /* atomic */
	long turns[4]; /* atomic */
	struct goro_waitgroup wg;
};

static void busy_yielder(struct busy *b)
{
	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		goro_yield();
		__atomic_add_fetch(&b->turns[0], 1, __ATOMIC_RELAXED);
	}
	goro_waitgroup_done(&b->wg);
}

static void busy_talker(struct busy *b, int sends)
{
	int v = 0;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		int64_t d = goro_after(GORO_MILLISECOND);

		if ((sends ? goro_chan_send(b->c, &v, d) : goro_chan_recv(b->c, &v, d)) >= 0)
			__atomic_add_fetch(&b->turns[1 + sends], 1, __ATOMIC_RELAXED);
	}
	goro_waitgroup_done(&b->wg);
}

static void busy_sleeper(struct busy *b)
{
	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		goro_sleep(20 * GORO_MICROSECOND);
		__atomic_add_fetch(&b->turns[3], 1, __ATOMIC_RELAXED);
	}
	goro_waitgroup_done(&b->wg);
}

static int resize_main(void *arg)
{
	struct busy *b = arg;
	uint64_t rng = t_seed();
	int procs = goro_maxprocs(0);

	goro_waitgroup_add(&b->wg, 16);
	for (int i = 0; i < 4; i++) {
		t_check(GORO_GO(busy_yielder, b) == 0);
		t_check(GORO_GO(busy_sleeper, b) == 0);
		t_check(GORO_GO(busy_talker, b, 0) == 0);
		t_check(GORO_GO(busy_talker, b, 1) == 0);
	}
	for (long n = t_scaled(200); n > 0; n--) {
		int next = 1 + (int)api_below(&rng, 8);
		long before = __atomic_load_n(&b->turns[n & 3], __ATOMIC_RELAXED);

		t_check_int(goro_maxprocs(next), ==, procs);
		procs = next;
		t_check_int(goro_maxprocs(0), ==, procs);
		/* Each kind goes on after each change. */
		t_eventually(__atomic_load_n(&b->turns[n & 3], __ATOMIC_RELAXED) > before, API_PATIENCE);
	}
	t_check_int(goro_maxprocs(INT_MAX), ==, -EINVAL);
	t_check_int(goro_maxprocs(0), ==, procs);
	__atomic_store_n(&b->stop, 1, __ATOMIC_RELAXED);
	t_check_int(goro_waitgroup_wait(&b->wg, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(the_number_of_processors_changes_while_goroutines_run)
{
	struct busy b = { .c = goro_chan_new(sizeof(int), 1) };

	api_run(resize_main, &b);
	goro_chan_free(b.c);
}
END_TEST

static void *resize_thread(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++)
		t_check(goro_maxprocs(1 + i % 4) > 0);
	return NULL;
}

static int resize_outside_main(void *arg)
{
	api_join(api_thread(resize_thread, arg));
	t_check_int(goro_maxprocs(0), ==, 4);
	return 0;
}

START_TEST(a_plain_thread_changes_the_number_of_processors)
{
	api_run(resize_outside_main, NULL);
}
END_TEST

/* ---- goro_exit ------------------------------------------------------------------------------------------------------- */

static int exit_deep(struct goro_waitgroup *wg, int depth)
{
	volatile char frame[100];

	frame[0] = (char)depth;
	if (depth > 0)
		return exit_deep(wg, depth - 1) + frame[0];
	goro_waitgroup_done(wg);
	if (frame[0] == 0)
		goro_exit();
	return 0;
}

static void exits(struct goro_waitgroup *wg, int depth)
{
	exit_deep(wg, depth);
	t_check(!"goro_exit() came back");
}

static int exit_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		goro_waitgroup_add(&wg, 1);
		t_check(GORO_GO(exits, &wg, i % 20) == 0);
	}
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(exit_ends_the_goroutine_from_any_depth)
{
	api_run(exit_main, NULL);
}
END_TEST

static void survivor(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++) {
		goro_yield();
		goro_sleep(100 * GORO_MICROSECOND);
	}
	_exit(17);
}

static int main_exits(void *arg)
{
	if (arg)
		t_check(goro_spawn(survivor, NULL) == 0);
	goro_exit();
}

START_TEST(after_exit_of_the_main_goroutine_the_others_go_on)
{
	char err[4096];
	int something, status = api_child(0, main_exits, &something, err, sizeof err);

	t_check(WIFEXITED(status), "status is %#x: %s", status, err);
	t_check_int(WEXITSTATUS(status), ==, 17);
}
END_TEST

START_TEST(after_exit_of_the_main_goroutine_with_none_left_the_program_ends_as_deadlocked)
{
	api_expect_fatal(main_exits, NULL,
			 "fatal error: no goroutines (main called runtime.Goexit) - deadlock!");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("procs");
	TCase *tc = tcase_create("counting");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, count_counts_the_goroutines_that_exist);
	tcase_add_test(tc, ids_are_unique_and_stay);
	tcase_add_test(tc, the_default_number_of_processors_follows_mask_and_environment);
	tcase_add_test(tc, the_number_of_processors_changes_while_goroutines_run);
	tcase_add_test(tc, a_plain_thread_changes_the_number_of_processors);
	suite_add_tcase(s, tc);
	tc = tcase_create("exit");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, exit_ends_the_goroutine_from_any_depth);
	tcase_add_test(tc, after_exit_of_the_main_goroutine_the_others_go_on);
	tcase_add_test(tc, after_exit_of_the_main_goroutine_with_none_left_the_program_ends_as_deadlocked);
	suite_add_tcase(s, tc);
	return t_main(s);
}
