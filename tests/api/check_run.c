/* SPDX-License-Identifier: MIT */
/* check_run.c: what <goro/runtime.h> promises of starting and stopping. */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

static int return_it(void *arg)
{
	return *(int *)arg;
}

START_TEST(run_returns_what_main_returned)
{
	int values[] = { 0, 1, 42, 255, 256, INT_MAX, -1, INT_MIN };

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		t_check_int(goro_run(NULL, return_it, &values[i]), ==, values[i]);
}
END_TEST

/* ---- configuration ------------------------------------------------------------------------------------ */

START_TEST(bad_configurations_are_refused)
{
	int zero = 0;
	struct goro_config good = GORO_CONFIG_INIT, c;

	t_check_int(goro_run(NULL, NULL, NULL), ==, -EINVAL);
	t_check_int(goro_run(&good, NULL, NULL), ==, -EINVAL);
	c = good, c.size = 0;
	t_check_int(goro_run(&c, return_it, &zero), ==, -EINVAL);
	c = good, c.flags = 0x80000000u;
	t_check_int(goro_run(&c, return_it, &zero), ==, -EINVAL);
	c = good, c.maxprocs = UINT32_MAX;
	t_check_int(goro_run(&c, return_it, &zero), ==, -EINVAL);
	c = good, c.backend = 3;
	t_check_int(goro_run(&c, return_it, &zero), ==, -EINVAL);
	c = good, c.slice_ns = 999999;
	t_check_int(goro_run(&c, return_it, &zero), ==, -EINVAL);
	c = good, c.slice_ns = 100000001;
	t_check_int(goro_run(&c, return_it, &zero), ==, -EINVAL);
	c = good, c.stack_size = UINT64_C(1) << 50;
	t_check_int(goro_run(&c, return_it, &zero), ==, -EINVAL);
	t_check_int(goro_run(&good, return_it, &zero), ==, 0);
}
END_TEST

START_TEST(configurations_of_older_and_newer_programs_are_understood)
{
	struct {
		struct goro_config c;
		uint64_t later[2];
	} newer = { GORO_CONFIG_INIT, { 0, 0 } };
	struct goro_config older = GORO_CONFIG_INIT;
	int v = 7;

	older.size = offsetof(struct goro_config, maxprocs);
	older.maxprocs = UINT32_MAX; /* beyond its size: not looked at */
	older.slice_ns = 1;
	t_check_int(goro_run(&older, return_it, &v), ==, 7);
	newer.c.size = sizeof newer;
	t_check_int(goro_run(&newer.c, return_it, &v), ==, 7);
	newer.later[1] = 1;
	t_check_int(goro_run(&newer.c, return_it, &v), ==, -E2BIG);
}
END_TEST

static int backend_main(void *arg)
{
	const char *reason = NULL, *name = goro_backend(&reason);

	t_check(name != NULL && reason != NULL && reason[0] != 0);
	t_check(strcmp(name, "uring") == 0 || strcmp(name, "epoll") == 0, "%s", name);
	t_check(arg == NULL || strcmp(name, arg) == 0, "%s", name);
	t_check(goro_backend(NULL) == name);
	return 5;
}

START_TEST(the_backend_is_chosen_and_told)
{
	struct goro_config c = GORO_CONFIG_INIT;
	const char *reason = "untouched", *env = getenv("GORO_BACKEND");
	char epoll[] = "epoll", uring[] = "uring";
	int ret;

	t_check(goro_backend(&reason) == NULL);
	t_check(strcmp(reason, "untouched") == 0);
	c.backend = GORO_BACKEND_EPOLL;
	t_check_int(goro_run(&c, backend_main, epoll), ==, 5);
	c.backend = GORO_BACKEND_URING;
	ret = goro_run(&c, backend_main, uring);
	t_check(ret == 5 || ret < 0, "ret is %d", ret);
	t_check_int(goro_run(NULL, backend_main, env && *env ? (void *)env : NULL), ==, 5);
	unsetenv("GORO_BACKEND");
	t_check_int(goro_run(NULL, backend_main, ret == 5 ? uring : epoll), ==, 5);
	t_check(setenv("GORO_BACKEND", "epoll", 1) == 0);
	t_check_int(goro_run(NULL, backend_main, epoll), ==, 5);
	t_check(goro_backend(NULL) == NULL);
}
END_TEST

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGQUIT, SIGURG };

#define NSIGNALS (sizeof signals / sizeof signals[0])

static void my_handler(int sig)
{
	(void)sig;
}

static int handlers_main(void *arg)
{
	int mine = *(int *)arg;
	struct sigaction sa;

	for (int i = 0; i < 4; i++) {
		t_check(sigaction(signals[i], NULL, &sa) == 0);
		/* SIGQUIT is taken only if its action was the default one. */
		t_check((sa.sa_handler == my_handler) == (mine || signals[i] == SIGQUIT), "signal %d", signals[i]);
	}
	return 0;
}

START_TEST(signal_handlers_are_put_back_and_not_taken_if_unwanted)
{
	struct goro_config c = GORO_CONFIG_INIT;
	struct sigaction sa = { .sa_handler = my_handler }, now;
	int mine = 0;

	for (size_t i = 0; i < NSIGNALS; i++)
		t_check(sigaction(signals[i], &sa, NULL) == 0);
	t_check_int(goro_run(&c, handlers_main, &mine), ==, 0);
	c.flags = GORO_NO_SIGNALS;
	mine = 1;
	t_check_int(goro_run(&c, handlers_main, &mine), ==, 0);
	for (size_t i = 0; i < NSIGNALS; i++) {
		t_check(sigaction(signals[i], NULL, &now) == 0);
		t_check(now.sa_handler == my_handler, "signal %d", signals[i]);
	}
}
END_TEST

/* ---- one at a time --------------------------------------------------------------------------------------- */

static void *run_inside(void *arg)
{
	int v = 1;

	(void)arg;
	t_check_int(goro_run(NULL, return_it, &v), ==, -EBUSY);
	return NULL;
}

static void run_in_goroutine(struct goro_waitgroup *wg)
{
	run_inside(NULL);
	goro_waitgroup_done(wg);
}

static int busy_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	run_inside(NULL);
	goro_waitgroup_add(&wg, 1);
	t_check(GORO_GO(run_in_goroutine, &wg) == 0);
	t_check(goro_waitgroup_wait(&wg, GORO_FOREVER) == 0);
	api_join(api_thread(run_inside, NULL));
	return 0;
}

START_TEST(a_second_run_is_busy)
{
	api_run(busy_main, NULL);
}
END_TEST

static int inside; /* atomic */

static int alone_main(void *arg)
{
	(void)arg;
	t_check_int(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST), ==, 1);
	goro_yield();
	t_check_int(__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST), ==, 0);
	return 3;
}

static void *run_often(void *arg)
{
	int *runs = arg;

	for (int i = 0; i < t_scaled(50); i++) {
		int ret = goro_run(NULL, alone_main, NULL);

		t_check(ret == 3 || ret == -EBUSY, "ret is %d", ret);
		*runs += ret == 3;
	}
	return NULL;
}

START_TEST(threads_that_start_the_runtime_at_once_take_turns_or_are_busy)
{
	pthread_t t[4];
	int runs[4] = { 0 };

	for (int i = 0; i < 4; i++)
		t[i] = api_thread(run_often, &runs[i]);
	for (int i = 0; i < 4; i++)
		t_check(pthread_join(t[i], NULL) == 0);
	t_check(runs[0] + runs[1] + runs[2] + runs[3] > 0);
}
END_TEST

/* ---- the end ------------------------------------------------------------------------------------------------ */

struct others {
	int fd[2];
	struct goro_chan *c;
	struct goro_mutex m;
	struct goro_waitgroup wg;
	long turns;  /* atomic: how often they ran */
	int started; /* atomic */
};

static void begin(struct others *o)
{
	__atomic_add_fetch(&o->started, 1, __ATOMIC_SEQ_CST);
}

static void turn(struct others *o)
{
	__atomic_add_fetch(&o->turns, 1, __ATOMIC_SEQ_CST);
}

static void other_yields(struct others *o)
{
	for (begin(o);; turn(o))
		goro_yield();
}

static void other_sleeps(struct others *o, int64_t ns)
{
	for (begin(o);; turn(o))
		goro_sleep(ns);
}

static void other_receives(struct others *o)
{
	int v;

	begin(o);
	goro_chan_recv(o->c, &v, GORO_FOREVER);
	turn(o);
}

static void other_selects(struct others *o)
{
	int v = 0;
	struct goro_case cases[] = { { .chan = o->c, .op = GORO_RECV, .elem = &v }, { .chan = NULL, .op = GORO_RECV, .elem = &v } };

	begin(o);
	goro_select(cases, 2, GORO_FOREVER);
	turn(o);
}

static void other_locks(struct others *o)
{
	begin(o);
	goro_mutex_lock(&o->m);
	turn(o);
}

static void other_waits(struct others *o)
{
	begin(o);
	goro_waitgroup_wait(&o->wg, GORO_FOREVER);
	turn(o);
}

static void other_reads(struct others *o, int fd, int64_t deadline)
{
	char buf[64];

	begin(o);
	goro_read(fd, buf, sizeof buf, deadline);
	turn(o);
}

static void spawned(struct others *o)
{
	turn(o);
}

static void other_spawns(struct others *o)
{
	begin(o);
	while (GORO_GO(spawned, o) == 0)
		goro_yield();
}

static int stop_main(void *arg)
{
	struct others *o = arg;

	goro_mutex_lock(&o->m);
	goro_waitgroup_add(&o->wg, 1);
	for (int i = 0; i < 5; i++) {
		t_check(GORO_GO(other_yields, o) == 0);
		t_check(GORO_GO(other_sleeps, o, 50 * GORO_MICROSECOND) == 0);
		t_check(GORO_GO(other_sleeps, o, 3600 * GORO_SECOND) == 0);
		t_check(GORO_GO(other_receives, o) == 0);
		t_check(GORO_GO(other_selects, o) == 0);
		t_check(GORO_GO(other_locks, o) == 0);
		t_check(GORO_GO(other_waits, o) == 0);
		t_check(GORO_GO(other_reads, o, o->fd[0], GORO_FOREVER) == 0);
		t_check(GORO_GO(other_reads, o, o->fd[1], goro_after(3600 * GORO_SECOND)) == 0);
		t_check(GORO_GO(other_spawns, o) == 0);
	}
	t_eventually(__atomic_load_n(&o->started, __ATOMIC_SEQ_CST) == 50, API_PATIENCE);
	return 9;
}

static void others_init(struct others *o)
{
	memset(o, 0, sizeof *o);
	t_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, o->fd) == 0);
	o->c = goro_chan_new(sizeof(int), 0);
}

static void others_fini(struct others *o)
{
	close(o->fd[0]);
	close(o->fd[1]);
	goro_chan_free(o->c);
}

START_TEST(when_main_returns_the_others_stop_where_they_are)
{
	struct others o;
	long turns;
	char c = 0;

	others_init(&o);
	t_check_int(goro_run(NULL, stop_main, &o), ==, 9);
	turns = __atomic_load_n(&o.turns, __ATOMIC_SEQ_CST);
	t_check_int(goro_count(), ==, 0);
	/* No read is left in the kernel that could take the byte, and nobody runs while we wait for it. */
	t_check(write(o.fd[1], "x", 1) == 1);
	t_check(poll(&(struct pollfd){ .fd = o.fd[0], .events = POLLIN }, 1, 1000) == 1);
	t_check(poll(NULL, 0, 20) == 0);
	t_check(read(o.fd[0], &c, 1) == 1 && c == 'x');
	t_check_int(__atomic_load_n(&o.turns, __ATOMIC_SEQ_CST), ==, turns);
	others_fini(&o);
}
END_TEST

START_TEST(fifty_restarts_leak_nothing)
{
	struct others o;
	int fds = 0, threads = 0;
	long rss = 0;

	others_init(&o);
	for (int i = 0; i < 50; i++) {
		if (i == 10) {
			fds = api_fds();
			threads = api_threads();
			rss = api_rss_kib();
		}
		o.started = 0;
		memset(&o.m, 0, sizeof o.m);
		memset(&o.wg, 0, sizeof o.wg);
		t_check_int(goro_run(NULL, stop_main, &o), ==, 9);
	}
	t_check_int(api_fds(), ==, fds);
	t_check_int(api_threads(), ==, threads);
	t_check(!api_timing_is_sound() || api_rss_kib() - rss < 8192, "%ld KiB more", api_rss_kib() - rss);
	others_fini(&o);
}
END_TEST

START_TEST(a_run_gives_back_its_descriptors_and_threads)
{
	int fds = api_fds(), threads = api_threads(), v = 0;

	t_check_int(goro_run(NULL, return_it, &v), ==, 0);
	t_check_int(api_fds(), ==, fds);
	t_check_int(api_threads(), ==, threads);
}
END_TEST

/* How long main's return has to wait for it. */
static void *poll_a_little(void *arg)
{
	poll(NULL, 0, 50);
	return arg;
}

static void blocking_other(int *entered)
{
	__atomic_store_n(entered, 1, __ATOMIC_SEQ_CST);
	goro_blocking(poll_a_little, NULL);
}

static int blocking_main(void *arg)
{
	int *entered = arg;

	t_check(GORO_GO(blocking_other, entered) == 0);
	t_eventually(__atomic_load_n(entered, __ATOMIC_SEQ_CST), API_PATIENCE);
	return 1;
}

START_TEST(main_may_return_while_another_is_in_a_blocking_call)
{
	int entered = 0, v = 2;

	t_check_int(goro_run(NULL, blocking_main, &entered), ==, 1);
	t_check_int(goro_run(NULL, return_it, &v), ==, 2);
}
END_TEST

static void *run_in_thread(void *arg)
{
	int v = 11;

	(void)arg;
	for (int i = 0; i < 5; i++)
		t_check_int(goro_run(NULL, return_it, &v), ==, 11);
	return NULL;
}

START_TEST(the_runtime_may_be_started_by_any_thread)
{
	t_check(pthread_join(api_thread(run_in_thread, NULL), NULL) == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("run");
	TCase *tc = tcase_create("the beginning");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, run_returns_what_main_returned);
	tcase_add_test(tc, bad_configurations_are_refused);
	tcase_add_test(tc, configurations_of_older_and_newer_programs_are_understood);
	tcase_add_test(tc, the_backend_is_chosen_and_told);
	tcase_add_test(tc, signal_handlers_are_put_back_and_not_taken_if_unwanted);
	tcase_add_test(tc, a_second_run_is_busy);
	tcase_add_test(tc, threads_that_start_the_runtime_at_once_take_turns_or_are_busy);
	suite_add_tcase(s, tc);
	tc = tcase_create("the end");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, when_main_returns_the_others_stop_where_they_are);
	tcase_add_test(tc, fifty_restarts_leak_nothing);
	tcase_add_test(tc, a_run_gives_back_its_descriptors_and_threads);
	tcase_add_test(tc, main_may_return_while_another_is_in_a_blocking_call);
	tcase_add_test(tc, the_runtime_may_be_started_by_any_thread);
	suite_add_tcase(s, tc);
	return t_main(s);
}
