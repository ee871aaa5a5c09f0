/* SPDX-License-Identifier: MIT */
/* model_newq.c: the queue of goroutines that have never run: owner at the tail, thieves at the head. 4 slots. */
#include "model.h"

#define RUNQ_SIZE 4u
#include "../../lib/runq.c"

#include "t.h"

#define NG 8

static struct g gs[NG];

static struct {
	struct newq q;
	uint32_t taken[NG]; /* how often each was taken */
} state;
#define q (state.q)
#define taken (state.taken)

static unsigned pushed;

static void took(struct g *g)
{
	model_check(g >= gs && g < gs + NG);
	taken[g - gs]++;
}

static void reset(void)
{
	memset(&q, 0, sizeof(q));
	memset(taken, 0, sizeof(taken));
	q.word = NEWQ_WORD(UINT64_C(0xfffffffe00000000), 0xffff, 0u); /* head and sequence wrap */
}

static void reset_three(void)
{
	reset();
	for (unsigned i = 0; i < 3; i++)
		newq_push(&q, &gs[i]);
}

static void thief(void)
{
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t n = goro__newq_steal(&q, batch, RUNQ_SIZE / 2);

	for (uint32_t i = 0; i < n; i++) {
		took(batch[i]);
		model_check(i == 0 || batch[i] > batch[i - 1]); /* the oldest, in their order */
	}
}

static void each_once(void)
{
	struct g *g;

	while ((g = newq_pop(&q)) != NULL)
		took(g);
	for (unsigned i = 0; i < NG; i++)
		model_check(taken[i] == (i < pushed));
}

static void owner_pushes_and_pops(void)
{
	struct g *g;

	for (unsigned i = 0; i < 3; i++)
		model_check(newq_push(&q, &gs[i]));
	model_forget(0);
	for (unsigned i = 0; i < 2; i++, model_forget((int)i))
		if ((g = newq_pop(&q)) != NULL)
			took(g);
	model_forget(2);
	model_check(newq_push(&q, &gs[3]));
	if ((g = newq_pop(&q)) != NULL)
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

static void owner_overflows(void)
{
	for (unsigned i = 3; i < 6; i++) {
		struct glist l;

		if (newq_push(&q, &gs[i]))
			continue;
		goro__newq_take_half(&q, &l);
		for (struct g *g = l.first, *next; g; g = next) {
			next = g->next;
			took(g);
		}
		model_check(newq_push(&q, &gs[i]));
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

/* The owner takes the newest and pushes another in its place: the word is as before but for its sequence number. */
static void owner_replaces(void)
{
	for (unsigned i = 3; i < 6; i++) {
		struct g *g = newq_pop(&q);

		if (g)
			took(g);
		model_check(newq_push(&q, &gs[i]));
	}
}

START_TEST(a_thief_that_stops_halfway_takes_nothing_stale)
{
	static const struct model m = { .setup = reset_three, .thread = { owner_replaces, thief, thief }, .check = each_once,
					.state = &state, .state_size = sizeof(state) };

	pushed = 6;
	model_explore(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of newq");
	TCase *tc = tcase_create("newq");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, owner_and_two_thieves_take_each_goroutine_once);
	tcase_add_test(tc, a_full_queue_is_halved_while_a_thief_steals);
	tcase_add_test(tc, a_thief_that_stops_halfway_takes_nothing_stale);
	suite_add_tcase(s, tc);
	return t_main(s);
}
