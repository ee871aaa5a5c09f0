/* SPDX-License-Identifier: MIT */
/*
 * check_fork.c: children, and what happens to a whole process, while goroutines are stopped in malloc(), printf() and anywhere. Hazards 15 and 16; issue 3:
 * "fork+exec, posix_spawn, system(), exit(), setuid, SIGSTOP/SIGCONT, gdb attach and core dump while Ms are stopped: all work. A forked
 * child that goes on without exec: documented, detected, clear error from the API."
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

/* LeakSanitizer asks: what a process that ends in the middle of its work has allocated is lost, by design. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

extern char **environ;

#define HOGS 8

static int stop; /* atomic */

/* Stopped in malloc() and in printf(), most of the time with a lock of theirs held. */
static void allocate_and_print(FILE *out)
{
	for (unsigned n = 1; !pre_get(&stop); n++) {
		void *p = malloc(n % 5000 + 1), *q = malloc(n % 100 + 1);

		fprintf(out, "%d %g\n", (int)n, (double)n / 7);
		free(p);
		free(q);
	}
}

static void start_hogs(FILE *out)
{
	pre_set(&stop, 0);
	for (int i = 0; i < HOGS; i++)
		t_check_int(GORO_GO(allocate_and_print, out), ==, 0);
}

static void end_hogs(void)
{
	t_eventually(pre_stats().preemptions > 0, API_PATIENCE);
	pre_set(&stop, 1);
	t_eventually(goro_count() == 1, API_PATIENCE);
}

static void expect_exit(pid_t pid, int code)
{
	int status;

	t_check_int(waitpid(pid, &status, 0), ==, pid);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %#x", status);
}

/* ---- children that execute something ----------------------------------------------------------------------------- */

static int exec_main(void *arg)
{
	FILE *out = fopen("/dev/null", "we");
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 7", NULL };
	int kind = *(int *)arg;
	pid_t pid = 0;

	t_check(out != NULL);
	start_hogs(out);
	for (long n = t_scaled(20); n > 0; n--)
		switch (kind) {
		case 0:
			pid = fork();
			if (pid == 0) {
				execv("/bin/sh", argv);
				_exit(1);
			}
			t_check(pid > 0);
			expect_exit(pid, 7);
			break;
		case 1:
			t_check_int(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), ==, 0);
			expect_exit(pid, 7);
			break;
		default:
			t_check_int(WEXITSTATUS(system("exit 7")), ==, 7);
			break;
		}
	end_hogs();
	fclose(out);
	return 0;
}

/* fork() takes the locks of malloc(), which stopped goroutines may hold: they go on, and give them back. */
START_TEST(children_can_be_started_while_goroutines_are_stopped)
{
	int kind = _i % 3;

	pre_run(_i < 3 ? 1 : 2, PRE_SHORT, exec_main, &kind);
}
END_TEST

/* ---- a child that goes on ---------------------------------------------------------------------------------------------- */

static void nothing(void)
{
}

static int say_one(void *arg)
{
	(void)arg;
	return 1;
}

/* In the child: what needs no runtime says that there is none. 0 if all is as it should be. */
static int ask_in_child(void)
{
	if (GORO_GO(nothing) != -EPERM)
		return 11;
	if (goro_run(NULL, say_one, NULL) != -EPERM)
		return 12;
	return 0;
}

/* In the child: a call that would park. It must not return. */
static void park_in_child(int way)
{
	struct goro_chan *c = NULL;
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	switch (way) {
	case 0:
		goro_chan_recv(c, NULL, GORO_FOREVER);
		break;
	case 1:
		goro_sleep(GORO_SECOND);
		break;
	case 2:
		goro_waitgroup_add(&wg, 1);
		goro_waitgroup_wait(&wg, GORO_FOREVER);
		break;
	default:
		goro_yield();
		break;
	}
}

static int fork_main(void *arg)
{
	int way = *(int *)arg, p[2];
	char text[4096];
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	t_check(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		dup2(p[1], STDERR_FILENO);
		if (way < 0)
			_exit(ask_in_child());
		park_in_child(way);
		_exit(13);
	}
	t_check(pid > 0);
	close(p[1]);
	while ((n = goro_read(p[0], text + len, sizeof text - 1 - len, GORO_FOREVER)) > 0)
		len += (size_t)n;
	text[len] = 0;
	expect_exit(pid, way < 0 ? 0 : 2);
	t_check(way < 0 || strstr(text, "fork"), "it said '%s'", text);
	t_check_int(goro_close(p[0]), ==, 0);
	/* The parent is as it was. */
	t_check_int(goro_sleep(GORO_MILLISECOND), ==, 0);
	return 0;
}

START_TEST(in_a_forked_child_starting_anything_is_an_error)
{
	int way = -1;

	for (int i = 0; i < 5; i++)
		pre_run(1 + (unsigned)i % 2, 1000, fork_main, &way);
}
END_TEST

START_TEST(in_a_forked_child_a_call_that_parks_ends_it_with_a_word)
{
	int way = _i;

	pre_run(2, 1000, fork_main, &way);
}
END_TEST

/* ---- credentials: a signal to every thread, that waits for all (hazard 16) ------------------------------------------------- */

static int setuid_main(void *arg)
{
	FILE *out = fopen("/dev/null", "we");

	(void)arg;
	t_check(out != NULL);
	start_hogs(out);
	for (long n = t_scaled(300); n > 0; n--) {
		t_check(setuid(getuid()) == 0);
		if (n % 8 == 0)
			goro_yield();
	}
	end_hogs();
	fclose(out);
	return 0;
}

START_TEST(setuid_reaches_threads_that_are_stopped)
{
	pre_run(1 + (unsigned)_i, PRE_SHORT, setuid_main, NULL);
}
END_TEST

/* ---- stopped and continued as a whole ---------------------------------------------------------------------------------------- */

/* A process of its own that stops its parent and continues it, n times, and ends with 0. */
static pid_t start_stopper(int n)
{
	char script[200];
	char *const argv[] = { (char *)"sh", (char *)"-c", script, NULL };
	pid_t pid;

	snprintf(script, sizeof script, "i=0; while [ $i -lt %d ]; do kill -STOP %d && sleep 0.01 && kill -CONT %d || exit 1; "
		 "sleep 0.01; i=$((i+1)); done", n, (int)getpid(), (int)getpid());
	t_check_int(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), ==, 0);
	return pid;
}

static int stop_main(void *arg)
{
	FILE *out = fopen("/dev/null", "we");
	pid_t stopper;
	int status, turns = 0, fd[2];
	char c = 0;

	(void)arg;
	t_check(out != NULL);
	t_check_int(api_link(API_PAIR, fd), ==, 0);
	start_hogs(out);
	stopper = start_stopper(20);
	while (waitpid(stopper, &status, WNOHANG) == 0) {
		t_check_int(goro_sleep(GORO_MILLISECOND), ==, 0);
		t_check_int(goro_write(fd[0], &c, 1, GORO_FOREVER), ==, 1);
		t_check_int(goro_read(fd[1], &c, 1, GORO_FOREVER), ==, 1);
		turns++;
	}
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	t_check_int(turns, >, 0);
	end_hogs();
	fclose(out);
	return 0;
}

START_TEST(the_process_can_be_stopped_and_continued)
{
	pre_run(1 + (unsigned)_i, PRE_SHORT, stop_main, NULL);
}
END_TEST

/* ---- the end of the process (hazard 15) ------------------------------------------------------------------------------------------ */

static void print(void)
{
	for (;;)
		printf("another goroutine prints, %d, and is stopped with the lock of stdout held\n", 12345);
}

/* Runs in a child process of its own: see api_child(). */
static int exit_main(void *arg)
{
	t_check(freopen("/dev/null", "w", stdout) != NULL);
	for (int i = 0; i < 4; i++)
		t_check_int(GORO_GO(print), ==, 0);
	t_eventually(pre_stats().preemptions >= 4, API_PATIENCE);
	exit(*(int *)arg); /* flushes all streams: it waits for that lock */
}

START_TEST(exit_ends_the_process_while_others_print)
{
	char err[1000];
	int code = 5;

	t_check(setenv("GORO_SLICE_US", "200", 1) == 0);
	for (int i = 0; i < 10; i++) {
		int status = api_child(1 + (unsigned)i % 2, exit_main, &code, err, sizeof err);

		t_check(WIFEXITED(status) && WEXITSTATUS(status) == 5, "status %#x: %s", status, err);
	}
}
END_TEST

static int core_main(void *arg)
{
	struct rlimit none = { 0, 0 };
	int never = 0;

	(void)arg;
	t_check(setrlimit(RLIMIT_CORE, &none) == 0);
	for (int i = 0; i < 6; i++)
		t_check_int(GORO_GO(pre_hog, &never), ==, 0);
	t_eventually(pre_stats().stopped > 0, API_PATIENCE);
	abort();
}

/* The same way a core is written: every thread is ended, in whatever it is. */
START_TEST(a_fatal_signal_ends_the_process_while_threads_are_stopped)
{
	char err[65536];

	t_check(setenv("GORO_SLICE_US", "200", 1) == 0);
	for (int i = 0; i < 5; i++) {
		int status = api_child(1 + (unsigned)i % 2, core_main, NULL, err, sizeof err);

		t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x: %s", status, err);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: processes");
	TCase *tc = tcase_create("children");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, children_can_be_started_while_goroutines_are_stopped, 0, 6);
	tcase_add_test(tc, in_a_forked_child_starting_anything_is_an_error);
	tcase_add_loop_test(tc, in_a_forked_child_a_call_that_parks_ends_it_with_a_word, 0, 4);
	suite_add_tcase(s, tc);

	tc = tcase_create("process");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, setuid_reaches_threads_that_are_stopped, 0, 2);
	tcase_add_loop_test(tc, the_process_can_be_stopped_and_continued, 0, 2);
	tcase_add_test(tc, exit_ends_the_process_while_others_print);
	tcase_add_test(tc, a_fatal_signal_ends_the_process_while_threads_are_stopped);
	suite_add_tcase(s, tc);
	return t_main(s);
}
