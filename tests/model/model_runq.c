/* SPDX-License-Identifier: MIT */
/*
 * model_runq.c: a P's queues under the lock that is biased towards their owner: owner and thieves in all interleavings, with the store
 * buffers of x86, by membarrier() and by fences. 4 slots.
 */
#include "model.h"

#define RUNQ_SIZE 4u
#define CLAIM_SPINS 2
#define MEMBARRIER() model_membarrier()
#include "../../lib/bias.c"
#include "../../lib/runq.c"

#include "t.h"

#define NG 8

bool goro__probe(enum feature f)
{
	(void)f;
	return true;
}

static struct g gs[NG];
static struct runqs q;
static uint32_t taken[NG];
static uint32_t busy; /* who is inside of a section */
static unsigned pushed;

static void took(struct g *g)
{
	model_check(g >= gs && g < gs + NG);
	taken[g - gs]++;
}

static void enter(void)
{
	bias_enter(&q.bias);
	model_check(xchg_seq(&busy, 1) == 0);
}

static void leave(void)
{
	model_check(xchg_seq(&busy, 0) == 1);
	bias_leave(&q.bias);
}

static void reset(void)
{
	goro__runqs_init(&q);
	memset(taken, 0, sizeof(taken));
	busy = 0;
	q.woken.head = q.woken.tail = q.fresh.head = q.fresh.tail = 0xfffffffe; /* the indexes wrap */
}

static void reset_three(void)
{
	reset();
	for (unsigned i = 0; i < 3; i++)
		runq_push(&q.fresh, &gs[i]);
}

static void thief(void)
{
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t n;

	if (!goro__bias_claim(&q.bias))
		return;
	model_check(xchg_seq(&busy, 1) == 0);
	n = goro__runq_take_half(&q.fresh, batch, RUNQ_SIZE / 2);
	for (uint32_t i = 0; i < n; i++) {
		took(batch[i]);
		model_check(i == 0 || batch[i] > batch[i - 1]); /* the oldest, in their order */
	}
	model_check(xchg_seq(&busy, 0) == 1);
	goro__bias_release(&q.bias);
}

static void each_once(void)
{
	struct g *g;

	while ((g = runq_pop_newest(&q.fresh)) != NULL)
		took(g);
	while ((g = runq_pop_oldest(&q.woken)) != NULL)
		took(g);
	for (unsigned i = 0; i < NG; i++)
		model_check(taken[i] == (i < pushed));
}

static void owner_pops_and_pushes(void)
{
	struct g *g;

	enter();
	g = runq_pop_newest(&q.fresh);
	leave();
	if (g)
		took(g);
	enter();
	model_check(runq_push(&q.fresh, &gs[3]));
	leave();
}

static void explore(bool membarrier, void (*owner)(void), void (*second)(void))
{
	const struct model m = { .setup = reset_three, .thread = { owner, thief, second }, .check = each_once, .tso = true };

	goro__have_membarrier = membarrier;
	t_check(model_explore(&m) > 1);
}

START_TEST(owner_and_thief_are_never_inside_together_by_membarrier)
{
	pushed = 4;
	explore(true, owner_pops_and_pushes, NULL);
}
END_TEST

START_TEST(owner_and_thief_are_never_inside_together_by_fences)
{
	pushed = 4;
	explore(false, owner_pops_and_pushes, NULL);
}
END_TEST

static void owner_pops(void)
{
	struct g *g;

	enter();
	g = runq_pop_oldest(&q.fresh);
	leave();
	if (g)
		took(g);
}

START_TEST(two_thieves_and_an_owner_take_each_goroutine_once)
{
	pushed = 3;
	explore(true, owner_pops, thief);
}
END_TEST

START_TEST(a_full_queue_refuses_and_gives_its_older_half)
{
	struct g *batch[RUNQ_SIZE / 2];

	reset();
	for (unsigned i = 0; i < RUNQ_SIZE; i++)
		t_check(runq_push(&q.woken, &gs[i]));
	t_check(!runq_push(&q.woken, &gs[4]));
	t_check(goro__runq_take_half(&q.woken, batch, RUNQ_SIZE / 2) == 2);
	t_check(batch[0] == &gs[0] && batch[1] == &gs[1]);
	t_check(runq_push(&q.woken, &gs[4]));
	t_check(runq_pop_oldest(&q.woken) == &gs[2]);
	t_check(runq_pop_newest(&q.woken) == &gs[4]);
	t_check(runq_pop_newest(&q.woken) == &gs[3]);
	t_check(!runq_pop_newest(&q.woken) && !runq_pop_oldest(&q.woken));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of a P's queues");
	TCase *tc = tcase_create("runq");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, owner_and_thief_are_never_inside_together_by_membarrier);
	tcase_add_test(tc, owner_and_thief_are_never_inside_together_by_fences);
	tcase_add_test(tc, two_thieves_and_an_owner_take_each_goroutine_once);
	tcase_add_test(tc, a_full_queue_refuses_and_gives_its_older_half);
	suite_add_tcase(s, tc);
	return model_main(s);
}
