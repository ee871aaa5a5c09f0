/* SPDX-License-Identifier: MIT */
/* model_semaphore.c: the weighted semaphore, in all interleavings of those who acquire and release. */
#include "doors.h"

#define goro__wait_in_vain(why, deadline) ((void)(why), (void)(deadline), -ETIMEDOUT)
#include <errno.h>
#define LIB_CHAN_H
#include "../../lib/sema.c"
#include "../../lib/semaphore.c"

#include "t.h"

static struct goro_semaphore sem;
static uint64_t held; /* plain: tokens that the threads believe to have; changed together with an atomic access */
static int ret[MODEL_THREADS];
static uint64_t size, taken;

static void reset(void)
{
	model_doors_reset();
	memset(table, 0, sizeof(table));
	sem = (struct goro_semaphore)GORO_SEMAPHORE_INIT(size);
	sem.state = TOKENS(taken);
	held = taken;
	for (int i = 0; i < MODEL_THREADS; i++)
		ret[i] = 99;
}

static void quiet_again(void)
{
	model_check(sem.state == 0 && held == 0);
	for (unsigned i = 0; i < BUCKETS; i++)
		model_check(!table[i].first);
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i]);
}

static void explore(uint64_t tokens, uint64_t used, struct model m)
{
	size = tokens;
	taken = used;
	m.setup = reset;
	if (!m.check)
		m.check = quiet_again;
	if (!m.limit)
		m.limit = 20000000;
	model_explore(&m);
}

static uint32_t place;

static void uses(uint64_t n)
{
	held += n;
	model_check(held <= size);
	store_rlx(&place, 1);
	held -= n;
	goro_semaphore_release(&sem, n);
}

static void one(void)
{
	model_check(goro_semaphore_acquire(&sem, 1, GORO_FOREVER) == 0);
	uses(1);
}

static void two(void)
{
	model_check(goro_semaphore_acquire(&sem, 2, GORO_FOREVER) == 0);
	uses(2);
}

START_TEST(never_more_tokens_than_there_are_and_nobody_is_forgotten)
{
	if (_i == 0)
		explore(1, 0, (struct model){ .thread = { one, one, one } });
	else if (_i == 1)
		explore(2, 0, (struct model){ .thread = { one, one, two } });
	else
		explore(2, 0, (struct model){ .thread = { two, two, one } });
}
END_TEST

static void one_until(void)
{
	int me = model_self();

	ret[me] = goro_semaphore_acquire(&sem, 1, MODEL_DEADLINE);
	model_check(ret[me] == 0 || ret[me] == -ETIMEDOUT);
	if (ret[me] == 0)
		uses(1);
}

static void two_until(void)
{
	int me = model_self();

	ret[me] = goro_semaphore_acquire(&sem, 2, MODEL_DEADLINE);
	model_check(ret[me] == 0 || ret[me] == -ETIMEDOUT);
	if (ret[me] == 0)
		uses(2);
}

START_TEST(a_deadline_leaves_the_tokens_as_they_were)
{
	if (_i == 0)
		explore(1, 0, (struct model){ .thread = { one, one_until, the_deadline }, .daemons = 4 });
	else
		explore(2, 0, (struct model){ .thread = { two, two_until, one, the_deadline }, .daemons = 8 });
}
END_TEST

/* One token of two is taken for ever; a request for two stands in the way of one for one until its deadline. */
static void two_in_vain(void)
{
	ret[model_self()] = goro_semaphore_acquire(&sem, 2, MODEL_DEADLINE);
	model_check(ret[model_self()] == -ETIMEDOUT);
}

static void one_has_gone_on(void)
{
	model_check(held == 1 && sem.state == TOKENS(UINT64_C(1)));
	for (unsigned i = 0; i < BUCKETS; i++)
		model_check(!table[i].first);
}

START_TEST(a_request_that_gives_up_lets_those_behind_it_go_on)
{
	explore(2, 1, (struct model){ .thread = { two_in_vain, one, the_deadline }, .daemons = 4, .check = one_has_gone_on });
}
END_TEST

static void tries(void)
{
	ret[model_self()] = goro_semaphore_tryacquire(&sem, 1);
	if (ret[model_self()])
		uses(1);
}

START_TEST(trying_takes_them_or_leaves_them)
{
	explore(1, 0, (struct model){ .thread = { one, tries, one } });
}
END_TEST

/* Who has had all tokens may free it. */
static void one_and_frees(void)
{
	bool last;

	model_check(goro_semaphore_acquire(&sem, 1, GORO_FOREVER) == 0);
	last = ret[3] == 98;
	ret[3] = 98;
	goro_semaphore_release(&sem, 1);
	if (last)
		model_forbid(&sem, sizeof(sem));
}

static void freed(void)
{
	model_check(ret[3] == 98);
}

START_TEST(the_last_user_may_free_it)
{
	explore(1, 0, (struct model){ .thread = { one_and_frees, one_and_frees }, .check = freed });
}
END_TEST

static void releases(void)
{
	goro_semaphore_release(&sem, 1);
}

static void panicked(void)
{
	model_check((model_panics[0] != NULL) + (model_panics[1] != NULL) == 1);
	model_check(strcmp(model_panics[0] ? model_panics[0] : model_panics[1], "semaphore: released more than held") == 0);
}

START_TEST(of_two_releases_of_one_token_one_panics)
{
	explore(1, 1, (struct model){ .thread = { releases, releases }, .check = panicked });
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model of the semaphore");
	TCase *tc = tcase_create("semaphore");

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, never_more_tokens_than_there_are_and_nobody_is_forgotten, 0, 3);
	tcase_add_loop_test(tc, a_deadline_leaves_the_tokens_as_they_were, 0, 2);
	tcase_add_test(tc, a_request_that_gives_up_lets_those_behind_it_go_on);
	tcase_add_test(tc, trying_takes_them_or_leaves_them);
	tcase_add_test(tc, the_last_user_may_free_it);
	tcase_add_test(tc, of_two_releases_of_one_token_one_panics);
	suite_add_tcase(suite, tc);
	return model_main(suite);
}
