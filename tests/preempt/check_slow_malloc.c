/* SPDX-License-Identifier: MIT */
/*
 * check_slow_malloc.c: the runtime needs no lock that a stopped goroutine may hold (hazard 7). This program brings its
 * own malloc(), with one lock for all (one_lock.c): whoever holds it and is stopped holds up everybody who allocates.
 * The runtime must not be among them: goroutines start, channels, timers, sockets and the observer go on.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <stdlib.h>

#include "api.h"
#include "one_lock.h"
#include "pre.h"
#include "t.h"

/* ---- everybody allocates, and is stopped in it ------------------------------------------------------------------- */

static void allocate(const int *stop, struct goro_waitgroup *wg)
{
	void *p[8] = { NULL };

	for (unsigned i = 0; !pre_get(stop); i++) {
		free(p[i % 8]);
		p[i % 8] = malloc(10 + i % 1000);
		t_check(p[i % 8] != NULL);
		/* The lock is free for as long: it is not fair, and the runtime's new threads, made by pthread_create(), want it too. */
		pre_burn(100 * GORO_MICROSECOND);
	}
	for (int i = 0; i < 8; i++)
		free(p[i]);
	goro_waitgroup_done(wg);
}

struct life {
	struct goro_chan *in, *out;
	int fd[2];
	struct goro_waitgroup wg;
};

static void echo(struct life *l)
{
	int v;

	while (goro_chan_recv(l->in, &v, GORO_FOREVER) > 0)
		t_check_int(goro_chan_send(l->out, &v, GORO_FOREVER), ==, 0);
	goro_waitgroup_done(&l->wg);
}

static void echo_bytes(struct life *l)
{
	char c;

	while (goro_read(l->fd[1], &c, 1, GORO_FOREVER) == 1)
		t_check_int(goro_write(l->fd[1], &c, 1, GORO_FOREVER), ==, 1);
	goro_waitgroup_done(&l->wg);
}

static void nothing(struct life *l)
{
	goro_waitgroup_done(&l->wg);
}

/* What the runtime has to do for others while somebody holds the lock of malloc(). */
static void live(struct life *l, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		int v = i, w = -1;
		char c = (char)i;

		goro_waitgroup_add(&l->wg, 40);
		for (int k = 0; k < 40; k++)
			t_check_int(GORO_GO(nothing, l), ==, 0);
		t_check_int(goro_chan_send(l->in, &v, GORO_FOREVER), ==, 0);
		t_check_int(goro_chan_recv(l->out, &w, GORO_FOREVER), ==, 1);
		t_check_int(v, ==, w);
		t_check_int(goro_sleep(100 * GORO_MICROSECOND), ==, 0);
		t_check_int(goro_write(l->fd[0], &c, 1, GORO_FOREVER), ==, 1);
		t_check_int(goro_read(l->fd[0], &c, 1, GORO_FOREVER), ==, 1);
		t_check_int(c, ==, (char)i);
		goro_yield();
	}
}

static void begin(struct life *l)
{
	l->in = goro_chan_new(sizeof(int), 0);
	l->out = goro_chan_new(sizeof(int), 0);
	t_check_int(api_link(API_PAIR, l->fd), ==, 0);
	goro_waitgroup_add(&l->wg, 2);
	t_check_int(GORO_GO(echo, l), ==, 0);
	t_check_int(GORO_GO(echo_bytes, l), ==, 0);
}

static void end(struct life *l)
{
	goro_chan_close(l->in);
	t_check_int(goro_close(l->fd[0]), ==, 0);
	t_check_int(goro_waitgroup_wait(&l->wg, GORO_FOREVER), ==, 0);
	t_check_int(goro_close(l->fd[1]), ==, 0);
	goro_chan_free(l->in);
	goro_chan_free(l->out);
}

static int busy_main(void *arg)
{
	struct life l = { .fd = { -1, -1 } };
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int stop = 0;

	(void)arg;
	begin(&l);
	pre_set(&one_lock.busy_loops, 100000); /* tens of microseconds */
	goro_waitgroup_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		t_check_int(GORO_GO(allocate, &stop, &wg), ==, 0);
	for (long n = t_scaled(60); n > 0 || pre_unseen(); n--)
		live(&l, 1);
	t_check_int(pre_stats().preemptions, >, 0);
	pre_set(&stop, 1);
	pre_set(&one_lock.busy_loops, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	end(&l);
	return 0;
}

START_TEST(goroutines_stopped_in_malloc_hold_up_nobody_who_does_not_allocate)
{
	pre_run(_i ? 2 : 1, PRE_SHORT, busy_main, NULL);
}
END_TEST

/* ---- one holds the lock until all of this has happened -------------------------------------------------------------- */

static void hold_the_lock(struct goro_waitgroup *wg)
{
	void *volatile p;

	pre_set(&one_lock.hold, 1);
	p = malloc(1);
	free(p);
	goro_waitgroup_done(wg);
}

static int hold_main(void *arg)
{
	struct life l = { .fd = { -1, -1 } };
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	begin(&l);
	live(&l, 3); /* what is made at the first use is there now */
	one_lock.holding = one_lock.let_go = 0;
	goro_waitgroup_add(&wg, 1);
	t_check_int(GORO_GO(hold_the_lock, &wg), ==, 0);
	while (!pre_get(&one_lock.holding))
		goro_yield();
	live(&l, 20);
	pre_set(&one_lock.let_go, 1);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	end(&l);
	return 0;
}

/* On one processor the holder is stopped with the lock held; if the runtime wanted it, this would be a deadlock. */
START_TEST(the_runtime_works_while_a_stopped_goroutine_holds_the_lock_of_malloc)
{
	pre_run(_i ? 2 : 1, PRE_SHORT, hold_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: a malloc with one lock");
	TCase *tc = tcase_create("malloc");

	t_skip_unless(one_lock.there, "a sanitizer brings its own malloc");
	tcase_add_loop_test(tc, goroutines_stopped_in_malloc_hold_up_nobody_who_does_not_allocate, 0, 2);
	tcase_add_loop_test(tc, the_runtime_works_while_a_stopped_goroutine_holds_the_lock_of_malloc, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
