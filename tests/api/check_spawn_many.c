/* SPDX-License-Identifier: MIT */
/*
 * check_spawn_many.c: many more goroutines than a processor's own queue holds are started before the first one runs. None is
 * lost, none runs twice, each has its own arguments and its own id.
 */
#include <goro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <goro/short.h>

#include "api.h"
#include "t.h"

#define MANY 50000

static struct goro_waitgroup wg;
static unsigned char ran[MANY];
static uint64_t ids[MANY];

static void note(int i)
{
	__atomic_fetch_add(&ran[i], 1, __ATOMIC_RELAXED);
	ids[i] = goro_id();
	goro_waitgroup_done(&wg);
}

static void two(int i, double half)
{
	t_check(half == i / 2.0, "%d", i);
	note(i);
}

static void five(int i, int64_t a, uint8_t b, float c, const int *d)
{
	t_check(a == -i && b == (uint8_t)i && c == (float)i && d == (const int *)(const void *)&ran[i], "%d", i);
	note(i);
}

struct boxed {
	int i;
	char fill[100];
};

static void copied(void *arg)
{
	struct boxed *b = arg;

	t_check(b->fill[0] == 'a' && b->fill[99] == 'z');
	note(b->i);
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int spawn_kind(int i, int kind)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;
	struct boxed b = { .i = i };

	switch (kind) {
	case 0:
	case 1:
	case 2:
		return go(note, i);
	case 3:
		return go(two, i, i / 2.0);
	case 4:
		return go(five, i, -(int64_t)i, (uint8_t)i, (float)i, (const int *)(const void *)&ran[i]);
	default:
		b.fill[0] = 'a';
		b.fill[99] = 'z';
		o.name = "boxed";
		o.copy = &b;
		o.copy_size = sizeof b;
		return goro_spawn_opts(copied, NULL, &o);
	}
}

static int all_kinds(void *arg)
{
	uint64_t rnd = t_seed();
	long before = goro_count();

	(void)arg;
	memset(ran, 0, sizeof ran);
	goro_waitgroup_add(&wg, MANY);
	for (int i = 0; i < MANY; i++)
		t_check_int(spawn_kind(i, (int)api_below(&rnd, 6)), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < MANY; i++)
		t_check(ran[i] == 1, "goroutine %d ran %d times", i, ran[i]);
	qsort(ids, MANY, sizeof ids[0], by_id);
	for (int i = 1; i < MANY; i++)
		t_check(ids[i] != ids[i - 1] && ids[i] != 0);
	t_eventually(goro_count() == before, API_PATIENCE);
	return 0;
}

START_TEST(each_of_many_runs_once_with_its_own_arguments_and_id)
{
	api_run_procs(1, all_kinds, NULL);
	api_run_procs(2, all_kinds, NULL);
	api_run_procs(4, all_kinds, NULL);
}
END_TEST

/* A goroutine that came early and yields is not kept waiting by the many, nor they by it. */
static void yielder(int *ret_rounds)
{
	while (__atomic_load_n(&ran[0], __ATOMIC_RELAXED) == 0) {
		++*ret_rounds;
		goro_yield();
	}
	goro_waitgroup_done(&wg);
}

static int beside_a_yielder(void *arg)
{
	int rounds = 0;

	(void)arg;
	memset(ran, 0, sizeof ran);
	goro_waitgroup_add(&wg, 10001);
	t_check_int(go(yielder, &rounds), ==, 0);
	goro_yield();
	for (int i = 0; i < 10000; i++)
		t_check_int(go(note, i), ==, 0);
	return goro_waitgroup_wait(&wg, goro_after(API_PATIENCE * GORO_MILLISECOND));
}

START_TEST(a_busy_goroutine_and_the_surplus_take_turns)
{
	api_run_procs(1, beside_a_yielder, NULL);
}
END_TEST

static int count_and_leave(void *arg)
{
	(void)arg;
	goro_preempt_off(); /* none of them is to run yet */
	for (int i = 0; i < 10000; i++)
		t_check_int(go(note, i), ==, 0);
	t_check_int(goro_count(), ==, 10001);
	goro_preempt_on();
	return 0;
}

START_TEST(those_that_never_ran_are_counted_and_end_with_the_runtime)
{
	goro_waitgroup_add(&wg, 1000000);
	for (int i = 0; i < 3; i++)
		api_run_procs(1, count_and_leave, NULL);
}
END_TEST

static int dump_some(void *arg)
{
	FILE *f = tmpfile();
	static char text[1 << 20];
	size_t n;

	(void)arg;
	t_check(f != NULL);
	for (int i = 0; i < 2000; i++)
		t_check_int(go(note, i), ==, 0);
	goro_dump(fileno(f));
	rewind(f);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = 0;
	fclose(f);
	t_check(strstr(text, "has not run yet") != NULL);
	return 0;
}

START_TEST(a_dump_tells_of_those_that_have_not_run)
{
	goro_waitgroup_add(&wg, 1000000);
	api_run_procs(1, dump_some, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spawn_many");
	TCase *tc = tcase_create("surplus");

	tcase_add_test(tc, each_of_many_runs_once_with_its_own_arguments_and_id);
	tcase_add_test(tc, a_busy_goroutine_and_the_surplus_take_turns);
	tcase_add_test(tc, those_that_never_ran_are_counted_and_end_with_the_runtime);
	tcase_add_test(tc, a_dump_tells_of_those_that_have_not_run);
	suite_add_tcase(s, tc);
	return t_main(s);
}
