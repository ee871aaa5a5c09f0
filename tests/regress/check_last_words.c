/* SPDX-License-Identifier: MIT */
/*
 * check_last_words.c: what once went wrong: a goroutine panicked, a deferred call of it let the main goroutine
 * return, and the process had ended with main's status before the panic had been printed. Go's runtime makes main
 * wait, and wg.Go does not call Done for a function that panics.
 */
#include <goro.h>
#include <check.h>

#include "api.h"
#include "t.h"

static void panics(void *arg)
{
	(void)arg;
	goro_panic("last words");
}

static int waits_for_go(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	t_check_int(goro_waitgroup_go(&wg, panics, NULL), ==, 0);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 0;
}

static void done_and_panics(struct goro_waitgroup *wg)
{
	GORO_DEFER(goro_waitgroup_done, wg);
	panics(wg);
}

static int waits_for_a_deferred_done(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, 1);
	t_check_int(GORO_GO(done_and_panics, &wg), ==, 0);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 0;
}

static int fails(void *arg)
{
	panics(arg);
	return 0;
}

static int waits_for_a_group(void *arg)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;

	(void)arg;
	t_check_int(goro_errgroup_go(&eg, fails, NULL, GORO_FOREVER), ==, 0);
	goro_errgroup_wait(&eg, GORO_FOREVER);
	return 0;
}

START_TEST(a_panic_ends_the_process_although_main_returns)
{
	static const goro_main_fn mains[] = { waits_for_go, waits_for_a_deferred_done, waits_for_a_group };

	for (int i = 0; i < 8; i++)
		api_expect_fatal_procs(1 + (unsigned)i % 3, mains[_i], NULL, "panic: last words");
}
END_TEST

/*
 * One that is recovered from, or ends by goro_exit() in the middle, is not waited for any more: main returns at once.
 */
static void recovers(struct goro_waitgroup *wg)
{
	GORO_RECOVER();
	(void)wg;
}

static void exits(struct goro_waitgroup *wg)
{
	(void)wg;
	goro_exit();
}

static void panics_in_vain(struct goro_waitgroup *wg, int how)
{
	void (*last)(struct goro_waitgroup *) = how & 1 ? exits : recovers;

	GORO_DEFER(goro_waitgroup_done, wg);
	GORO_DEFER(recovers, wg);
	GORO_DEFER(last, wg);
	panics(wg);
}

static uint32_t turns, turns_before; /* atomic */

static void counts_turns(void)
{
	for (;;) {
		__atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED);
		goro_yield();
	}
}

static int many_in_vain(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int i = 0; i < 100; i++) {
		goro_waitgroup_add(&wg, 1);
		t_check_int(GORO_GO(panics_in_vain, &wg, i), ==, 0);
	}
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(GORO_GO(counts_turns), ==, 0);
	while (__atomic_load_n(&turns, __ATOMIC_RELAXED) == 0)
		goro_yield();
	turns_before = __atomic_load_n(&turns, __ATOMIC_RELAXED);
	return 0;
}

/* While main waits for those who panic, others have a thousand turns. */
START_TEST(a_panic_that_is_over_holds_up_nobody)
{
	api_run_procs(1, many_in_vain, NULL);
	t_check_int(turns - turns_before, <, 500);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("last words");
	TCase *tc = tcase_create("panic");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_panic_ends_the_process_although_main_returns, 0, 3);
	tcase_add_test(tc, a_panic_that_is_over_holds_up_nobody);
	suite_add_tcase(s, tc);
	return t_main(s);
}
