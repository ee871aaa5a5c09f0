/* SPDX-License-Identifier: MIT */
/*
 * check_many.c: far more goroutines that compute than threads that may be stopped. Hazard 17; issue 3: "cap on stopped Ms with progress for all".
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define CAP 64
#define BURN_SLICES 4 /* that one of them computes for */
#define SLICE 500u
#define SPARE 40 /* threads beside those that are stopped: workers, spares, observer, watchdog */

struct count {
	int done, begun; /* atomic */
	int most_threads;
	uint64_t most_stopped;
};

static void look(struct count *c)
{
	int threads = api_threads();
	uint64_t stopped = pre_stats().stopped;

	c->most_threads = c->most_threads > threads ? c->most_threads : threads;
	c->most_stopped = c->most_stopped > stopped ? c->most_stopped : stopped;
}

static void burn(struct count *c)
{
	pre_add(&c->begun, 1);
	pre_burn(BURN_SLICES * pre_slice());
	pre_add(&c->done, 1);
}

static int many_main(void *arg)
{
	struct count *c = arg;
	/* Where slices are longer, they are fewer. */
	int n = 3 + (int)(t_scaled(2000) * SLICE * GORO_MICROSECOND / pre_slice());

	for (int i = 0; i < n; i++)
		t_check_int(GORO_GO(burn, c), ==, 0);
	while (pre_get(&c->done) < n) {
		look(c);
		t_check_int(goro_sleep(2 * GORO_MILLISECOND), ==, 0);
	}
	t_check_int(pre_stats().preemptions, >, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(two_thousand_that_compute_end_with_few_threads)
{
	struct count c = { 0 };
	struct goro_config cfg;
	unsigned procs = 1 + (unsigned)_i;

	pre_config(&cfg, procs, SLICE);
	cfg.max_stopped = CAP;
	t_check_int(goro_run(&cfg, many_main, &c), ==, 0);
	t_check_int(c.most_stopped, <=, CAP + procs);
	t_check_int(c.most_threads, <=, CAP + SPARE);
}
END_TEST

/* ---- at the cap ---------------------------------------------------------------------------------------------------- */

static void compute_until(struct count *c, const int *stop)
{
	pre_add(&c->begun, 1);
	pre_spin_until(stop);
	pre_add(&c->done, 1);
}

static void ping(struct goro_chan *in, struct goro_chan *out)
{
	int v;

	while (goro_chan_recv(in, &v, GORO_FOREVER) > 0)
		t_check_int(goro_chan_send(out, &v, GORO_FOREVER), ==, 0);
}

static int cap_main(void *arg)
{
	struct goro_chan *to = goro_chan_new(sizeof(int), 0), *back = goro_chan_new(sizeof(int), 0);
	struct count *c = arg;
	int stop = 0, hogs = 30;

	t_check_int(GORO_GO(ping, to, back), ==, 0);
	goro_yield();
	for (int i = 0; i < hogs; i++)
		t_check_int(GORO_GO(compute_until, c, &stop), ==, 0);
	/* Those that were started before go on, many rounds long, although as many as may be are stopped. */
	for (int i = 0; i < 60; i++) {
		int v = i, w = -1;

		t_check_int(goro_chan_send(to, &v, GORO_FOREVER), ==, 0);
		t_check_int(goro_chan_recv(back, &w, GORO_FOREVER), ==, 1);
		t_check_int(v, ==, w);
		t_check_int(goro_sleep(300 * GORO_MICROSECOND), ==, 0);
		look(c);
	}
	t_check_int(pre_get(&c->begun), <, hogs);
	pre_set(&stop, 1);
	t_eventually(pre_get(&c->done) == hogs, API_PATIENCE);
	goro_chan_close(to);
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_chan_free(to);
	goro_chan_free(back);
	return 0;
}

/* "While so many are stopped, no further goroutine is started for the first time." */
START_TEST(at_the_cap_nobody_new_starts_and_the_others_go_on)
{
	struct count c = { 0 };
	struct goro_config cfg;

	pre_config(&cfg, 1 + (unsigned)_i, SLICE);
	cfg.max_stopped = 8;
	t_check_int(goro_run(&cfg, cap_main, &c), ==, 0);
	t_check_int(c.most_stopped, <=, 8 + 1 + _i);
}
END_TEST

/* One that computes, and one that waits for those that the cap keeps from starting: no deadlock at the smallest cap. */
static int least_main(void *arg)
{
	struct count *c = arg;

	for (int i = 0; i < 20; i++)
		t_check_int(GORO_GO(burn, c), ==, 0);
	t_eventually(pre_get(&c->done) == 20, API_PATIENCE);
	return 0;
}

START_TEST(the_smallest_cap_is_enough)
{
	struct count c = { 0 };
	struct goro_config cfg;

	pre_config(&cfg, 1 + (unsigned)_i, SLICE);
	cfg.max_stopped = 1;
	t_check_int(goro_run(&cfg, least_main, &c), ==, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: many");
	TCase *tc = tcase_create("many");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, two_thousand_that_compute_end_with_few_threads, 0, 2);
	tcase_add_loop_test(tc, at_the_cap_nobody_new_starts_and_the_others_go_on, 0, 2);
	tcase_add_loop_test(tc, the_smallest_cap_is_enough, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
