/* SPDX-License-Identifier: MIT */
/*
 * check_timer.c: timers. Each test is named for a sentence of the documentation of Go's package time (1.23), quoted above it. check_ticker.c has tickers,
 * misuse, and what runs do to timers; stress_timer.c the stops and resets that meet the firing.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "t.h"
#include "timers.h"

/* ---------------------------------------------------------------------------------------------------- */
/* Timer */

/* "NewTimer creates a new Timer that will send the current time on its channel after at least duration d." */
static void sends_after(void)
{
	static const int64_t ns[] = { 1, 1000, 300000, MS, 7 * MS, 20 * MS };

	for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
		int64_t start = goro_now();
		struct goro_timer *t = timer(ns[i]);

		comes(goro_timer_chan(t), start + ns[i]);
		silent(goro_timer_chan(t));
		goro_timer_free(t);
	}
}

START_TEST(a_new_timer_sends_the_time_after_at_least_its_duration)
{
	api_everywhere(sends_after);
}
END_TEST

/* "when: ... If d is negative, it is ignored": such a timer fires at once. */
static void not_positive(void)
{
	static const int64_t ns[] = { 0, -1, -HOUR, INT64_MIN };

	for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
		int64_t start = goro_now();
		struct goro_timer *t = timer(ns[i]);

		comes(goro_timer_chan(t), start);
		t_check_int(goro_timer_reset(t, ns[i]), ==, 0);
		comes(goro_timer_chan(t), start);
		goro_timer_free(t);
	}
}

START_TEST(a_duration_that_is_not_positive_has_passed)
{
	api_everywhere(not_positive);
}
END_TEST

/* "If the returned value would be less than zero because of an overflow, MaxInt64 is returned." */
static void overflow(void)
{
	struct goro_timer *t = timer(INT64_MAX);

	pass(MS);
	silent(goro_timer_chan(t));
	t_check_int(goro_timer_reset(t, INT64_MAX - 1), ==, 1);
	t_check_int(goro_timer_stop(t), ==, 1);
	goro_timer_free(t);
}

START_TEST(a_duration_beyond_the_end_of_time_never_passes)
{
	api_everywhere(overflow);
}
END_TEST

/* "As of Go 1.23, the channel is synchronous (unbuffered, capacity 0)" */
static void looks_unbuffered(void)
{
	struct goro_timer *t = timer(0);
	struct goro_chan *c = goro_timer_chan(t);

	t_check_int(goro_chan_cap(c), ==, 0);
	pass(MS);
	t_check_int(goro_chan_len(c), ==, 0);
	comes(c, 0);
	t_check_int(goro_chan_len(c), ==, 0);
	goro_timer_free(t);
}

START_TEST(the_channel_looks_unbuffered)
{
	api_everywhere(looks_unbuffered);
}
END_TEST

/* "Stop prevents the Timer from firing. It returns true if the call stops the timer, false if the timer has already expired or been stopped." */
static void stop_says(void)
{
	struct goro_timer *t = timer(MS);

	t_check_int(goro_timer_stop(t), ==, 1);
	t_check_int(goro_timer_stop(t), ==, 0);
	pass(3 * MS);
	silent(goro_timer_chan(t));
	t_check_int(goro_timer_stop(t), ==, 0);
	goro_timer_free(t);

	t = timer(MS);
	comes(goro_timer_chan(t), 0);
	t_check_int(goro_timer_stop(t), ==, 0);
	goro_timer_free(t);
}

START_TEST(stop_says_whether_it_stopped_the_timer)
{
	api_everywhere(stop_says);
}
END_TEST

/*
 * "any receive from t.C after Stop has returned is guaranteed to block rather than receive a stale time value from before the Stop; if the
 * program has not received from t.C already and the timer is running, Stop is guaranteed to return true."
 */
static void no_stale_value(void)
{
	for (int i = 0; i < 20; i++) {
		struct goro_timer *t = timer(i * MS / 10);

		pass(MS); /* it has expired, or is about to, and nobody has received */
		t_check_int(goro_timer_stop(t), ==, 1);
		silent(goro_timer_chan(t));
		t_check_int(goro_timer_stop(t), ==, 0);
		goro_timer_free(t);
	}
}

START_TEST(nothing_stale_is_received_after_stop)
{
	api_everywhere(no_stale_value);
}
END_TEST

/* "Reset changes the timer to expire after duration d. It returns true if the timer had been active, false if the timer had expired or been stopped." */
static void reset_says(void)
{
	struct goro_timer *t = timer(HOUR);
	int64_t start = goro_now();

	t_check_int(goro_timer_reset(t, MS), ==, 1);
	comes(goro_timer_chan(t), start + MS);
	start = goro_now();
	t_check_int(goro_timer_reset(t, 2 * MS), ==, 0);
	comes(goro_timer_chan(t), start + 2 * MS);
	t_check_int(goro_timer_reset(t, HOUR), ==, 0);
	t_check_int(goro_timer_stop(t), ==, 1);
	t_check_int(goro_timer_reset(t, HOUR), ==, 0);
	t_check_int(goro_timer_reset(t, 2 * HOUR), ==, 1);
	pass(MS);
	silent(goro_timer_chan(t));
	goro_timer_free(t);
}

START_TEST(reset_says_whether_the_timer_was_active)
{
	api_everywhere(reset_says);
}
END_TEST

/*
 * "any receive from t.C after Reset has returned is guaranteed not to receive a time value corresponding to the previous timer settings; if the
 * program has not received from t.C already and the timer is running, Reset is guaranteed to return true."
 */
static void reset_no_stale_value(void)
{
	for (int i = 0; i < 20; i++) {
		struct goro_timer *t = timer(i * MS / 10);
		int64_t start;

		pass(MS);
		t_check_int(goro_timer_reset(t, HOUR), ==, 1);
		silent(goro_timer_chan(t));
		start = goro_now();
		t_check_int(goro_timer_reset(t, MS), ==, 1);
		comes(goro_timer_chan(t), start + MS);
		silent(goro_timer_chan(t));
		goro_timer_free(t);
	}
}

START_TEST(nothing_stale_is_received_after_reset)
{
	api_everywhere(reset_no_stale_value);
}
END_TEST

/* A timer's channel is a case like any other; two that are due have the same chance. */
static void selects(void)
{
	int seen[2] = { 0, 0 };

	for (int i = 0; i < 200; i++) {
		struct goro_timer *a = timer(0), *b = timer(0), *never = timer(HOUR);
		int64_t va = 0, vb = 0, vn = 0;
		struct goro_case cases[] = { { .chan = goro_timer_chan(a), .op = GORO_RECV, .elem = &va },
					     { .chan = goro_timer_chan(b), .op = GORO_RECV, .elem = &vb },
					     { .chan = goro_timer_chan(never), .op = GORO_RECV, .elem = &vn } };
		int which;

		if (i % 2)
			t_eventually(goro_chan_recv(goro_timer_chan(a), NULL, GORO_NOW) == 1 && goro_timer_reset(a, 0) == 0, API_PATIENCE);
		which = goro_select(cases, 3, goro_after(API_PATIENCE * MS));
		t_check(which == 0 || which == 1);
		t_check_int(cases[which].ret, ==, 1);
		t_check(vn == 0 && (which == 0 ? va : vb) > 0 && (which == 0 ? vb : va) == 0);
		seen[which]++;
		cases[which].op = 0;
		t_check_int(goro_select(cases, 3, goro_after(API_PATIENCE * MS)), ==, 1 - which);
		t_check_int(goro_select(cases, 3, GORO_NOW), ==, -EAGAIN);
		goro_timer_free(a);
		goro_timer_free(b);
		goro_timer_free(never);
	}
	t_check(seen[0] + seen[1] == 200);
}

START_TEST(timers_are_cases_of_a_select)
{
	api_everywhere(selects);
}
END_TEST

/* "After waits for the duration to elapse and then sends the current time on the returned channel." */
static void after(void)
{
	int64_t start = goro_now();
	struct goro_chan *c = goro_time_after(2 * MS), *never = goro_time_after(HOUR);

	t_check_int(goro_chan_cap(c), ==, 0);
	comes(c, start + 2 * MS);
	silent(c);
	silent(never);
	goro_chan_free(c);
	goro_chan_free(never); /* and with it the timer that has not fired */
}

START_TEST(after_is_a_channel_that_gets_the_time)
{
	api_everywhere(after);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */
/* AfterFunc */

struct call {
	uint32_t calls;
	uint64_t id; /* the goroutine */
	struct goro_chan *done;
};

static void called(void *arg)
{
	struct call *c = arg;

	c->id = goro_id();
	__atomic_add_fetch(&c->calls, 1, __ATOMIC_SEQ_CST);
	goro_chan_send(c->done, NULL, GORO_FOREVER);
}

static uint32_t calls(struct call *c)
{
	return __atomic_load_n(&c->calls, __ATOMIC_SEQ_CST);
}

/* "AfterFunc waits for the duration to elapse and then calls f in its own goroutine ... The returned Timer's C field is not used and will be nil." */
static void func(void)
{
	struct call c = { .done = goro_chan_new(0, 0) };
	struct goro_timer *t = goro_timer_func(MS, called, &c);

	t_check(t != NULL);
	t_check(goro_timer_chan(t) == NULL);
	t_check_int(goro_chan_recv(c.done, NULL, goro_after(API_PATIENCE * MS)), ==, 1);
	t_check(c.id != 0 && c.id != goro_id());
	/* "if t.Stop returns false, then the timer has already expired and the function f has been started" */
	t_check_int(goro_timer_stop(t), ==, 0);
	/* "Reset either reschedules when f will run, in which case Reset returns true, or schedules f to run again, in which case it returns false." */
	t_check_int(goro_timer_reset(t, HOUR), ==, 0);
	t_check_int(goro_timer_reset(t, MS), ==, 1);
	t_check_int(goro_chan_recv(c.done, NULL, goro_after(API_PATIENCE * MS)), ==, 1);
	t_check_int(goro_timer_reset(t, 0), ==, 0);
	t_check_int(goro_chan_recv(c.done, NULL, goro_after(API_PATIENCE * MS)), ==, 1);
	t_check_int(calls(&c), ==, 3);
	t_check_int(goro_timer_reset(t, MS), ==, 0);
	t_check_int(goro_timer_stop(t), ==, 1);
	pass(3 * MS);
	t_check_int(calls(&c), ==, 3);
	goro_timer_free(t);
	goro_chan_free(c.done);
}

START_TEST(a_function_is_called_in_its_own_goroutine)
{
	api_everywhere(func);
}
END_TEST

/* "Stop does not wait for f to complete before returning." And the timer may be freed while f runs. */
static void not_waiting(void)
{
	struct call c = { .done = goro_chan_new(0, 0) };
	struct goro_timer *t = goro_timer_func(0, called, &c);

	t_eventually(calls(&c) == 1, API_PATIENCE);
	t_check_int(goro_timer_stop(t), ==, 0); /* f waits for us in its send */
	/* "nor does it guarantee that the subsequent goroutine running f does not run concurrently with the prior one" */
	t_check_int(goro_timer_reset(t, 0), ==, 0);
	t_eventually(calls(&c) == 2, API_PATIENCE);
	goro_timer_free(t);
	t_check_int(goro_chan_recv(c.done, NULL, GORO_FOREVER), ==, 1);
	t_check_int(goro_chan_recv(c.done, NULL, GORO_FOREVER), ==, 1);
	goro_chan_free(c.done);
}

START_TEST(stop_does_not_wait_for_the_function)
{
	api_everywhere(not_waiting);
}
END_TEST

struct chain {
	struct goro_timer *t;
	int left;
	struct goro_chan *ready, *done;
};

static void links(void *arg)
{
	struct chain *c = arg;

	goro_chan_recv(c->ready, NULL, GORO_FOREVER);
	if (--c->left > 0) {
		t_check_int(goro_timer_reset(c->t, 1000), ==, 0);
		goro_chan_send(c->ready, NULL, GORO_FOREVER);
	} else {
		goro_chan_send(c->done, NULL, GORO_FOREVER);
	}
}

static void resets_itself(void)
{
	struct chain c = { .left = 50, .ready = goro_chan_new(0, 1), .done = goro_chan_new(0, 0) };

	c.t = goro_timer_func(0, links, &c);
	goro_chan_send(c.ready, NULL, GORO_FOREVER);
	t_check_int(goro_chan_recv(c.done, NULL, goro_after(API_PATIENCE * MS)), ==, 1);
	t_check_int(c.left, ==, 0);
	goro_timer_free(c.t);
	goro_chan_free(c.ready);
	goro_chan_free(c.done);
}

START_TEST(a_function_may_reset_its_own_timer)
{
	api_everywhere(resets_itself);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timer");
	TCase *tc = tcase_create("timer");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_new_timer_sends_the_time_after_at_least_its_duration);
	tcase_add_test(tc, a_duration_that_is_not_positive_has_passed);
	tcase_add_test(tc, a_duration_beyond_the_end_of_time_never_passes);
	tcase_add_test(tc, the_channel_looks_unbuffered);
	tcase_add_test(tc, stop_says_whether_it_stopped_the_timer);
	tcase_add_test(tc, nothing_stale_is_received_after_stop);
	tcase_add_test(tc, reset_says_whether_the_timer_was_active);
	tcase_add_test(tc, nothing_stale_is_received_after_reset);
	tcase_add_test(tc, timers_are_cases_of_a_select);
	tcase_add_test(tc, after_is_a_channel_that_gets_the_time);
	tcase_add_test(tc, a_function_is_called_in_its_own_goroutine);
	tcase_add_test(tc, stop_does_not_wait_for_the_function);
	tcase_add_test(tc, a_function_may_reset_its_own_timer);
	return t_main(s);
}
