/* SPDX-License-Identifier: MIT */
/* check_cond.c: Cond, by the sentences of Go's package sync, and what C adds: deadlines, plain threads. */
#include <goro.h>
#include <check.h>
#include <errno.h>

#include "api.h"
#include "cases.h"
#include "t.h"

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_SEQ_CST)

struct shared {
	struct goro_mutex mu;
	struct goro_rwmutex rw;
	struct goro_cond cond;
	struct goro_waitgroup wg;
	int waiting, open; /* plain, under mu or rw */
	int gone;	   /* atomic */
	int order[16];	   /* in which they went on */
};

static void waiter(struct shared *s, int me)
{
	goro_mutex_lock(&s->mu);
	s->waiting++;
	t_check_int(goro_cond_wait(&s->cond, &s->mu, GORO_FOREVER), ==, 0);
	t_check(goro_mutex_trylock(&s->mu) == 0); /* it is locked again */
	s->order[ADD(s->gone, 1) - 1] = me;
	goro_mutex_unlock(&s->mu);
	goro_waitgroup_done(&s->wg);
}

/* n goroutines wait, in the order of their numbers. */
static void wait_in_line(struct shared *s, int n)
{
	goro_waitgroup_add(&s->wg, n);
	for (int i = 0; i < n; i++) {
		int there = 0;

		t_check(GORO_GO(waiter, s, i) == 0);
		while (there != i + 1) {
			goro_yield();
			goro_mutex_lock(&s->mu);
			there = s->waiting;
			goro_mutex_unlock(&s->mu);
		}
	}
}

static int wakes_one(void *arg)
{
	struct shared s = { .gone = 0 };

	(void)arg;
	wait_in_line(&s, 3);
	for (int i = 1; i <= 3; i++) {
		goro_cond_signal(&s.cond);
		t_eventually(LOAD(s.gone) == i, API_PATIENCE);
		for (int j = 0; j < 50; j++)
			goro_yield();
		t_check_int(LOAD(s.gone), ==, i);
		t_check_int(s.order[i - 1], ==, i - 1); /* who has waited longest */
	}
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	goro_cond_signal(&s.cond); /* nobody waits */
	return 0;
}

static int wakes_all(void *arg)
{
	struct shared s = { .gone = 0 };

	(void)arg;
	wait_in_line(&s, 16);
	goro_cond_broadcast(&s.cond);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	t_check_int(LOAD(s.gone), ==, 16);
	goro_cond_broadcast(&s.cond);
	return 0;
}

static int may_hold_the_lock(void *arg)
{
	struct shared s = { .gone = 0 };

	(void)arg;
	wait_in_line(&s, 2);
	goro_mutex_lock(&s.mu);
	goro_cond_signal(&s.cond);
	goro_mutex_unlock(&s.mu);
	goro_cond_signal(&s.cond);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	return 0;
}

/* A signal for nobody is not kept for who comes later. */
static int only_awoken(void *arg)
{
	struct shared s = { .gone = 0 };
	int64_t deadline;

	(void)arg;
	goro_cond_signal(&s.cond);
	goro_cond_broadcast(&s.cond);
	goro_mutex_lock(&s.mu);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check_int(goro_cond_wait(&s.cond, &s.mu, deadline), ==, -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	t_check(goro_mutex_trylock(&s.mu) == 0);
	t_check_int(goro_cond_wait(&s.cond, &s.mu, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_cond_wait(&s.cond, &s.mu, 1), ==, -ETIMEDOUT);
	t_check(goro_mutex_trylock(&s.mu) == 0);
	goro_mutex_unlock(&s.mu);
	return 0;
}

static void locks(struct shared *s)
{
	goro_mutex_lock(&s->mu);
	s->open = 1;
	goro_mutex_unlock(&s->mu);
	goro_waitgroup_done(&s->wg);
}

static int stays_locked(void *arg)
{
	struct shared s = { .gone = 0 };

	(void)arg;
	goro_mutex_lock(&s.mu);
	goro_waitgroup_add(&s.wg, 1);
	t_check(GORO_GO(locks, &s) == 0);
	for (int i = 0; i < 50; i++) {
		goro_yield();
		t_check_int(goro_cond_wait(&s.cond, &s.mu, 1), ==, -ETIMEDOUT);
		t_check_int(goro_cond_wait(&s.cond, &s.mu, GORO_NOW), ==, -EAGAIN);
		t_check_int(s.open, ==, 0);
	}
	goro_mutex_unlock(&s.mu);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	return 0;
}

static void opener(struct shared *s)
{
	goro_mutex_lock(&s->mu); /* gets it only when wait has unlocked it */
	s->open = 1;
	goro_cond_signal(&s->cond);
	goro_mutex_unlock(&s->mu);
}

static int unlocks_and_suspends(void *arg)
{
	struct shared s = { .gone = 0 };

	(void)arg;
	goro_mutex_lock(&s.mu);
	t_check(GORO_GO(opener, &s) == 0);
	while (!s.open)
		t_check_int(goro_cond_wait(&s.cond, &s.mu, GORO_FOREVER), ==, 0);
	t_check(goro_mutex_trylock(&s.mu) == 0);
	goro_mutex_unlock(&s.mu);
	return 0;
}

static void write_opener(struct shared *s)
{
	goro_rwmutex_lock(&s->rw);
	s->open++;
	goro_rwmutex_unlock(&s->rw);
	goro_cond_broadcast(&s->cond);
}

static int with_an_rwmutex(void *arg)
{
	struct shared s = { .gone = 0 };

	(void)arg;
	goro_rwmutex_rlock(&s.rw);
	t_check(GORO_GO(write_opener, &s) == 0);
	while (s.open < 1)
		t_check_int(goro_cond_wait_rlock(&s.cond, &s.rw, GORO_FOREVER), ==, 0);
	t_check(goro_rwmutex_tryrlock(&s.rw) == 1 && goro_rwmutex_trylock(&s.rw) == 0);
	goro_rwmutex_runlock(&s.rw);
	goro_rwmutex_runlock(&s.rw);
	goro_rwmutex_lock(&s.rw);
	t_check(GORO_GO(write_opener, &s) == 0);
	while (s.open < 2)
		t_check_int(goro_cond_wait_lock(&s.cond, &s.rw, GORO_FOREVER), ==, 0);
	t_check(goro_rwmutex_tryrlock(&s.rw) == 0);
	goro_rwmutex_unlock(&s.rw);
	t_check(goro_rwmutex_trylock(&s.rw) == 1);
	return 0;
}

static int without_the_lock(void *arg)
{
	struct shared s = { .gone = 0 };

	(void)arg;
	goro_cond_wait(&s.cond, &s.mu, GORO_FOREVER);
	return 0;
}

static const struct go_case cases[] = {
	{ "Signal wakes one goroutine waiting on c, if there is any.", wakes_one, NULL },
	{ "Broadcast wakes all goroutines waiting on c.", wakes_all, NULL },
	{ "It is allowed but not required for the caller to hold c.L during the call.", may_hold_the_lock, NULL },
	{ "Unlike in other systems, Wait cannot return unless awoken by Broadcast or Signal.", only_awoken, NULL },
	{ "C: with a deadline that has passed already it stays locked throughout", stays_locked, NULL },
	{ "Wait atomically unlocks c.L and suspends execution of the calling goroutine. After later resuming execution, Wait locks c.L before "
	  "returning.", unlocks_and_suspends, NULL },
	{ "Each Cond has an associated Locker L (often a *Mutex or *RWMutex)", with_an_rwmutex, NULL },
	{ "(Mutex) It is a run-time error if m is not locked on entry to Unlock.", without_the_lock,
	  "fatal error: sync: unlock of unlocked mutex" },
};

START_TEST(as_the_sentence_says)
{
	go_case_run(&cases[_i]);
}
END_TEST

/* ---- many at once: a bounded buffer ------------------------------------------------------------------------------------------------ */

#define ROOM 3
#define MAKERS 4 /* goroutines; as many takers, and a plain thread of each */

struct buffer {
	struct goro_mutex mu;
	struct goro_cond full, empty;
	long held, made, taken; /* plain, under mu */
	long each, timeouts;
};

/* Waits, now and then with a deadline; a wait that timed out is begun again. */
static void wait_for(struct buffer *b, struct goro_cond *c, uint64_t *rng)
{
	int64_t deadline = api_below(rng, 3) ? GORO_FOREVER : goro_after(api_below(rng, 30000));
	int ret = goro_cond_wait(c, &b->mu, deadline);

	t_check(ret == 0 || ret == -ETIMEDOUT);
	b->timeouts += ret != 0;
}

static void maker(struct buffer *b, uint64_t rng)
{
	for (long i = 0; i < b->each; i++) {
		goro_mutex_lock(&b->mu);
		while (b->held == ROOM)
			wait_for(b, &b->full, &rng);
		b->held++;
		b->made++;
		goro_mutex_unlock(&b->mu);
		if (api_below(&rng, 4))
			goro_cond_signal(&b->empty);
		else
			goro_cond_broadcast(&b->empty);
	}
}

static void taker(struct buffer *b, uint64_t rng)
{
	for (long i = 0; i < b->each; i++) {
		goro_mutex_lock(&b->mu);
		while (b->held == 0)
			wait_for(b, &b->empty, &rng);
		b->held--;
		b->taken++;
		goro_cond_signal(&b->full);
		goro_mutex_unlock(&b->mu);
	}
}

static void maker_or_taker(void *arg, int who)
{
	(who % 2 ? maker : taker)(arg, t_seed() + (uint64_t)who);
}

static int buffer_main(void *arg)
{
	struct buffer *b = arg;

	b->each = t_scaled(3000);
	api_crowd(2 * MAKERS, 2, maker_or_taker, b);
	t_check(b->held == 0 && b->made == (MAKERS + 1) * b->each && b->taken == b->made);
	return 0;
}

START_TEST(a_bounded_buffer_between_goroutines_and_threads)
{
	struct buffer b = { .held = 0 };

	api_run_procs(api_procs[_i], buffer_main, &b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cond");
	TCase *tc = t_case(s, "sentences", 60);

	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	tc = t_case(s, "many", 60);
	tcase_add_loop_test(tc, a_bounded_buffer_between_goroutines_and_threads, 0, 3);
	return t_main(s);
}
