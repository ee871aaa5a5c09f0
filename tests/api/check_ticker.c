/* SPDX-License-Identifier: MIT */
/*
 * check_ticker.c: tickers, each test named for a sentence of the documentation of Go's package time (1.23); misuse of timers and tickers; timers
 * that outlive a run; a million of them.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "t.h"
#include "timers.h"

static void nothing(void *arg)
{
	(void)arg;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Ticker */

/* "NewTicker returns a new Ticker containing a channel that will send the current time on the channel after each tick." */
static void ticks(void)
{
	int64_t start = goro_now(), last = start;
	struct goro_ticker *t = ticker(MS);

	t_check_int(goro_chan_cap(goro_ticker_chan(t)), ==, 0);
	for (int i = 1; i <= 10; i++) {
		int64_t v = comes(goro_ticker_chan(t), start + i * MS);

		t_check(v > last);
		last = v;
	}
	/* "After Stop, no more ticks will be sent. Stop does not close the channel" */
	goro_ticker_stop(t);
	goro_ticker_stop(t);
	silent(goro_ticker_chan(t));
	pass(3 * MS);
	silent(goro_ticker_chan(t));
	goro_ticker_free(t);
}

START_TEST(a_ticker_sends_the_time_again_and_again_until_it_is_stopped)
{
	api_everywhere(ticks);
}
END_TEST

/* "The ticker will adjust the time interval or drop ticks to make up for slow receivers." One waits, the others are dropped. */
static void drops(void)
{
	struct goro_ticker *t = ticker(50 * GORO_MICROSECOND);
	int64_t now;
	int n = 0;

	pass(20 * MS);
	goro_ticker_reset(t, HOUR); /* what waited is of the previous setting: gone */
	silent(goro_ticker_chan(t));
	goro_ticker_reset(t, 50 * GORO_MICROSECOND);
	pass(20 * MS);
	now = goro_now();
	while (goro_chan_recv(goro_ticker_chan(t), NULL, GORO_NOW) == 1)
		n++;
	t_check(n <= 2 + (goro_now() - now) / (50 * GORO_MICROSECOND), "%d ticks have waited", n);
	t_check_int(n, >=, 1);
	goro_ticker_free(t);
}

START_TEST(ticks_that_nobody_receives_are_dropped_but_for_one)
{
	api_everywhere(drops);
}
END_TEST

/* "Reset stops a ticker and resets its period to the specified duration. The next tick will arrive after the new period elapses." */
static void ticker_reset(void)
{
	struct goro_ticker *t = ticker(HOUR);
	int64_t start = goro_now();

	t_check_int(goro_ticker_reset(t, 2 * MS), ==, 0);
	comes(goro_ticker_chan(t), start + 2 * MS);
	comes(goro_ticker_chan(t), start + 4 * MS);
	start = goro_now();
	t_check_int(goro_ticker_reset(t, 30 * MS), ==, 0);
	comes(goro_ticker_chan(t), start + 30 * MS);
	goro_ticker_stop(t);
	start = goro_now();
	t_check_int(goro_ticker_reset(t, MS), ==, 0); /* also one that was stopped */
	comes(goro_ticker_chan(t), start + MS);
	t_check_int(goro_ticker_reset(t, INT64_MAX), ==, 0);
	pass(2 * MS);
	silent(goro_ticker_chan(t));
	goro_ticker_free(t);
}

static int nanosecond_main(void *arg)
{
	struct goro_ticker *t = ticker(1);
	int64_t last = 0;

	(void)arg;
	for (int i = 0; i < 200; i++)
		last = comes(goro_ticker_chan(t), last);
	goro_ticker_free(t);
	return 0;
}

/* It is always late, and makes up for nothing: its processor does something else, too. */
START_TEST(a_period_that_is_too_short_to_be_kept_stops_nobody)
{
	api_run_procs(1, nanosecond_main, NULL);
}
END_TEST

START_TEST(a_reset_ticker_ticks_with_its_new_period)
{
	api_everywhere(ticker_reset);
}
END_TEST

/* "Tick is a convenience wrapper for NewTicker ... Unlike NewTicker, Tick will return nil if d <= 0." */
static void tick(void)
{
	int64_t start = goro_now();
	struct goro_chan *c = goro_time_tick(MS);

	comes(c, start + MS);
	comes(c, start + 2 * MS);
	goro_chan_free(c);
	t_check(goro_time_tick(0) == NULL);
	t_check(goro_time_tick(-1) == NULL);
}

START_TEST(tick_is_a_channel_that_ticks)
{
	api_everywhere(tick);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */
/* Panics: Go's texts, and those of what Go's types exclude. */

static int ticker_zero(void *arg)
{
	(void)arg;
	goro_ticker_new(0);
	return 0;
}

static int ticker_reset_zero(void *arg)
{
	(void)arg;
	goro_ticker_reset(ticker(HOUR), -1);
	return 0;
}

static int stop_null(void *arg)
{
	(void)arg;
	goro_timer_stop(NULL);
	return 0;
}

static int reset_null(void *arg)
{
	(void)arg;
	goro_timer_reset(NULL, 1);
	return 0;
}

static int ticker_reset_null(void *arg)
{
	(void)arg;
	goro_ticker_reset(NULL, 1);
	return 0;
}

static int sends(void *arg)
{
	int64_t v = 1;

	(void)arg;
	goro_chan_send(goro_timer_chan(timer(HOUR)), &v, GORO_FOREVER);
	return 0;
}

static int sends_at_once(void *arg)
{
	int64_t v = 1;

	(void)arg;
	goro_chan_send(goro_timer_chan(timer(HOUR)), &v, GORO_NOW);
	return 0;
}

static int select_sends(void *arg)
{
	int64_t v = 1;
	struct goro_case k = { .chan = goro_timer_chan(timer(HOUR)), .op = GORO_SEND, .elem = &v };

	(void)arg;
	goro_select(&k, 1, GORO_FOREVER);
	return 0;
}

static int closes(void *arg)
{
	(void)arg;
	goro_chan_close(goro_timer_chan(timer(HOUR)));
	return 0;
}

static int frees(void *arg)
{
	(void)arg;
	goro_chan_free(goro_timer_chan(timer(HOUR)));
	return 0;
}

static void receives(struct goro_chan *c)
{
	goro_chan_recv(c, NULL, GORO_FOREVER);
}

static int frees_used(void *arg)
{
	struct goro_timer *t = timer(HOUR);

	(void)arg;
	GORO_GO(receives, goro_timer_chan(t));
	t_eventually(api_waiting("chan receive") == 1, API_PATIENCE);
	goro_timer_free(t);
	return 0;
}

static const struct {
	goro_main_fn fn;
	const char *text;
} panics[] = {
	{ ticker_zero, "panic: non-positive interval for NewTicker" },
	{ ticker_reset_zero, "panic: non-positive interval for Ticker.Reset" },
	{ stop_null, "panic: time: Stop called on uninitialized Timer" },
	{ reset_null, "panic: time: Reset called on uninitialized Timer" },
	{ ticker_reset_null, "panic: time: Reset called on uninitialized Ticker" },
	{ sends, "panic: send on receive-only channel" },
	{ sends_at_once, "panic: send on receive-only channel" },
	{ select_sends, "panic: send on receive-only channel" },
	{ closes, "panic: close of receive-only channel" },
	{ frees, "panic: free of receive-only channel" },
	{ frees_used, "panic: free of a channel in use" },
};

START_TEST(misuse_panics_with_gos_text)
{
	api_expect_fatal(panics[_i].fn, NULL, panics[_i].text);
}
END_TEST

static void harmless(void)
{
	goro_timer_free(NULL);
	goro_ticker_free(NULL);
	goro_ticker_stop(NULL); /* as Go's: "we keep it not panicking" */
	t_check(goro_timer_chan(NULL) == NULL && goro_ticker_chan(NULL) == NULL);
	t_check(goro_timer_func(1, NULL, NULL) == NULL);
}

START_TEST(what_is_harmless_with_null)
{
	api_everywhere(harmless);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */
/* Runs: timers before, between and after */

static int leaves_timers(void *arg)
{
	struct goro_timer **t = arg;

	t[0] = timer(HOUR);
	t[1] = timer(0);
	comes(goro_timer_chan(t[1]), 0);
	t[2] = timer(MS);
	pass(5 * MS); /* has fired: its value waits */
	t[3] = timer(1);
	t[4] = goro_timer_func(HOUR, nothing, NULL);
	return 0;
}

static int finds_timers(void *arg)
{
	struct goro_timer **t = arg;

	silent(goro_timer_chan(t[0]));
	t_check_int(goro_timer_stop(t[0]), ==, 1);
	t_check_int(goro_timer_reset(t[0], MS), ==, 0);
	comes(goro_timer_chan(t[0]), 0);
	t_check_int(goro_timer_reset(t[1], 0), ==, 0);
	comes(goro_timer_chan(t[1]), 0);
	comes(goro_timer_chan(t[2]), 0);
	t_check_int(goro_timer_reset(t[4], HOUR), ==, 1);
	return 0;
}

START_TEST(timers_outlive_a_run_and_can_be_reset_in_the_next)
{
	struct goro_timer *t[5];

	t_check(goro_timer_new(1) == NULL); /* nobody is there to let it fire */
	t_check(goro_time_after(1) == NULL);
	t_check(goro_timer_func(1, nothing, NULL) == NULL);
	for (int i = 0; i < 10; i++) {
		api_run(leaves_timers, t);
		t_check_int(goro_timer_reset(t[1], 1), ==, -EPERM);
		api_run_procs(2, finds_timers, t);
		t_check_int(goro_timer_stop(t[4]), ==, 1);
		t_check_int(goro_timer_stop(t[4]), ==, 0);
		for (int j = 0; j < 5; j++)
			goro_timer_free(t[j]);
	}
}
END_TEST

/* A thread whose timers are on sleeping processors: one that is earlier than all others wakes its processor. */
static void earlier(void)
{
	struct goro_timer *t[30];
	int64_t start = goro_now();

	for (int i = 0; i < 30; i++)
		t[i] = timer((30 - i) * MS);
	for (int i = 29; i >= 0; i--)
		comes(goro_timer_chan(t[i]), start + (30 - i) * MS);
	t_check(!api_timing_is_sound() || goro_now() - start < 2 * GORO_SECOND);
	for (int i = 0; i < 30; i++)
		goro_timer_free(t[i]);
}

START_TEST(a_timer_that_is_earlier_than_all_others_fires_first)
{
	api_everywhere(earlier);
}
END_TEST

/* "1,000,000 timers live at once": a third fires, a third is stopped, a third is freed as it is. */
static int million_main(void *arg)
{
	long n = t_scaled(1000000), fired = 0, stopped = 0;
	struct goro_timer **t = malloc((size_t)n * sizeof *t);

	(void)arg;
	for (long i = 0; i < n; i++)
		t[i] = timer(i % 3 == 0 ? 200 * MS + i % 1000 : HOUR + i);
	for (long i = 1; i < n; i += 3)
		stopped += goro_timer_stop(t[i]);
	for (long i = 0; i < n; i += 3)
		fired += goro_chan_recv(goro_timer_chan(t[i]), NULL, goro_after(API_PATIENCE * MS));
	t_check_int(stopped, ==, (n + 1) / 3);
	t_check_int(fired, ==, (n + 2) / 3);
	for (long i = 0; i < n; i++)
		goro_timer_free(t[i]);
	free(t);
	return 0;
}

START_TEST(a_million_timers)
{
	api_run(million_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ticker");
	TCase *tc = tcase_create("ticker");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_ticker_sends_the_time_again_and_again_until_it_is_stopped);
	tcase_add_test(tc, ticks_that_nobody_receives_are_dropped_but_for_one);
	tcase_add_test(tc, a_period_that_is_too_short_to_be_kept_stops_nobody);
	tcase_add_test(tc, a_reset_ticker_ticks_with_its_new_period);
	tcase_add_test(tc, tick_is_a_channel_that_ticks);
	tcase_add_loop_test(tc, misuse_panics_with_gos_text, 0, sizeof panics / sizeof panics[0]);
	tcase_add_test(tc, what_is_harmless_with_null);
	tcase_add_test(tc, timers_outlive_a_run_and_can_be_reset_in_the_next);
	tcase_add_test(tc, a_timer_that_is_earlier_than_all_others_fires_first);
	tc = tcase_create("many");
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_million_timers);
	return t_main(s);
}
