/* SPDX-License-Identifier: MIT */
/* model_runq.c: the owner of a local run queue against thieves, in all interleavings. A queue of 4 slots. */
#include "model.h"

#define RUNQ_SIZE 4u
#include "../../lib/runq.c"

#include "t.h"

#define NG 8

static struct g gs[NG];

static struct {
	struct runq q;
	uint32_t taken[NG]; /* how often each was taken */
} state;
#define q (state.q)
#define taken (state.taken)


static void took(struct g *g)
{
	model_check(g >= gs && g < gs + NG);
	taken[g - gs]++;
}

static void reset(void)
{
	memset(&q, 0, sizeof(q));
	memset(taken, 0, sizeof(taken));
	q.head = q.tail = UINT32_MAX - 1; /* the indexes wrap */
}

static void thief(void)
{
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t n = goro__runq_steal(&q, batch, RUNQ_SIZE / 2);

	for (uint32_t i = 0; i < n; i++)
		took(batch[i]);
}

/* What is left when all have ended, plus what was taken, must be each goroutine that was pushed, once. */
static unsigned pushed;

static void each_once(void)
{
	struct g *g;

	while ((g = runq_pop(&q)) != NULL)
		took(g);
	for (unsigned i = 0; i < NG; i++)
		model_check(taken[i] == (i < pushed));
}

static void owner_pushes_and_pops(void)
{
	struct g *g;

	for (unsigned i = 0; i < 3; i++)
		model_check(runq_push(&q, &gs[i]));
	model_forget(0);
	for (unsigned i = 0; i < 2; i++, model_forget((int)i))
		if ((g = runq_pop(&q)) != NULL)
			took(g);
	model_forget(2);
	model_check(runq_push(&q, &gs[3]));
	if ((g = runq_pop(&q)) != NULL)
		took(g);
}

START_TEST(owner_and_two_thieves_take_each_goroutine_once)
{
	static const struct model m = { .setup = reset, .thread = { owner_pushes_and_pops, thief, thief }, .check = each_once,
					.state = &state, .state_size = sizeof(state) };

	pushed = 4;
	model_explore(&m);
}
END_TEST

static void reset_three(void)
{
	reset();
	for (unsigned i = 0; i < 3; i++)
		runq_push(&q, &gs[i]);
}

static void owner_overflows(void)
{
	for (unsigned i = 3; i < 6; i++) {
		struct glist l;

		if (runq_push(&q, &gs[i]))
			continue;
		goro__runq_take_half(&q, &l);
		for (struct g *g = l.first, *next; g; g = next) {
			next = g->next;
			took(g);
		}
		model_check(runq_push(&q, &gs[i]));
	}
}

START_TEST(a_full_queue_is_halved_while_a_thief_steals)
{
	static const struct model m = { .setup = reset_three, .thread = { owner_overflows, thief }, .check = each_once,
					.state = &state, .state_size = sizeof(state) };

	pushed = 6;
	model_explore(&m);
}
END_TEST

/* A thief that stops between reading and moving the head, while the owner takes and refills every slot. */
static void owner_goes_round(void)
{
	for (unsigned i = 3; i < 7; i++) {
		struct g *g = runq_pop(&q);

		if (g)
			took(g);
		model_check(runq_push(&q, &gs[i]));
	}
}

START_TEST(a_thief_that_stops_halfway_takes_nothing_stale)
{
	static const struct model m = { .setup = reset_three, .thread = { owner_goes_round, thief }, .check = each_once,
					.state = &state, .state_size = sizeof(state) };

	pushed = 7;
	model_explore(&m);
}
END_TEST

static void order_thief(void)
{
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t n = goro__runq_steal(&q, batch, RUNQ_SIZE / 2);

	for (uint32_t i = 0; i < n; i++) {
		took(batch[i]);
		model_check(i == 0 || batch[i] == batch[i - 1] + 1);
	}
}

static void order_owner(void)
{
	struct g *last = NULL, *g;

	while ((g = runq_pop(&q)) != NULL) {
		took(g);
		model_check(!last || g > last);
		last = g;
	}
}

START_TEST(owner_and_thief_see_the_order_of_arrival)
{
	static const struct model m = { .setup = reset_three, .thread = { order_owner, order_thief }, .check = each_once,
					.state = &state, .state_size = sizeof(state) };

	pushed = 3;
	model_explore(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of runq");
	TCase *tc = tcase_create("runq");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, owner_and_two_thieves_take_each_goroutine_once);
	tcase_add_test(tc, a_full_queue_is_halved_while_a_thief_steals);
	tcase_add_test(tc, a_thief_that_stops_halfway_takes_nothing_stale);
	tcase_add_test(tc, owner_and_thief_see_the_order_of_arrival);
	suite_add_tcase(s, tc);
	return t_main(s);
}
