/* SPDX-License-Identifier: MIT */
/*
 * bench_timer: timers that are stopped before they fire, as most are. New: one with a channel is made, stopped and given back. Func: the same with
 * a function to be called. Reset: one timer is started and stopped again and again, beside 10,000 that wait. Go's twins are in peers/go/sync.go.
 */
#include "bench.h"

#define OTHERS 10000
#define HOUR (3600 * GORO_SECOND)

static void never(void *arg)
{
	(void)arg;
	bench_check(false, "a timer fired");
}

static void make_chan(long n, long arg)
{
	(void)arg;
	for (long i = 0; i < n; i++) {
		struct goro_timer *t = goro_timer_new(HOUR);

		bench_check(goro_timer_stop(t), "a timer was not active");
		goro_timer_free(t);
	}
}

static void make_func(long n, long arg)
{
	(void)arg;
	for (long i = 0; i < n; i++) {
		struct goro_timer *t = goro_timer_func(HOUR, never, NULL);

		bench_check(goro_timer_stop(t), "a timer was not active");
		goro_timer_free(t);
	}
}

static void start_stop(long n, long arg)
{
	struct goro_timer *t = goro_timer_func(HOUR, never, NULL);

	(void)arg;
	goro_timer_stop(t);
	for (long i = 0; i < n; i++) {
		goro_timer_reset(t, HOUR / 2);
		bench_check(goro_timer_stop(t), "a timer was not active");
	}
	goro_timer_free(t);
}

static void new_row(long n) { bench_repeat("TimerNew", n, make_chan, 0); }
static void func_row(long n) { bench_repeat("TimerFunc", n, make_func, 0); }

static void reset_row(long n)
{
	static struct goro_timer *others[OTHERS];

	for (int i = 0; i < OTHERS; i++)
		others[i] = goro_timer_func(HOUR + i * GORO_MILLISECOND, never, NULL);
	bench_repeat("TimerReset", n, start_stop, 0);
	for (int i = 0; i < OTHERS; i++)
		goro_timer_free(others[i]);
}

static const struct bench_subject subjects[] = {
	{ "timer_new", 3000000, new_row },
	{ "timer_func", 3000000, func_row },
	{ "timer_reset", 3000000, reset_row },
};

BENCH_MAIN(subjects, 0)
