/* SPDX-License-Identifier: MIT */
/*
 * model_sema.c: the mutex, and the table of sleepers below it, in all interleavings of two or three goroutines.
 */
#include "doors.h"

#include "../../lib/sema.c"
#define SPINS 1
#include "../../lib/mutex.c"

#include "t.h"

static struct goro_mutex mu;
static int inside; /* plain, under mu */
static int entries;
static int ret[MODEL_THREADS];
static int64_t step;
static uint32_t initial;

static void reset(void)
{
	model_doors_reset();
	memset(table, 0, sizeof(table));
	model_time.step = step;
	mu.state = initial;
	inside = entries = 0;
	for (int i = 0; i < MODEL_THREADS; i++)
		ret[i] = 99;
}

/* Not locked, nobody forgotten, and no bit left over. */
static void quiet_again(void)
{
	model_check(mu.state == 0);
	for (unsigned i = 0; i < BUCKETS; i++)
		model_check(!table[i].first);
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i]);
}

static void explore(int64_t pace, struct model m)
{
	step = pace;
	m.setup = reset;
	model_explore(&m);
}

static uint32_t place; /* something that is touched under the lock, so that others may run meanwhile */

static void enter(void)
{
	model_check(inside == 0);
	inside = 1;
	store_rlx(&place, 1);
	model_check(inside == 1);
	inside = 0;
	entries++;
}

static void locks_once(void)
{
	goro_mutex_lock(&mu);
	enter();
	goro_mutex_unlock(&mu);
}

static void locks_twice(void)
{
	locks_once();
	locks_once();
}

static void entered_four_times(void)
{
	quiet_again();
	model_check(entries == 4);
}

START_TEST(two_exclude_each_other_and_none_is_forgotten)
{
	explore(0, (struct model){ .thread = { locks_twice, locks_twice }, .check = entered_four_times });
}
END_TEST

/* With two processors a waiter spins before it sleeps, and then keeps the unlocker from waking others. */
START_TEST(those_who_spin_forget_nobody)
{
	model_procs_now = 2;
	explore(_i ? 2000000 : 0, (struct model){ .thread = { locks_twice, locks_twice }, .check = entered_four_times });
}
END_TEST

static void entered_three_times(void)
{
	quiet_again();
	model_check(entries == 3);
}

START_TEST(three_exclude_each_other_and_none_is_forgotten)
{
	explore(0, (struct model){ .thread = { locks_once, locks_once, locks_once }, .check = entered_three_times });
}
END_TEST

/* Two milliseconds pass with each look at the clock: whoever loses once is starving. */
START_TEST(starving_waiters_are_handed_the_lock)
{
	if (_i == 0)
		explore(2000000, (struct model){ .thread = { locks_once, locks_once, locks_once }, .check = entered_three_times });
	else
		explore(2000000, (struct model){ .thread = { locks_twice, locks_twice }, .check = entered_four_times });
}
END_TEST

static void locks_until(void)
{
	ret[model_self()] = goro_mutex_lock_until(&mu, MODEL_DEADLINE);
	if (ret[model_self()] == 0) {
		enter();
		goro_mutex_unlock(&mu);
	}
}

static void timed_or_not(void)
{
	quiet_again();
	model_check(ret[1] == 0 || ret[1] == -ETIMEDOUT);
	model_check(entries == (ret[1] == 0 ? 2 : 1));
}

START_TEST(a_deadline_leaves_the_mutex_usable)
{
	explore(0, (struct model){ .thread = { locks_once, locks_until, the_deadline }, .daemons = 4, .check = timed_or_not });
}
END_TEST

static void timed_between_others(void)
{
	quiet_again();
	model_check(entries == (ret[1] == 0 ? 3 : 2));
}

START_TEST(a_deadline_takes_no_wakeup_from_another)
{
	model_procs_now = 1 + _i;
	explore(0, (struct model){ .thread = { locks_once, locks_until, locks_once, the_deadline }, .daemons = 8,
				   .check = timed_between_others });
}
END_TEST

static void locks_if_free(void)
{
	ret[model_self()] = goro_mutex_trylock(&mu);
	if (ret[model_self()]) {
		enter();
		goro_mutex_unlock(&mu);
	}
}

static void tried(void)
{
	quiet_again();
	model_check(entries == (ret[1] ? 3 : 2));
}

START_TEST(trylock_takes_it_or_leaves_it)
{
	explore(_i ? 2000000 : 0, (struct model){ .thread = { locks_once, locks_if_free, locks_once }, .check = tried });
}
END_TEST

/* The last one that gets the lock frees the mutex: the one before must be out of it. */
static void locks_and_frees(void)
{
	goro_mutex_lock(&mu);
	enter();
	goro_mutex_unlock(&mu);
	if (entries == 2)
		model_forbid(&mu, sizeof(mu));
}

START_TEST(the_last_owner_may_free_the_mutex)
{
	explore(_i ? 2000000 : 0, (struct model){ .thread = { locks_and_frees, locks_and_frees } });
}
END_TEST

static void unlocks(void)
{
	goro_mutex_unlock(&mu);
}

static void one_is_thrown(void)
{
	model_check((model_panics[0] != NULL) + (model_panics[1] != NULL) == 1);
	model_check(mu.state == 0);
}

START_TEST(of_two_unlocks_one_is_fatal)
{
	initial = 1;
	explore(0, (struct model){ .thread = { unlocks, unlocks }, .check = one_is_thrown });
}
END_TEST

/* ---- the queues themselves, one thread ------------------------------------------------------------------------ */

static struct sleeper s[6];

static void queue_up(int i, const void *addr, bool first)
{
	s[i].addr = addr;
	enqueue(&table[0], &s[i], first);
}

static void queues(void)
{
	int x = 0, y = 0;
	struct bucket *bkt = &table[0];

	queue_up(0, &x, false);
	queue_up(1, &y, false);
	queue_up(2, &x, false);
	queue_up(3, &x, true);
	queue_up(4, &y, false);
	queue_up(5, &x, false);
	dequeue(bkt, &s[2]); /* from the middle */
	model_check(s[2].more && !s[2].listed);
	model_check(goro__sema_take(bkt, &x) == &s[3] && s[3].more);
	queue_up(2, &x, false);
	dequeue(bkt, &s[5]);
	queue_up(5, &x, false);
	dequeue(bkt, &s[5]); /* the last one */
	queue_up(5, &x, false);
	model_check(goro__sema_take(bkt, &x) == &s[0] && s[0].more);
	model_check(goro__sema_take(bkt, &x) == &s[2] && s[2].more);
	model_check(goro__sema_take(bkt, &x) == &s[5] && !s[5].more);
	model_check(!goro__sema_take(bkt, &x));
	dequeue(bkt, &s[1]); /* the first one, not by taking */
	queue_up(1, &y, true);
	model_check(goro__sema_take_all(bkt, &y) == &s[1] && s[1].after == &s[4] && !s[4].after);
	model_check(!bkt->first && !s[1].listed && !s[4].listed);
}

START_TEST(queues_of_two_addresses_in_one_bucket_keep_apart_and_in_order)
{
	explore(0, (struct model){ .thread = { queues }, .check = quiet_again });
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model of mutex and sema");
	TCase *tc = tcase_create("mutex");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, two_exclude_each_other_and_none_is_forgotten);
	tcase_add_loop_test(tc, those_who_spin_forget_nobody, 0, 2);
	tcase_add_test(tc, three_exclude_each_other_and_none_is_forgotten);
	tcase_add_loop_test(tc, starving_waiters_are_handed_the_lock, 0, 2);
	tcase_add_test(tc, a_deadline_leaves_the_mutex_usable);
	tcase_add_loop_test(tc, a_deadline_takes_no_wakeup_from_another, 0, 2);
	tcase_add_loop_test(tc, trylock_takes_it_or_leaves_it, 0, 2);
	tcase_add_loop_test(tc, the_last_owner_may_free_the_mutex, 0, 2);
	tcase_add_test(tc, of_two_unlocks_one_is_fatal);
	tcase_add_test(tc, queues_of_two_addresses_in_one_bucket_keep_apart_and_in_order);
	suite_add_tcase(suite, tc);
	return model_main(suite);
}
