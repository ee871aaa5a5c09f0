/* SPDX-License-Identifier: MIT */
/*
 * check_panic_fatal.c: "At that point, the program is terminated and the error condition is reported, including the value of the argument to panic" (Go
 * specification, "Handling panics"): what is printed, word by word, and the exit status.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seen.h"

/* ---- nobody recovers ---------------------------------------------------------------------------------------------------- */

/* Global, for the names. */
void frame_of_the_panic(int n);
void frame_below_it(int n);

__attribute__((noinline)) void frame_of_the_panic(int n)
{
	panic("that is it: %d", n);
}

static void wrote(void *arg)
{
	dprintf(STDERR_FILENO, "deferred %s\n", (char *)arg);
}

__attribute__((noinline)) void frame_below_it(int n)
{
	defer(wrote, "call");
	frame_of_the_panic(n);
	__asm__ volatile("");
}

static int panic_main(void *arg)
{
	frame_below_it((int)(intptr_t)arg);
	return 0;
}

static void *wait_for_it(void *arg)
{
	pause();
	return arg;
}

static int panic_in_goroutine(void *arg)
{
	t_check_int(go(frame_below_it, (int)(intptr_t)arg), ==, 0);
	goro_blocking(wait_for_it, NULL);
	return 0;
}

static void ends_by_panic(goro_main_fn fn, void *arg, const char *begins)
{
	api_expect_end(0, fn, arg, 2, begins);
}

START_TEST(at_that_point_the_program_is_terminated_and_the_error_condition_is_reported_including_the_value_of_the_argument_to_panic)
{
	ends_by_panic(_i ? panic_in_goroutine : panic_main, (void *)1, "deferred call\npanic: that is it: 1\n\ngoroutine ");
	t_check(strstr(api_err, " [running]:\n") != NULL, "%.2000s", api_err);
	/* The deferred call has run, and the frames are there all the same. */
	t_check(strstr(api_err, "frame_of_the_panic") != NULL, "%.2000s", api_err);
	t_check(strstr(api_err, "frame_below_it") != NULL, "%.2000s", api_err);
	t_check(!_i || strstr(api_err, "created by goroutine 1") != NULL, "%.2000s", api_err);
}
END_TEST

static int recovers_and_repanics(void *arg)
{
	struct seen s = { .calls = 0 };

	(void)arg;
	defer(recovers_and_panics, &s, 0);
	panic("one");
}

static int panics_in_deferred(void *arg)
{
	struct seen s = { .calls = 0 };

	(void)arg;
	defer(recovers_and_panics, &s, 0);
	defer(panics_again, &s, 0);
	panic("first");
}

static void exits_by_panic(struct seen *s)
{
	defer(panics_again, s);
	goro_exit();
}

static int exit_panics(void *arg)
{
	static struct seen s;

	(void)arg;
	go(exits_by_panic, &s);
	goro_blocking(wait_for_it, NULL);
	return 0;
}

START_TEST(nested_panics_are_printed_as_Go_prints_them)
{
	ends_by_panic(recovers_and_repanics, NULL, "panic: one [recovered]\n\tpanic: after one\n\ngoroutine 1");
	ends_by_panic(panics_in_deferred, NULL, "panic: first\n\tpanic: second [recovered]\n\tpanic: after second\n\ngoroutine 1");
	ends_by_panic(exit_panics, NULL, "panic: second\n\ngoroutine ");
}
END_TEST

static void *thread_panics(void *arg)
{
	panic("in a thread %s", (char *)arg);
}

static int thread_main(void *arg)
{
	api_join(api_thread(thread_panics, arg));
	return 0;
}

START_TEST(a_panic_on_a_plain_thread_ends_the_process_too)
{
	ends_by_panic(thread_main, "x", "panic: in a thread x\n\nplain thread [running]:\n");
}
END_TEST

static void waits_for_ever(void)
{
	goro_set_name("the waiting one");
	goro_chan_recv(NULL, NULL, GORO_FOREVER);
}

static int panic_beside_others(void *arg)
{
	t_check_int(go(waits_for_ever), ==, 0);
	for (int i = 0; i < 10; i++)
		goro_yield();
	return panic_main(arg);
}

START_TEST(GORO_TRACEBACK_says_how_much_is_told)
{
	int status;

	ends_by_panic(panic_beside_others, (void *)1, "deferred call\npanic: that is it: 1\n\n");
	t_check(strstr(api_err, "the waiting one") == NULL, "%.2000s", api_err);
	setenv("GORO_TRACEBACK", "all", 1);
	ends_by_panic(panic_beside_others, (void *)1, "deferred call\npanic: that is it: 1\n\n");
	t_check(strstr(api_err, "the waiting one") != NULL && strstr(api_err, "chan receive (nil chan)") != NULL, "%.3000s", api_err);
	setenv("GORO_TRACEBACK", "none", 1);
	ends_by_panic(panic_beside_others, (void *)1, "deferred call\npanic: that is it: 1\n\n");
	t_check(strstr(api_err, "goroutine") == NULL, "%.2000s", api_err);
	setenv("GORO_TRACEBACK", "crash", 1);
	status = api_child(0, panic_beside_others, (void *)1, api_err, sizeof api_err);
	t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%#x", status);
}
END_TEST

static int unlock_of_unlocked(void *arg)
{
	static struct goro_mutex m;
	static struct seen s;

	(void)arg;
	defer(catcher, &s, 0);
	goro_mutex_unlock(&m);
	return 0;
}

START_TEST(unlock_of_an_unlocked_mutex_stays_fatal_as_in_Go)
{
	api_expect_fatal(unlock_of_unlocked, NULL, "fatal error: sync: unlock of unlocked mutex");
}
END_TEST

static void panics_in_regions(struct seen *s)
{
	defer(catcher, s);
	goro_preempt_off();
	goro_preempt_off();
	panic("in two regions");
}

/* The regions that a recovered panic has left are over: only the first one is left to be ended. */
static int regions_are_over(void *arg)
{
	static struct seen s;

	(void)arg;
	goro_preempt_off();
	panics_in_regions(&s);
	goro_preempt_on();
	fprintf(stderr, "once\n");
	goro_preempt_on();
	return 0;
}

START_TEST(a_recovered_panic_ends_the_regions_without_preemption_that_it_left)
{
	api_expect_fatal(regions_are_over, NULL, "once\nfatal error: goro_preempt_on without goro_preempt_off");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("panic_fatal");
	TCase *tc = t_case(s, "fatal", 60);

	tcase_add_loop_test(tc,
		at_that_point_the_program_is_terminated_and_the_error_condition_is_reported_including_the_value_of_the_argument_to_panic, 0, 2);
	tcase_add_test(tc, nested_panics_are_printed_as_Go_prints_them);
	tcase_add_test(tc, a_panic_on_a_plain_thread_ends_the_process_too);
	tcase_add_test(tc, GORO_TRACEBACK_says_how_much_is_told);
	tcase_add_test(tc, a_recovered_panic_ends_the_regions_without_preemption_that_it_left);
	tcase_add_test(tc, unlock_of_an_unlocked_mutex_stays_fatal_as_in_Go);
	return t_main(s);
}
