/* SPDX-License-Identifier: MIT */
/* check_semaphore.c: the weighted semaphore, by the sentences of golang.org/x/sync/semaphore, and plain threads. */
#include <goro.h>
#include <check.h>
#include <errno.h>

#include "api.h"
#include "cases.h"
#include "t.h"

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_SEQ_CST)

struct shared {
	struct goro_semaphore sem;
	struct goro_waitgroup wg;
	int got, order[8]; /* atomic */
	int queued;
};

static void requester(struct shared *s, unsigned n)
{
	t_check_int(goro_semaphore_acquire(&s->sem, n, GORO_FOREVER), ==, 0);
	s->order[ADD(s->got, 1) - 1] = (int)n;
	goro_waitgroup_done(&s->wg);
}

/* Starts a request that has to wait, and waits until it is in the queue, behind the former ones. */
static void queue_up(struct shared *s, unsigned n)
{
	goro_waitgroup_add(&s->wg, 1);
	t_check(GORO_GO(requester, s, n) == 0);
	s->queued++;
	t_eventually(api_waiting("semacquire") == s->queued, API_PATIENCE);
}

static int counts(void *arg)
{
	struct goro_semaphore sem = GORO_SEMAPHORE_INIT(10);

	(void)arg;
	t_check_int(goro_semaphore_acquire(&sem, 4, GORO_NOW), ==, 0);
	t_check_int(goro_semaphore_acquire(&sem, 6, GORO_FOREVER), ==, 0);
	t_check_int(goro_semaphore_acquire(&sem, 1, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_semaphore_acquire(&sem, 0, GORO_NOW), ==, 0);
	goro_semaphore_release(&sem, 1); /* any part of what is held */
	t_check(goro_semaphore_tryacquire(&sem, 2) == 0);
	t_check(goro_semaphore_tryacquire(&sem, 1) == 1);
	goro_semaphore_release(&sem, 10);
	t_check(goro_semaphore_tryacquire(&sem, 10) == 1);
	return 0;
}

static int failure_changes_nothing(void *arg)
{
	struct goro_semaphore sem = GORO_SEMAPHORE_INIT(3);
	int64_t deadline = goro_after(3 * GORO_MILLISECOND);

	(void)arg;
	t_check_int(goro_semaphore_acquire(&sem, 2, GORO_FOREVER), ==, 0);
	t_check_int(goro_semaphore_acquire(&sem, 2, deadline), ==, -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	t_check_int(goro_semaphore_acquire(&sem, 2, 1), ==, -ETIMEDOUT);
	t_check(goro_semaphore_tryacquire(&sem, 1) == 1);
	goro_semaphore_release(&sem, 3);
	t_check(goro_semaphore_tryacquire(&sem, 3) == 1);
	return 0;
}

static int big_requests_do_not_starve(void *arg)
{
	struct shared s = { .sem = GORO_SEMAPHORE_INIT(4) };

	(void)arg;
	t_check(goro_semaphore_tryacquire(&s.sem, 4) == 1);
	queue_up(&s, 3);
	queue_up(&s, 1);
	goro_semaphore_release(&s.sem, 2); /* the small one would fit, but is behind the big one */
	t_check_int(api_waiting("semacquire"), ==, 2);
	t_check_int(LOAD(s.got), ==, 0);
	t_check(goro_semaphore_tryacquire(&s.sem, 1) == 0);
	t_check_int(goro_semaphore_acquire(&s.sem, 1, GORO_NOW), ==, -EAGAIN);
	goro_semaphore_release(&s.sem, 1);
	t_eventually(LOAD(s.got) == 1, API_PATIENCE);
	t_check_int(s.order[0], ==, 3);
	goro_semaphore_release(&s.sem, 1);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	t_check_int(s.order[1], ==, 1);
	goro_semaphore_release(&s.sem, 4);
	return 0;
}

/* The request at the front gives up: what is left is enough for the next one. */
static int the_next_goes_on(void *arg)
{
	struct shared s = { .sem = GORO_SEMAPHORE_INIT(4) };

	(void)arg;
	t_check(goro_semaphore_tryacquire(&s.sem, 2) == 1);
	goro_waitgroup_add(&s.wg, 1);
	t_check(GORO_GO(requester, &s, 1u) == 0); /* it queues while we wait, or finds us gone */
	t_check_int(goro_semaphore_acquire(&s.sem, 4, goro_after(10 * GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	goro_semaphore_release(&s.sem, 3);
	t_check(goro_semaphore_tryacquire(&s.sem, 4) == 1);
	return 0;
}

static int more_than_there_are(void *arg)
{
	struct goro_semaphore sem = GORO_SEMAPHORE_INIT(2), none = { 0, 0 };

	(void)arg;
	t_check_int(goro_semaphore_acquire(&sem, 3, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check_int(goro_semaphore_acquire(&sem, UINT64_MAX, GORO_NOW), ==, -EAGAIN);
	t_check(goro_semaphore_tryacquire(&sem, UINT64_MAX) == 0);
	t_check(goro_semaphore_tryacquire(&sem, 2) == 1);
	t_check(goro_semaphore_tryacquire(&none, 1) == 0 && goro_semaphore_tryacquire(&none, 0) == 1);
	return 0;
}

static int released_too_much(void *arg)
{
	struct goro_semaphore sem = GORO_SEMAPHORE_INIT(2);

	(void)arg;
	t_check(goro_semaphore_tryacquire(&sem, 1) == 1);
	goro_semaphore_release(&sem, 2);
	return 0;
}

/* One release serves all that fit, and no more. */
static int one_release_serves_many(void *arg)
{
	struct shared s = { .sem = GORO_SEMAPHORE_INIT(6) };

	(void)arg;
	t_check_int(goro_semaphore_acquire(&s.sem, 6, GORO_NOW), ==, 0);
	for (int i = 0; i < 4; i++)
		queue_up(&s, 2);
	goro_semaphore_release(&s.sem, 6);
	t_eventually(LOAD(s.got) == 3, API_PATIENCE);
	for (int i = 0; i < 50; i++)
		goro_yield();
	t_check_int(LOAD(s.got), ==, 3);
	goro_semaphore_release(&s.sem, 2);
	t_check_int(goro_waitgroup_wait(&s.wg, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
	return 0;
}

static void doomed(struct shared *s)
{
	ADD(s->got, 1);
	t_check_int(goro_semaphore_acquire(&s->sem, 4, goro_after(50 * GORO_MILLISECOND)), ==, -ETIMEDOUT);
	ADD(s->got, 1);
	goro_waitgroup_done(&s->wg);
}

/* A request for more than there are waits in nobody's way, for as long as it waits. */
static int doomed_ones_are_passed(void *arg)
{
	struct shared s = { .sem = GORO_SEMAPHORE_INIT(3) };

	(void)arg;
	goro_waitgroup_add(&s.wg, 1);
	t_check(GORO_GO(doomed, &s) == 0);
	t_eventually(LOAD(s.got) != 0, API_PATIENCE);
	while (LOAD(s.got) == 1) {
		t_check(goro_semaphore_tryacquire(&s.sem, 3) == 1);
		goro_semaphore_release(&s.sem, 3);
		goro_yield();
	}
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	return 0;
}

static const struct go_case cases[] = {
	{ "Acquire acquires the semaphore with a weight of n, blocking until resources are available", counts, NULL },
	{ "or ctx is done. [...] On failure, returns ctx.Err() and leaves the semaphore unchanged.", failure_changes_nothing, NULL },
	{ "(There are still waiters blocked: a big request is not starved by small ones.)", big_requests_do_not_starve, NULL },
	{ "(If we're at the front and there are extra tokens left, notify other waiters.)", the_next_goes_on, NULL },
	{ "C: one release serves all that fit", one_release_serves_many, NULL },
	{ "C: a doomed call is in nobody's way while it waits", doomed_ones_are_passed, NULL },
	{ "(Don't make other Acquire calls block on one that's doomed to fail.)", more_than_there_are, NULL },
	{ "Release releases the semaphore with a weight of n. (Go's panic)", released_too_much,
	  "panic: semaphore: released more than held" },
};

START_TEST(as_the_sentence_says)
{
	go_case_run(&cases[_i]);
}
END_TEST

/* ---- many at once ---------------------------------------------------------------------------------------------------------------- */

#define SIZE 7

struct crowd {
	struct goro_semaphore sem;
	long used; /* atomic */
	long each;
};

static void member(void *arg, int who)
{
	struct crowd *c = arg;
	uint64_t rng = t_seed() + (uint64_t)who;

	for (long i = 0; i < c->each; i++) {
		unsigned n = api_below(&rng, SIZE + 1), how = api_below(&rng, 4);

		if (how == 0 && !goro_semaphore_tryacquire(&c->sem, n))
			continue;
		if (how == 1 && goro_semaphore_acquire(&c->sem, n, goro_after(api_below(&rng, 20000))) != 0)
			continue;
		if (how > 1)
			t_check_int(goro_semaphore_acquire(&c->sem, n, GORO_FOREVER), ==, 0);
		t_check_int(ADD(c->used, n), <=, SIZE);
		if (api_below(&rng, 4) == 0)
			goro_yield();
		ADD(c->used, -(long)n);
		goro_semaphore_release(&c->sem, n);
	}
}

static int crowd_main(void *arg)
{
	struct crowd *c = arg;

	c->each = t_scaled(4000);
	api_crowd(8, 2, member, c);
	t_check(goro_semaphore_tryacquire(&c->sem, SIZE) == 1);
	return 0;
}

START_TEST(goroutines_and_threads_never_use_more_than_there_are)
{
	struct crowd c = { .sem = GORO_SEMAPHORE_INIT(SIZE) };

	api_run_procs(api_procs[_i], crowd_main, &c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("semaphore");
	TCase *tc = t_case(s, "sentences", 60);

	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	tcase_add_loop_test(tc, goroutines_and_threads_never_use_more_than_there_are, 0, 3);
	return t_main(s);
}
