/* SPDX-License-Identifier: MIT */
/* check_timer.c: the heap of timers of a P: order, stops, a million, and a stop that meets the callback on another thread. */
#include "timer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "m.h"
#include "p.h"
#include "t.h"

static struct p p;
static struct m m;
static int64_t last;
static long fired;

static void setup(void)
{
	memset(&p, 0, sizeof(p));
	memset(&m, 0, sizeof(m));
	goro__timers_init(&p.timers);
	m.p = &p;
	last = fired = 0;
}

static void in_order(struct m *at, struct timer *t)
{
	t_check(at == &m);
	t_check(t->when >= last);
	t_check_int(t->idx, ==, 0);
	last = t->when;
	fired++;
}

static uint64_t rng;

static uint64_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

/* Starts n timers at random times below range; with the same times often, if it is small. */
static struct timer *start(long n, uint64_t range)
{
	struct timer *t = calloc((size_t)n, sizeof(*t));

	t_check(t != NULL);
	for (long i = 0; i < n; i++) {
		t[i].fn = in_order;
		t_check_int(goro__timer_start(&m, &t[i], (int64_t)(next() % range)), ==, 0);
	}
	return t;
}

START_TEST(timers_fire_in_the_order_of_their_times_and_none_early)
{
	struct timer *t;

	setup();
	rng = t_seed() | 1;
	t = start(10000, 1000);
	t_check(p.timers.first >= 0 && p.timers.first < 1000);
	t_check_int(goro__timers_run(&m, &p, -1), ==, 0);
	goro__timers_run(&m, &p, 499);
	t_check(last <= 499 && p.timers.first >= 500);
	goro__timers_run(&m, &p, 1000);
	t_check_int(fired, ==, 10000);
	t_check(p.timers.first == INT64_MAX);
	free(t);
	goro__timers_fini(&p.timers);
}
END_TEST

START_TEST(a_stopped_timer_never_fires_and_says_so)
{
	long n = 5000, stopped = 0;
	struct timer *t;

	setup();
	rng = t_seed() | 1;
	t = start(n, 100000);
	for (long i = 0; i < n; i++)
		if (next() & 1) {
			t_check(goro__timer_stop(&t[i]));
			t_check(!goro__timer_stop(&t[i]));
			stopped++;
		}
	goro__timers_run(&m, &p, 100000);
	t_check_int(fired, ==, n - stopped);
	for (long i = 0; i < n; i++)
		t_check(!goro__timer_stop(&t[i]));
	free(t);
	goro__timers_fini(&p.timers);
}
END_TEST

START_TEST(a_million_timers_live_at_once)
{
	long n = t_scaled(1000000);
	struct timer *t;

	setup();
	rng = t_seed() | 1;
	t = start(n, UINT64_C(1) << 40);
	t_check_int(p.timers.n, ==, n);
	for (long i = 0; i < n; i += 2)
		t_check(goro__timer_stop(&t[i]));
	goro__timers_run(&m, &p, INT64_MAX - 1);
	t_check_int(fired, ==, n / 2);
	free(t);
	goro__timers_fini(&p.timers);
}
END_TEST

static uint32_t go_on, over; /* atomic */

static void slow_callback(struct m *at, struct timer *t)
{
	(void)at;
	(void)t;
	store_rel(&go_on, 1);
	for (int i = 0; i < 1000000; i++)
		compiler_barrier();
	store_rel(&over, 1);
}

static void *runner(void *arg)
{
	(void)arg;
	goro__timers_run(&m, &p, 1);
	return NULL;
}

START_TEST(a_stop_waits_for_a_callback_that_runs_on_another_thread)
{
	struct timer t = { .fn = slow_callback };
	pthread_t thread;

	setup();
	t_check_int(goro__timer_start(&m, &t, 1), ==, 0);
	t_check(pthread_create(&thread, NULL, runner, NULL) == 0);
	while (!load_acq(&go_on))
		arch_pause();
	t_check(!goro__timer_stop(&t));
	t_check_int(load_acq(&over), ==, 1);
	pthread_join(thread, NULL);
	goro__timers_fini(&p.timers);
}
END_TEST

static void starts_itself_again(struct m *at, struct timer *t)
{
	if (++fired < 5)
		t_check_int(goro__timer_start(at, t, t->when + 10), ==, 0);
}

START_TEST(a_callback_may_start_its_timer_again)
{
	struct timer t = { .fn = starts_itself_again };

	setup();
	t_check_int(goro__timer_start(&m, &t, 10), ==, 0);
	goro__timers_run(&m, &p, 30);
	t_check_int(fired, ==, 3);
	t_check(goro__timer_stop(&t));
	goro__timers_fini(&p.timers);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timer");
	TCase *tc = tcase_create("heap");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, timers_fire_in_the_order_of_their_times_and_none_early);
	tcase_add_test(tc, a_stopped_timer_never_fires_and_says_so);
	tcase_add_test(tc, a_million_timers_live_at_once);
	tcase_add_test(tc, a_stop_waits_for_a_callback_that_runs_on_another_thread);
	tcase_add_test(tc, a_callback_may_start_its_timer_again);
	suite_add_tcase(s, tc);
	return t_main(s);
}
