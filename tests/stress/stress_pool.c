/* SPDX-License-Identifier: MIT */
/*
 * stress_pool.c: goroutines that are preempted and plain threads get and put in one pool. An object has one owner at a time, what its last owner wrote is
 * there, and at the end as many have been destroyed as were made.
 */
#include <goro.h>
#include <check.h>
#include <stdlib.h>

#include "api.h"
#include "t.h"

#define ACTORS 16
#define THREADS 3
#define HELD 40

struct object {
	int owner;	   /* atomic */
	uint64_t sum, n;   /* its owner's: n numbers were added */
	uint64_t check;
};

struct arena {
	struct goro_pool pool;
	long made, destroyed; /* atomic */
	int64_t end;
	uint64_t seed;
};

static void *make(void *arg)
{
	struct arena *a = arg;

	__atomic_add_fetch(&a->made, 1, __ATOMIC_RELAXED);
	return calloc(1, sizeof(struct object));
}

static void destroy(void *item, void *arg)
{
	struct arena *a = arg;
	struct object *o = item;

	t_check(o->owner == 0 && o->check == (o->sum ^ o->n));
	__atomic_add_fetch(&a->destroyed, 1, __ATOMIC_RELAXED);
	free(o);
}

static void use(struct object *o, int who, uint64_t x)
{
	t_check_int(__atomic_exchange_n(&o->owner, who, __ATOMIC_RELAXED), ==, 0);
	t_check(o->check == (o->sum ^ o->n));
	o->sum += x;
	o->n++;
	o->check = o->sum ^ o->n;
}

static void actor(void *arg, int who)
{
	struct arena *a = arg;
	uint64_t rng = a->seed + (uint64_t)who * 1001;
	struct object *held[HELD];
	unsigned n = 0;

	while (goro_now() < a->end) {
		for (unsigned k = api_below(&rng, HELD); n < k; n++) {
			held[n] = goro_pool_get(&a->pool);
			use(held[n], who, t_rand(&rng));
		}
		if (api_below(&rng, 4) == 0)
			goro_yield();
		for (unsigned k = api_below(&rng, HELD); n > k; n--) {
			t_check_int(__atomic_exchange_n(&held[n - 1]->owner, 0, __ATOMIC_RELAXED), ==, who);
			goro_pool_put(&a->pool, held[n - 1]);
		}
	}
	for (; n > 0; n--) {
		held[n - 1]->owner = 0;
		goro_pool_put(&a->pool, held[n - 1]);
	}
}

static int arena_main(void *arg)
{
	struct arena *a = arg;

	a->end = goro_after(api_stress_ns());
	api_crowd(ACTORS, THREADS, actor, a);
	goro_pool_fini(&a->pool);
	t_check_int(a->made, ==, a->destroyed);
	return 0;
}

START_TEST(an_object_has_one_owner_and_none_is_lost)
{
	struct arena a = { .seed = t_seed() + (uint64_t)_i };

	a.pool = (struct goro_pool)GORO_POOL_INIT(make, destroy, &a);
	api_run_procs(api_procs[_i], arena_main, &a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: pool");
	TCase *tc = t_case(s, "arena", api_stress_limit());

	tcase_add_loop_test(tc, an_object_has_one_owner_and_none_is_lost, 0, 3);
	return t_main(s);
}
