/* SPDX-License-Identifier: MIT */
/*
 * check_thread.c: goroutines that are bound to a thread. Issue 3: "LockOSThread semantics"; <goro/preempt.h>: "until goro_thread_unlock() it runs only
 * there, and nobody else does"; "Calls nest"; "A goroutine that ends while it is bound gives its thread back".
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

/* ---- bound and free ones beside each other ------------------------------------------------------------------------ */

#define BOUND 4
#define FREE 6
#define THREADS 64

static struct {
	pid_t of_bound[BOUND]; /* atomic; 0: not bound at the moment */
	struct goro_chan *ping[BOUND], *pong[BOUND];
	struct goro_mutex mutex;
	struct goro_waitgroup wg;
	int fd[BOUND][2], stop; /* atomic */
} all;

static __thread int private_value;

/* Everything that parks, one after the other, and after each the thread is the same and its state is ours. */
static void still_there(int who, pid_t tid, const char *after)
{
	t_check(gettid() == tid, "after %s", after);
	t_check_int(private_value, ==, who + 1);
}

static void bound(int who)
{
	pid_t tid;
	char name[16], c = 0;
	int v;

	goro_thread_lock();
	tid = gettid();
	__atomic_store_n(&all.of_bound[who], tid, __ATOMIC_SEQ_CST);
	private_value = who + 1;
	t_check(prctl(PR_SET_NAME, "bound") == 0);
	for (long n = t_scaled(60) + 2; n > 0; n--) {
		goro_yield();
		still_there(who, tid, "yield");
		t_check_int(goro_chan_send(all.ping[who], &who, GORO_FOREVER), ==, 0);
		t_check_int(goro_chan_recv(all.pong[who], &v, GORO_FOREVER), ==, 1);
		still_there(who, tid, "channels");
		t_check_int(goro_sleep(20 * GORO_MICROSECOND), ==, 0);
		still_there(who, tid, "sleep");
		t_check_int(goro_write(all.fd[who][0], &c, 1, GORO_FOREVER), ==, 1);
		t_check_int(goro_read(all.fd[who][1], &c, 1, GORO_FOREVER), ==, 1);
		still_there(who, tid, "I/O");
		goro_mutex_lock(&all.mutex);
		goro_yield();
		goro_mutex_unlock(&all.mutex);
		still_there(who, tid, "mutex");
		pre_burn(300 * GORO_MICROSECOND);
		still_there(who, tid, "computing");
		goro_block_enter();
		goro_block_exit();
		still_there(who, tid, "a blocking region");
	}
	t_check(prctl(PR_GET_NAME, name) == 0);
	t_check(strcmp(name, "bound") == 0);
	private_value = 0;
	__atomic_store_n(&all.of_bound[who], 0, __ATOMIC_SEQ_CST);
	goro_thread_unlock();
	goro_waitgroup_done(&all.wg);
}

static void answer(int who)
{
	int v;

	while (goro_chan_recv(all.ping[who], &v, GORO_FOREVER) > 0)
		t_check_int(goro_chan_send(all.pong[who], &v, GORO_FOREVER), ==, 0);
	goro_waitgroup_done(&all.wg);
}

/* Not bound: it never finds itself on a thread that somebody is bound to. */
static void roam(void)
{
	while (!pre_get(&all.stop)) {
		pid_t tid;

		goro_yield();
		/* No call of goro between these: we stay where we are, and they were bound before and after. */
		tid = gettid();
		for (int i = 0; i < BOUND; i++)
			t_check(__atomic_load_n(&all.of_bound[i], __ATOMIC_SEQ_CST) != tid, "on the thread of %d", i);
		pre_burn(50 * GORO_MICROSECOND);
	}
	goro_waitgroup_done(&all.wg);
}

static int crowd_main(void *arg)
{
	(void)arg;
	memset(&all, 0, sizeof all);
	goro_waitgroup_add(&all.wg, BOUND);
	for (int i = 0; i < BOUND; i++) {
		all.ping[i] = goro_chan_new(sizeof(int), 0);
		all.pong[i] = goro_chan_new(sizeof(int), 0);
		t_check_int(api_link(API_PAIR, all.fd[i]), ==, 0);
		t_check_int(GORO_GO(bound, i), ==, 0);
	}
	t_check_int(GORO_GO(answer, 0), ==, 0);
	for (int i = 1; i < BOUND; i++)
		t_check_int(GORO_GO(answer, i), ==, 0);
	for (int i = 0; i < FREE; i++)
		t_check_int(GORO_GO(roam), ==, 0);
	t_check_int(goro_waitgroup_wait(&all.wg, GORO_FOREVER), ==, 0);
	goro_waitgroup_add(&all.wg, BOUND + FREE);
	pre_set(&all.stop, 1);
	for (int i = 0; i < BOUND; i++)
		goro_chan_close(all.ping[i]);
	t_check_int(goro_waitgroup_wait(&all.wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < BOUND; i++) {
		goro_chan_free(all.ping[i]);
		goro_chan_free(all.pong[i]);
		t_check(goro_close(all.fd[i][0]) == 0 && goro_close(all.fd[i][1]) == 0);
	}
	return 0;
}

START_TEST(a_bound_goroutine_stays_on_its_thread_and_has_it_for_itself)
{
	static const unsigned procs[] = { 1, 2, 4, 1, 2, 4 };

	pre_run(procs[_i], _i < 3 ? 0 : PRE_SHORT, crowd_main, NULL);
}
END_TEST

/* ---- nesting and ends ------------------------------------------------------------------------------------------------ */

static int main_bound(void *arg)
{
	pid_t tid = gettid();

	(void)arg;
	goro_thread_unlock(); /* without a lock: nothing */
	goro_thread_lock();
	goro_thread_lock();
	goro_thread_lock();
	goro_thread_unlock();
	for (int i = 0; i < 50; i++) {
		t_check_int(goro_sleep(20 * GORO_MICROSECOND), ==, 0);
		t_check_int(gettid(), ==, tid);
	}
	goro_thread_unlock();
	for (int i = 0; i < 50; i++) {
		goro_yield();
		t_check_int(goro_sleep(20 * GORO_MICROSECOND), ==, 0);
		t_check_int(gettid(), ==, tid);
	}
	goro_thread_unlock();
	goro_thread_unlock();
	t_check_int(goro_sleep(20 * GORO_MICROSECOND), ==, 0);
	return 0;
}

START_TEST(locks_nest_and_the_main_goroutine_can_be_bound_as_well)
{
	pre_run(1 + (unsigned)_i, 1000, main_bound, NULL);
}
END_TEST

static void report_thread(struct goro_chan *c)
{
	pid_t tid = gettid();

	t_check_int(goro_chan_send(c, &tid, GORO_FOREVER), ==, 0);
}

static void bound_parent(struct goro_chan *c)
{
	pid_t tid;

	goro_thread_lock();
	tid = gettid();
	for (int i = 0; i < 20; i++) {
		pid_t other = 0;

		t_check_int(GORO_GO(report_thread, c), ==, 0);
		t_check_int(goro_chan_recv(c, &other, GORO_FOREVER), ==, 1);
		t_check_int(other, !=, tid);
	}
	/* It ends while it is bound. */
}

static int children_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(pid_t), 0);

	(void)arg;
	for (int i = 0; i < 10; i++) {
		t_check_int(GORO_GO(bound_parent, c), ==, 0);
		t_eventually(goro_count() == 1, API_PATIENCE);
	}
	goro_chan_free(c);
	return 0;
}

START_TEST(what_a_bound_goroutine_starts_is_not_bound)
{
	pre_run(1 + (unsigned)_i, 0, children_main, NULL);
}
END_TEST

static void end_bound(int i)
{
	goro_thread_lock();
	goro_thread_lock();
	goro_yield();
	if (i % 2)
		goro_exit();
}

static int ends_main(void *arg)
{
	int most = 0;

	(void)arg;
	for (int i = 0; i < 300; i++) {
		for (int k = 0; k < 3; k++)
			t_check_int(GORO_GO(end_bound, i), ==, 0);
		t_eventually(goro_count() == 1, API_PATIENCE);
		most = most > api_threads() ? most : api_threads();
	}
	/* They gave their threads back, whether to be used again or to end. */
	t_check_int(most, <=, THREADS);
	return 0;
}

START_TEST(goroutines_that_end_while_bound_give_their_threads_back)
{
	pre_run(1 + (unsigned)_i, 0, ends_main, NULL);
}
END_TEST

/* ---- state of the thread ----------------------------------------------------------------------------------------------- */

static void with_affinity(int cpu, struct goro_waitgroup *wg)
{
	cpu_set_t before, set, now;

	goro_thread_lock();
	t_check(sched_getaffinity(0, sizeof before, &before) == 0);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	t_check(sched_setaffinity(0, sizeof set, &set) == 0);
	for (int i = 0; i < 30; i++) {
		t_check_int(goro_sleep(20 * GORO_MICROSECOND), ==, 0);
		t_check(sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&set, &now));
		t_check_int(sched_getcpu(), ==, cpu);
	}
	t_check(sched_setaffinity(0, sizeof before, &before) == 0);
	goro_thread_unlock();
	goro_waitgroup_done(wg);
}

/* Others never see it. */
static void without_affinity(const cpu_set_t *whole, const int *stop, struct goro_waitgroup *wg)
{
	cpu_set_t now;

	while (!pre_get(stop)) {
		t_check(sched_getaffinity(0, sizeof now, &now) == 0);
		t_check(CPU_EQUAL(whole, &now));
		goro_yield();
	}
	goro_waitgroup_done(wg);
}

static int affinity_main(void *arg)
{
	struct goro_waitgroup bound_ones = GORO_WAITGROUP_INIT, others = GORO_WAITGROUP_INIT;
	cpu_set_t whole;
	int stop = 0, cpus = 0;

	(void)arg;
	t_check(sched_getaffinity(0, sizeof whole, &whole) == 0);
	goro_waitgroup_add(&others, 3);
	for (int i = 0; i < 3; i++)
		t_check_int(GORO_GO(without_affinity, &whole, &stop, &others), ==, 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && cpus < 4; cpu++)
		if (CPU_ISSET(cpu, &whole)) {
			cpus++;
			goro_waitgroup_add(&bound_ones, 1);
			t_check_int(GORO_GO(with_affinity, cpu, &bound_ones), ==, 0);
		}
	t_check_int(goro_waitgroup_wait(&bound_ones, GORO_FOREVER), ==, 0);
	pre_set(&stop, 1);
	t_check_int(goro_waitgroup_wait(&others, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(what_a_bound_goroutine_sets_on_its_thread_is_seen_by_nobody_else)
{
	pre_run(1 + (unsigned)_i, PRE_SHORT, affinity_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: goroutines bound to threads");
	TCase *tc = tcase_create("bound");

	tcase_add_loop_test(tc, a_bound_goroutine_stays_on_its_thread_and_has_it_for_itself, 0, 6);
	tcase_add_loop_test(tc, locks_nest_and_the_main_goroutine_can_be_bound_as_well, 0, 2);
	tcase_add_loop_test(tc, what_a_bound_goroutine_starts_is_not_bound, 0, 2);
	tcase_add_loop_test(tc, goroutines_that_end_while_bound_give_their_threads_back, 0, 2);
	tcase_add_loop_test(tc, what_a_bound_goroutine_sets_on_its_thread_is_seen_by_nobody_else, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
