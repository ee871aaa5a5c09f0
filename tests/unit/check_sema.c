/* SPDX-License-Identifier: MIT */
/*
 * check_sema.c: the table of those who wait on an address: its queues, its hash, and sleepers of several addresses in
 * one bucket with and without deadlines. The source is included, so that its static functions can be called.
 */
#include "../../lib/sema.c"

#include <goro.h>
#include <stdlib.h>

#include "atomic.h"
#include "t.h"

#define PATIENCE 20000

/* ---- queues, against a model ------------------------------------------------------------------------------- */

#define ADDRESSES 5
#define SLEEPERS 24

static char address[ADDRESSES];
static struct sleeper pool[SLEEPERS];

/* What the queues must contain: for each address the numbers of its sleepers in order. */
static struct {
	int n, who[SLEEPERS];
} expected[ADDRESSES];

static void take_out(int a, int at)
{
	for (int i = at; i + 1 < expected[a].n; i++)
		expected[a].who[i] = expected[a].who[i + 1];
	expected[a].n--;
}

static void compare(struct bucket *b)
{
	int addresses = 0;

	for (struct sleeper *h = b->first, *prev = NULL; h; prev = h, h = h->next, addresses++) {
		int a = (int)((const char *)h->addr - address), i = 0;
		struct sleeper *before = NULL;

		t_check(h->prev == prev);
		for (struct sleeper *w = h; w; before = w, w = w->after, i++) {
			t_check(i < expected[a].n && w == &pool[expected[a].who[i]]);
			t_check(w->before == before && w->listed);
		}
		t_check_int(i, ==, expected[a].n);
		t_check(h->last == before);
	}
	for (int a = 0; a < ADDRESSES; a++)
		addresses -= expected[a].n > 0;
	t_check_int(addresses, ==, 0);
}

static int free_sleeper(uint64_t *rng)
{
	int k = (int)(t_rand(rng) % SLEEPERS);

	return pool[k].listed ? -1 : k;
}

START_TEST(queues_of_several_addresses_in_one_bucket_keep_their_order)
{
	struct bucket *b = &table[7];
	uint64_t rng = t_seed();

	for (int step = 0; step < 20000; step++) {
		int a = (int)(t_rand(&rng) % ADDRESSES), k;
		struct sleeper *w;

		switch (t_rand(&rng) % 6) {
		case 0:
		case 1:
			if ((k = free_sleeper(&rng)) < 0)
				break;
			pool[k].addr = &address[a];
			enqueue(b, &pool[k], false);
			expected[a].who[expected[a].n++] = k;
			break;
		case 2:
			if ((k = free_sleeper(&rng)) < 0)
				break;
			pool[k].addr = &address[a];
			enqueue(b, &pool[k], true);
			for (int i = expected[a].n++; i > 0; i--)
				expected[a].who[i] = expected[a].who[i - 1];
			expected[a].who[0] = k;
			break;
		case 3:
			w = goro__sema_take(b, &address[a]);
			t_check((w == NULL) == (expected[a].n == 0));
			if (w) {
				t_check(w == &pool[expected[a].who[0]] && w->more == (expected[a].n > 1) && !w->listed);
				take_out(a, 0);
			}
			break;
		case 4:
			if (expected[a].n > 0) {
				k = (int)(t_rand(&rng) % (unsigned)expected[a].n);
				w = &pool[expected[a].who[k]];
				dequeue(b, w);
				t_check(w->more == (expected[a].n > 1) && !w->listed);
				take_out(a, k);
			}
			break;
		default:
			if (t_rand(&rng) % 8)
				break;
			w = goro__sema_take_all(b, &address[a]);
			for (int i = 0; i < expected[a].n; i++, w = w->after)
				t_check(w == &pool[expected[a].who[i]] && !w->listed);
			t_check(w == NULL);
			expected[a].n = 0;
		}
		compare(b);
	}
}
END_TEST

START_TEST(addresses_of_neighbours_spread_over_the_table)
{
	static unsigned hits[BUCKETS];
	static uint32_t words[4 * BUCKETS * 16];
	unsigned most = 0;

	/* Objects of 4 to 64 bytes in a row. */
	for (unsigned stride = 1; stride <= 16; stride *= 4) {
		most = 0;
		for (unsigned i = 0; i < BUCKETS; i++)
			hits[i] = 0;
		for (unsigned i = 0; i < 4 * BUCKETS; i++) {
			unsigned k = ++hits[bucket_of(&words[i * stride]) - table];

			most = k > most ? k : most;
		}
		t_check(most <= 16, "%u of %u objects in one bucket, stride %u", most, 4 * BUCKETS, stride * 4);
	}
	t_check((uintptr_t)table % 64 == 0 && sizeof(table[0]) == 64);
}
END_TEST

/* ---- sleeping ------------------------------------------------------------------------------------------------ */

struct spot {
	uint32_t word; /* under its bucket's lock: how many sleep; atomic for those who only look */
	int entered;   /* atomic: sleepers so far, those that woke included */
	int order[8];  /* who was woken, in order */
	int placed;    /* atomic: entries of order taken */
	int woken;     /* atomic: and written */
};

static void spot_expired(struct sleeper *w, bool more)
{
	struct spot *s = container_of(w->addr, struct spot, word);

	(void)more;
	store_rlx(&s->word, s->word - 1);
}

static void sleep_at(struct spot *s, int number, int64_t deadline, int result)
{
	struct sleeper w = { .addr = &s->word, .expired = spot_expired };
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(&s->word);

	store_rlx(&s->word, s->word + 1);
	__atomic_add_fetch(&s->entered, 1, __ATOMIC_SEQ_CST);
	m = goro__sema_wait(m, b, &w, WAIT_SEMA, deadline, false);
	rt_exit(m);
	t_check_int(w.result, ==, result);
	s->order[__atomic_fetch_add(&s->placed, 1, __ATOMIC_SEQ_CST)] = number;
	__atomic_add_fetch(&s->woken, 1, __ATOMIC_SEQ_CST);
}

static bool wake_one(struct spot *s, int result)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(&s->word);
	struct sleeper *w = goro__sema_take(b, &s->word);

	if (w)
		store_rlx(&s->word, s->word - 1);
	sema_unlock(b);
	if (w)
		sema_wake(m, w, result);
	rt_exit(m);
	return w != NULL;
}

static int sleep_main(void *arg)
{
	static struct spot s[3];

	(void)arg;
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 4; k++) {
			t_check(GORO_GO(sleep_at, &s[i], k, GORO_FOREVER, 42 + i) == 0);
			t_eventually(load_rlx(&s[i].word) == (uint32_t)k + 1, PATIENCE);
		}
	for (int k = 0; k < 4; k++)
		for (int i = 0; i < 3; i++) {
			t_check(wake_one(&s[i], 42 + i));
			t_eventually(__atomic_load_n(&s[i].woken, __ATOMIC_SEQ_CST) == k + 1, PATIENCE);
			t_check_int(s[i].order[k], ==, k);
		}
	for (int i = 0; i < 3; i++)
		t_check(!wake_one(&s[i], 0) && s[i].word == 0);
	return 0;
}

START_TEST(each_address_wakes_its_own_sleepers_in_order)
{
	t_check_int(goro_run(NULL, sleep_main, NULL), ==, 0);
}
END_TEST

static int deadline_main(void *arg)
{
	static struct spot s;

	(void)arg;
	for (int k = 0; k < 6; k++) {
		t_check(GORO_GO(sleep_at, &s, k, k % 2 ? goro_after((10 + k) * GORO_MILLISECOND) : GORO_FOREVER,
				k % 2 ? -ETIMEDOUT : 7) == 0);
		/* On a slow machine the first deadlines pass meanwhile. */
		t_eventually(__atomic_load_n(&s.entered, __ATOMIC_SEQ_CST) == k + 1, PATIENCE);
	}
	t_eventually(__atomic_load_n(&s.woken, __ATOMIC_SEQ_CST) == 3, PATIENCE);
	t_check_int(s.word, ==, 3);
	for (int k = 0; k < 3; k++) {
		t_check(wake_one(&s, 7));
		t_eventually(__atomic_load_n(&s.woken, __ATOMIC_SEQ_CST) == 4 + k, PATIENCE);
		t_check_int(s.order[3 + k], ==, 2 * k);
	}
	t_check(!wake_one(&s, 0));
	return 0;
}

START_TEST(a_deadline_takes_its_sleeper_and_leaves_the_others_in_order)
{
	t_check_int(goro_run(NULL, deadline_main, NULL), ==, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sema inside");
	TCase *tc = tcase_create("sema");

	tcase_add_test(tc, queues_of_several_addresses_in_one_bucket_keep_their_order);
	tcase_add_test(tc, addresses_of_neighbours_spread_over_the_table);
	tcase_add_test(tc, each_address_wakes_its_own_sleepers_in_order);
	tcase_add_test(tc, a_deadline_takes_its_sleeper_and_leaves_the_others_in_order);
	suite_add_tcase(s, tc);
	return t_main(s);
}
