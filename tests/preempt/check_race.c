/* SPDX-License-Identifier: MIT */
/*
 * check_race.c: the signal and the observer meet the runtime itself, again and again: cheap calls under shortest slices
 * (hazard 5), many short runs (hazard 6, found in 2 to 7 % of runs), and processors taken back and not lost (hazard 11,
 * one hang in 80 short runs). A lost processor or goroutine shows as a hang.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

/* ---- cheap calls ------------------------------------------------------------------------------------------------- */

#define PAIRS 3

struct calls {
	struct goro_chan *a[PAIRS], *b[PAIRS];
	struct goro_mutex mutex;
	long locked;	 /* under the mutex */
	int started;	 /* atomic */
	struct goro_waitgroup wg, children;
};

static void ping(struct calls *c, int i)
{
	for (long v = 1, w; v <= t_scaled(10000); v++) {
		t_check_int(goro_chan_send(c->a[i], &v, GORO_FOREVER), ==, 0);
		t_check_int(goro_chan_recv(c->b[i], &w, GORO_FOREVER), ==, 1);
		t_check(v == w);
	}
	goro_chan_close(c->a[i]);
	goro_waitgroup_done(&c->wg);
}

static void pong(struct calls *c, int i)
{
	long v, last = 0;

	while (goro_chan_recv(c->a[i], &v, GORO_FOREVER) > 0) {
		t_check(v == ++last);
		t_check_int(goro_chan_send(c->b[i], &v, GORO_FOREVER), ==, 0);
	}
	goro_waitgroup_done(&c->wg);
}

static void yielder(struct calls *c)
{
	for (long n = t_scaled(30000); n > 0; n--)
		goro_yield();
	goro_waitgroup_done(&c->wg);
}

static void locker(struct calls *c)
{
	for (long n = t_scaled(20000); n > 0; n--) {
		goro_mutex_lock(&c->mutex);
		c->locked++;
		goro_mutex_unlock(&c->mutex);
	}
	goro_waitgroup_done(&c->wg);
}

static void child(struct calls *c)
{
	pre_add(&c->started, 1);
	goro_waitgroup_done(&c->children);
}

static void spawner(struct calls *c)
{
	for (long n = t_scaled(5000); n > 0; n--) {
		goro_waitgroup_add(&c->children, 1);
		t_check_int(GORO_GO(child, c), ==, 0);
		if (n % 16 == 0)
			goro_yield();
	}
	goro_waitgroup_done(&c->wg);
}

static void announcer(struct calls *c)
{
	for (long n = t_scaled(3000); n > 0; n--) {
		goro_block_enter();
		if (n % 16 == 0)
			goro_yield();
		goro_block_exit();
		goro_preempt_off();
		goro_preempt_on();
		goro_poll();
	}
	goro_waitgroup_done(&c->wg);
}

static void binder(struct calls *c)
{
	for (long n = t_scaled(500); n > 0; n--) {
		goro_thread_lock();
		goro_yield();
		goro_thread_unlock();
		goro_yield();
	}
	goro_waitgroup_done(&c->wg);
}

static void sleeper(struct calls *c)
{
	for (long n = t_scaled(500); n > 0; n--)
		goro_sleep(n % 3 * GORO_MICROSECOND);
	goro_waitgroup_done(&c->wg);
}

static int calls_main(void *arg)
{
	static void (*const others[])(struct calls *) = { yielder, yielder, locker, locker, locker, spawner,
							  announcer, announcer, binder, sleeper };
	int n = (int)(sizeof others / sizeof others[0]);
	struct calls c = { .locked = 0 };

	(void)arg;
	goro_waitgroup_add(&c.wg, 2 * PAIRS + n);
	for (int i = 0; i < PAIRS; i++) {
		c.a[i] = goro_chan_new(sizeof(long), 0);
		c.b[i] = goro_chan_new(sizeof(long), (size_t)i % 2);
		t_check_int(GORO_GO(ping, &c, i), ==, 0);
		t_check_int(GORO_GO(pong, &c, i), ==, 0);
	}
	for (int i = 0; i < n; i++)
		t_check_int(GORO_GO(others[i], &c), ==, 0);
	t_check_int(goro_waitgroup_wait(&c.wg, GORO_FOREVER), ==, 0);
	t_check_int(goro_waitgroup_wait(&c.children, GORO_FOREVER), ==, 0);
	t_check_int(c.locked, ==, 3 * t_scaled(20000));
	t_check_int(c.started, ==, t_scaled(5000));
	for (int i = 0; i < PAIRS; i++) {
		goro_chan_free(c.a[i]);
		goro_chan_free(c.b[i]);
	}
	return 0;
}

START_TEST(cheap_calls_under_shortest_slices_lose_nothing)
{
	static const unsigned procs[] = { 1, 2, 3, 8 };

	pre_run(procs[_i], PRE_SHORT, calls_main, NULL);
}
END_TEST

/* ---- many short runs ------------------------------------------------------------------------------------------------ */

struct brief {
	int64_t end;
	int fd[2], writers; /* atomic */
	uint64_t seed;
	struct goro_waitgroup wg;
};

static void spin_briefly(struct brief *b)
{
	while (pre_now() < b->end)
		pre_burn(150 * GORO_MICROSECOND);
	goro_waitgroup_done(&b->wg);
}

static void allocate_briefly(struct brief *b)
{
	uint64_t rng = b->seed;

	while (pre_now() < b->end)
		for (int i = 0; i < 100; i++)
			free(malloc(1 + api_below(&rng, 5000)));
	goro_waitgroup_done(&b->wg);
}

/* Blocks again and again, by itself and in calls to each other, for times about as long as the observer's tick. */
static void block_briefly(struct brief *b)
{
	uint64_t rng = b->seed + (uint64_t)gettid();

	while (pre_now() < b->end) {
		struct timespec ts = { 0, (long)api_below(&rng, 1500000) };

		nanosleep(&ts, NULL);
		if (api_below(&rng, 4) == 0)
			goro_yield();
	}
	goro_waitgroup_done(&b->wg);
}

static void read_briefly(struct brief *b)
{
	uint64_t rng = b->seed;
	char c;

	while (read(b->fd[0], &c, 1) == 1)
		if (api_below(&rng, 2))
			goro_yield();
	goro_waitgroup_done(&b->wg);
}

static void write_briefly(struct brief *b)
{
	uint64_t rng = b->seed;

	while (pre_now() < b->end) {
		t_check(write(b->fd[1], "x", 1) == 1);
		goro_sleep(api_below(&rng, 800000));
	}
	if (__atomic_sub_fetch(&b->writers, 1, __ATOMIC_ACQ_REL) == 0)
		close(b->fd[1]);
	goro_waitgroup_done(&b->wg);
}

static int brief_main(void *arg)
{
	static void (*const all[])(struct brief *) = { spin_briefly, allocate_briefly, block_briefly, block_briefly,
						       read_briefly, read_briefly, write_briefly, spin_briefly };
	struct brief b = { .seed = *(uint64_t *)arg };
	int n = (int)(sizeof all / sizeof all[0]);

	t_check(pipe2(b.fd, O_CLOEXEC) == 0);
	b.end = pre_now() + 15 * GORO_MILLISECOND;
	b.writers = 1;
	goro_waitgroup_add(&b.wg, n);
	for (int i = 0; i < n; i++)
		t_check_int(GORO_GO(all[i], &b), ==, 0);
	t_check_int(goro_waitgroup_wait(&b.wg, GORO_FOREVER), ==, 0);
	close(b.fd[0]);
	return 0;
}

START_TEST(many_short_runs_end_with_nothing_lost)
{
	uint64_t seed = t_seed() + (uint64_t)_i;

	for (long n = t_scaled(80); n > 0; n--, seed++)
		pre_run(api_procs[_i], n % 2 ? PRE_SHORT : 300, brief_main, &seed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: races");
	TCase *tc = tcase_create("race");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, cheap_calls_under_shortest_slices_lose_nothing, 0, 4);
	tcase_add_loop_test(tc, many_short_runs_end_with_nothing_lost, 0, 3);
	suite_add_tcase(s, tc);
	return t_main(s);
}
