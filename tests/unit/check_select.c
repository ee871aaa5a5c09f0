/* SPDX-License-Identifier: MIT */
/*
 * check_select.c: the inside of select: the order of locks, the choice among ready cases, memory. The source is included, so
 * that its static functions can be called.
 */
#include "../../lib/select.c"

#include <goro.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t.h"

/* ---- the order of locks -------------------------------------------------------------------------------- */

#define MOST 200

static char somewhere[MOST][64];

static int by_address(const void *x, const void *y)
{
	uintptr_t a = (uintptr_t)*(struct goro_chan *const *)x, b = (uintptr_t)*(struct goro_chan *const *)y;

	return a < b ? -1 : a > b;
}

START_TEST(channels_are_locked_in_the_order_of_their_addresses_each_once)
{
	static struct goro_case cases[MOST];
	static struct place places[MOST];
	struct goro_chan *expected[MOST];
	uint64_t rng = t_seed();

	for (int round = 0; round < 2000; round++) {
		unsigned n = (unsigned)(t_rand(&rng) % (round % 10 ? 20 : MOST)), live = 0, distinct = 0;
		struct selection s = { .cases = cases, .n = n, .places = places };

		for (unsigned i = 0; i < n; i++) {
			uint64_t r = t_rand(&rng);

			cases[i] = (struct goro_case){ .chan = r % 8 ? (void *)somewhere[(r >> 8) % (n + 1)] : NULL,
						       .op = (unsigned)(r >> 40) % 3 };
			if (cases[i].chan && cases[i].op)
				expected[live++] = cases[i].chan;
		}
		if (live)
			qsort(expected, live, sizeof(expected[0]), by_address);
		for (unsigned i = 0; i < live; i++)
			if (i == 0 || expected[i] != expected[distinct - 1])
				expected[distinct++] = expected[i];
		goro__select_order(&s);
		t_check_int(s.nlocks, ==, distinct);
		for (unsigned i = 0; i < distinct; i++)
			t_check(places[i].order == expected[i]);
	}
}
END_TEST

/* ---- the choice ------------------------------------------------------------------------------------------ */

START_TEST(each_of_the_ready_cases_is_chosen_equally_often)
{
	enum { N = 7, ROUNDS = 70000 };
	struct goro_case cases[N];
	struct m *m = rt_enter();
	uint32_t ready;
	unsigned hits[N] = { 0 };
	int v = 0;

	/* 0 nil, 1 empty, the others ready: 2 full buffer, 3 closed, 4 room to send, 5 and 6 the channel of 2 again. */
	for (int i = 0; i < N; i++)
		cases[i] = (struct goro_case){ .chan = i && i < 5 ? goro_chan_new(sizeof(int), 1) : NULL, .op = GORO_RECV, .elem = &v };
	t_check(goro_chan_send(cases[2].chan, &v, GORO_NOW) == 0);
	goro_chan_close(cases[3].chan);
	cases[4].op = GORO_SEND;
	cases[5].chan = cases[6].chan = cases[2].chan;
	for (int i = 0; i < ROUNDS; i++) {
		int k = look(m, cases, N, &ready);

		t_check_int(ready, ==, 5);
		t_check(k >= 2 && k < N);
		hits[k]++;
	}
	rt_exit(m);
	/* 14,000 each; the standard deviation is 106. */
	for (int i = 2; i < N; i++)
		t_check(hits[i] > 13300 && hits[i] < 14700, "case %d was chosen %u times", i, hits[i]);
	for (int i = 1; i < 5; i++)
		goro_chan_free(cases[i].chan);
}
END_TEST

START_TEST(the_random_numbers_are_even_and_below_their_limit)
{
	uint32_t state = (uint32_t)t_seed(), bits[32] = { 0 }, below[3] = { 0 };

	for (int i = 0; i < 30000; i++) {
		uint32_t x = rand_next(&state);

		for (int b = 0; b < 32; b++)
			bits[b] += x >> b & 1;
		x = rand_below(&state, 3);
		t_check(x < 3);
		below[x]++;
	}
	for (int b = 0; b < 32; b++)
		t_check(bits[b] > 14500 && bits[b] < 15500, "bit %d was set %u times", b, bits[b]);
	for (int i = 0; i < 3; i++)
		t_check(below[i] > 9500 && below[i] < 10500);
	for (int i = 0; i < 100; i++)
		t_check_int(rand_below(&state, 1), ==, 0);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------------------- */

static int allocations; /* atomic */
static int fail;	/* atomic: no memory from now on */

/* In the place of lib/mem.c. */
void *goro__mem_alloc(size_t n)
{
	void *p;

	__atomic_add_fetch(&allocations, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&fail, __ATOMIC_SEQ_CST))
		return NULL;
	return posix_memalign(&p, 64, n) == 0 ? p : NULL;
}

void goro__mem_free(void *p)
{
	__atomic_sub_fetch(&allocations, p != NULL, __ATOMIC_SEQ_CST);
	free(p);
}

struct crowd {
	struct goro_chan *c[1000];
	struct goro_case *k;
	unsigned n;
	int chosen; /* atomic */
};

static void select_on(void *arg)
{
	struct crowd *w = arg;
	int i = goro_select(w->k, w->n, GORO_FOREVER);

	__atomic_store_n(&w->chosen, i, __ATOMIC_SEQ_CST);
}

static bool is_waiting(struct crowd *w)
{
	return load_rlx(&w->c[w->n - 1]->recvq.first) != NULL;
}

static int wait_main(void *arg)
{
	static struct crowd w;
	static int64_t v;
	struct goro_spawn_opts small = GORO_SPAWN_OPTS_INIT;
	int before, made;

	w.n = *(unsigned *)arg;
	w.k = calloc(w.n, sizeof(*w.k));
	small.stack_size = 16384;
	for (unsigned i = 0; i < w.n; i++) {
		w.c[i] = goro_chan_new(sizeof(v), 0);
		w.k[i] = (struct goro_case){ .chan = w.c[i], .op = GORO_RECV, .elem = &v };
	}
	for (unsigned round = 0; round < 3; round++) {
		unsigned to = round == 0 ? 0 : round == 1 ? w.n / 2 : w.n - 1;
		int64_t x = 4711 + round;

		w.chosen = -1;
		before = __atomic_load_n(&allocations, __ATOMIC_SEQ_CST);
		t_check(goro_spawn_opts(select_on, &w, &small) == 0);
		t_eventually(is_waiting(&w), 20000);
		made = __atomic_load_n(&allocations, __ATOMIC_SEQ_CST) - before;
		t_check_int(made, ==, w.n <= 16 ? 0 : 1);
		t_check(goro_chan_send(w.c[to], &x, GORO_NOW) == 0);
		t_eventually(__atomic_load_n(&w.chosen, __ATOMIC_SEQ_CST) == (int)to, 20000);
		t_check_int(v, ==, x);
		t_eventually(goro_count() == 1, 20000);
		t_check_int(__atomic_load_n(&allocations, __ATOMIC_SEQ_CST), ==, before);
		for (unsigned i = 0; i < w.n; i++)
			t_check(!w.c[i]->recvq.first && !w.c[i]->recvq.last);
	}
	__atomic_store_n(&fail, 1, __ATOMIC_SEQ_CST);
	if (w.n > 16)
		t_check_int(goro_select(w.k, w.n, goro_after(1000)), ==, -ENOMEM);
	else
		t_check_int(goro_select(w.k, w.n, goro_after(1000)), ==, -ETIMEDOUT);
	for (unsigned i = 0; i < w.n; i++)
		goro_chan_free(w.c[i]);
	free(w.k);
	return 0;
}

START_TEST(up_to_16_cases_nothing_is_allocated_and_a_thousand_fit_on_a_small_stack)
{
	static const unsigned ns[] = { 1, 2, 16, 17, 1000 };
	unsigned n = ns[_i];

	t_check_int(goro_run(NULL, wait_main, &n), ==, 0);
}
END_TEST

/* A mixed select is done in select_fd.c, which has the same bound. */
struct mixed_crowd {
	struct goro_case k[17];
	unsigned n;
	int chosen; /* atomic */
};

static void select_mixed_on(void *arg)
{
	struct mixed_crowd *w = arg;

	__atomic_store_n(&w->chosen, goro_select(w->k, w->n, GORO_FOREVER), __ATOMIC_SEQ_CST);
}

static int mixed_main(void *arg)
{
	static struct mixed_crowd w;
	struct goro_spawn_opts small = GORO_SPAWN_OPTS_INIT;
	struct goro_chan *c = goro_chan_new(0, 0);
	int before, fd[2];

	small.stack_size = 16384;
	w.n = *(unsigned *)arg;
	w.chosen = -1;
	t_check_int(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), ==, 0);
	for (unsigned i = 0; i < w.n; i++)
		w.k[i] = i % 4 ? (struct goro_case){ .fd = fd[0], .op = GORO_READABLE } : (struct goro_case){ .chan = c, .op = GORO_RECV };
	before = __atomic_load_n(&allocations, __ATOMIC_SEQ_CST);
	t_check(goro_spawn_opts(select_mixed_on, &w, &small) == 0);
	t_eventually(load_rlx(&c->recvq.first) != NULL, 20000);
	t_check_int(__atomic_load_n(&allocations, __ATOMIC_SEQ_CST) - before, ==, w.n <= 16 ? 0 : 1);
	t_check_int(write(fd[1], "x", 1), ==, 1);
	t_eventually(__atomic_load_n(&w.chosen, __ATOMIC_SEQ_CST) > 0, 20000);
	t_check(w.chosen % 4 && w.k[w.chosen].ret == POLLIN);
	t_eventually(goro_count() == 1, 20000);
	t_check(__atomic_load_n(&allocations, __ATOMIC_SEQ_CST) == before && !c->recvq.first);
	__atomic_store_n(&fail, 1, __ATOMIC_SEQ_CST);
	t_check_int(goro_select(w.k, w.n, GORO_NOW) >= 0, ==, w.n <= 16);
	if (w.n > 16)
		t_check_int(goro_select(w.k, w.n, GORO_NOW), ==, -ENOMEM);
	goro_chan_free(c);
	t_check_int(goro_close(fd[0]), ==, 0);
	close(fd[1]);
	return 0;
}

START_TEST(with_descriptors_neither)
{
	unsigned n = _i ? 17 : 16;

	t_check_int(goro_run(NULL, mixed_main, &n), ==, 0);
}
END_TEST

START_TEST(a_large_select_that_does_not_wait_gives_its_memory_back)
{
	static struct goro_case k[20];
	int64_t v = 0;

	for (int i = 0; i < 20; i++)
		k[i] = (struct goro_case){ .chan = goro_chan_new(8, i == 11), .op = GORO_SEND, .elem = &v };
	t_check_int(goro_select(k, 20, GORO_NOW), ==, 11);
	t_check_int(k[11].ret, ==, 0);
	t_check_int(goro_select(k, 20, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_select(k, 20, 1), ==, -ETIMEDOUT);
	for (int i = 0; i < 20; i++)
		goro_chan_free(k[i].chan);
	t_check_int(allocations, ==, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("select inside");
	TCase *tc = tcase_create("select");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, channels_are_locked_in_the_order_of_their_addresses_each_once);
	tcase_add_test(tc, each_of_the_ready_cases_is_chosen_equally_often);
	tcase_add_test(tc, the_random_numbers_are_even_and_below_their_limit);
	tcase_add_loop_test(tc, up_to_16_cases_nothing_is_allocated_and_a_thousand_fit_on_a_small_stack, 0, 5);
	tcase_add_loop_test(tc, with_descriptors_neither, 0, 2);
	tcase_add_test(tc, a_large_select_that_does_not_wait_gives_its_memory_back);
	suite_add_tcase(s, tc);
	return t_main(s);
}
