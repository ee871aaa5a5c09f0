/* SPDX-License-Identifier: MIT */
/*
 * check_sched.c: what a program can see of the scheduler: nobody starves, all processors are used, a
 * blocked call stops nobody else, an idle program sleeps and wakes.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

static int stop; /* atomic */

static int stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static long turns(long *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void turn(long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* ---- the crowd that others must live beside ---------------------------------------------------------- */

static void yielder(long *counter)
{
	while (!stopped()) {
		turn(counter);
		goro_yield();
	}
}

static void bouncer(struct goro_chan *in, struct goro_chan *out, long *counter)
{
	int v = 0;

	while (!stopped()) {
		turn(counter);
		goro_chan_send(out, &v, GORO_FOREVER);
		goro_chan_recv(in, &v, GORO_FOREVER);
	}
}

static void start_pair(long *counter)
{
	struct goro_chan *a = t_keep(goro_chan_new(sizeof(int), 0)), *b = t_keep(goro_chan_new(sizeof(int), 1));

	t_check(GORO_GO(bouncer, a, b, counter) == 0);
	t_check(GORO_GO(bouncer, b, a, counter) == 0);
}

/* Each goroutine starts its successor and ends: always something new in front of the queue. */
static void storm(long *counter)
{
	turn(counter);
	if (!stopped())
		t_check(GORO_GO(storm, counter) == 0);
}

/* Goroutines that wait for time and for descriptors. */
static void sleeper(long *counter)
{
	while (!stopped()) {
		turn(counter);
		goro_sleep(50 * GORO_MICROSECOND);
	}
}

static void talker(int fd, int first, long *counter)
{
	char c = 0;

	if (first)
		t_check_int(goro_write(fd, &c, 1, GORO_FOREVER), ==, 1);
	while (!stopped()) {
		turn(counter);
		t_check_int(goro_read(fd, &c, 1, GORO_FOREVER), ==, 1);
		t_check_int(goro_write(fd, &c, 1, GORO_FOREVER), ==, 1);
	}
}

enum { YIELD, PAIR, STORM, SLEEP, TALK, CROWDS };

static void start_crowd(int kind, long *counter)
{
	int fd[2];

	switch (kind) {
	case YIELD:
		for (int i = 0; i < 4; i++)
			t_check(GORO_GO(yielder, counter) == 0);
		break;
	case PAIR:
		start_pair(counter);
		break;
	case STORM:
		t_check(GORO_GO(storm, counter) == 0);
		t_check(GORO_GO(storm, counter) == 0);
		break;
	case SLEEP:
		t_check(GORO_GO(sleeper, counter) == 0);
		break;
	case TALK:
		t_check_int(api_link(API_PAIR, fd), ==, 0);
		t_check(GORO_GO(talker, fd[0], 1, counter) == 0);
		t_check(GORO_GO(talker, fd[1], 0, counter) == 0);
		break;
	}
}

static int fair_main(void *arg)
{
	int kinds = *(int *)arg;
	long counters[CROWDS] = { 0 };

	for (int k = 0; k < CROWDS; k++)
		if (kinds & 1 << k)
			start_crowd(k, &counters[k]);
	/* Each goes on, again and again, whatever the others do. t_eventually() itself needs timers. */
	for (int round = 1; round <= 10; round++)
		for (int k = 0; k < CROWDS; k++) {
			long before = turns(&counters[k]);

			if (kinds & 1 << k)
				t_eventually(turns(&counters[k]) >= before + 20, API_PATIENCE);
		}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	return 0;
}

START_TEST(no_crowd_starves_another)
{
	/* Every two kinds, and all of them. */
	static const int sets[] = { 3, 5, 9, 17, 6, 10, 18, 12, 20, 24, 31 };
	int kinds = sets[_i / 2];

	api_run_procs(_i % 2 ? 2 : 1, fair_main, &kinds);
}
END_TEST

static int equal_main(void *arg)
{
	long counters[8] = { 0 }, least, most;

	(void)arg;
	for (int i = 0; i < 8; i++)
		t_check(GORO_GO(yielder, &counters[i]) == 0);
	for (long n = t_scaled(20000); n > 0; n--)
		goro_yield();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	least = most = counters[0];
	for (int i = 1; i < 8; i++) {
		least = counters[i] < least ? counters[i] : least;
		most = counters[i] > most ? counters[i] : most;
	}
	t_check(least > t_scaled(20000) / 4 && most < 4 * t_scaled(20000), "least %ld, most %ld", least, most);
	return 0;
}

START_TEST(goroutines_that_yield_take_turns)
{
	api_run_procs(1, equal_main, NULL);
}
END_TEST

/* ---- interleaving on one processor ------------------------------------------------------------------------ */

static void tracer(char *trace, int *at, char mark, struct goro_waitgroup *wg)
{
	for (int i = 0; i < 50; i++) {
		trace[(*at)++] = mark;
		goro_yield();
	}
	goro_waitgroup_done(wg);
}

static int interleaved(char *trace)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int at = 0, changes = 0;

	goro_waitgroup_add(&wg, 2);
	t_check(GORO_GO(tracer, trace, &at, (char)'a', &wg) == 0);
	t_check(GORO_GO(tracer, trace, &at, (char)'b', &wg) == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(at, ==, 100);
	for (int i = 1; i < 100; i++)
		changes += trace[i] != trace[i - 1];
	return changes;
}

/* Whoever loses the CPU for longer than a slice lets the other one run alone meanwhile; it will not happen each time. */
static int interleave_main(void *arg)
{
	char trace[101] = "";
	int tries = 10;

	(void)arg;
	t_check_int(goro_maxprocs(1), >=, 1);
	while (interleaved(trace) <= 50)
		t_check(--tries > 0, "%s", trace);
	return 0;
}

START_TEST(one_processor_still_interleaves)
{
	api_run(interleave_main, NULL);
}
END_TEST

/* ---- all processors are used -------------------------------------------------------------------------------- */

/* Spins, without a call of goro, until all are there: each needs a processor of its own. */
static void meet(int *present, int want, struct goro_waitgroup *wg)
{
	int64_t end = goro_now() + API_PATIENCE * GORO_MILLISECOND;

	__atomic_add_fetch(present, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(present, __ATOMIC_SEQ_CST) < want)
		t_check(goro_now() < end, "%d of %d came", *present, want);
	goro_waitgroup_done(wg);
}

static int meet_main(void *arg)
{
	int n = *(int *)arg;
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	for (int round = 0; round < 20; round++) {
		int present = 0;

		goro_waitgroup_add(&wg, n);
		for (int i = 0; i < n; i++)
			t_check(GORO_GO(meet, &present, n, &wg) == 0);
		t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	}
	return 0;
}

START_TEST(as_many_goroutines_run_at_once_as_there_are_processors)
{
	static int procs[] = { 2, 3, 4 };

	api_run_procs((unsigned)procs[_i], meet_main, &procs[_i]);
}
END_TEST

static void set_flag(int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
}

static void set_after_sleep(int *flag)
{
	goro_sleep(GORO_MILLISECOND);
	set_flag(flag);
}

static void set_after_read(int *flag, int fd)
{
	char c;

	t_check_int(goro_read(fd, &c, 1, GORO_FOREVER), ==, 1);
	set_flag(flag);
}

/*
 * What was started here must go on elsewhere while this processor computes: a fresh goroutine (kind 0), one
 * whose timer runs out (1), one whose descriptor gets ready (2).
 */
static int hog_main(void *arg)
{
	int kind = *(int *)arg, fd[2];

	t_check_int(api_link(API_PAIR, fd), ==, 0);
	for (int round = 0; round < 50; round++) {
		int flag = 0;
		int64_t end;

		if (kind == 0)
			t_check(GORO_GO(set_flag, &flag) == 0);
		else if (kind == 1)
			t_check(GORO_GO(set_after_sleep, &flag) == 0);
		else
			t_check(GORO_GO(set_after_read, &flag, fd[0]) == 0);
		for (int i = 0; i < round % 4; i++)
			goro_yield();
		if (kind == 2)
			t_check(write(fd[1], "x", 1) == 1);
		end = goro_now() + API_PATIENCE * GORO_MILLISECOND;
		while (!__atomic_load_n(&flag, __ATOMIC_SEQ_CST))
			t_check(goro_now() < end, "round %d", round);
	}
	return 0;
}

START_TEST(a_processor_that_computes_does_not_hold_up_what_waits_at_it)
{
	int kind = _i;

	api_run_procs(2, hog_main, &kind);
}
END_TEST

/* ---- blocking calls ------------------------------------------------------------------------------------------ */

struct blocker {
	int fd[2];
	struct goro_waitgroup wg;
	int inside; /* atomic */
};

static void *block_in_read(void *arg)
{
	struct blocker *b = arg;
	char c = 0;

	__atomic_add_fetch(&b->inside, 1, __ATOMIC_SEQ_CST);
	t_check(read(b->fd[0], &c, 1) == 1);
	return (void *)(intptr_t)c;
}

static void blocked(struct blocker *b)
{
	t_check(goro_blocking(block_in_read, b) == (void *)'q');
	goro_waitgroup_done(&b->wg);
}

static int blocking_main(void *arg)
{
	struct blocker b = { .inside = 0 };

	(void)arg;
	t_check(pipe(b.fd) == 0);
	for (int n = 1; n <= 8; n++) {
		b.inside = 0;
		goro_waitgroup_add(&b.wg, n);
		for (int i = 0; i < n; i++)
			t_check(GORO_GO(blocked, &b) == 0);
		/* All of them are in the kernel, and we still run and our timers too. */
		t_eventually(__atomic_load_n(&b.inside, __ATOMIC_SEQ_CST) == n, API_PATIENCE);
		t_check_int(goro_sleep(GORO_MILLISECOND), ==, 0);
		for (int i = 0; i < n; i++)
			t_check(write(b.fd[1], "q", 1) == 1);
		t_check_int(goro_waitgroup_wait(&b.wg, GORO_FOREVER), ==, 0);
	}
	close(b.fd[0]);
	close(b.fd[1]);
	return 0;
}

START_TEST(blocking_calls_stop_nobody_else_and_return_the_value)
{
	api_run_procs(_i ? 2 : 1, blocking_main, NULL);
}
END_TEST

static void *add_one(void *arg)
{
	return (char *)arg + 1;
}

static void often_blocking(struct goro_waitgroup *wg, long *sum)
{
	char base[4];

	for (int i = 0; i < 1000; i++) {
		t_check(goro_blocking(add_one, base) == base + 1);
		turn(sum);
	}
	goro_waitgroup_done(wg);
}

static int short_blocking_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	long sum = 0;

	(void)arg;
	goro_waitgroup_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		t_check(GORO_GO(often_blocking, &wg, &sum) == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(sum, ==, 8000);
	return 0;
}

START_TEST(short_blocking_calls_by_the_thousand)
{
	char base[4];

	t_check(goro_blocking(add_one, base) == base + 1); /* a plain thread just calls */
	api_run(short_blocking_main, NULL);
}
END_TEST

/* ---- idle and awake --------------------------------------------------------------------------------------------- */

static void accepting(int l)
{
	goro_accept(l, NULL, NULL, GORO_FOREVER);
}

static void receiving(struct goro_chan *c)
{
	goro_chan_recv(c, NULL, GORO_FOREVER);
}

static int idle_main(void *arg)
{
	int64_t cpu = 0;
	int fd[2];

	(void)arg;
	/* It has worked before and many wait, so that there is something to be idle with. */
	for (int i = 0; i < 100; i++) {
		struct goro_chan *c = t_keep(goro_chan_new(0, 0));

		t_check(GORO_GO(receiving, c) == 0);
	}
	t_check(GORO_GO(accepting, goro_tcp_listen("127.0.0.1", 0, 0)) == 0);
	t_check_int(api_link(API_PAIR, fd), ==, 0);
	t_check(GORO_GO(accepting, fd[0]) == 0);
	/* A few wake-ups with cold caches on a busy machine are dear: what counts is that it can be that idle. */
	for (int tries = 0; tries < 4; tries++) {
		goro_sleep(50 * GORO_MILLISECOND);
		cpu = api_cpu_ns();
		goro_sleep(2 * GORO_SECOND);
		cpu = api_cpu_ns() - cpu;
		if (cpu < 2 * GORO_MILLISECOND)
			break;
	}
	t_check(cpu < 2 * GORO_MILLISECOND, "%lld us of CPU in two idle seconds", (long long)cpu / 1000);
	return 0;
}

START_TEST(an_idle_program_uses_less_than_a_millisecond_of_cpu_in_a_second)
{
	t_skip_unless(api_timing_is_sound(), "CPU figures mean nothing under this instrumentation");
	api_run_procs(_i ? 4 : 0, idle_main, NULL);
}
END_TEST

static void answer(struct goro_chan *c, long n)
{
	t_check_int(goro_chan_send(c, &n, GORO_FOREVER), ==, 0);
}

/* Spawns from a thread at every phase of the workers' way to sleep. */
static void *waker(void *arg)
{
	struct goro_chan *c = arg;
	uint64_t rng = t_seed();
	long v;

	for (long n = 0; n < t_scaled(1000); n++) {
		int64_t then = n & 3 ? goro_now() + api_below(&rng, 200000) : 0;

		while (goro_now() < then)
			;
		t_check_int(GORO_GO(answer, c, n), ==, 0);
		t_check_int(goro_chan_recv(c, &v, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 1);
		t_check_int(v, ==, n);
	}
	return NULL;
}

static int wake_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(long), 0);
	pthread_t t;

	(void)arg;
	t = api_thread(waker, c);
	api_join(t);
	goro_chan_free(c);
	return 0;
}

START_TEST(a_spawn_from_a_thread_wakes_the_idle_runtime_each_time)
{
	static const unsigned procs[] = { 1, 2, 4 };

	api_run_procs(procs[_i], wake_main, NULL);
}
END_TEST

/* ---- statistics -------------------------------------------------------------------------------------------------- */

static int stats_main(void *arg)
{
	struct goro_stats a = GORO_STATS_INIT, b = GORO_STATS_INIT;
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	long sum = 0;

	(void)arg;
	t_check_int(goro_get_stats(&a), ==, 0);
	t_check(a.procs == (uint32_t)goro_maxprocs(0) && a.goroutines == 1 && a.threads >= 1);
	goro_waitgroup_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		t_check(GORO_GO(often_blocking, &wg, &sum) == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(goro_get_stats(&b), ==, 0);
	t_check_int(b.spawned - a.spawned, ==, 8);
	t_check_int(b.switches, >=, a.switches + 8);
	t_check_int(goro_get_stats(NULL), ==, -EINVAL);
	b.size = 0;
	t_check_int(goro_get_stats(&b), ==, -EINVAL);
	return 0;
}

START_TEST(the_statistics_count)
{
	struct goro_stats st = GORO_STATS_INIT;

	api_run(stats_main, NULL);
	memset(&st.procs, 0xff, sizeof st - sizeof st.size);
	t_check_int(goro_get_stats(&st), ==, 0);
	t_check(st.procs == 0 && st.goroutines == 0 && st.threads == 0 && st.spawned == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sched");
	TCase *tc = tcase_create("fairness");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, no_crowd_starves_another, 0, 22);
	tcase_add_test(tc, goroutines_that_yield_take_turns);
	tcase_add_test(tc, one_processor_still_interleaves);
	suite_add_tcase(s, tc);
	tc = tcase_create("processors");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, as_many_goroutines_run_at_once_as_there_are_processors, 0, 3);
	tcase_add_loop_test(tc, a_processor_that_computes_does_not_hold_up_what_waits_at_it, 0, 3);
	tcase_add_loop_test(tc, blocking_calls_stop_nobody_else_and_return_the_value, 0, 2);
	tcase_add_test(tc, short_blocking_calls_by_the_thousand);
	suite_add_tcase(s, tc);
	tc = tcase_create("idle");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, an_idle_program_uses_less_than_a_millisecond_of_cpu_in_a_second, 0, 2);
	tcase_add_loop_test(tc, a_spawn_from_a_thread_wakes_the_idle_runtime_each_time, 0, 3);
	tcase_add_test(tc, the_statistics_count);
	suite_add_tcase(s, tc);
	return t_main(s);
}
