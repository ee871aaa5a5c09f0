/* SPDX-License-Identifier: MIT */
/*
 * check_basic.c: a goroutine that computes gives way to those that wait, unless it was said that it should not, and nobody is
 * stopped for nothing. Row 11 of the contract; issue 3: "signal-based preemption of any goroutine that used up its slice",
 * "no signal when nothing waits", "preempt off/on regions (nesting), a spawn option, an environment switch, a poll macro".
 *
 * A thread that its kernel gives no CPU looks as if it were blocked, so that on a loaded machine its processor may be taken although preemption is
 * off. Where a test says that somebody did not run, it says so only if no processor was retaken.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define LOOK_NS (60 * GORO_MILLISECOND) /* how long we look that nothing happens */

/* ---- it happens -------------------------------------------------------------------------------------------- */

static int loop_main(void *arg)
{
	int rounds = *(int *)arg;

	for (int i = 0; i < rounds; i++) {
		int flag = 0;

		t_check_int(GORO_GO(pre_setter, &flag), ==, 0);
		pre_spin_until(&flag);
	}
	t_check_int(pre_stats().preemptions, >, 0);
	return 0;
}

/* Without preemption it never ends. */
START_TEST(a_loop_without_a_call_gives_way_on_one_processor)
{
	static const unsigned slices[] = { 0, 1000, 100 };
	int rounds = _i == 0 ? 3 : 30;

	pre_run(1, slices[_i], loop_main, &rounds);
}
END_TEST

/* The same from a slice in the configuration, and by another signal. */
START_TEST(slice_and_signal_can_be_chosen)
{
	struct goro_config cfg;
	int rounds = 5;

	pre_config(&cfg, 1, 0);
	cfg.slice_ns = (uint64_t)GORO_MILLISECOND;
	t_check_int(goro_run(&cfg, loop_main, &rounds), ==, 0);
	cfg.preempt_signal = SIGUSR2;
	t_check_int(goro_run(&cfg, loop_main, &rounds), ==, 0);
	cfg.preempt_signal = (uint32_t)SIGRTMIN + 1;
	t_check_int(goro_run(&cfg, loop_main, &rounds), ==, 0);
	cfg.preempt_signal = SIGKILL;
	t_check_int(goro_run(&cfg, loop_main, &rounds), ==, -EINVAL);
	cfg.preempt_signal = 1000;
	t_check_int(goro_run(&cfg, loop_main, &rounds), ==, -EINVAL);
}
END_TEST

/* A program that was compiled before the new fields existed is preempted too. */
START_TEST(a_configuration_of_the_old_size_has_preemption)
{
	struct goro_config cfg;
	int rounds = 3;

	pre_config(&cfg, 1, 1000);
	cfg.size = offsetof(struct goro_config, slice_ns) + sizeof cfg.slice_ns;
	cfg.preempt_signal = 12345;
	t_check_int(goro_run(&cfg, loop_main, &rounds), ==, 0);
}
END_TEST

#define LOOPS 8

static int share_main(void *arg)
{
	long rounds[LOOPS] = { 0 }, least, most;
	int stop = 0;

	(void)arg;
	for (int i = 0; i < LOOPS; i++)
		t_check_int(GORO_GO(pre_counter, &stop, &rounds[i]), ==, 0);
	t_check_int(goro_sleep(pre_patient(600 * GORO_MILLISECOND)), ==, 0);
	pre_set(&stop, 1);
	least = most = rounds[0];
	for (int i = 1; i < LOOPS; i++) {
		least = rounds[i] < least ? rounds[i] : least;
		most = rounds[i] > most ? rounds[i] : most;
	}
	t_check(least > most / 8, "least %ld, most %ld", least, most);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

/* Row 10: a goroutine that computes for ever cannot keep others, that compute too, from their share; nor main from its timer. */
START_TEST(loops_share_a_processor_evenly)
{
	pre_run(1, 1000, share_main, NULL);
}
END_TEST

/* ---- it does not, where it is not wanted --------------------------------------------------------------------------- */

/* Spins while somebody waits, and sees that nobody else gets to run. */
static void look_that_nobody_runs(const int *flag, struct goro_stats before)
{
	struct goro_stats after;

	pre_spin(LOOK_NS);
	after = pre_stats();
	t_check_int(after.preemptions, ==, before.preemptions);
	if (after.retakes == before.retakes)
		t_check_int(pre_get(flag), ==, 0);
}

static int off_main(void *arg)
{
	struct goro_stats before = pre_stats();
	int flag = 0;

	(void)arg;
	t_check_int(GORO_GO(pre_setter, &flag), ==, 0);
	look_that_nobody_runs(&flag, before);
	t_eventually(pre_get(&flag), API_PATIENCE);
	return 0;
}

START_TEST(the_configuration_turns_preemption_off)
{
	struct goro_config cfg;

	pre_config(&cfg, 1, 1000);
	cfg.flags |= GORO_NO_PREEMPT;
	t_check_int(goro_run(&cfg, off_main, NULL), ==, 0);
}
END_TEST

START_TEST(the_environment_turns_preemption_off)
{
	struct goro_config cfg;

	pre_config(&cfg, 1, 1000);
	t_check(setenv("GORO_PREEMPT", "off", 1) == 0);
	t_check_int(goro_run(&cfg, off_main, NULL), ==, 0);
}
END_TEST

struct stubborn {
	int flag;
	struct goro_waitgroup wg;
};

static void stubborn(void *arg)
{
	struct stubborn *s = arg;

	look_that_nobody_runs(&s->flag, pre_stats());
	goro_waitgroup_done(&s->wg);
}

static int stubborn_main(void *arg)
{
	struct goro_spawn_opts opts = GORO_SPAWN_OPTS_INIT;
	int rounds = 2;

	(void)arg;
	opts.flags = GORO_SPAWN_NO_PREEMPT;
	for (int i = 0; i < 3; i++) {
		struct stubborn s = { 0, GORO_WAITGROUP_INIT };

		goro_waitgroup_add(&s.wg, 1);
		t_check_int(goro_spawn_opts(stubborn, &s, &opts), ==, 0);
		goro_yield();
		t_check_int(GORO_GO(pre_setter, &s.flag), ==, 0);
		t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
		t_eventually(pre_get(&s.flag), API_PATIENCE);
	}
	/* The next one that gets its record is an ordinary one. */
	loop_main(&rounds);
	opts.flags = 0x80000000u;
	t_check_int(goro_spawn_opts(stubborn, NULL, &opts), ==, -EINVAL);
	return 0;
}

START_TEST(a_goroutine_can_be_started_without_preemption)
{
	pre_run(1, 1000, stubborn_main, NULL);
}
END_TEST

static int region_main(void *arg)
{
	int flag = 0;

	(void)arg;
	goro_preempt_off();
	goro_preempt_off();
	t_check_int(GORO_GO(pre_setter, &flag), ==, 0);
	look_that_nobody_runs(&flag, pre_stats());
	goro_preempt_on();
	look_that_nobody_runs(&flag, pre_stats());
	goro_preempt_on();
	pre_spin_until(&flag);
	return 0;
}

START_TEST(regions_without_preemption_nest_and_end)
{
	pre_run(1, 1000, region_main, NULL);
}
END_TEST

static void leave_inside(struct goro_chan *c)
{
	goro_preempt_off();
	goro_preempt_off();
	/* A call that parks lets others run all the same. */
	t_check_int(goro_chan_send(c, NULL, GORO_FOREVER), ==, 0);
}

static void wait_by_spinning(int *flag, struct goro_waitgroup *wg)
{
	pre_spin_until(flag);
	goro_waitgroup_done(wg);
}

static int left_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(0, 0);
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int flag = 0;

	(void)arg;
	for (int i = 0; i < 20; i++)
		t_check_int(GORO_GO(leave_inside, c), ==, 0);
	for (int i = 0; i < 20; i++)
		t_check_int(goro_chan_recv(c, NULL, GORO_FOREVER), ==, 1);
	t_eventually(goro_count() == 1, API_PATIENCE);
	/* Those that get the records of the former are preempted: else the setter never comes. */
	goro_waitgroup_add(&wg, 20);
	for (int i = 0; i < 20; i++)
		t_check_int(GORO_GO(wait_by_spinning, &flag, &wg), ==, 0);
	goro_yield();
	t_check_int(GORO_GO(pre_setter, &flag), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	goro_chan_free(c);
	return 0;
}

START_TEST(a_region_ends_with_its_goroutine)
{
	pre_run(1, 1000, left_main, NULL);
}
END_TEST

static int on_without_off(void *arg)
{
	(void)arg;
	goro_preempt_off();
	goro_preempt_on();
	goro_preempt_on();
	return 0;
}

START_TEST(on_without_off_is_fatal)
{
	api_expect_fatal(on_without_off, NULL, "goro_preempt_on");
}
END_TEST

START_TEST(on_a_plain_thread_nothing_happens)
{
	goro_preempt_off();
	goro_preempt_on();
	goro_preempt_on();
	goro_poll();
	GORO_POLL();
	goro_block_enter();
	goro_block_exit();
	goro_thread_lock();
	goro_thread_unlock();
	goro_thread_unlock();
}
END_TEST

/* ---- nobody is stopped for nothing --------------------------------------------------------------------------------- */

static void waiting(struct goro_chan *c)
{
	goro_chan_recv(c, NULL, GORO_FOREVER);
}

static void reading(int fd)
{
	char c;

	goro_read(fd, &c, 1, GORO_FOREVER);
}

static void napping(void)
{
	goro_sleep(1000 * GORO_SECOND);
}

/* Kind 0: nobody else exists; 1: others are parked; 2: another one spins on the other processor. */
static struct goro_chan *waited_on[20];

static int alone_main(void *arg)
{
	int kind = *(int *)arg, fd[2], stop = 0, there = 0;
	uint64_t before;

	t_check_int(api_link(API_PAIR, fd), ==, 0);
	if (kind == 1) {
		t_check_int(GORO_GO(reading, fd[0]), ==, 0);
		t_check_int(GORO_GO(napping), ==, 0);
		for (int i = 0; i < 20; i++)
			t_check_int(GORO_GO(waiting, waited_on[i] = goro_chan_new(0, 0)), ==, 0);
		for (int i = 0; i < 50; i++)
			goro_yield();
	}
	if (kind == 2) {
		t_check_int(GORO_GO(pre_hog, &stop), ==, 0);
		t_check_int(GORO_GO(pre_setter, &there), ==, 0);
		t_eventually(pre_get(&there), API_PATIENCE);
	}
	before = pre_stats().preemptions;
	pre_spin(LOOK_NS);
	/* Hundreds of slices. A request that is not with the kernel yet, or a wake-up that came late, is worth one of them. */
	t_check_int(pre_stats().preemptions, <=, before + 3);
	pre_set(&stop, 1);
	if (kind == 2)
		t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(nobody_is_stopped_while_nobody_waits)
{
	int kind = _i;

	pre_run(kind == 2 ? 2 : 1, PRE_SHORT, alone_main, &kind);
	for (int i = 0; kind == 1 && i < 20; i++)
		goro_chan_free(waited_on[i]);
}
END_TEST

/* ---- goro_poll ------------------------------------------------------------------------------------------------------- */

/* Kind 0: preemption is off for all; 1: in this region. */
/* For goro_spawn_opts(). */
static void set_flag(void *flag)
{
	pre_setter(flag);
}

static int poll_main(void *arg)
{
	struct goro_spawn_opts opts = GORO_SPAWN_OPTS_INIT;
	int kind = *(int *)arg;

	/* Where a slice is short against an emulator, the setter would use one up itself, and be what is stopped. */
	opts.flags = GORO_SPAWN_NO_PREEMPT;
	for (int i = 0; i < 20; i++) {
		uint64_t before = pre_stats().preemptions;
		int flag = 0;

		if (kind == 1)
			goro_preempt_off();
		t_check_int(goro_spawn_opts(set_flag, &flag, &opts), ==, 0);
		while (!pre_get(&flag))
			GORO_POLL();
		t_check_int(pre_stats().preemptions, ==, before);
		if (kind == 1)
			goro_preempt_on();
	}
	return 0;
}

START_TEST(a_poll_gives_way_when_the_slice_is_over)
{
	struct goro_config cfg;
	int kind = _i;

	pre_config(&cfg, 1, 1000);
	cfg.flags |= kind == 0 ? GORO_NO_PREEMPT : 0;
	t_check_int(goro_run(&cfg, poll_main, &kind), ==, 0);
}
END_TEST

static int early_poll_main(void *arg)
{
	struct goro_stats before = pre_stats();
	int64_t start;
	int flag = 0;

	(void)arg;
	goro_yield();
	start = pre_now();
	t_check_int(GORO_GO(pre_setter, &flag), ==, 0);
	while (!pre_get(&flag) && pre_now() < start + 20 * GORO_MILLISECOND)
		goro_poll();
	if (pre_stats().retakes == before.retakes)
		t_check(!pre_get(&flag) || pre_now() >= start + 20 * GORO_MILLISECOND);
	return 0;
}

START_TEST(a_poll_inside_the_slice_keeps_the_processor)
{
	struct goro_config cfg;

	pre_config(&cfg, 1, 0);
	cfg.slice_ns = 100 * (uint64_t)GORO_MILLISECOND;
	t_check_int(goro_run(&cfg, early_poll_main, NULL), ==, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: basics");
	TCase *tc = tcase_create("on");

	tcase_add_loop_test(tc, a_loop_without_a_call_gives_way_on_one_processor, 0, 3);
	tcase_add_test(tc, slice_and_signal_can_be_chosen);
	tcase_add_test(tc, a_configuration_of_the_old_size_has_preemption);
	tcase_add_test(tc, loops_share_a_processor_evenly);
	suite_add_tcase(s, tc);

	tc = tcase_create("off");
	tcase_add_test(tc, the_configuration_turns_preemption_off);
	tcase_add_test(tc, the_environment_turns_preemption_off);
	tcase_add_test(tc, a_goroutine_can_be_started_without_preemption);
	tcase_add_test(tc, regions_without_preemption_nest_and_end);
	tcase_add_test(tc, a_region_ends_with_its_goroutine);
	tcase_add_test(tc, on_without_off_is_fatal);
	tcase_add_test(tc, on_a_plain_thread_nothing_happens);
	tcase_add_loop_test(tc, nobody_is_stopped_while_nobody_waits, 0, 3);
	suite_add_tcase(s, tc);

	tc = tcase_create("poll");
	tcase_add_loop_test(tc, a_poll_gives_way_when_the_slice_is_over, 0, 2);
	tcase_add_test(tc, a_poll_inside_the_slice_keeps_the_processor);
	suite_add_tcase(s, tc);
	return t_main(s);
}
