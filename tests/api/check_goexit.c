/* SPDX-License-Identifier: MIT */
/*
 * check_goexit.c: deferred calls and goro_exit() ("Goexit terminates the goroutine that calls it. No other goroutine is affected. Goexit runs all
 * deferred calls before terminating the goroutine. Because Goexit is not a panic, any recover calls in those deferred functions will return
 * nil."), and deferred calls of goroutines that are moved and stopped.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "seen.h"

/* ---- Goexit ----------------------------------------------------------------------------------------------------------- */

static struct seen exits;
static struct goro_waitgroup over = GORO_WAITGROUP_INIT; /* of the goroutine that writes it: its first deferred call, hence its last act */
static int done;

static void mark_done(int v)
{
	__atomic_fetch_add(&done, v, __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void exits_here(int n)
{
	defer(note_b, &exits);
	if (n == 0)
		goro_exit();
	exits_here(n - 1);
	note(&exits, '!');
}

static void exits_deep(void)
{
	defer(goro_waitgroup_done, &over);
	defer(mark_done, 1);
	defer(catcher, &exits); /* and does not stop it */
	exits_here(3);
	note(&exits, '!');
}

/* Runs it to its end, all its deferred calls before: what they have written may be read, for which a look at goro_count() is not enough. */
static void runs_and_ends(void (*fn)(void))
{
	goro_waitgroup_add(&over, 1);
	t_check_int(go(fn), ==, 0);
	t_check_int(goro_waitgroup_wait(&over, GORO_FOREVER), ==, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
}

static int exit_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		exits.order[0] = 0;
		done = 0;
		runs_and_ends(exits_deep);
		t_check_int(done, ==, 1);
		ORDER(&exits, "bbbb-");
	}
	return 0;
}

START_TEST(Goexit_runs_all_deferred_calls_before_terminating_the_goroutine_and_recover_calls_in_them_return_nil)
{
	api_run_procs(api_procs[_i], exit_main, NULL);
}
END_TEST

static void panics_and_recovers(struct seen *t)
{
	defer(catcher, t);
	panic("in a deferred call of goro_exit()");
}

static void panics_only(struct seen *t)
{
	note(t, 'p');
	panic("in a deferred call of goro_exit()");
}

static void exit_over_panics(void)
{
	defer(goro_waitgroup_done, &over);
	defer(mark_done, 1);
	defer(note_c, &exits);
	defer(catcher, &exits); /* recovers from the panic of the next one: the exit goes on all the same */
	defer(panics_only, &exits);
	defer(panics_and_recovers, &exits);
	goro_exit();
}

static void exit_in_deferred_call(struct seen *t)
{
	note(t, 'x');
	goro_exit();
}

static void panic_then_exit(void)
{
	defer(goro_waitgroup_done, &over);
	defer(mark_done, 1);
	defer(note_c, &exits);
	defer(exit_in_deferred_call, &exits);
	panic("that ends by goro_exit()");
}

static int exit_mixed_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		exits.order[0] = 0;
		done = 0;
		runs_and_ends(exit_over_panics);
		ORDER(&exits, "RpRc");
		exits.order[0] = 0;
		runs_and_ends(panic_then_exit);
		ORDER(&exits, "xc");
		t_check_int(done, ==, 2);
	}
	return 0;
}

START_TEST(a_panic_in_a_deferred_call_does_not_stop_Goexit_nor_does_recovering_from_it)
{
	api_run(exit_mixed_main, NULL);
}
END_TEST

static int main_exits(void *arg)
{
	(void)arg;
	defer(note_a, &exits, 0);
	goro_exit();
}

START_TEST(Goexit_of_main_ends_in_a_deadlock_with_Gos_words)
{
	api_expect_fatal(main_exits, NULL, "fatal error: no goroutines (main called runtime.Goexit) - deadlock!");
}
END_TEST

/* ---- moved and stopped ------------------------------------------------------------------------------------------------ */

static void yields(struct seen *t)
{
	for (int i = 0; i < 3; i++)
		goro_yield();
	note(t, 'y');
}

static void parks_and_recovers(struct seen *t)
{
	const struct goro_panicked *p;

	goro_sleep(GORO_MICROSECOND);
	p = recover();
	goro_yield();
	t_check(p && strcmp(p->text, "moved 7") == 0);
	note(t, 'R');
}

static int moves(struct seen *t)
{
	defer(yields, t, -1);
	defer(parks_and_recovers, t, 9);
	defer(yields, t, -1);
	goro_yield();
	panic("moved %d", 7);
}

static void mover(long rounds, struct goro_waitgroup *wg)
{
	for (long i = 0; i < rounds; i++) {
		struct seen t = { .calls = 0 };

		t_check_int(moves(&t), ==, 9);
		ORDER(&t, "yRy");
	}
	goro_waitgroup_done(wg);
}

static int movers_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, 50);
	for (int i = 0; i < 50; i++)
		t_check_int(go(mover, t_scaled(200), &wg), ==, 0);
	return goro_waitgroup_wait(&wg, GORO_FOREVER);
}

START_TEST(a_goroutine_may_move_between_defer_and_recover)
{
	api_run_procs(api_procs[_i], movers_main, NULL);
}
END_TEST

static __attribute__((noinline)) long defers_and_adds(long *sum, long i)
{
	defer(mark_done, 0, -1);
	*sum += i;
	return *sum;
}

static int spins(struct seen *t, long i)
{
	long sum = 0;

	defer(catcher, t, -2);
	for (long k = 0; k < 200; k++)
		defers_and_adds(&sum, k);
	if (i % 16 == 0)
		panic("sum %ld", sum);
	return (int)sum;
}

static void spinner(long rounds, struct goro_waitgroup *wg)
{
	struct seen t = { .calls = 0 };

	for (long i = 0; i < rounds; i++) {
		t.order[0] = 0;
		t_check_int(spins(&t, i), ==, i % 16 == 0 ? -2 : 19900);
		ORDER(&t, i % 16 == 0 ? "R" : "-");
	}
	goro_waitgroup_done(wg);
}

static int spinners_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		t_check_int(go(spinner, t_scaled(20000), &wg), ==, 0);
	return goro_waitgroup_wait(&wg, GORO_FOREVER);
}

START_TEST(it_is_preempted_in_the_middle_with_slices_of_100_us)
{
	setenv("GORO_SLICE_US", "100", 1);
	api_run_procs(api_procs[_i], spinners_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("goexit");
	TCase *tc = t_case(s, "goexit", 60);

	tcase_add_loop_test(tc, Goexit_runs_all_deferred_calls_before_terminating_the_goroutine_and_recover_calls_in_them_return_nil, 0, 3);
	tcase_add_test(tc, a_panic_in_a_deferred_call_does_not_stop_Goexit_nor_does_recovering_from_it);
	tcase_add_test(tc, Goexit_of_main_ends_in_a_deadlock_with_Gos_words);
	tc = t_case(s, "moved", 120);
	tcase_add_loop_test(tc, a_goroutine_may_move_between_defer_and_recover, 0, 3);
	tcase_add_loop_test(tc, it_is_preempted_in_the_middle_with_slices_of_100_us, 0, 3);
	return t_main(s);
}
