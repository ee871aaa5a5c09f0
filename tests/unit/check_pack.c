/* SPDX-License-Identifier: MIT */
/* check_pack.c: packs (lib/pack.c) give back the goroutines that were put in, in order, and refuse those that are more than that. */
#include "pack.h"

#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "t.h"

#define MANY 20000

static void fn_a(void)
{
}

static void fn_b(void)
{
}

/* A goroutine as a spawn leaves it. Neighbours are alike now and then. */
static void make(struct g *g, uint64_t *rnd, uint64_t *id)
{
	uint64_t r = t_rand(rnd);

	memset(g, 0, sizeof(*g));
	*id += r % 16 == 0 ? 1000 : 1;
	g->id = *id;
	g->fn = r & 256 ? fn_a : fn_b;
	g->created_at = (void *)(uintptr_t)(r >> 9 & 3);
	g->parent_id = r >> 11 & 1;
	g->nargs = r & 512 ? 1 : (uint8_t)((r >> 12) % 9);
	g->fpmask = (uint8_t)(r >> 16 & 1);
	g->stk_cls = (uint8_t)(r >> 17 & 1);
	for (unsigned i = 0; i < g->nargs; i++)
		g->arg[i] = t_rand(rnd);
}

static void check_same(const struct g *a, const struct g *b)
{
	t_check_int(a->id, ==, b->id);
	t_check(a->fn == b->fn && a->created_at == b->created_at);
	t_check_int(a->parent_id, ==, b->parent_id);
	t_check_int(a->nargs, ==, b->nargs);
	t_check_int(a->fpmask, ==, b->fpmask);
	t_check_int(a->stk_cls, ==, b->stk_cls);
	t_check(memcmp(a->arg, b->arg, a->nargs * sizeof(a->arg[0])) == 0, "goroutine %llu", (unsigned long long)a->id);
}

/* Reads the oldest of q into *g. */
static void take(struct packq *q, struct g *g)
{
	struct pack *k = q->first;

	q->n--;
	if (!goro__pack_take(k, g)) {
		q->first = k->next;
		goro__pack_free(k);
	}
}

START_TEST(goroutines_come_back_as_they_were_and_in_order)
{
	uint64_t seed = t_seed(), rnd = seed, again = seed, id = 0, id_again = 0;
	struct packq q = { NULL, NULL, 0 };
	struct g g, want;

	for (int i = 0; i < MANY; i++) {
		make(&g, &rnd, &id);
		t_check(goro__pack_add(&q, &g));
	}
	t_check_int(q.n, ==, MANY);
	for (int i = 0; i < MANY; i++) {
		make(&want, &again, &id_again);
		memset(&g, 0xff, sizeof(g));
		take(&q, &g);
		check_same(&want, &g);
	}
	t_check(q.first == NULL && q.n == 0);
	goro__packs_fini();
}
END_TEST

START_TEST(a_loop_of_spawns_with_one_argument_takes_ten_bytes_each)
{
	struct packq q = { NULL, NULL, 0 };
	struct g g = { .fn = fn_a, .nargs = 1 };
	long packs = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		g.id = i;
		g.arg[0] = i;
		t_check(goro__pack_add(&q, &g));
	}
	for (struct pack *k = q.first; k; k = k->next)
		packs++;
	t_check_int(packs * PACK_SIZE, <=, 10L * MANY);
	goro__packs_fini();
}
END_TEST

START_TEST(what_has_a_stack_a_name_a_flag_or_has_run_is_refused)
{
	struct packq q = { NULL, NULL, 0 };
	struct g plain = { .fn = fn_a }, g;

	g = plain;
	g.flags = G_COPY;
	t_check(!goro__pack_add(&q, &g));
	g = plain;
	g.name[0] = 'x';
	t_check(!goro__pack_add(&q, &g));
	g = plain;
	g.stk.w = 4096;
	t_check(!goro__pack_add(&q, &g));
	g = plain;
	g.sp = &g;
	t_check(!goro__pack_add(&q, &g));
	t_check(q.first == NULL && q.n == 0);
	t_check(goro__pack_add(&q, &plain));
	goro__packs_fini();
}
END_TEST

START_TEST(without_memory_a_goroutine_is_left_alone)
{
	struct packq q = { NULL, NULL, 0 };
	struct g g = { .fn = fn_a };

	setenv("GORO_FAULT", "mmap:1:12*", 1);
	goro__sys_faults_init();
	t_check(!goro__pack_add(&q, &g));
	t_check(q.first == NULL && q.n == 0);
	unsetenv("GORO_FAULT");
	goro__sys_faults_init();
	t_check(goro__pack_add(&q, &g));
	goro__packs_fini();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pack");
	TCase *tc = tcase_create("pack");

	tcase_add_test(tc, goroutines_come_back_as_they_were_and_in_order);
	tcase_add_test(tc, a_loop_of_spawns_with_one_argument_takes_ten_bytes_each);
	tcase_add_test(tc, what_has_a_stack_a_name_a_flag_or_has_run_is_refused);
	tcase_add_test(tc, without_memory_a_goroutine_is_left_alone);
	suite_add_tcase(s, tc);
	return t_main(s);
}
