/* SPDX-License-Identifier: MIT */
/*
 * check_leak.c: goro_leak_check() and GORO_LEAKS: goroutines that are left at the end of a test.
 *
 * Each test of "nothing is left" has its negative control beside it: the same with one goroutine that is left. A leak check that
 * never finds anything passes all tests.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/short.h>
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

static struct goro_chan *gate;

static int written; /* what goro_leak_check() writes to */

static void to_a_file(void)
{
	written = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (written < 0)
		written = memfd_create("leaks", MFD_CLOEXEC);
	t_check_int(written, >=, 0);
}

static const char *what_was_written(void)
{
	ssize_t n = pread(written, api_err, sizeof api_err - 1, 0);

	t_check_int(n, >=, 0);
	api_err[n] = 0;
	return api_err;
}

static void waits_at_the_gate(void)
{
	goro_chan_recv(gate, NULL, GORO_FOREVER);
}

static void ends_soon(void)
{
	goro_sleep(20 * GORO_MILLISECOND);
}

/* Global, for their names in backtraces. */
int starts_one(int (*door)(void));
int is_above_it(int (*door)(void));

__attribute__((noinline)) int starts_one(int (*door)(void))
{
	int r = door();

	__asm__ volatile("");
	return r;
}

__attribute__((noinline)) int is_above_it(int (*door)(void))
{
	int r = starts_one(door);

	__asm__ volatile("");
	return r;
}

/* ---- the check -------------------------------------------------------------------------------------------------------- */

static int nothing_left(void *arg)
{
	(void)arg;
	t_check_int(goro_leak_check(written, GORO_NOW), ==, 0);
	for (int i = 0; i < 10; i++)
		t_check_int(go(ends_soon), ==, 0);
	t_check_int(goro_leak_check(written, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
	t_check(what_was_written()[0] == 0, "%.2000s", api_err);
	return 0;
}

START_TEST(goroutines_that_end_before_the_deadline_are_no_leak)
{
	to_a_file();
	api_run_procs(api_procs[_i], nothing_left, NULL);
}
END_TEST

static void named(void)
{
	goro_set_name("the leak");
	waits_at_the_gate();
}

static int one_left(void *arg)
{
	(void)arg;
	gate = goro_chan_new(0, 0);
	for (int i = 0; i < 10; i++)
		t_check_int(go(ends_soon), ==, 0);
	t_check_int(go(named), ==, 0);
	/* On a busy machine ten do not end within 100 ms. */
	t_eventually(goro_leak_check(-1, goro_after(100 * GORO_MILLISECOND)) == 1, API_PATIENCE);
	t_check_int(goro_leak_check(written, goro_after(100 * GORO_MILLISECOND)), ==, 1);
	t_check(strncmp(what_was_written(), "goro: left alive: 1 goroutine\n\ngoroutine ", 41) == 0, "%.2000s", api_err);
	t_check(strstr(api_err, " \"the leak\" [chan receive]:\n") != NULL, "%.2000s", api_err);
	t_check(strstr(api_err, "created by goroutine 1 at ") != NULL, "%.2000s", api_err);
	t_check(strstr(api_err, "\"main\"") == NULL, "%.2000s", api_err);
	goro_chan_close(gate);
	t_check_int(goro_leak_check(-1, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
	goro_chan_free(gate);
	return 0;
}

START_TEST(one_that_is_left_is_found_and_written)
{
	to_a_file();
	api_run_procs(api_procs[_i], one_left, NULL);
}
END_TEST

static int counts_only(void *arg)
{
	(void)arg;
	gate = goro_chan_new(0, 0);
	for (int i = 0; i < 100; i++)
		t_check_int(go(waits_at_the_gate), ==, 0);
	t_check_int(goro_leak_check(-1, GORO_NOW), ==, 100);
	goro_chan_close(gate);
	t_check_int(goro_leak_check(-1, GORO_FOREVER), ==, 0);
	goro_chan_free(gate);
	return 0;
}

START_TEST(without_a_descriptor_it_counts)
{
	api_run_procs(api_procs[_i], counts_only, NULL);
}
END_TEST

static int many_that_have_not_run(void *arg)
{
	long n = t_scaled(50000);

	(void)arg;
	gate = goro_chan_new(0, 0);
	for (long i = 0; i < n; i++)
		t_check_int(go(waits_at_the_gate), ==, 0);
	t_check_int(goro_leak_check(-1, GORO_NOW), ==, n);
	goro_chan_close(gate);
	t_check_int(goro_leak_check(-1, GORO_FOREVER), ==, 0);
	goro_chan_free(gate);
	return 0;
}

START_TEST(goroutines_that_have_not_run_count_with_traces_and_without)
{
	api_run_procs(1, many_that_have_not_run, NULL);
	setenv("GORO_LEAKS", "trace", 1);
	api_run_procs(1, many_that_have_not_run, NULL);
}
END_TEST

static struct goro_chan *result;

static void checks(void)
{
	int n = goro_leak_check(-1, goro_after(GORO_MILLISECOND));

	goro_chan_send(result, &n, GORO_FOREVER);
}

static void *checks_as_thread(void *arg)
{
	*(int *)arg = goro_leak_check(-1, goro_after(GORO_MILLISECOND));
	return NULL;
}

static int not_by_main(void *arg)
{
	int n = -1;

	(void)arg;
	gate = goro_chan_new(0, 0);
	result = goro_chan_new(sizeof n, 0);
	for (int left = 0; left < 2; left++) {
		t_check_int(go(checks), ==, 0);
		goro_chan_recv(result, &n, GORO_FOREVER);
		t_check_int(n, ==, left);
		t_check_int(goro_leak_check(-1, goro_after(API_PATIENCE * GORO_MILLISECOND * !left)), ==, left);
		api_join(api_thread(checks_as_thread, &n));
		t_check_int(n, ==, left);
		t_check_int(go(waits_at_the_gate), ==, 0);
	}
	return 0;
}

START_TEST(the_main_goroutine_is_none_whoever_checks)
{
	t_check_int(goro_leak_check(2, GORO_NOW), ==, 0); /* no runtime */
	api_run_procs(api_procs[_i], not_by_main, NULL);
}
END_TEST

/* ---- backtraces of spawns --------------------------------------------------------------------------------------------- */

static int by_go(void)
{
	return go(waits_at_the_gate);
}

static int by_spawn(void)
{
	return goro_spawn((void (*)(void *))(void (*)(void))waits_at_the_gate, NULL);
}

static int by_options(void)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;
	char value[200] = "copied";

	o.copy = value;
	o.copy_size = sizeof value;
	return goro_spawn_opts((void (*)(void *))(void (*)(void))waits_at_the_gate, NULL, &o);
}

static int by_group(void)
{
	static struct goro_waitgroup wg;

	return goro_waitgroup_go(&wg, (void (*)(void *))(void (*)(void))waits_at_the_gate, NULL);
}

static int (*const doors[])(void) = { by_go, by_spawn, by_options, by_group };
#define DOORS (int)(sizeof doors / sizeof doors[0])

static int traces(void *arg)
{
	bool on = arg != NULL;

	for (int i = 0; i < DOORS; i++) {
		to_a_file();
		gate = goro_chan_new(0, 0);
		t_check_int(is_above_it(doors[i]), ==, 0);
		t_check_int(goro_leak_check(written, goro_after(GORO_MILLISECOND)), ==, 1);
		/* Without traces it may be the one address that is always told, if the door is left by a jump. */
		t_check(strstr(what_was_written(), "starts_one") || !on, "%d: %.2000s", i, api_err);
		t_check(!!strstr(api_err, "is_above_it") == on, "%d: %.2000s", i, api_err);
		goro_chan_close(gate);
		t_check_int(goro_leak_check(-1, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
		goro_chan_free(gate);
		close(written);
	}
	return 0;
}

static int by_timer(void *arg)
{
	(void)arg;
	/* On a record that had a trace: it must not be shown for this one. */
	gate = goro_chan_new(0, 0);
	t_check_int(is_above_it(by_go), ==, 0);
	goro_chan_close(gate);
	t_check_int(goro_leak_check(-1, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
	goro_chan_free(gate);
	gate = t_keep(goro_chan_new(0, 0));
	to_a_file();
	t_check(t_keep(goro_timer_func(0, (void (*)(void *))(void (*)(void))waits_at_the_gate, NULL)) != NULL);
	t_eventually(goro_count() == 2, API_PATIENCE);
	t_check_int(goro_leak_check(written, GORO_NOW), ==, 1);
	t_check(strstr(what_was_written(), "starts_one") == NULL, "%.2000s", api_err);
	return 0;
}

START_TEST(with_traces_each_way_to_start_one_tells_who_called_it)
{
	api_run_procs(api_procs[_i], traces, NULL);
	setenv("GORO_LEAKS", "trace", 1);
	api_run_procs(api_procs[_i], traces, "on");
	api_run_procs(api_procs[_i], by_timer, NULL);
}
END_TEST

START_TEST(goro_config_switches_traces_on)
{
	struct goro_config cfg = GORO_CONFIG_INIT;

	cfg.flags = GORO_TRACE_SPAWNS;
	t_check_int(goro_run(&cfg, traces, "on"), ==, 0);
	cfg.flags = 0;
	t_check_int(goro_run(&cfg, traces, NULL), ==, 0);
}
END_TEST

/* ---- the report of goro_run() ----------------------------------------------------------------------------------------- */

static int leaves_one(void *arg)
{
	(void)arg;
	gate = goro_chan_new(0, 0);
	is_above_it(by_go);
	return 3;
}

static int leaves_none(void *arg)
{
	(void)arg;
	go(ends_soon);
	return 3;
}

static void ends_with(goro_main_fn fn, int want, const char *text)
{
	api_expect_end(0, fn, NULL, want, text);
	t_check(!text || strstr(api_err, "is_above_it"), "%.2000s", api_err);
}

START_TEST(GORO_LEAKS_has_goro_run_report_what_is_left)
{
	static const char report[] = "goro: left alive: 1 goroutine\n\ngoroutine ";

	ends_with(leaves_one, 103, NULL);
	ends_with(leaves_none, 103, NULL);
	setenv("GORO_LEAKS", "report", 1);
	ends_with(leaves_one, 103, report);
	ends_with(leaves_none, 103, NULL);
	setenv("GORO_LEAKS", "fatal", 1);
	ends_with(leaves_one, 2, report);
	ends_with(leaves_none, 103, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("leak");
	TCase *tc = t_case(s, "leak", 60);

	tcase_add_loop_test(tc, goroutines_that_end_before_the_deadline_are_no_leak, 0, 3);
	tcase_add_loop_test(tc, one_that_is_left_is_found_and_written, 0, 3);
	tcase_add_loop_test(tc, without_a_descriptor_it_counts, 0, 3);
	tcase_add_test(tc, goroutines_that_have_not_run_count_with_traces_and_without);
	tcase_add_loop_test(tc, the_main_goroutine_is_none_whoever_checks, 0, 3);
	tcase_add_loop_test(tc, with_traces_each_way_to_start_one_tells_who_called_it, 0, 3);
	tcase_add_test(tc, goro_config_switches_traces_on);
	tcase_add_test(tc, GORO_LEAKS_has_goro_run_report_what_is_left);
	return t_main(s);
}
