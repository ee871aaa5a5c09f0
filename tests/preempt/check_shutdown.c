/* SPDX-License-Identifier: MIT */
/*
 * check_shutdown.c: changing the number of processors, and stopping the runtime, while goroutines are stopped, blocked in the kernel, or bound to
 * threads. Issue 3: "maxprocs changes while goroutines are stopped, blocked or pinned; shutdown with all of those alive".
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

/* LeakSanitizer asks: what a goroutine that is cut off has allocated is lost, by design. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

/* ---- a crowd of every kind --------------------------------------------------------------------------------------- */

#define KINDS 6
#define EACH 3

struct crowd {
	int stop;	   /* atomic */
	int raw[2][2];	   /* pipes to block on */
	int fd[2];	   /* a pair to park on */
	long turns[KINDS]; /* atomic */
	struct goro_chan *never;
	struct goro_mutex mutex;
};

static void turn(struct crowd *c, int kind)
{
	__atomic_add_fetch(&c->turns[kind], 1, __ATOMIC_RELAXED);
}

static long turns(struct crowd *c, int kind)
{
	return __atomic_load_n(&c->turns[kind], __ATOMIC_RELAXED);
}

static void spin_in_crowd(struct crowd *c)
{
	while (!pre_get(&c->stop)) {
		pre_burn(200 * GORO_MICROSECOND);
		turn(c, 0);
	}
}

static void allocate_in_crowd(struct crowd *c)
{
	char text[64];

	for (unsigned n = 1; !pre_get(&c->stop); n++) {
		void *p = malloc(n % 3000);

		snprintf(text, sizeof text, "%d %g", (int)n, (double)n / 7);
		free(p);
		if (n % 64 == 0)
			turn(c, 1);
	}
}

static void block_in_crowd(struct crowd *c)
{
	char byte;

	while (read(c->raw[0][0], &byte, 1) == 1 && !pre_get(&c->stop))
		turn(c, 2);
}

static void bound_in_crowd(struct crowd *c)
{
	goro_thread_lock();
	while (!pre_get(&c->stop)) {
		pid_t tid = gettid();

		goro_sleep(100 * GORO_MICROSECOND);
		t_check_int(gettid(), ==, tid);
		turn(c, 3);
	}
}

static void announce_in_crowd(struct crowd *c)
{
	while (!pre_get(&c->stop)) {
		struct timespec ts = { 0, 100000 };

		goro_block_enter();
		nanosleep(&ts, NULL);
		goro_mutex_lock(&c->mutex);
		goro_mutex_unlock(&c->mutex);
		goro_block_exit();
		turn(c, 4);
	}
}

static void bound_and_blocked(struct crowd *c)
{
	char byte;

	goro_thread_lock();
	while (read(c->raw[1][0], &byte, 1) == 1 && !pre_get(&c->stop)) {
		goro_yield();
		turn(c, 5);
	}
}

static void park_in_crowd(struct crowd *c)
{
	char byte;

	goro_read(c->fd[0], &byte, 1, GORO_FOREVER);
}

static void park_on_channel(struct crowd *c)
{
	goro_preempt_off();
	goro_thread_lock();
	goro_chan_recv(c->never, NULL, GORO_FOREVER);
}

static void start_crowd(struct crowd *c)
{
	static void (*const kinds[KINDS])(struct crowd *) = { spin_in_crowd, allocate_in_crowd, block_in_crowd, bound_in_crowd,
							      announce_in_crowd, bound_and_blocked };

	memset(c, 0, sizeof *c);
	t_check(pipe2(c->raw[0], O_CLOEXEC) == 0 && pipe2(c->raw[1], O_CLOEXEC) == 0);
	t_check_int(api_link(API_PAIR, c->fd), ==, 0);
	c->never = goro_chan_new(0, 0);
	for (int i = 0; i < EACH; i++) {
		for (int k = 0; k < KINDS; k++)
			t_check_int(GORO_GO(kinds[k], c), ==, 0);
		t_check_int(GORO_GO(park_on_channel, c), ==, 0);
	}
	t_check_int(GORO_GO(park_in_crowd, c), ==, 0);
}

/* Each kind gets on, now that the number of processors is another one. */
static void each_gets_on(struct crowd *c, int by)
{
	for (int k = 0; k < KINDS; k++) {
		long before = turns(c, k);

		for (int i = 0; i < by; i++)
			t_check((k != 2 && k != 5) || write(c->raw[k == 5][1], "x", 1) == 1);
		t_eventually(turns(c, k) >= before + by, API_PATIENCE);
	}
}

static void close_crowd(struct crowd *c)
{
	for (int i = 0; i < 2; i++)
		t_check(close(c->raw[i][0]) == 0 && close(c->raw[i][1]) == 0 && close(c->fd[i]) == 0);
	goro_chan_free(c->never);
}

/* ---- processors come and go ------------------------------------------------------------------------------------------ */

static int procs_main(void *arg)
{
	static const int procs[] = { 2, 1, 4, 1, 3, 8, 2, 1 };
	struct crowd *c = arg;

	start_crowd(c);
	each_gets_on(c, 1);
	for (int i = 0; i < 8; i++) {
		t_check_int(goro_maxprocs(procs[i]), >, 0);
		t_check_int(goro_maxprocs(0), ==, procs[i]);
		each_gets_on(c, 2);
	}
	/* And quickly, without waiting for anybody. */
	for (int i = 0; i < 100; i++)
		t_check_int(goro_maxprocs(1 + i * 7 % 8), >, 0);
	t_check_int(goro_maxprocs(1), >, 0);
	each_gets_on(c, 2);
	/* End in order: everybody leaves but those that are parked for good. */
	pre_set(&c->stop, 1);
	for (int i = 0; i < EACH; i++)
		t_check(write(c->raw[0][1], "x", 1) == 1 && write(c->raw[1][1], "x", 1) == 1);
	t_eventually(goro_count() == 1 + EACH + 1, API_PATIENCE);
	return 0;
}

START_TEST(the_number_of_processors_changes_under_a_crowd_of_every_kind)
{
	struct crowd c;

	pre_run(1, _i ? PRE_SHORT : 2000, procs_main, &c);
	close_crowd(&c);
}
END_TEST

/* ---- the runtime stops in the middle of it ------------------------------------------------------------------------------ */

static void churn(int seed)
{
	void *p[200] = { NULL };

	for (int i = 0; i < 4000; i++) {
		free(p[i % 200]);
		p[i % 200] = malloc(1 + (size_t)(i * 37 + seed) % 9000);
		t_check(p[i % 200] != NULL);
	}
	for (int i = 0; i < 200; i++)
		free(p[i]);
}

static void *churn_thread(void *arg)
{
	churn((int)(intptr_t)arg);
	return NULL;
}

/* The allocator, stdio and threads work, whatever those that were stopped had been doing. */
static void process_is_well(void)
{
	pthread_t t[4];
	char text[64];
	FILE *f;

	churn(1);
	for (int i = 0; i < 4; i++)
		t[i] = api_thread(churn_thread, (void *)(intptr_t)i);
	for (int i = 0; i < 4; i++)
		t_check(pthread_join(t[i], NULL) == 0);
	t_check(snprintf(text, sizeof text, "%g", 0.5) == 3);
	f = tmpfile();
	t_check(f && fprintf(f, "%s\n", text) == 4 && fclose(f) == 0);
}

static int cut_main(void *arg)
{
	struct crowd *c = arg;

	start_crowd(c);
	for (int i = 0; i < 3; i++)
		t_check_int(goro_sleep(3 * GORO_MILLISECOND), ==, 0);
	return 0;
}

START_TEST(the_runtime_stops_and_starts_again_with_a_crowd_of_every_kind)
{
	static struct crowd c[12]; /* what is left of a crowd may still look at it */

	for (int i = 0; i < 12; i++) {
		pre_run(1 + (unsigned)i % 3, i % 2 ? PRE_SHORT : 1000, cut_main, &c[i]);
		process_is_well();
	}
	for (int i = 0; i < 12; i++)
		close_crowd(&c[i]);
	process_is_well();
}
END_TEST

static int hogs_main(void *arg)
{
	for (int i = 0; i < 20; i++)
		t_check_int(GORO_GO(pre_hog, (int *)arg), ==, 0);
	t_check_int(goro_sleep(5 * GORO_MILLISECOND), ==, 0);
	t_eventually(pre_stats().preemptions > 0, API_PATIENCE);
	return 0;
}

/* Twenty that compute for ever: "after every other thread of the runtime has ended". */
START_TEST(goroutines_that_compute_for_ever_leave_no_threads_behind)
{
	static int never;
	int before = api_threads();

	for (int i = 0; i < 10; i++)
		pre_run(1 + (unsigned)i % 2, PRE_SHORT, hogs_main, &never);
	t_eventually(api_threads() <= before, API_PATIENCE);
	process_is_well();
}
END_TEST

static int mallocs_main(void *arg)
{
	struct crowd *c = arg;

	memset(c, 0, sizeof *c);
	for (int i = 0; i < 16; i++)
		t_check_int(GORO_GO(allocate_in_crowd, c), ==, 0);
	t_check_int(goro_sleep(4 * GORO_MILLISECOND), ==, 0);
	return 0;
}

/* They are cut off anywhere in malloc() and printf(), some with a lock of it held. */
START_TEST(the_allocator_works_after_goroutines_were_cut_off_in_it)
{
	static struct crowd c[40];

	for (int i = 0; i < 40; i++) {
		pre_run(1 + (unsigned)i % 2, PRE_SHORT, mallocs_main, &c[i]);
		if (i % 4 == 0)
			process_is_well();
	}
	process_is_well();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: processors and the end");
	TCase *tc = tcase_create("shutdown");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, the_number_of_processors_changes_under_a_crowd_of_every_kind, 0, 2);
	tcase_add_test(tc, the_runtime_stops_and_starts_again_with_a_crowd_of_every_kind);
	tcase_add_test(tc, goroutines_that_compute_for_ever_leave_no_threads_behind);
	tcase_add_test(tc, the_allocator_works_after_goroutines_were_cut_off_in_it);
	suite_add_tcase(s, tc);
	return t_main(s);
}
