/* SPDX-License-Identifier: MIT */
/*
 * check_announced.c: goro_blocking(), goro_block_enter() and goro_block_exit(). Issue 3: "announced calls (goro_blocking, enter/exit) hand over at once when
 * others wait"; <goro/preempt.h>: "Every call of goro that is made in between takes one first"; "Not nested".
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

static void read_one(int fd)
{
	char c;

	t_check(read(fd, &c, 1) == 1);
}

static void write_one(int fd)
{
	t_check(write(fd, "x", 1) == 1);
}

/* ---- handing over ------------------------------------------------------------------------------------------------ */

struct pair {
	int fd[2];
	int done; /* atomic */
};

static void enter_and_read(struct pair *p)
{
	pid_t tid = gettid();

	goro_block_enter();
	read_one(p->fd[0]);
	goro_block_exit();
	t_check_int(gettid(), ==, tid);
	pre_set(&p->done, 1);
}

static int handover_main(void *arg)
{
	struct pair p = { .done = 0 };
	struct goro_stats before = pre_stats(), after;
	int rounds = 200;

	(void)arg;
	t_check(pipe(p.fd) == 0);
	for (int i = 0; i < rounds; i++) {
		p.done = 0;
		t_check_int(GORO_GO(enter_and_read, &p), ==, 0);
		goro_yield(); /* we wait while it announces */
		write_one(p.fd[1]);
		t_eventually(pre_get(&p.done), API_PATIENCE);
	}
	close(p.fd[0]);
	close(p.fd[1]);
	after = pre_stats();
	t_check_int(after.handoffs - before.handoffs, >=, rounds / 2);
	/* At once: not by the observer, a millisecond later. It may be quicker on a machine that stutters. */
	t_check_int(after.retakes - before.retakes, <, rounds / 2);
	return 0;
}

START_TEST(an_announced_call_hands_the_processor_over_when_others_wait)
{
	pre_run(1, 0, handover_main, NULL);
}
END_TEST

static void announce_only(int *rounds, struct goro_waitgroup *wg)
{
	for (int i = 0; i < *rounds; i++) {
		pid_t tid = gettid();

		goro_block_enter();
		goro_block_exit();
		t_check_int(gettid(), ==, tid);
	}
	goro_waitgroup_done(wg);
}

static int often_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int rounds = (int)t_scaled(2000);

	(void)arg;
	goro_waitgroup_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		t_check_int(GORO_GO(announce_only, &rounds, &wg), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	return 0;
}

/* Hazard 5 again: what the signal and the observer meet between enter and exit. */
START_TEST(regions_come_and_go_under_shortest_slices)
{
	static const unsigned procs[] = { 1, 2, 4 };

	pre_run(procs[_i], PRE_SHORT, often_main, NULL);
}
END_TEST

/* ---- calls of goro inside ----------------------------------------------------------------------------------------- */

struct inside {
	struct goro_chan *to, *back;
	struct goro_mutex mutex;
	struct goro_waitgroup wg, echo;
	int fd[2], spawned; /* atomic */
};

static void child_of_blocked(struct inside *in)
{
	pre_add(&in->spawned, 1);
	goro_waitgroup_done(&in->wg);
}

/* All kinds of calls: those that park, those that do not, and between them the thread blocks. */
static void use_goro(struct inside *in, int i)
{
	struct timespec ts = { 0, 100000 };
	int v = i, w = -1;
	char c = 'c';
	pid_t tid;

	goro_poll();
	goro_waitgroup_add(&in->wg, 1);
	t_check_int(GORO_GO(child_of_blocked, in), ==, 0);
	t_check_int(goro_chan_send(in->to, &v, GORO_FOREVER), ==, 0);
	nanosleep(&ts, NULL);
	t_check_int(goro_chan_recv(in->back, &w, GORO_FOREVER), ==, 1);
	t_check_int(w, ==, i);
	t_check_int(goro_sleep(50 * GORO_MICROSECOND), ==, 0);
	goro_mutex_lock(&in->mutex);
	nanosleep(&ts, NULL);
	goro_mutex_unlock(&in->mutex);
	goro_yield();
	t_check_int(goro_write(in->fd[0], &c, 1, GORO_FOREVER), ==, 1);
	t_check_int(goro_read(in->fd[1], &c, 1, GORO_FOREVER), ==, 1);
	/* What does not park takes a processor on this thread. */
	tid = gettid();
	t_check(goro_id() != 0 && goro_count() > 0 && pre_stats().procs > 0);
	goro_waitgroup_add(&in->wg, 1);
	t_check_int(GORO_GO(child_of_blocked, in), ==, 0);
	t_check_int(gettid(), ==, tid);
	t_check_int(goro_waitgroup_wait(&in->wg, GORO_FOREVER), ==, 0);
}

static void *in_blocking(void *arg)
{
	struct inside *in = arg;

	for (int i = 0; i < 10; i++)
		use_goro(in, i);
	return in;
}

static void echo(struct inside *in)
{
	int v;

	while (goro_chan_recv(in->to, &v, GORO_FOREVER) > 0)
		t_check_int(goro_chan_send(in->back, &v, GORO_FOREVER), ==, 0);
	goro_waitgroup_done(&in->echo);
}

static void blocker(int how, struct goro_waitgroup *all)
{
	struct inside in = { .spawned = 0 };

	in.to = goro_chan_new(sizeof(int), 0);
	in.back = goro_chan_new(sizeof(int), 0);
	t_check_int(api_link(API_PAIR, in.fd), ==, 0);
	goro_waitgroup_add(&in.echo, 1);
	t_check_int(GORO_GO(echo, &in), ==, 0);
	if (how == 0) {
		t_check(goro_blocking(in_blocking, &in) == &in);
	} else {
		goro_block_enter();
		in_blocking(&in);
		goro_block_exit();
	}
	t_check_int(in.spawned, ==, 20);
	t_check(goro_close(in.fd[0]) == 0 && goro_close(in.fd[1]) == 0);
	goro_chan_close(in.to);
	t_check_int(goro_waitgroup_wait(&in.echo, GORO_FOREVER), ==, 0);
	goro_chan_free(in.to);
	goro_chan_free(in.back);
	goro_waitgroup_done(all);
}

static int inside_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	goro_waitgroup_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		t_check_int(GORO_GO(blocker, *(int *)arg, &wg), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(goro_may_be_used_inside_a_blocking_region)
{
	int how = _i % 2;

	pre_run(_i < 2 ? 1 : 2, _i < 2 ? 0 : PRE_SHORT, inside_main, &how);
}
END_TEST

/* ---- regions that do not match -------------------------------------------------------------------------------------- */

static void sloppy(struct pair *p)
{
	goro_block_exit();
	goro_block_enter();
	goro_block_enter();
	read_one(p->fd[0]);
	goro_block_exit(); /* the region is over here */
	goro_block_exit();
	pre_set(&p->done, 1);
}

static void ends_inside(struct goro_waitgroup *wg)
{
	goro_waitgroup_done(wg);
	goro_block_enter();
}

static void *nested_read(void *arg)
{
	read_one(((struct pair *)arg)->fd[0]);
	return arg;
}

static void *nested(void *arg)
{
	t_check(goro_blocking(nested_read, arg) == arg);
	goro_block_enter();
	goro_block_exit();
	return arg;
}

static void nesting(struct pair *p)
{
	t_check(goro_blocking(nested, p) == p);
	pre_set(&p->done, 1);
}

static int sloppy_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct pair p = { .done = 0 };

	(void)arg;
	t_check(pipe(p.fd) == 0);
	for (int i = 0; i < 20; i++) {
		p.done = 0;
		t_check_int(i % 2 ? GORO_GO(sloppy, &p) : GORO_GO(nesting, &p), ==, 0);
		goro_yield();
		write_one(p.fd[1]);
		t_eventually(pre_get(&p.done), API_PATIENCE);
	}
	goro_waitgroup_add(&wg, 50);
	for (int i = 0; i < 50; i++)
		t_check_int(GORO_GO(ends_inside, &wg), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	close(p.fd[0]);
	close(p.fd[1]);
	return 0;
}

START_TEST(regions_that_do_not_match_do_no_harm)
{
	pre_run(_i ? 2 : 1, 0, sloppy_main, NULL);
}
END_TEST

/* A region in which a goroutine computes is no way round the number of processors, nor out of its slice. */
static void computing_inside(struct pair *p)
{
	goro_block_enter();
	pre_spin_until(&p->done);
	goro_block_exit();
}

static int computing_main(void *arg)
{
	struct pair p = { .done = 0 };

	(void)arg;
	for (int i = 0; i < 4; i++)
		t_check_int(GORO_GO(computing_inside, &p), ==, 0);
	for (int i = 0; i < 20; i++)
		t_check_int(goro_sleep(GORO_MILLISECOND), ==, 0);
	pre_set(&p.done, 1);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(computing_in_a_region_holds_nobody_up)
{
	pre_run(_i ? 2 : 1, 1000, computing_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: announced calls");
	TCase *tc = tcase_create("announced");

	tcase_add_test(tc, an_announced_call_hands_the_processor_over_when_others_wait);
	tcase_add_loop_test(tc, regions_come_and_go_under_shortest_slices, 0, 3);
	tcase_add_loop_test(tc, goro_may_be_used_inside_a_blocking_region, 0, 4);
	tcase_add_loop_test(tc, regions_that_do_not_match_do_no_harm, 0, 2);
	tcase_add_loop_test(tc, computing_in_a_region_holds_nobody_up, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
