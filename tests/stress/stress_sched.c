/* SPDX-License-Identifier: MIT */
/*
 * stress_sched.c: trees of goroutines that are born, yield, sleep, block, exit early and change the number of
 * processors, all at random. Every goroutine must run exactly once, and all must be gone at the end.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <time.h>

#include "api.h"
#include "t.h"

struct tree {
	struct goro_waitgroup wg;
	int64_t end;
	uint64_t seed;
	long born, died; /* atomic */
	long alive;	 /* atomic */
	int cut;	 /* the runtime may stop meanwhile */
};

#define MOST_ALIVE 5000

/* For goro_blocking(): a system call that blocks for a random time. */
static void *short_nap(void *arg)
{
	struct timespec ts = { 0, (long)(intptr_t)arg };

	nanosleep(&ts, NULL);
	return arg;
}

static void node(struct tree *t, uint64_t rng, int depth);

static void spawn_node(struct tree *t, uint64_t *rng, int depth)
{
	int ret;

	__atomic_add_fetch(&t->born, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&t->alive, 1, __ATOMIC_RELAXED);
	goro_waitgroup_add(&t->wg, 1);
	ret = GORO_GO(node, t, t_rand(rng), depth);
	t_check(ret == 0 || (t->cut && ret == -ECANCELED), "spawn gave %d", ret);
}

static void one_step(struct tree *t, uint64_t *rng, int depth)
{
	intptr_t ns;

	switch (api_below(rng, 16)) {
	case 0: case 1: case 2: case 3:
		goro_yield();
		break;
	case 4:
		t_check_int(goro_sleep(api_below(rng, 100000)), ==, 0);
		break;
	case 5:
		if (api_below(rng, 20) == 0) {
			ns = api_below(rng, 50000);
			t_check(goro_blocking(short_nap, (void *)ns) == (void *)ns);
		}
		break;
	case 6:
		if (api_below(rng, 500) == 0)
			t_check(goro_maxprocs(1 + (int)api_below(rng, 8)) > 0 || t->cut);
		break;
	case 7: case 8: case 9:
		if (depth < 40 && __atomic_load_n(&t->alive, __ATOMIC_RELAXED) < MOST_ALIVE && goro_now() < t->end)
			spawn_node(t, rng, depth + 1);
		break;
	default:
		break;
	}
}

static void node(struct tree *t, uint64_t rng, int depth)
{
	volatile unsigned char mark[64];
	uint64_t id = goro_id();
	unsigned steps = api_below(&rng, 40);

	for (int i = 0; i < 64; i++)
		mark[i] = (unsigned char)(id + (uint64_t)i);
	while (steps-- > 0) {
		one_step(t, &rng, depth);
		t_check(goro_id() == id);
	}
	for (int i = 0; i < 64; i++)
		t_check(mark[i] == (unsigned char)(id + (uint64_t)i));
	__atomic_add_fetch(&t->died, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&t->alive, 1, __ATOMIC_RELAXED);
	goro_waitgroup_done(&t->wg);
	if (steps & 1)
		goro_exit();
}

static void *planting_thread(void *arg)
{
	struct tree *t = arg;
	uint64_t rng = t->seed ^ 0x1234;

	while (goro_now() < t->end) {
		struct timespec ts = { 0, (long)api_below(&rng, 300000) };

		if (__atomic_load_n(&t->alive, __ATOMIC_RELAXED) < MOST_ALIVE)
			spawn_node(t, &rng, 0);
		/* Waits for nothing: the seeds fall at random times, into a runtime that is busy or asleep. */
		nanosleep(&ts, NULL);
	}
	goro_waitgroup_done(&t->wg);
	return NULL;
}

static int tree_main(void *arg)
{
	struct tree *t = arg;
	uint64_t rng = t->seed;
	pthread_t threads[2];

	t->end = goro_after(api_stress_ns());
	goro_waitgroup_add(&t->wg, 2);
	for (int i = 0; i < 2; i++)
		threads[i] = api_thread(planting_thread, t);
	while (goro_now() < t->end) {
		if (__atomic_load_n(&t->alive, __ATOMIC_RELAXED) < MOST_ALIVE)
			spawn_node(t, &rng, 0);
		one_step(t, &rng, 100);
	}
	t_check_int(goro_waitgroup_wait(&t->wg, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
	t_check_int(t->born, ==, t->died);
	t_eventually(goro_count() == 1, API_PATIENCE);
	for (int i = 0; i < 2; i++)
		api_join(threads[i]);
	return 0;
}

START_TEST(random_trees_of_goroutines_grow_and_are_gone)
{
	struct tree t = { .seed = t_seed() + (uint64_t)_i };

	api_run_procs(api_procs[_i], tree_main, &t);
}
END_TEST

/* The runtime is torn down at a random moment of all that, over and over. */
static int cut_main(void *arg)
{
	struct tree *t = arg;
	uint64_t rng = t->seed;

	for (unsigned n = 1 + api_below(&rng, 50); n > 0; n--) {
		spawn_node(t, &rng, 0);
		one_step(t, &rng, 0);
	}
	return 7;
}

START_TEST(the_runtime_stops_at_any_moment)
{
	int64_t end = goro_after(api_stress_ns());
	struct goro_config cfg = GORO_CONFIG_INIT;

	cfg.maxprocs = api_procs[_i];
	for (uint64_t n = 0; goro_now() < end; n++) {
		/* Static: a goroutine may be cut off anywhere, but its memory stays. */
		static struct tree t;

		t = (struct tree){ .seed = t_seed() + n, .end = INT64_MAX, .cut = 1 };
		t_check_int(goro_run(&cfg, cut_main, &t), ==, 7);
		t_check_int(goro_count(), ==, 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: scheduler");
	TCase *tc = t_case(s, "trees", api_stress_limit());

	tcase_add_loop_test(tc, random_trees_of_goroutines_grow_and_are_gone, 0, 3);
	tcase_add_loop_test(tc, the_runtime_stops_at_any_moment, 0, 3);
	return t_main(s);
}
