/* SPDX-License-Identifier: MIT */
/*
 * stress_timer.c: a few timers and tickers, and many who stop, reset and receive while they fire. What stop and reset say must fit what is received;
 * GORO_SEED repeats a run.
 */
#include <goro.h>
#include <check.h>
#include <stdlib.h>

#include "api.h"
#include "t.h"

#define PATIENCE (API_PATIENCE + (int)(api_stress_ns() / GORO_MILLISECOND))

static struct goro_timer *timer(int64_t ns)
{
	struct goro_timer *t = goro_timer_new(ns);

	t_check(t != NULL);
	return t;
}

static void silent(struct goro_chan *c)
{
	t_check(goro_chan_recv(c, NULL, GORO_NOW) < 0);
}

struct call {
	uint32_t calls;
	struct goro_chan *done;
};

static void called(void *arg)
{
	struct call *c = arg;

	__atomic_add_fetch(&c->calls, 1, __ATOMIC_SEQ_CST);
	goro_chan_send(c->done, NULL, GORO_FOREVER);
}

static uint32_t calls(struct call *c)
{
	return __atomic_load_n(&c->calls, __ATOMIC_SEQ_CST);
}


enum { TIMERS = 6, ACTORS = 8, THREADS = 2 };

static struct goro_timer *shared[TIMERS];
static struct goro_ticker *ticking;
static uint32_t started; /* calls of the function; atomic */
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
	t_eventually(calls(&c) == expected, PATIENCE);
	goro_chan_free(c.done);
}

static void actor(void *arg, int who)
{
	uint64_t rng = t_seed() + (uint64_t)who * 1001;

	(void)arg;
	while (goro_now() < until) {
		switch (api_below(&rng, 3)) {
		case 0:
			owner_round(&rng);
			break;
		case 1:
			func_round(&rng);
			break;
		default:
			for (int i = 0; i < 20; i++)
				shared_round(&rng);
		}
		goro_yield();
	}
}

static int stress_main(void *arg)
{
	(void)arg;
	until = goro_after(api_stress_ns());
	for (int i = 0; i < TIMERS; i++)
		shared[i] = i % 3 == 0 ? goro_timer_func(1000, counts, NULL) : timer(1000);
	ticking = goro_ticker_new(10000);
	api_crowd(ACTORS, THREADS, actor, NULL);
	for (int i = 0; i < TIMERS; i++)
		goro_timer_free(shared[i]);
	goro_ticker_free(ticking);
	return 0;
}

START_TEST(stops_and_resets_meet_the_firing)
{
	api_run_procs(api_procs[_i], stress_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress timer");
	TCase *tc = t_case(s, "timer", api_stress_limit());

	tcase_add_loop_test(tc, stops_and_resets_meet_the_firing, 0, 3);
	return t_main(s);
}
