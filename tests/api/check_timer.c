/* SPDX-License-Identifier: MIT */
/*
 * check_timer.c: timers and tickers. Each test is named for a sentence of the documentation of Go's package time (1.23), quoted above it; behind them
 * what C adds, what an adversary would try, and a stress of stops and resets that meet the firing.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "t.h"

#define MS GORO_MILLISECOND
#define HOUR (3600 * GORO_SECOND)

/* ---------------------------------------------------------------------------------------------------- */
/* Each body runs in a goroutine, in a plain thread beside the runtime, and on eight processors. */

static void (*body)(void);

static int in_goroutine(void *arg)
{
	(void)arg;
	body();
	return 0;
}

static void *thread_body(void *arg)
{
	(void)arg;
	body();
	return NULL;
}

static int beside_thread(void *arg)
{
	(void)arg;
	api_join(api_thread(thread_body, NULL));
	return 0;
}

static void everywhere(void (*fn)(void))
{
	body = fn;
	api_run_procs(1, in_goroutine, NULL);
	api_run_procs(8, in_goroutine, NULL);
	api_run_procs(1, beside_thread, NULL);
	api_run_procs(2, beside_thread, NULL);
}

static struct goro_timer *timer(int64_t ns)
{
	struct goro_timer *t = goro_timer_new(ns);

	t_check(t != NULL);
	return t;
}

static struct goro_ticker *ticker(int64_t ns)
{
	struct goro_ticker *t = goro_ticker_new(ns);

	t_check(t != NULL);
	return t;
}

/* Nothing is there to be received. */
static void silent(struct goro_chan *c)
{
	int64_t v = 17;

	t_check_int(goro_chan_recv(c, &v, GORO_NOW), ==, -EAGAIN);
	t_check_int(v, ==, 17);
}

/* A value comes, of a moment between from and now. */
static int64_t comes(struct goro_chan *c, int64_t from)
{
	int64_t v = -1;

	t_check_int(goro_chan_recv(c, &v, goro_after(API_PATIENCE * MS)), ==, 1);
	t_check(v >= from, "%lld before %lld", (long long)v, (long long)from);
	t_check(v <= goro_now());
	return v;
}

/* Until a timer that was to fire at `when` has fired for sure, whoever looks: another one, later, has. */
static void pass(int64_t ns)
{
	struct goro_chan *c = goro_time_after(ns);

	comes(c, 0);
	goro_chan_free(c);
}

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
	everywhere(sends_after);
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
	everywhere(not_positive);
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
	everywhere(overflow);
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
	everywhere(looks_unbuffered);
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
	everywhere(stop_says);
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
	everywhere(no_stale_value);
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
	everywhere(reset_says);
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
	everywhere(reset_no_stale_value);
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
	everywhere(selects);
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
	everywhere(after);
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
	everywhere(func);
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
	everywhere(not_waiting);
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
	everywhere(resets_itself);
}
END_TEST

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
	everywhere(ticks);
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
	everywhere(drops);
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

START_TEST(a_reset_ticker_ticks_with_its_new_period)
{
	everywhere(ticker_reset);
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
	everywhere(tick);
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
	goro_sleep(20 * MS);
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
	everywhere(harmless);
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
	t[4] = goro_timer_func(HOUR, called, NULL);
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
	t_check(goro_timer_func(1, called, NULL) == NULL);
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
	everywhere(earlier);
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

/* ---------------------------------------------------------------------------------------------------- */
/* Stress: a few timers, many who stop, reset and receive while they fire. */

enum { TIMERS = 6, ACTORS = 8 };

static struct goro_timer *shared[TIMERS];
static struct goro_ticker *ticking;
static uint32_t started, running; /* of the function */
static int64_t until;

static void counts(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
}

/* Owns a timer: what stop and reset say must fit what it has received. */
static void owner_round(uint64_t *rng)
{
	struct goro_timer *t = timer(api_below(rng, 60) * 1000);
	struct goro_chan *c = goro_timer_chan(t);
	bool active = true;

	for (int i = 0; i < 10; i++) {
		int64_t ns = api_below(rng, 60) * 1000, now, v;

		for (unsigned n = api_below(rng, 400); n > 0; n--)
			__asm__ volatile("");
		switch (api_below(rng, 4)) {
		case 0:
			t_check_int(goro_timer_stop(t), ==, active);
			active = false;
			break;
		case 1:
			t_check_int(goro_timer_reset(t, ns), ==, active);
			active = true;
			break;
		case 2:
			if (goro_chan_recv(c, NULL, GORO_NOW) == 1) {
				t_check(active);
				active = false;
			}
			break;
		default:
			now = goro_now();
			t_check_int(goro_timer_reset(t, ns), ==, active);
			t_check_int(goro_chan_recv(c, &v, GORO_FOREVER), ==, 1);
			t_check(v >= now + ns);
			active = false;
		}
		if (!active)
			silent(c);
	}
	goro_timer_free(t);
}

static void shared_round(uint64_t *rng)
{
	struct goro_timer *t = shared[api_below(rng, TIMERS)];

	switch (api_below(rng, 4)) {
	case 0:
		goro_timer_stop(t);
		break;
	case 1:
		t_check_int(goro_timer_reset(t, api_below(rng, 100) * 1000), >=, 0);
		break;
	case 2:
		goro_chan_recv(goro_timer_chan(t), NULL, goro_after(100000));
		break;
	default:
		if (api_below(rng, 2))
			goro_ticker_reset(ticking, 1 + api_below(rng, 50) * 1000);
		else
			goro_chan_recv(goro_ticker_chan(ticking), NULL, goro_after(100000));
	}
}

/* A function's timer: it is called as often as it was not stopped. */
static void func_round(uint64_t *rng)
{
	struct call c = { .done = goro_chan_new(0, 8) };
	struct goro_timer *t = goro_timer_func(api_below(rng, 40) * 1000, called, &c);
	uint32_t expected = 1;

	for (int i = 0; i < 5; i++) {
		for (unsigned n = api_below(rng, 20000); n > 0; n--)
			__asm__ volatile("");
		expected += !goro_timer_reset(t, api_below(rng, 40) * 1000);
	}
	expected -= (uint32_t)goro_timer_stop(t);
	goro_timer_free(t);
	for (uint32_t i = 0; i < expected; i++)
		t_check_int(goro_chan_recv(c.done, NULL, GORO_FOREVER), ==, 1);
	t_eventually(calls(&c) == expected, API_PATIENCE);
	goro_chan_free(c.done);
}

static void actor(uint64_t seed)
{
	while (goro_now() < until) {
		switch (api_below(&seed, 3)) {
		case 0:
			owner_round(&seed);
			break;
		case 1:
			func_round(&seed);
			break;
		default:
			for (int i = 0; i < 20; i++)
				shared_round(&seed);
		}
		goro_yield();
	}
	__atomic_add_fetch(&running, -1u, __ATOMIC_SEQ_CST);
}

static void *actor_thread(void *arg)
{
	actor((uint64_t)(uintptr_t)arg);
	return NULL;
}

static int stress_main(void *arg)
{
	uint64_t seed = t_seed();
	pthread_t th[2];

	(void)arg;
	until = goro_after(api_stress_ns() / 2);
	running = ACTORS + 2;
	for (int i = 0; i < TIMERS; i++)
		shared[i] = i % 3 == 0 ? goro_timer_func(1000, counts, NULL) : timer(1000);
	ticking = ticker(10000);
	for (int i = 0; i < ACTORS; i++)
		GORO_GO(actor, t_rand(&seed));
	for (int i = 0; i < 2; i++)
		th[i] = api_thread(actor_thread, (void *)(uintptr_t)t_rand(&seed));
	t_eventually(__atomic_load_n(&running, __ATOMIC_SEQ_CST) == 0, API_PATIENCE);
	for (int i = 0; i < 2; i++)
		api_join(th[i]);
	for (int i = 0; i < TIMERS; i++)
		goro_timer_free(shared[i]);
	goro_ticker_free(ticking);
	return 0;
}

START_TEST(stops_and_resets_meet_the_firing)
{
	api_run_procs(api_stress_procs[_i], stress_main, NULL);
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
	tcase_add_test(tc, a_ticker_sends_the_time_again_and_again_until_it_is_stopped);
	tcase_add_test(tc, ticks_that_nobody_receives_are_dropped_but_for_one);
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
	tcase_add_loop_test(tc, stops_and_resets_meet_the_firing, 0, 3);
	return t_main(s);
}
