/* SPDX-License-Identifier: MIT */
/* check_pool.c: what <goro/sync.h> promises of a pool. */
#include <goro.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "t.h"

struct buffer {
	int owner; /* atomic: 0, or who has it */
	char text[32];
};

struct ledger {
	long made, destroyed; /* atomic */
};

static void *make(void *arg)
{
	struct ledger *l = arg;

	__atomic_add_fetch(&l->made, 1, __ATOMIC_RELAXED);
	return calloc(1, sizeof(struct buffer));
}

static void destroy(void *item, void *arg)
{
	struct ledger *l = arg;

	t_check_int(((struct buffer *)item)->owner, ==, 0);
	__atomic_add_fetch(&l->destroyed, 1, __ATOMIC_RELAXED);
	free(item);
}

static void reuses(void)
{
	struct ledger l = { 0, 0 };
	struct goro_pool p = GORO_POOL_INIT(make, destroy, &l);
	struct buffer *a = goro_pool_get(&p), *b, *c;

	t_check(a && l.made == 1);
	strcpy(a->text, "as it was put");
	goro_pool_put(&p, a);
	b = goro_pool_get(&p);
	t_check(b == a && strcmp(b->text, "as it was put") == 0);
	c = goro_pool_get(&p);
	t_check(c != b && l.made == 2);
	free(c);
	goro_pool_put(&p, NULL);
	goro_pool_put(&p, b);
	goro_pool_fini(&p);
	t_check_int(l.destroyed, ==, 1);
	/* Empty again, and in use again; what was not put is the caller's. */
	b = goro_pool_get(&p);
	t_check_int(l.made, ==, 3);
	free(b);
	goro_pool_fini(&p);
	goro_pool_fini(&p);
}

START_TEST(what_was_put_comes_back_as_it_was)
{
	reuses(); /* no runtime */
	api_everywhere(reuses);
}
END_TEST

static void zeroed(void)
{
	static char things[3];
	struct goro_pool p;

	memset(&p, 0, sizeof p);
	t_check(goro_pool_get(&p) == NULL);
	for (int i = 0; i < 3; i++)
		goro_pool_put(&p, &things[i]);
	for (int i = 0; i < 3; i++) {
		char *c = goro_pool_get(&p);

		t_check(c >= things && c < things + 3 && *c == 0);
		*c = 1;
	}
	t_check(goro_pool_get(&p) == NULL);
	memset(things, 0, sizeof things);
	goro_pool_put(&p, things);
	goro_pool_fini(&p);
}

START_TEST(zeroed_memory_is_a_pool_that_makes_and_destroys_nothing)
{
	zeroed();
	api_everywhere(zeroed);
}
END_TEST

/* A producer puts, consumers on other processors get: what is put on one is found on another. */
static void consumer(struct goro_pool *p, struct goro_chan *told)
{
	void *item;

	do {
		item = goro_pool_get(p);
		if (!item)
			goro_yield();
	} while (!item);
	goro_chan_send(told, &item, GORO_FOREVER);
}

static int crosses_main(void *arg)
{
	struct ledger l = { 0, 0 };
	struct goro_pool p = GORO_POOL_INIT(NULL, destroy, &l);
	struct goro_chan *told = goro_chan_new(sizeof(void *), 0);
	struct buffer *item = calloc(1, sizeof(*item)), *got;

	(void)arg;
	for (int i = 0; i < 200; i++) {
		goro_pool_put(&p, item);
		t_check_int(GORO_GO(consumer, &p, told), ==, 0);
		t_check_int(goro_chan_recv(told, &got, GORO_FOREVER), ==, 1);
		t_check(got == item);
	}
	goro_pool_fini(&p);
	t_check_int(l.destroyed, ==, 0);
	free(item);
	goro_chan_free(told);
	return 0;
}

START_TEST(what_one_processor_puts_another_one_gets)
{
	api_run_procs(_i ? 8 : 1, crosses_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool");
	TCase *tc = tcase_create("pool");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_was_put_comes_back_as_it_was);
	tcase_add_test(tc, zeroed_memory_is_a_pool_that_makes_and_destroys_nothing);
	tcase_add_loop_test(tc, what_one_processor_puts_another_one_gets, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
