/* SPDX-License-Identifier: MIT */
/* check_pool.c: the inside of a pool: ages, bounds, and memory that runs out. The source is included, with a shorter age and fewer objects. */
#define POOL_CAP 8
#define POOL_AGE_MS 20
#include "../../lib/pool.c"

#include <goro.h>
#include <stdlib.h>

#include "t.h"

static long made, destroyed;
static int fail;

void *goro__mem_alloc(size_t n)
{
	void *p;

	return !fail && posix_memalign(&p, 64, n) == 0 ? p : NULL;
}

void goro__mem_free(void *p)
{
	free(p);
}

static void *make(void *arg)
{
	(void)arg;
	made++;
	return malloc(8);
}

static void unmake(void *item, void *arg)
{
	(void)arg;
	destroyed++;
	free(item);
}

static long kept(struct goro_pool *p)
{
	long n = 0;

	for (uint32_t i = 0; p->shards && i <= p->shards->mask; i++)
		n += p->shards->shard[i].n;
	return n;
}

/* Gets n and puts them back. */
static void use(struct goro_pool *p, int n)
{
	void *item[100];

	for (int i = 0; i < n; i++)
		item[i] = goro_pool_get(p);
	for (int i = 0; i < n; i++)
		goro_pool_put(p, item[i]);
}

START_TEST(what_nobody_needs_for_an_age_is_destroyed_and_the_rest_is_kept)
{
	struct goro_pool p = GORO_POOL_INIT(make, unmake, NULL);

	use(&p, 6);
	t_check(kept(&p) == 6 && destroyed == 0);
	/* From now on two at a time: four are surplus, and go within two ages, without any other of their kind being made. */
	t_eventually((use(&p, 2), kept(&p) == 2), 20000);
	t_check_int(destroyed, ==, 4);
	t_check_int(made, ==, 6);
	for (int i = 0; i < 1000; i++)
		use(&p, 2);
	t_check(kept(&p) == 2 && made == 6);
	goro_pool_fini(&p);
	t_check_int(destroyed, ==, made);
}
END_TEST

START_TEST(it_is_bounded)
{
	struct goro_pool p = GORO_POOL_INIT(make, unmake, NULL);

	use(&p, 100);
	t_check_int(made, ==, 100);
	t_check(kept(&p) <= (long)(p.shards->mask + 1) * POOL_CAP);
	t_check_int(kept(&p), ==, made - destroyed);
	goro_pool_fini(&p);
	t_check_int(destroyed, ==, 100);
}
END_TEST

START_TEST(without_memory_of_its_own_a_pool_keeps_nothing)
{
	struct goro_pool p = GORO_POOL_INIT(make, unmake, NULL);

	fail = 1;
	use(&p, 3);
	t_check(made == 3 && destroyed == 3 && !p.shards);
	fail = 0;
	use(&p, 3);
	t_check_int(kept(&p), ==, 3);
	goro_pool_fini(&p);
}
END_TEST

START_TEST(a_get_takes_from_any_shard)
{
	struct goro_pool p = GORO_POOL_INIT(NULL, unmake, NULL);
	void *item = malloc(1);

	goro_pool_put(&p, item);
	for (uint32_t i = 0; i <= p.shards->mask; i++) {
		struct shard *s = &p.shards->shard[i];

		if (s->n == 1) {
			s->n = 0;
			p.shards->shard[(i + 1) & p.shards->mask].item[0] = s->item[0];
			p.shards->shard[(i + 1) & p.shards->mask].n = 1;
			break;
		}
	}
	t_check(goro_pool_get(&p) == item);
	t_check(goro_pool_get(&p) == NULL);
	goro_pool_put(&p, item);
	goro_pool_fini(&p);
	t_check_int(destroyed, ==, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool inside");
	TCase *tc = tcase_create("pool");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_nobody_needs_for_an_age_is_destroyed_and_the_rest_is_kept);
	tcase_add_test(tc, it_is_bounded);
	tcase_add_test(tc, without_memory_of_its_own_a_pool_keeps_nothing);
	tcase_add_test(tc, a_get_takes_from_any_shard);
	suite_add_tcase(s, tc);
	return t_main(s);
}
