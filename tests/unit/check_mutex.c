/* SPDX-License-Identifier: MIT */
/*
 * check_mutex.c: the word of a mutex in each situation, the order in which waiters get it, and starvation mode. The source is
 * included, so that the bits have their names.
 */
#include "../../lib/mutex.c"

#include <goro.h>

#include "t.h"

#define PATIENCE 20000

static struct goro_mutex mu;

static uint32_t word(void)
{
	return load_rlx(&mu.state);
}

/* How many sleep on mu. */
static int asleep(void)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(&mu.state);
	int n = 0;

	for (struct sleeper *h = b->first; h; h = h->next)
		for (struct sleeper *w = h->addr == &mu.state ? h : NULL; w; w = w->after)
			n++;
	sema_unlock(b);
	rt_exit(m);
	return n;
}

START_TEST(the_word_says_free_locked_and_nothing_else_without_waiters)
{
	t_check_int(sizeof(mu), ==, 4);
	t_check_int(word(), ==, 0);
	goro_mutex_lock(&mu);
	t_check_int(word(), ==, LOCKED);
	goro_mutex_unlock(&mu);
	t_check_int(word(), ==, 0);
	t_check_int(goro_mutex_trylock(&mu), ==, 1);
	t_check_int(word(), ==, LOCKED);
	t_check_int(goro_mutex_trylock(&mu), ==, 0);
	t_check_int(goro_mutex_lock_until(&mu, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_mutex_lock_until(&mu, 1), ==, -ETIMEDOUT);
	t_check_int(word(), ==, LOCKED);
	goro_mutex_unlock(&mu);
	t_check_int(goro_mutex_lock_until(&mu, 1), ==, 0);
	goro_mutex_unlock(&mu);
}
END_TEST

static int order[16], norder; /* under mu */

static void waiter(int number)
{
	goro_mutex_lock(&mu);
	order[norder++] = number;
	goro_mutex_unlock(&mu);
}

static void run_on(unsigned procs, goro_main_fn fn)
{
	struct goro_config cfg = GORO_CONFIG_INIT;

	cfg.maxprocs = procs;
	t_check_int(goro_run(&cfg, fn, NULL), ==, 0);
}

static int fifo_main(void *arg)
{
	(void)arg;
	goro_mutex_lock(&mu);
	for (int i = 0; i < 10; i++) {
		t_check(GORO_GO(waiter, i) == 0);
		t_eventually(asleep() == i + 1, PATIENCE);
		t_check_int(word(), ==, LOCKED | PARKED);
	}
	goro_mutex_unlock(&mu);
	t_eventually(goro_count() == 1, PATIENCE);
	t_check_int(norder, ==, 10);
	for (int i = 0; i < 10; i++)
		t_check_int(order[i], ==, i);
	t_check_int(word(), ==, 0);
	return 0;
}

START_TEST(waiters_get_the_lock_in_the_order_of_their_arrival)
{
	run_on(_i ? 4 : 1, fifo_main);
}
END_TEST

/* One unlock wakes one; further unlocks wake nobody as long as that one is on its way. */
static int woken_main(void *arg)
{
	(void)arg;
	goro_mutex_lock(&mu);
	for (int i = 0; i < 3; i++) {
		t_check(GORO_GO(waiter, i) == 0);
		t_eventually(asleep() == i + 1, PATIENCE);
	}
	/* On one processor those who are woken do not run before we park. A preemption may let them: then there is nothing to see. */
	goro_mutex_unlock(&mu);
	if (norder == 0) {
		t_check_int(word(), ==, WOKEN | PARKED);
		t_check_int(asleep(), ==, 2);
		for (int i = 0; i < 5; i++) {
			goro_mutex_lock(&mu);
			t_check(norder > 0 || word() == (LOCKED | WOKEN | PARKED));
			goro_mutex_unlock(&mu);
		}
		t_check(norder > 0 || asleep() == 2);
	}
	t_eventually(goro_count() == 1, PATIENCE);
	t_check_int(norder, ==, 3);
	t_check_int(word(), ==, 0);
	return 0;
}

START_TEST(while_one_waiter_is_on_its_way_no_other_is_woken)
{
	run_on(1, woken_main);
}
END_TEST

static void timed_waiter(int64_t deadline, int expected)
{
	int ret = goro_mutex_lock_until(&mu, deadline);

	t_check_int(ret, ==, expected);
	if (ret == 0)
		goro_mutex_unlock(&mu);
}

static int timeout_main(void *arg)
{
	(void)arg;
	goro_mutex_lock(&mu);
	for (int i = 0; i < 3; i++)
		t_check(GORO_GO(timed_waiter, goro_after((5 + i) * GORO_MILLISECOND), -ETIMEDOUT) == 0);
	t_eventually(goro_count() == 1, PATIENCE);
	/* The last one that gave up has taken the bit along. */
	t_check_int(word(), ==, LOCKED);
	for (int i = 0; i < 4; i++)
		t_check(GORO_GO(timed_waiter, i & 1 ? goro_after(5 * GORO_MILLISECOND) : GORO_FOREVER, i & 1 ? -ETIMEDOUT : 0) == 0);
	t_eventually(goro_count() == 3 && asleep() == 2, PATIENCE);
	t_check_int(word(), ==, LOCKED | PARKED);
	goro_mutex_unlock(&mu);
	t_eventually(goro_count() == 1, PATIENCE);
	t_check_int(word(), ==, 0);
	return 0;
}

START_TEST(deadlines_leave_the_queue_and_the_word_right)
{
	run_on(_i ? 4 : 1, timeout_main);
}
END_TEST

/*
 * Starvation: the waiter has slept for over a millisecond and, woken, finds the lock taken again. It then asks for it to be
 * handed over: unlock leaves LOCKED set, whoever unlocks.
 */
static int starving_seen; /* atomic */

static void starved(void)
{
	goro_mutex_lock(&mu);
	order[norder++] = 1;
	goro_mutex_unlock(&mu);
}

static int starvation_main(void *arg)
{
	int64_t start;

	(void)arg;
	goro_mutex_lock(&mu);
	t_check(GORO_GO(starved) == 0);
	t_eventually(asleep() == 1, PATIENCE);
	start = goro_now();
	while (goro_now() - start < 3 * GORO_MILLISECOND)
		;
	/* It is woken, and we take the lock back before it runs (unless we were preempted here: then try again). */
	for (int i = 0; i < 100 && !load_rlx(&starving_seen); i++) {
		goro_mutex_unlock(&mu);
		goro_mutex_lock(&mu);
		if (norder) /* it had its turn */
			break;
		t_eventually(asleep() == 1, PATIENCE);
		if (word() & STARVING)
			store_rlx(&starving_seen, 1);
	}
	if (load_rlx(&starving_seen)) {
		t_check_int(word(), ==, LOCKED | PARKED | STARVING);
		t_check_int(goro_mutex_trylock(&mu), ==, 0);
		/* Handed over: unlock has given way to the new owner, which has unlocked it since. */
		goro_mutex_unlock(&mu);
		goro_mutex_lock(&mu);
		t_check_int(norder, ==, 1);
	}
	goro_mutex_unlock(&mu);
	t_eventually(goro_count() == 1, PATIENCE);
	t_check_int(norder, ==, 1);
	t_check_int(word(), ==, 0);
	return 0;
}

START_TEST(a_starved_waiter_is_handed_the_lock)
{
	run_on(1, starvation_main);
	t_check(load_rlx(&starving_seen), "the waiter never became starving");
}
END_TEST

/* As many owners as possible within the same critical section, with every way to lock. */
#define USERS 9

static long counter, inside; /* under mu */

static void user(int number, long rounds, struct goro_waitgroup *wg)
{
	uint64_t rng = t_seed() + (uint64_t)number;

	for (long i = 0; i < rounds; i++) {
		uint64_t r = t_rand(&rng);

		if (r % 4 == 0 && goro_mutex_lock_until(&mu, goro_after((int64_t)(r >> 8) % 5000)) < 0)
			continue;
		if (r % 4 == 1 && !goro_mutex_trylock(&mu))
			continue;
		if (r % 4 > 1)
			goro_mutex_lock(&mu);
		t_check_int(inside++, ==, 0);
		counter++;
		if (r % 64 == 3)
			goro_yield();
		t_check_int(--inside, ==, 0);
		goro_mutex_unlock(&mu);
	}
	goro_waitgroup_done(wg);
}

static int users_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, USERS);
	for (int i = 0; i < USERS; i++)
		t_check(GORO_GO(user, i, t_scaled(20000), &wg) == 0);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	t_check(counter > t_scaled(20000) * USERS / 3);
	t_check_int(word(), ==, 0);
	t_check_int(asleep(), ==, 0);
	return 0;
}

START_TEST(every_way_to_lock_excludes_every_other_and_leaves_nothing_behind)
{
	static const unsigned procs[] = { 1, 2, 8 };

	run_on(procs[_i], users_main);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mutex inside");
	TCase *tc = tcase_create("mutex");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_word_says_free_locked_and_nothing_else_without_waiters);
	tcase_add_loop_test(tc, waiters_get_the_lock_in_the_order_of_their_arrival, 0, 2);
	tcase_add_test(tc, while_one_waiter_is_on_its_way_no_other_is_woken);
	tcase_add_loop_test(tc, deadlines_leave_the_queue_and_the_word_right, 0, 2);
	tcase_add_test(tc, a_starved_waiter_is_handed_the_lock);
	tcase_add_loop_test(tc, every_way_to_lock_excludes_every_other_and_leaves_nothing_behind, 0, 3);
	suite_add_tcase(s, tc);
	return t_main(s);
}
