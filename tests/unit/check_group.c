/* SPDX-License-Identifier: MIT */
/* check_group.c: the word of a WaitGroup, and many who wait. The source is included, so that the bit has its name. */
#include "../../lib/group.c"

#include <goro.h>

#include "api.h"
#include "t.h"

#define PATIENCE 20000

static struct goro_waitgroup wg;

static uint64_t word(void)
{
	return load_rlx(&wg.state);
}

START_TEST(the_word_counts_in_its_high_half)
{
	t_check_int(sizeof(wg), ==, 8);
	goro_waitgroup_add(&wg, 3);
	t_check_int(COUNTER(word()), ==, 3);
	goro_waitgroup_add(&wg, 0);
	goro_waitgroup_done(&wg);
	t_check(word() == (uint64_t)2 << 32);
	goro_waitgroup_add(&wg, INT32_MAX - 2);
	t_check_int(COUNTER(word()), ==, INT32_MAX);
	goro_waitgroup_add(&wg, -INT32_MAX);
	t_check(word() == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
}
END_TEST

static int back; /* atomic: who has returned from Wait */

static void waiter(int64_t deadline, int expected)
{
	t_check_int(goro_waitgroup_wait(&wg, deadline), ==, expected);
	__atomic_add_fetch(&back, 1, __ATOMIC_SEQ_CST);
}

/* How many sleep on wg. */
static int asleep(void)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(&wg);
	int n = 0;

	for (struct sleeper *h = b->first; h; h = h->next)
		for (struct sleeper *w = h->addr == &wg ? h : NULL; w; w = w->after)
			n++;
	sema_unlock(b);
	rt_exit(m);
	return n;
}

static int bit_main(void *arg)
{
	(void)arg;
	goro_waitgroup_add(&wg, 1);
	t_check(GORO_GO(waiter, goro_after(5 * GORO_MILLISECOND), -ETIMEDOUT) == 0);
	t_check(GORO_GO(waiter, goro_after(7 * GORO_MILLISECOND), -ETIMEDOUT) == 0);
	t_eventually(__atomic_load_n(&back, __ATOMIC_SEQ_CST) == 2, PATIENCE);
	/* The last one that gave up has taken the bit along. */
	t_check(word() == (uint64_t)1 << 32);
	t_check(GORO_GO(waiter, GORO_FOREVER, 0) == 0);
	t_check(GORO_GO(waiter, goro_after(5 * GORO_MILLISECOND), -ETIMEDOUT) == 0);
	t_eventually(__atomic_load_n(&back, __ATOMIC_SEQ_CST) == 3 && asleep() == 1, PATIENCE);
	t_check(word() == ((uint64_t)1 << 32 | WAITERS));
	/* Up and down above zero wakes nobody. */
	goro_waitgroup_add(&wg, 5);
	goro_waitgroup_add(&wg, -5);
	t_check_int(asleep(), ==, 1);
	goro_waitgroup_done(&wg);
	t_eventually(__atomic_load_n(&back, __ATOMIC_SEQ_CST) == 4, PATIENCE);
	t_check(word() == 0 && asleep() == 0);
	return 0;
}

START_TEST(the_bit_is_set_exactly_while_somebody_sleeps)
{
	t_check_int(goro_run(NULL, bit_main, NULL), ==, 0);
}
END_TEST

#define MANY 5000

static int many_main(void *arg)
{
	(void)arg;
	for (int round = 0; round < 3; round++) {
		goro_waitgroup_add(&wg, 1);
		for (int i = 0; i < MANY; i++)
			t_check(GORO_GO(waiter, GORO_FOREVER, 0) == 0);
		t_eventually(asleep() == MANY, PATIENCE);
		goro_waitgroup_done(&wg);
		t_eventually(__atomic_load_n(&back, __ATOMIC_SEQ_CST) == (round + 1) * MANY, PATIENCE);
		t_check(word() == 0);
	}
	return 0;
}

START_TEST(thousands_are_woken_by_one_done)
{
	api_run_procs(api_procs[_i], many_main, NULL);
}
END_TEST

/* A group on the stack that goes as soon as Wait is back, again and again: Done must be out of it by then. */
static void finishes(struct goro_waitgroup *g)
{
	goro_waitgroup_done(g);
}

static NOINLINE void one_group(void)
{
	struct goro_waitgroup g = GORO_WAITGROUP_INIT;

	goro_waitgroup_add(&g, 2);
	t_check(GORO_GO(finishes, &g) == 0);
	t_check(GORO_GO(finishes, &g) == 0);
	t_check_int(goro_waitgroup_wait(&g, GORO_FOREVER), ==, 0);
	t_check(g.state == 0);
	g.state = UINT64_C(0x5a5a5a5a00000000);
	compiler_barrier();
	goro_yield();
	t_check(g.state == UINT64_C(0x5a5a5a5a00000000));
}

static int short_main(void *arg)
{
	(void)arg;
	for (long i = 0; i < t_scaled(20000); i++)
		one_group();
	return 0;
}

START_TEST(nobody_touches_a_group_when_wait_is_back)
{
	t_check_int(goro_run(NULL, short_main, NULL), ==, 0);
}
END_TEST

/* Done by a plain thread, which has to wait for the bucket's lock before it can wake anybody. */
static void *late_done(void *arg)
{
	goro_waitgroup_done(arg);
	return NULL;
}

static int misuse_main(void *arg)
{
	(void)arg;
	goro_waitgroup_add(&wg, 1);
	t_check(GORO_GO(waiter, GORO_FOREVER, 0) == 0);
	t_eventually(asleep() == 1, PATIENCE);
	/* The moment that the rule is about: the counter is zero, and who waits has not been let go yet. */
	rt_enter();
	goro__sema_lock(&wg);
	api_thread(late_done, &wg);
	while (COUNTER(word()) != 0)
		arch_pause();
	goro_waitgroup_add(&wg, 1);
	return 0;
}

START_TEST(add_between_the_last_done_and_the_return_of_wait_panics)
{
	api_expect_fatal(misuse_main, NULL, "panic: sync: WaitGroup misuse: Add called concurrently with Wait");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("WaitGroup inside");
	TCase *tc = tcase_create("group");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_word_counts_in_its_high_half);
	tcase_add_test(tc, the_bit_is_set_exactly_while_somebody_sleeps);
	tcase_add_loop_test(tc, thousands_are_woken_by_one_done, 0, 3);
	tcase_add_test(tc, nobody_touches_a_group_when_wait_is_back);
	tcase_add_test(tc, add_between_the_last_done_and_the_return_of_wait_panics);
	suite_add_tcase(s, tc);
	return t_main(s);
}
