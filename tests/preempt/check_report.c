/* SPDX-License-Identifier: MIT */
/*
 * check_report.c: the debug modes of preemption say who it was. Issue 3: "Debug mode that reports a goroutine parking while it holds a pthread mutex, and a
 * goroutine that ran longer than a limit, with its stack". goro_debug(3): GORO_REPORT_RUN_MS, and LD_PRELOAD=libgoro-lockcheck.so.
 *
 * Both are asked for by the environment of a whole program, so each scene is this program itself, executed again with the scene's name.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define LIMIT_MS 300
#define LIMIT (LIMIT_MS * GORO_MILLISECOND)
#define PARK_TEXT "goro: gives up its thread, which holds "
#define RUN_TEXT "goro: has run for more than 300 ms without giving way:\n"

/* ---- scenes: each in a process of its own ------------------------------------------------------------------------- */

static int stop; /* atomic */

/* Global, for their names in backtraces. */
void frame_of_the_greedy(void);
void frame_that_parks_with_a_mutex(struct goro_chan *c, pthread_mutex_t *m);
void frame_with_two_mutexes(struct goro_chan *c, pthread_mutex_t *m);

__attribute__((noinline)) void frame_of_the_greedy(void)
{
	pre_spin_until(&stop);
	__asm__ volatile("");
}

static void greedy(struct goro_waitgroup *wg)
{
	goro_set_name("greedy");
	frame_of_the_greedy();
	goro_waitgroup_done(wg);
}

/* So many at once; each computes for three times the limit, as long as it takes to see that it is not reported twice. */
static int greedy_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int n = *(int *)arg;

	goro_waitgroup_add(&wg, n);
	for (int i = 0; i < n; i++)
		t_check_int(GORO_GO(greedy, &wg), ==, 0);
	t_check_int(goro_sleep(3 * n * LIMIT), ==, 0);
	pre_set(&stop, 1);
	return goro_waitgroup_wait(&wg, GORO_FOREVER);
}

/* As busy for as long, but it gives way, parks, or blocks its thread, each time before the limit. */
static int polite_main(void *arg)
{
	struct timespec ts = { 0, 1000000 };
	int64_t end = pre_now() + 3 * LIMIT;

	(void)arg;
	while (pre_now() < end) {
		pre_burn(GORO_MILLISECOND);
		goro_yield();
		pre_burn(GORO_MILLISECOND);
		goro_sleep(GORO_MILLISECOND);
		nanosleep(&ts, NULL);
	}
	return 0;
}

__attribute__((noinline)) void frame_that_parks_with_a_mutex(struct goro_chan *c, pthread_mutex_t *m)
{
	t_check(pthread_mutex_lock(m) == 0);
	t_check_int(goro_chan_recv(c, NULL, GORO_FOREVER), ==, 1);
	t_check(pthread_mutex_unlock(m) == 0);
}

__attribute__((noinline)) void frame_with_two_mutexes(struct goro_chan *c, pthread_mutex_t *m)
{
	t_check(pthread_mutex_trylock(&m[1]) == 0);
	frame_that_parks_with_a_mutex(c, m);
	t_check(pthread_mutex_unlock(&m[1]) == 0);
}

/* Twice, but reported once. */
static void holder(struct goro_chan *c, pthread_mutex_t *m, int n)
{
	goro_set_name(n == 2 ? "holds two" : "holds one");
	for (int i = 0; i < 2; i++)
		if (n == 2)
			frame_with_two_mutexes(c, m);
		else
			frame_that_parks_with_a_mutex(c, m);
}

/* On one processor, so that a goroutine wakes up on the thread that has its mutex. */
static int holder_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(0, 0);
	pthread_mutex_t m[2] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };

	t_check_int(GORO_GO(holder, c, m, *(int *)arg), ==, 0);
	for (int i = 0; i < 2; i++)
		t_check_int(goro_chan_send(c, NULL, GORO_FOREVER), ==, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_chan_free(c);
	return 0;
}

static void careful(pthread_mutex_t *m, struct goro_waitgroup *wg)
{
	for (int i = 0; i < 100; i++) {
		t_check(pthread_mutex_lock(m) == 0);
		pre_burn(100 * GORO_MICROSECOND); /* it is stopped with the mutex now and then: that is no harm */
		t_check(pthread_mutex_unlock(m) == 0);
		goro_yield();
	}
	goro_waitgroup_done(wg);
}

static int careful_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

	(void)arg;
	goro_waitgroup_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		t_check_int(GORO_GO(careful, &m, &wg), ==, 0);
	return goro_waitgroup_wait(&wg, GORO_FOREVER);
}

static const struct {
	const char *name;
	goro_main_fn fn;
	unsigned procs, slice_us;
	int arg;
} scenes[] = {
	{ "greedy", greedy_main, 1, 0, 1 },	    { "greedy stints", greedy_main, 1, 1000, 3 },
	{ "polite", polite_main, 2, 0, 0 },	    { "holder of one", holder_main, 1, 0, 1 },
	{ "holder of two", holder_main, 1, 0, 2 }, { "careful", careful_main, 2, PRE_SHORT, 0 },
};
#define SCENES (sizeof scenes / sizeof scenes[0])

static int play(const char *name)
{
	for (size_t i = 0; i < SCENES; i++)
		if (strcmp(scenes[i].name, name) == 0) {
			int arg = scenes[i].arg;

			pre_run(scenes[i].procs, scenes[i].slice_us, scenes[i].fn, &arg);
			return 0;
		}
	return 1;
}

/* ---- what they write ------------------------------------------------------------------------------------------------ */

static char text[1 << 16];

/* Runs a scene with what stands in variable, and reads what it writes to stderr. */
static void watch(const char *scene, const char *variable, const char *value)
{
	int p[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	t_check(pipe(p) == 0);
	pid = fork();
	t_check(pid >= 0);
	if (pid == 0) {
		alarm(120);
		dup2(p[1], STDERR_FILENO);
		close(p[0]);
		close(p[1]);
		setenv(variable, value, 1);
		setenv("CK_FORK", "no", 1); /* a failed check there ends it by SIGABRT */
		execl("/proc/self/exe", "check_report", scene, (char *)NULL);
		_exit(126);
	}
	close(p[1]);
	while (len < sizeof text - 1 && (n = read(p[0], text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	close(p[0]);
	t_check(waitpid(pid, &status, 0) == pid);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %#x: %.3000s", scene, status, text);
}

static int occurrences(const char *what)
{
	int n = 0;

	for (const char *s = text; (s = strstr(s, what)) != NULL; s += strlen(what))
		n++;
	return n;
}

/*
 * For each of n goroutines: what is wrong, whose it is, a frame of it, and who made it. There may be more reports, of
 * others: a mutex is counted for its thread, so whoever switches there while its owner is parked is told of as well.
 */
static void expect_reports(int n, const char *what, const char *who, const char *frame)
{
	t_check(occurrences(what) >= n, "%.3000s", text);
	t_check(occurrences(who) == n, "%d and not %d: %.3000s", occurrences(who), n, text);
	t_check(occurrences(frame) == n, "%.3000s", text);
	t_check(occurrences("created by goroutine 1 at ") == n, "%.3000s", text);
}

START_TEST(a_goroutine_that_runs_longer_than_the_limit_is_reported_once_with_its_stack)
{
	watch("greedy", "GORO_REPORT_RUN_MS", "300");
	expect_reports(1, RUN_TEXT, "\"greedy\" [running]:", "frame_of_the_greedy");
}
END_TEST

/* Each has a third of the time, in stints of a millisecond. */
START_TEST(stints_between_which_a_goroutine_was_preempted_are_added_up)
{
	watch("greedy stints", "GORO_REPORT_RUN_MS", "300");
	expect_reports(3, RUN_TEXT, "\"greedy\" [running]:", "frame_of_the_greedy");
}
END_TEST

/* A machine that does other things may have held it up for that long, sysmon cannot know: the best of some attempts counts. */
START_TEST(a_goroutine_that_gives_way_in_time_is_not_reported)
{
	for (int i = 0; i < 4; i++) {
		watch("polite", "GORO_REPORT_RUN_MS", "300");
		if (text[0] == 0)
			return;
	}
	t_check(text[0] == 0, "%.3000s", text);
}
END_TEST

START_TEST(without_the_variable_nothing_is_written)
{
	watch("greedy", "GORO_REPORT_RUN_MS", "0");
	t_check(text[0] == 0, "%.3000s", text);
	watch("holder of one", "GORO_REPORT_RUN_MS", "0");
	t_check(text[0] == 0, "%.3000s", text);
}
END_TEST

/* The library to be preloaded, as the build leaves it; make runs tests in its top folder. */
static const char *lockcheck(void)
{
	static char path[PATH_MAX];

	t_skip_unless(realpath("tools/.libs/libgoro-lockcheck.so", path), "no libgoro-lockcheck.so in this build");
	return path;
}

START_TEST(a_goroutine_that_parks_with_a_pthread_mutex_is_reported_once_with_its_stack)
{
	watch("holder of one", "LD_PRELOAD", lockcheck());
	expect_reports(1, PARK_TEXT "1 pthread mutex (0x", "\"holds one\"", "frame_that_parks_with_a_mutex");
	watch("holder of two", "LD_PRELOAD", lockcheck());
	expect_reports(1, PARK_TEXT "2 pthread mutexes (the last one 0x", "\"holds two\"", "frame_that_parks_with_a_mutex");
	t_check(occurrences("frame_with_two_mutexes") == 1, "%.3000s", text);
}
END_TEST

START_TEST(a_goroutine_that_gives_its_mutexes_back_first_is_not_reported)
{
	watch("careful", "LD_PRELOAD", lockcheck());
	t_check(text[0] == 0, "%.3000s", text);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;

	if (argc > 1)
		return play(argv[1]);
	s = suite_create("preempt: reports");
	tc = tcase_create("run");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_goroutine_that_runs_longer_than_the_limit_is_reported_once_with_its_stack);
	tcase_add_test(tc, stints_between_which_a_goroutine_was_preempted_are_added_up);
	tcase_add_test(tc, a_goroutine_that_gives_way_in_time_is_not_reported);
	tcase_add_test(tc, without_the_variable_nothing_is_written);
	suite_add_tcase(s, tc);
	tc = tcase_create("park");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_goroutine_that_parks_with_a_pthread_mutex_is_reported_once_with_its_stack);
	tcase_add_test(tc, a_goroutine_that_gives_its_mutexes_back_first_is_not_reported);
	suite_add_tcase(s, tc);
	return t_main(s);
}
