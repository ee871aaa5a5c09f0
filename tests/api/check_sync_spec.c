/* SPDX-License-Identifier: MIT */
/*
 * check_sync_spec.c: WaitGroup and Mutex by the sentences of Go's package sync, and what an adversary would try. Each
 * case runs in a main goroutine on 1, 2 and 8 processors, and in a plain thread beside a runtime. What package sync
 * says in the terminology of the memory model is in check_memory.c.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "cases.h"
#include "t.h"

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_SEQ_CST)

struct shared {
	struct goro_waitgroup wg;
	struct goro_mutex mu;
	int stop, count, got; /* atomic */
	int order[16];	      /* under mu */
};

/* ---- WaitGroup --------------------------------------------------------------------------------------------------- */

static void waits(void *arg)
{
	struct shared *s = arg;

	t_check_int(goro_waitgroup_wait(&s->wg, GORO_FOREVER), ==, 0);
	ADD(s->got, 1);
}

/* Nine who wait, three of them plain threads, and nobody goes before the counter is zero. */
static int all_blocked_are_released(void *arg)
{
	struct shared s = { .got = 0 };
	struct go_wait w[9] = { { .thread = 0 } };

	(void)arg;
	goro_waitgroup_add(&s.wg, 3);
	for (int i = 0; i < 9; i++) {
		w[i].thread = i % 3 == 2;
		go_begin(&w[i], waits, &s);
	}
	goro_waitgroup_add(&s.wg, -1);
	goro_waitgroup_done(&s.wg);
	for (int i = 0; i < 9; i++)
		go_still_waits(&w[i]);
	goro_waitgroup_done(&s.wg);
	for (int i = 0; i < 9; i++)
		go_ends(&w[i]);
	t_check_int(s.got, ==, 9);
	return 0;
}

static int add_goes_negative(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, 2);
	goro_waitgroup_add(&wg, -3);
	return 0;
}

static int done_goes_negative(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_done(&wg);
	return 0;
}

static void takes_three(void *arg)
{
	struct shared *s = arg;

	goro_waitgroup_add(&s->wg, -3);
}

static int negative_recovered(void *arg)
{
	struct shared s = { .got = 0 };

	(void)arg;
	go_panics(takes_three, &s, "sync: negative WaitGroup counter");
	return 0;
}

/* The ends of the counter's range: Go's is of 32 bits, and so is this one at least. */
static int large_counts(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, INT_MAX);
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, -EAGAIN);
	goro_waitgroup_add(&wg, -INT_MAX);
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, 0);
	goro_waitgroup_add(&wg, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	return 0;
}

static void takes_the_least_int(void *arg)
{
	struct shared *s = arg;

	goro_waitgroup_add(&s->wg, INT_MIN);
}

static int the_least_int(void *arg)
{
	struct shared s = { .got = 0 };

	(void)arg;
	go_panics(takes_the_least_int, &s, "sync: negative WaitGroup counter");
	return 0;
}

static void adds_and_is_done(struct shared *s)
{
	for (int i = 0; i < 20; i++) {
		goro_waitgroup_add(&s->wg, 2);
		if (i % 5 == 0)
			goro_yield();
		goro_waitgroup_add(&s->wg, -2);
	}
	ADD(s->count, 1);
	goro_waitgroup_done(&s->wg);
}

/* While the counter is above zero anybody adds and takes, with somebody waiting. */
static int add_at_any_time_above_zero(void *arg)
{
	struct shared s = { .got = 0 };
	struct go_wait w = { .thread = 1 };

	(void)arg;
	goro_waitgroup_add(&s.wg, 1);
	go_begin(&w, waits, &s);
	for (int i = 0; i < 50; i++) {
		goro_waitgroup_add(&s.wg, 1);
		t_check(GORO_GO(adds_and_is_done, &s) == 0);
	}
	t_eventually(LOAD(s.count) == 50, API_PATIENCE);
	go_still_waits(&w);
	goro_waitgroup_done(&s.wg);
	go_ends(&w);
	return 0;
}

static void counts(void *arg)
{
	struct shared *s = arg;

	if (ADD(s->count, 1) % 4 == 0)
		goro_yield();
}

/* A tree, each node of which is started by its parent through the same group. */
static void branches(struct shared *s, int depth)
{
	ADD(s->count, 1);
	for (int i = 0; i < 2 && depth > 0; i++)
		t_check_int(GORO_WAITGROUP_GO(&s->wg, branches, s, depth - 1), ==, 0);
}

static int go_may_itself_call_go(void *arg)
{
	struct shared s = { .got = 0 };

	(void)arg;
	for (int round = 1; round <= 5; round++) {
		t_check_int(GORO_WAITGROUP_GO(&s.wg, branches, &s, 7), ==, 0);
		t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
		t_check_int(LOAD(s.count), ==, round * 255);
	}
	return 0;
}

static int reused_for_several_sets(void *arg)
{
	struct shared s = { .got = 0 };

	(void)arg;
	for (int set = 1; set <= t_scaled(100); set++) {
		for (int i = 0; i < 5; i++)
			t_check_int(goro_waitgroup_go(&s.wg, counts, &s), ==, 0);
		t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
		t_check_int(LOAD(s.count), ==, 5 * set);
	}
	return 0;
}

static int zero_does_not_block(void *arg)
{
	struct goro_waitgroup wg;

	(void)arg;
	memset(&wg, 0, sizeof wg);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	goro_waitgroup_add(&wg, 1);
	t_check_int(goro_waitgroup_wait(&wg, goro_after(1000)), ==, -ETIMEDOUT);
	goro_waitgroup_done(&wg);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	return 0;
}

static void exits_inside(void *arg)
{
	counts(arg);
	goro_exit();
}

static int removed_when_f_exits(void *arg)
{
	struct shared s = { .got = 0 };

	(void)arg;
	t_check_int(goro_waitgroup_go(&s.wg, exits_inside, &s), ==, 0);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	t_check_int(LOAD(s.count), ==, 1);
	return 0;
}

static void panics(void *arg)
{
	(void)arg;
	goro_panic("from f");
}

static int f_panics(void *arg)
{
	struct shared s = { .got = 0 };

	(void)arg;
	t_check_int(goro_waitgroup_go(&s.wg, panics, &s), ==, 0);
	goro_waitgroup_wait(&s.wg, GORO_FOREVER);
	return 0;
}

/*
 * The next set begins between the last Done and the return of a Wait that slept. Should that Wait come to sleep later, or return sooner, for once, then
 * another one gets its chance.
 */
static _Noreturn void adds_too_early(int thread)
{
	for (;;) {
		struct early {
			struct shared s;
			struct go_wait w;
		} *e = t_keep(calloc(1, sizeof(*e)));

		e->w.thread = thread;
		goro_waitgroup_add(&e->s.wg, 1);
		go_begin(&e->w, waits, &e->s);
		go_still_waits(&e->w);
		goro_waitgroup_done(&e->s.wg);
		goro_waitgroup_add(&e->s.wg, 1);
		goro_chan_recv(e->w.over, NULL, goro_after(100 * GORO_MILLISECOND));
	}
}

static int reused_before_wait_has_returned(void *arg)
{
	(void)arg;
	adds_too_early(0);
}

static int reused_before_a_thread_has_returned(void *arg)
{
	(void)arg;
	adds_too_early(1);
}

/* ---- Mutex ------------------------------------------------------------------------------------------------------- */

static void locks(void *arg)
{
	struct shared *s = arg;

	goro_mutex_lock(&s->mu);
	s->order[ADD(s->got, 1) - 1] = 1;
	goro_mutex_unlock(&s->mu);
}

static int zero_value_is_unlocked(void *arg)
{
	struct goro_mutex mu;

	(void)arg;
	memset(&mu, 0, sizeof mu);
	t_check_int(goro_mutex_trylock(&mu), ==, 1);
	goro_mutex_unlock(&mu);
	goro_mutex_lock(&mu);
	goro_mutex_unlock(&mu);
	t_check_int(goro_mutex_lock_until(&mu, GORO_NOW), ==, 0);
	return 0;
}

static int blocks_until_available(void *arg)
{
	struct shared s = { .got = 0 };
	struct go_wait w[4] = { { .thread = 1 }, { .thread = 1 } };

	(void)arg;
	goro_mutex_lock(&s.mu);
	for (int i = 0; i < 4; i++)
		go_begin(&w[i], locks, &s);
	for (int i = 0; i < 4; i++)
		go_still_waits(&w[i]);
	t_check_int(LOAD(s.got), ==, 0);
	goro_mutex_unlock(&s.mu);
	for (int i = 0; i < 4; i++)
		go_ends(&w[i]);
	t_check_int(goro_mutex_trylock(&s.mu), ==, 1);
	return 0;
}

static int trylock_reports(void *arg)
{
	struct goro_mutex mu = GORO_MUTEX_INIT;

	(void)arg;
	for (int i = 0; i < 10; i++) {
		t_check_int(goro_mutex_trylock(&mu), ==, 1);
		for (int k = 0; k < 3; k++)
			t_check_int(goro_mutex_trylock(&mu), ==, 0);
		t_check_int(goro_mutex_lock_until(&mu, GORO_NOW), ==, -EAGAIN);
		t_check_int(goro_mutex_lock_until(&mu, 1), ==, -ETIMEDOUT);
		goro_mutex_unlock(&mu);
	}
	return 0;
}

static int unlock_of_unlocked(void *arg)
{
	struct goro_mutex mu = GORO_MUTEX_INIT;

	(void)arg;
	goro_mutex_unlock(&mu);
	return 0;
}

static int unlock_after_unlock(void *arg)
{
	struct goro_mutex mu = GORO_MUTEX_INIT;

	(void)arg;
	goro_mutex_lock(&mu);
	goro_mutex_unlock(&mu);
	goro_mutex_unlock(&mu);
	return 0;
}

static void nothing(char *text)
{
	GORO_RECOVER();
	text[0] = 0;
}

/* It cannot be recovered: it is fatal, no panic. */
static int unlock_recovered(void *arg)
{
	struct goro_mutex mu = GORO_MUTEX_INIT;
	char text[8] = "x";

	(void)arg;
	GORO_DEFER(nothing, text, 0);
	goro_mutex_unlock(&mu);
	return 0;
}

static void unlocks(void *arg)
{
	struct shared *s = arg;

	goro_mutex_unlock(&s->mu);
}

static int another_one_unlocks(void *arg)
{
	struct shared s = { .got = 0 };
	struct go_wait w = { .thread = 0 };

	(void)arg;
	for (; w.thread < 2; w.thread++) {
		goro_mutex_lock(&s.mu);
		go_begin(&w, unlocks, &s);
		goro_mutex_lock(&s.mu);
		go_ends(&w);
		goro_mutex_unlock(&s.mu);
	}
	return 0;
}

static void queues(struct shared *s, int me)
{
	ADD(s->count, 1);
	goro_mutex_lock(&s->mu);
	s->order[ADD(s->got, 1) - 1] = me;
	goro_mutex_unlock(&s->mu);
	goro_waitgroup_done(&s->wg);
}

/* On one processor it is known who came first: who has begun has parked a few turns later. */
static int queued_in_fifo_order(void *arg)
{
	struct shared s = { .got = 0 };

	(void)arg;
	goro_mutex_lock(&s.mu);
	for (int i = 0; i < 16; i++) {
		goro_waitgroup_add(&s.wg, 1);
		t_check(GORO_GO(queues, &s, i) == 0);
		while (LOAD(s.count) != i + 1)
			goro_yield();
		for (int k = 0; k < 4; k++)
			goro_yield();
	}
	goro_mutex_unlock(&s.mu);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < 16; i++)
		t_check_int(s.order[i], ==, i);
	return 0;
}

START_TEST(in_normal_mode_waiters_are_queued_in_FIFO_order)
{
	api_run_procs(1, queued_in_fifo_order, NULL);
}
END_TEST

/* Has the lock nearly all the time, and never gives way between an unlock and the next lock. */
static void hogs(void *arg)
{
	struct shared *s = arg;

	while (!LOAD(s->stop)) {
		goro_mutex_lock(&s->mu);
		for (volatile int i = 0; i < 20000; i++)
			;
		goro_mutex_unlock(&s->mu);
	}
}

/*
 * "If a waiter fails to acquire the mutex for more than 1ms, it switches mutex to the starvation mode." Then it is
 * handed the lock.
 */
static int no_waiter_starves(void *arg)
{
	struct shared s = { .got = 0 };
	struct go_wait w[3] = { { .thread = 1 }, { .thread = 0 }, { .thread = 0 } };

	(void)arg;
	for (int i = 0; i < 3; i++)
		go_begin(&w[i], hogs, &s);
	for (int i = 0; i < 20; i++) {
		t_check_int(goro_mutex_lock_until(&s.mu, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
		goro_mutex_unlock(&s.mu);
	}
	STORE(s.stop, 1);
	for (int i = 0; i < 3; i++)
		go_ends(&w[i]);
	t_check_int(goro_mutex_trylock(&s.mu), ==, 1); /* no mode and no waiter is left over */
	return 0;
}

static void gives_up(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < 20; i++)
		t_check_int(goro_mutex_lock_until(&s->mu, goro_after(50000 + i * 1000)), ==, -ETIMEDOUT);
}

/* Those who give up take nobody's turn with them, also when they were the ones who starved. */
static int who_gives_up_hinders_nobody(void *arg)
{
	struct shared s = { .got = 0 };
	struct go_wait up[3] = { { .thread = 1 } }, w[3] = { { .thread = 1 } };

	(void)arg;
	goro_mutex_lock(&s.mu);
	for (int i = 0; i < 3; i++) {
		go_begin(&up[i], gives_up, &s);
		go_begin(&w[i], locks, &s);
	}
	for (int i = 0; i < 3; i++)
		go_ends(&up[i]);
	for (int i = 0; i < 3; i++)
		go_still_waits(&w[i]);
	goro_mutex_unlock(&s.mu);
	for (int i = 0; i < 3; i++)
		go_ends(&w[i]);
	t_check_int(goro_mutex_trylock(&s.mu), ==, 1);
	return 0;
}

static const struct go_case cases[] = {
	{ "If the counter becomes zero, all goroutines blocked on Wait are released.", all_blocked_are_released, NULL },
	{ "If the counter goes negative, Add panics.", add_goes_negative, "panic: sync: negative WaitGroup counter" },
	{ "Done decrements the WaitGroup task counter by one. It is equivalent to Add(-1).", done_goes_negative,
	  "panic: sync: negative WaitGroup counter" },
	{ "C: the panic can be recovered", negative_recovered, NULL },
	{ "Add adds delta, which may be negative, to the WaitGroup task counter.", large_counts, NULL },
	{ "C: the least int is negative, too", the_least_int, NULL },
	{ "Calls with a negative delta, or calls with a positive delta that start when the counter is greater than zero, may happen at any time.",
	  add_at_any_time_above_zero, NULL },
	{ "If the WaitGroup is not empty, Go may happen at any time. This means a goroutine started by Go may itself call Go.",
	  go_may_itself_call_go, NULL },
	{ "If a WaitGroup is reused to wait for several independent sets of events, new Add calls must happen after all previous Wait calls have "
	  "returned.", reused_for_several_sets, NULL },
	{ "Wait blocks until the WaitGroup task counter is zero.", zero_does_not_block, NULL },
	{ "Go calls f in a new goroutine and adds that task to the WaitGroup. When f returns, the task is removed from the WaitGroup.",
	  removed_when_f_exits, NULL },
	{ "The function f must not panic.", f_panics, "panic: from f" },
	{ "New Add calls must happen after all previous Wait calls have returned.", reused_before_wait_has_returned,
	  "panic: sync: WaitGroup is reused before previous Wait has returned" },
	{ "C: the same of a plain thread that waits", reused_before_a_thread_has_returned,
	  "panic: sync: WaitGroup is reused before previous Wait has returned" },
	{ "The zero value for a Mutex is an unlocked mutex.", zero_value_is_unlocked, NULL },
	{ "If the lock is already in use, the calling goroutine blocks until the mutex is available.", blocks_until_available, NULL },
	{ "TryLock tries to lock m and reports whether it succeeded.", trylock_reports, NULL },
	{ "It is a run-time error if m is not locked on entry to Unlock.", unlock_of_unlocked, "fatal error: sync: unlock of unlocked mutex" },
	{ "C: the same of one that was locked once", unlock_after_unlock, "fatal error: sync: unlock of unlocked mutex" },
	{ "C: it cannot be recovered", unlock_recovered, "fatal error: sync: unlock of unlocked mutex" },
	{ "A locked Mutex is not associated with a particular goroutine. It is allowed for one goroutine to lock a Mutex and then arrange for another "
	  "goroutine to unlock it.", another_one_unlocks, NULL },
	{ "Starvation mode is important to prevent pathological cases of tail latency.", no_waiter_starves, NULL },
	{ "C: a deadline ends the wait for a lock, of those who starve too", who_gives_up_hinders_nobody, NULL },
};

START_TEST(as_the_sentence_says)
{
	go_case_everywhere(&cases[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("WaitGroup and Mutex by the documentation");
	TCase *tc = tcase_create("sentences");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	tcase_add_test(tc, in_normal_mode_waiters_are_queued_in_FIFO_order);
	suite_add_tcase(s, tc);
	return t_main(s);
}
