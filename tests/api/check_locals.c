/* SPDX-License-Identifier: MIT */
/* check_locals.c: goroutine-local values and their destructors. */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "t.h"

static uint32_t gone[8], order[8], norder; /* by the value: how often destroyed, and in which order */

static void note(void *v)
{
	gone[(uintptr_t)v]++;
	if (norder < 8)
		order[norder++] = (uint32_t)(uintptr_t)v;
}

static void parks_and_notes(void *v)
{
	goro_yield();
	goro_sleep(1000);
	note(v);
}

/* Set first, so destroyed last: whoever waits for the group sees what the other destructors did. */
static void finishes(void *wg)
{
	goro_waitgroup_done(wg);
}

static const struct goro_local_key finish = { finishes };
static const struct goro_local_key a = { note }, b = { parks_and_notes }, plain = { NULL };

static void reset(void)
{
	for (int i = 0; i < 8; i++)
		gone[i] = order[i] = 0;
	norder = 0;
}

static void sets(struct goro_waitgroup *wg, int leave)
{
	t_check(goro_local_get(&a) == NULL); /* not inherited, nor left by who had the record before */
	t_check(goro_local_get(&plain) == NULL);
	t_check_int(goro_local_set(&finish, wg), ==, 0);
	t_check_int(goro_local_set(&plain, &wg), ==, 0);
	t_check_int(goro_local_set(&a, (void *)1), ==, 0);
	t_check_int(goro_local_set(&b, (void *)2), ==, 0);
	t_check(goro_local_get(&a) == (void *)1 && goro_local_get(&b) == (void *)2 && goro_local_get(&plain) == &wg);
	t_check_int(goro_local_set(&a, (void *)3), ==, 0); /* the former value is the caller's again */
	t_check(goro_local_get(&a) == (void *)3);
	goro_yield();
	t_check(goro_local_get(&a) == (void *)3 && goro_local_get(&b) == (void *)2);
	if (leave)
		goro_exit();
}

static int ends_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int leave = 0; leave < 2; leave++) {
		reset();
		t_check_int(goro_local_set(&a, (void *)7), ==, 0);
		goro_waitgroup_add(&wg, 1);
		GORO_GO(sets, &wg, leave);
		goro_waitgroup_wait(&wg, GORO_FOREVER);
		t_check(gone[3] == 1 && gone[1] == 0 && gone[2] == 1 && gone[7] == 0);
		t_check(order[0] == 3 && order[1] == 2); /* the one set last first */
		t_check(goro_local_get(&a) == (void *)7);
		t_check_int(goro_local_set(&a, NULL), ==, 0);
		t_check(goro_local_get(&a) == NULL);
	}
	return 0;
}

START_TEST(destructors_run_at_the_end_by_return_and_by_goro_exit)
{
	api_run_procs(1, ends_main, NULL);
	api_run_procs(8, ends_main, NULL);
}
END_TEST

static int main_has_values(void *arg)
{
	(void)arg;
	goro_local_set(&a, (void *)1);
	goro_local_set(&b, (void *)2);
	return 0;
}

START_TEST(those_of_the_main_goroutine_run_when_it_returns)
{
	reset();
	api_run(main_has_values, NULL);
	t_check(gone[1] == 1 && gone[2] == 1);
}
END_TEST

static void *thread(void *arg)
{
	(void)arg;
	t_check(goro_local_get(&a) == NULL);
	t_check_int(goro_local_set(&a, (void *)1), ==, 0);
	t_check(goro_local_get(&a) == (void *)1);
	return NULL;
}

START_TEST(plain_threads_have_values_too)
{
	reset();
	for (int i = 0; i < 3; i++) {
		pthread_join(api_thread(thread, NULL), NULL);
		t_check_int(gone[1], ==, (uint32_t)i + 1);
	}
	t_check_int(goro_local_set(NULL, (void *)1), ==, -EINVAL);
	t_check(goro_local_get(NULL) == NULL);
}
END_TEST

/* A destructor that sets values: four rounds, no more. */
static uint32_t again;
static void sets_again(void *v);
static const struct goro_local_key insists = { sets_again };

static void sets_again(void *v)
{
	__atomic_add_fetch(&again, 1, __ATOMIC_SEQ_CST);
	goro_local_set(&insists, v);
}

static void insisting(struct goro_waitgroup *wg)
{
	goro_local_set(&insists, wg);
}

static int insisting_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	GORO_GO(insisting, &wg);
	t_eventually(goro_count() == 1, API_PATIENCE);
	t_check_int(__atomic_load_n(&again, __ATOMIC_SEQ_CST), ==, 4);
	return 0;
}

START_TEST(a_destructor_that_sets_its_value_again_is_called_four_times)
{
	api_run(insisting_main, NULL);
}
END_TEST

/* Many keys, in many goroutines at once, each with its own values; all memory comes back. */
enum { KEYS = 200 };
static struct goro_local_key keys[KEYS];
static uint32_t freed;

static void free_it(void *v)
{
	free(v);
	__atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
}

static void many(uint64_t seed, struct goro_waitgroup *wg)
{
	uint64_t has[KEYS] = { 0 };

	for (int i = 0; i < 500; i++) {
		unsigned k = api_below(&seed, KEYS);
		uint64_t *v = goro_local_get(&keys[k]);

		t_check((v != NULL) == (has[k] != 0));
		if (!v) {
			v = malloc(sizeof *v);
			t_check_int(goro_local_set(&keys[k], v), ==, 0);
		}
		t_check(!has[k] || *v == has[k]);
		*v = has[k] = t_rand(&seed) | 1;
		if (i % 16 == 0)
			goro_yield();
	}
	goro_waitgroup_done(wg);
}

static void holds(void)
{
	goro_local_set(&plain, keys);
	goro_chan_recv(NULL, NULL, GORO_FOREVER);
}

static int many_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	uint64_t seed = t_seed();

	(void)arg;
	for (int i = 0; i < KEYS; i++)
		keys[i].destroy = free_it;
	goro_waitgroup_add(&wg, 100);
	for (int i = 0; i < 100; i++)
		GORO_GO(many, t_rand(&seed), &wg);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	t_eventually(goro_count() == 1, API_PATIENCE);
	t_check_int(__atomic_load_n(&freed, __ATOMIC_SEQ_CST), >, 100 * KEYS / 2);
	for (int i = 0; i < 10; i++)
		GORO_GO(holds); /* stopped by the end of the run: the library's memory comes back all the same */
	goro_yield();
	return 0;
}

START_TEST(many_goroutines_with_many_values)
{
	api_run_procs(1, many_main, NULL);
	api_run_procs(8, many_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("locals");
	TCase *tc = tcase_create("locals");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, destructors_run_at_the_end_by_return_and_by_goro_exit);
	tcase_add_test(tc, those_of_the_main_goroutine_run_when_it_returns);
	tcase_add_test(tc, plain_threads_have_values_too);
	tcase_add_test(tc, a_destructor_that_sets_its_value_again_is_called_four_times);
	tcase_add_test(tc, many_goroutines_with_many_values);
	return t_main(s);
}
