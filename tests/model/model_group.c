/* SPDX-License-Identifier: MIT */
/* model_group.c: WaitGroup, in all interleavings of those who are done and those who wait. */
#include "doors.h"

#include "../../lib/sema.c"
#include "../../lib/group.c"

#include "t.h"

static struct goro_waitgroup wg;
static int work[MODEL_THREADS]; /* plain: written before Done, read after Wait */
static int ret[MODEL_THREADS];
static int count;

static void reset(void)
{
	model_doors_reset();
	memset(table, 0, sizeof(table));
	memset(work, 0, sizeof(work));
	memset(ret, 0, sizeof(ret));
	wg.state = (uint64_t)count << 32;
}

static void nobody_left(void)
{
	model_check(wg.state == 0);
	for (unsigned i = 0; i < BUCKETS; i++)
		model_check(!table[i].first);
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i]);
}

static void explore(int n, struct model m)
{
	count = n;
	m.setup = reset;
	model_explore(&m);
}

static void works(void)
{
	work[model_self()] = 1;
	goro_waitgroup_done(&wg);
}

static void waits(void)
{
	model_check(goro_waitgroup_wait(&wg, GORO_FOREVER) == 0);
	for (int i = 0; i < count; i++)
		model_check(work[i]);
}

START_TEST(wait_returns_when_both_are_done_and_not_before)
{
	explore(2, (struct model){ .thread = { works, works, waits }, .check = nobody_left });
}
END_TEST

START_TEST(all_who_wait_go_on)
{
	explore(1, (struct model){ .thread = { works, waits, waits }, .check = nobody_left });
}
END_TEST

static void waits_and_frees(void)
{
	waits();
	model_forbid(&wg, sizeof(wg));
}

START_TEST(who_has_waited_may_free_the_group)
{
	explore(2, (struct model){ .thread = { works, works, waits_and_frees } });
}
END_TEST

static void waits_until(void)
{
	int me = model_self();

	ret[me] = goro_waitgroup_wait(&wg, MODEL_DEADLINE);
	model_check(ret[me] == 0 || ret[me] == -ETIMEDOUT);
	if (ret[me] == 0)
		for (int i = 0; i < count; i++)
			model_check(work[i]);
}

START_TEST(a_deadline_against_the_last_done)
{
	explore(1, (struct model){ .thread = { works, waits_until, the_deadline }, .daemons = 4, .check = nobody_left });
}
END_TEST

START_TEST(a_deadline_takes_no_wakeup_from_another)
{
	explore(1, (struct model){ .thread = { works, waits_until, waits, the_deadline }, .daemons = 8, .check = nobody_left });
}
END_TEST

/* After a timeout it waits again, and then frees the group. */
static void waits_again_and_frees(void)
{
	waits_until();
	waits_and_frees();
}

START_TEST(a_group_may_be_freed_after_a_timeout_and_a_second_wait)
{
	explore(1, (struct model){ .thread = { works, waits_again_and_frees, the_deadline }, .daemons = 4 });
}
END_TEST

/* Used again after Wait has returned. */
static void two_rounds(void)
{
	waits();
	goro_waitgroup_add(&wg, 1);
	model_check(goro_waitgroup_wait(&wg, GORO_NOW) == -EAGAIN);
	goro_waitgroup_done(&wg);
	waits();
}

START_TEST(a_group_may_be_used_again)
{
	explore(1, (struct model){ .thread = { works, two_rounds }, .check = nobody_left });
}
END_TEST

/* The last Done may still be on its way to sleepers that timed out, when the group is used again and has a sleeper of its own. */
static void waits_again_and_reuses(void)
{
	waits_until();
	waits();
	goro_waitgroup_add(&wg, 1);
	model_check(goro_waitgroup_wait(&wg, 10 * MODEL_DEADLINE) == -ETIMEDOUT); /* it does sleep */
	goro_waitgroup_done(&wg);
	waits_and_frees();
}

START_TEST(a_late_done_leaves_the_sleepers_of_the_next_round_alone)
{
	explore(1, (struct model){ .thread = { works, waits_again_and_reuses, the_deadline }, .daemons = 4 });
}
END_TEST

/* Without a Wait in between: who timed out takes the counter up again. */
static void gives_up_and_reuses(void)
{
	waits_until();
	goro_waitgroup_add(&wg, 1);
	goro_waitgroup_done(&wg);
	waits_and_frees();
}

START_TEST(a_late_done_and_one_of_the_next_round_wake_all_between_them)
{
	explore(1, (struct model){ .thread = { works, gives_up_and_reuses, the_deadline }, .daemons = 4 });
}
END_TEST

static void takes_too_many(void)
{
	goro_waitgroup_done(&wg);
	goro_waitgroup_done(&wg);
}

static void panicked(void)
{
	model_check(model_panics[0] && strcmp(model_panics[0], "sync: negative WaitGroup counter") == 0);
}

START_TEST(a_negative_counter_panics)
{
	explore(1, (struct model){ .thread = { takes_too_many }, .check = panicked });
}
END_TEST

/* Two wait, and the one who is back first begins a new round: the other one says so if it meets that, or returns. */
static int reused, noticed; /* by an execution; by how many of them */

static void waits_and_reuses(void)
{
	waits();
	if (reused++)
		return;
	goro_waitgroup_add(&wg, 1);
	goro_waitgroup_done(&wg);
}

static void reset_reuse(void)
{
	reset();
	reused = 0;
}

static void reuse_is_named(void)
{
	for (int i = 0; i < MODEL_THREADS; i++) {
		if (!model_panics[i])
			continue;
		noticed++;
		model_check(strcmp(model_panics[i], "sync: WaitGroup is reused before previous Wait has returned") == 0);
	}
	model_check(wg.state == 0 && reused >= 1);
}

START_TEST(reuse_before_another_wait_has_returned_is_named)
{
	struct model m = { .setup = reset_reuse, .thread = { works, waits_and_reuses, waits_and_reuses }, .check = reuse_is_named };

	count = 1;
	noticed = 0;
	model_explore(&m);
	ck_assert_int_gt(noticed, 0);
}
END_TEST

/* Add from zero while somebody waits: Go's words, or the two have not met. */
static void adds_late(void)
{
	goro_waitgroup_add(&wg, 1);
	work[model_self()] = 1;
	goro_waitgroup_done(&wg);
}

static void waits_whatever(void)
{
	ret[model_self()] = goro_waitgroup_wait(&wg, GORO_FOREVER);
}

static void misuse_is_named(void)
{
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i] ||
			    strcmp(model_panics[i], "sync: WaitGroup misuse: Add called concurrently with Wait") == 0 ||
			    strcmp(model_panics[i], "sync: WaitGroup is reused before previous Wait has returned") == 0);
}

START_TEST(misuse_panics_and_never_hangs_those_who_do_it_right)
{
	explore(1, (struct model){ .thread = { works, adds_late, waits_whatever }, .daemons = 4, .check = misuse_is_named });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of WaitGroup");
	TCase *tc = tcase_create("group");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, wait_returns_when_both_are_done_and_not_before);
	tcase_add_test(tc, all_who_wait_go_on);
	tcase_add_test(tc, who_has_waited_may_free_the_group);
	tcase_add_test(tc, a_deadline_against_the_last_done);
	tcase_add_test(tc, a_deadline_takes_no_wakeup_from_another);
	tcase_add_test(tc, a_group_may_be_freed_after_a_timeout_and_a_second_wait);
	tcase_add_test(tc, a_group_may_be_used_again);
	tcase_add_test(tc, a_late_done_leaves_the_sleepers_of_the_next_round_alone);
	tcase_add_test(tc, a_late_done_and_one_of_the_next_round_wake_all_between_them);
	tcase_add_test(tc, a_negative_counter_panics);
	tcase_add_test(tc, reuse_before_another_wait_has_returned_is_named);
	tcase_add_test(tc, misuse_panics_and_never_hangs_those_who_do_it_right);
	suite_add_tcase(s, tc);
	return model_main(s);
}
