/* SPDX-License-Identifier: MIT */
/* check_time.c: what <goro/time.h> promises: the clock, deadlines, sleeping. */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "api.h"
#include "t.h"

/* How late a sleeper may be on a machine that has other things to do. */
#define LATE (2 * GORO_SECOND)

START_TEST(now_is_the_monotonic_clock)
{
	for (int i = 0; i < 1000; i++) {
		struct timespec a, b;
		int64_t t;

		clock_gettime(CLOCK_MONOTONIC, &a);
		t = goro_now();
		clock_gettime(CLOCK_MONOTONIC, &b);
		t_check(t >= a.tv_sec * GORO_SECOND + a.tv_nsec);
		t_check(t <= b.tv_sec * GORO_SECOND + b.tv_nsec);
	}
}
END_TEST

START_TEST(after_adds_and_never_overflows)
{
	int64_t before = goro_now(), d = goro_after(GORO_SECOND), after = goro_now();

	t_check(d >= before + GORO_SECOND && d <= after + GORO_SECOND);
	t_check(goro_after(0) >= before && goro_after(0) <= goro_now() + GORO_SECOND);
	t_check(goro_after(0) != GORO_NOW);
	t_check_int(goro_after(-1), ==, GORO_FOREVER);
	t_check_int(goro_after(INT64_MIN), ==, GORO_FOREVER);
	t_check_int(goro_after(INT64_MAX), ==, GORO_FOREVER);
	t_check_int(goro_after(INT64_MAX - 1), ==, GORO_FOREVER);
	t_check(goro_after(INT64_MAX - 2 * goro_now()) > goro_now());
}
END_TEST

static int sleep_main(void *arg)
{
	static const int64_t ns[] = { 1, 1000, 50000, 999999, 1000000, 1500000, 10000000, 30000000 };

	(void)arg;
	for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
		int64_t start = goro_now(), took;

		t_check_int(goro_sleep(ns[i]), ==, 0);
		took = goro_now() - start;
		t_check(took >= ns[i], "slept %lld of %lld ns", (long long)took, (long long)ns[i]);
		t_check(!api_timing_is_sound() || took < ns[i] + LATE, "slept %lld for %lld ns",
			(long long)took, (long long)ns[i]);
	}
	return 0;
}

START_TEST(a_sleep_lasts_its_time_and_not_much_longer)
{
	api_run(sleep_main, NULL);
}
END_TEST

static int no_sleep_main(void *arg)
{
	int64_t start = goro_now();

	(void)arg;
	for (int i = 0; i < 1000; i++) {
		t_check_int(goro_sleep(0), ==, 0);
		t_check_int(goro_sleep(-1), ==, 0);
		t_check_int(goro_sleep(INT64_MIN), ==, 0);
		t_check_int(goro_sleep_until(GORO_NOW), ==, 0);
		t_check_int(goro_sleep_until(1), ==, 0);
		t_check_int(goro_sleep_until(goro_now() - GORO_SECOND), ==, 0);
	}
	t_check(!api_timing_is_sound() || goro_now() - start < LATE);
	return 0;
}

START_TEST(a_sleep_of_nothing_or_into_the_past_returns_at_once)
{
	api_run(no_sleep_main, NULL);
}
END_TEST

static int until_main(void *arg)
{
	(void)arg;
	for (int i = 1; i < 20; i++) {
		int64_t deadline = goro_after(i * 200 * GORO_MICROSECOND);

		t_check_int(goro_sleep_until(deadline), ==, 0);
		t_check(goro_now() >= deadline);
		t_check(!api_timing_is_sound() || goro_now() < deadline + LATE);
	}
	return 0;
}

START_TEST(sleep_until_ends_at_the_deadline)
{
	api_run(until_main, NULL);
}
END_TEST

static void for_ever(int64_t deadline)
{
	goro_sleep_until(deadline);
	t_check(!"a sleep for ever ended");
}

static int for_ever_main(void *arg)
{
	(void)arg;
	t_check(GORO_GO(for_ever, GORO_FOREVER) == 0);
	t_check(GORO_GO(for_ever, INT64_C(-77)) == 0);
	t_check(GORO_GO(for_ever, INT64_MAX) == 0);
	t_eventually(api_waiting("sleep") == 3, API_PATIENCE);
	goro_sleep(5 * GORO_MILLISECOND); /* in which none of them ends */
	t_check_int(goro_count(), ==, 4);
	return 0;
}

START_TEST(a_sleep_for_ever_does_not_end)
{
	api_run(for_ever_main, NULL);
}
END_TEST

/* ---- many sleepers ------------------------------------------------------------------------------------- */

#define ORDERED 200

struct ordered {
	int order[ORDERED];
	int next; /* atomic */
	int late; /* atomic: somebody came after the first deadline, so the order means nothing */
	struct goro_waitgroup wg;
};

static void ordered_sleeper(struct ordered *o, int index, int64_t deadline, int64_t first)
{
	if (goro_now() >= first)
		__atomic_store_n(&o->late, 1, __ATOMIC_SEQ_CST);
	goro_sleep_until(deadline);
	t_check(goro_now() >= deadline);
	o->order[__atomic_fetch_add(&o->next, 1, __ATOMIC_SEQ_CST)] = index;
	goro_waitgroup_done(&o->wg);
}

/* The deadlines lie 100 us apart and are handed out in a mixed order. */
static int ordered_main(void *arg)
{
	struct ordered *o = arg;
	int64_t first = goro_after(50 * GORO_MILLISECOND);

	goro_waitgroup_add(&o->wg, ORDERED);
	for (int i = 0; i < ORDERED; i++) {
		int k = i * 77 % ORDERED;

		t_check(GORO_GO(ordered_sleeper, o, k, first + k * INT64_C(100000), first) == 0);
	}
	t_check_int(goro_waitgroup_wait(&o->wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < ORDERED && !o->late; i++)
		t_check_int(o->order[i], ==, i);
	return 0;
}

START_TEST(sleepers_wake_in_the_order_of_their_deadlines)
{
	struct ordered o = { .next = 0 };

	/* One processor: with several, two that are due may run at once. */
	api_run_procs(1, ordered_main, &o);
}
END_TEST

static void random_sleeper(struct goro_waitgroup *wg, int64_t deadline, long *early)
{
	goro_sleep_until(deadline);
	if (goro_now() < deadline)
		__atomic_add_fetch(early, 1, __ATOMIC_RELAXED);
	goro_waitgroup_done(wg);
}

static int crowd_main(void *arg)
{
	uint64_t rng = t_seed();
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	long n = t_scaled(100000), early = 0;
	int64_t last;

	(void)arg;
	goro_waitgroup_add(&wg, (int)n);
	for (long i = 0; i < n; i++) {
		int64_t d = goro_after((100 + api_below(&rng, 400)) * GORO_MILLISECOND);

		t_check(GORO_GO(random_sleeper, &wg, d, &early) == 0);
	}
	last = goro_after(500 * GORO_MILLISECOND);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(early, ==, 0);
	t_check(!api_timing_is_sound() || goro_now() < last + 5 * LATE);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(a_hundred_thousand_sleepers_all_wake_and_none_early)
{
	api_run(crowd_main, NULL);
}
END_TEST

static void *sleeping_thread(void *arg)
{
	int64_t start = goro_now();

	(void)arg;
	t_check_int(goro_sleep(2 * GORO_MILLISECOND), ==, 0);
	t_check(goro_now() - start >= 2 * GORO_MILLISECOND);
	start = goro_now();
	t_check_int(goro_sleep_until(start + 2 * GORO_MILLISECOND), ==, 0);
	t_check(goro_now() - start >= 2 * GORO_MILLISECOND);
	t_check_int(goro_sleep_until(GORO_NOW), ==, 0);
	t_check_int(goro_sleep(-1), ==, 0);
	return NULL;
}

static int thread_main(void *arg)
{
	(void)arg;
	api_join(api_thread(sleeping_thread, NULL));
	return 0;
}

START_TEST(a_plain_thread_sleeps_too)
{
	sleeping_thread(NULL);
	api_run(thread_main, NULL);
}
END_TEST

/* An early timer that is set while the processors sleep towards a late one must fire in its time. */
static void late_sleeper(void *arg)
{
	(void)arg;
	goro_sleep(3600 * GORO_SECOND);
	t_check(!"an hour has passed");
}

static int earlier_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++)
		t_check(goro_spawn(late_sleeper, NULL) == 0);
	for (int i = 0; i < 50; i++) {
		int64_t start = goro_now();

		goro_sleep(GORO_MILLISECOND);
		t_check(!api_timing_is_sound() || goro_now() - start < LATE);
	}
	return 0;
}

START_TEST(an_early_timer_overtakes_a_late_one)
{
	api_run(earlier_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("time");
	TCase *tc = tcase_create("clock and sleep");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, now_is_the_monotonic_clock);
	tcase_add_test(tc, after_adds_and_never_overflows);
	tcase_add_test(tc, a_sleep_lasts_its_time_and_not_much_longer);
	tcase_add_test(tc, a_sleep_of_nothing_or_into_the_past_returns_at_once);
	tcase_add_test(tc, sleep_until_ends_at_the_deadline);
	tcase_add_test(tc, a_sleep_for_ever_does_not_end);
	tcase_add_test(tc, sleepers_wake_in_the_order_of_their_deadlines);
	tcase_add_test(tc, a_hundred_thousand_sleepers_all_wake_and_none_early);
	tcase_add_test(tc, a_plain_thread_sleeps_too);
	tcase_add_test(tc, an_early_timer_overtakes_a_late_one);
	suite_add_tcase(s, tc);
	return t_main(s);
}
