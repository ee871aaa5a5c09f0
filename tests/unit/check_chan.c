/* SPDX-License-Identifier: MIT */
/*
 * check_chan.c: the inside of a channel: its layout, its lists, and the invariants of lib/chan.c while goroutines, selects and
 * deadlines use it at random. What users see is in tests/api, all interleavings of a few calls are in tests/model.
 */
#include "chan.h"

#include <goro.h>
#include <stdlib.h>

#include "t.h"

#define PATIENCE 20000

START_TEST(what_each_operation_touches_is_one_cache_line)
{
	struct goro_chan *c = goro_chan_new(8, 3);

	t_check((uintptr_t)c % 64 == 0);
	t_check((uintptr_t)c->buf % 64 == 0);
#ifndef GORO_DEBUG
	t_check_int(sizeof(*c), ==, 64);
#endif
	t_check(chan_slot(c, 2) == c->buf + 16);
	t_check_int(chan_next(c, 0), ==, 1);
	t_check_int(chan_next(c, 2), ==, 0);
	goro_chan_free(c);
}
END_TEST

START_TEST(a_copy_touches_its_bytes_and_no_other)
{
	unsigned char from[80], to[80];

	for (uint32_t n = 0; n <= 64; n++) {
		for (int i = 0; i < 80; i++) {
			from[i] = (unsigned char)(i + 1);
			to[i] = 0xee;
		}
		elem_copy(to + 8, from + 8, n);
		for (uint32_t i = 0; i < 80; i++)
			t_check_int(to[i], ==, i >= 8 && i < 8 + n ? (int)i + 1 : 0xee);
	}
}
END_TEST

/* ---- lists ------------------------------------------------------------------------------------------- */

/* The list is what order says, both ways. */
static void expect(struct waitq *q, struct waiter *w, const char *order)
{
	struct waiter *prev = NULL, *at = q->first;

	for (; *order; order++, prev = at, at = at->next) {
		t_check(at == &w[*order - '0']);
		t_check(at->prev == prev);
		t_check(at->listed);
	}
	t_check(at == NULL && q->last == prev);
}

START_TEST(a_list_of_waiters_keeps_its_order)
{
	struct waitq q = { NULL, NULL };
	struct waiter w[5] = { { .sel = NULL } };

	expect(&q, w, "");
	for (int i = 0; i < 5; i++)
		waitq_append(&q, &w[i]);
	expect(&q, w, "01234");
	waitq_remove(&q, &w[2]);
	expect(&q, w, "0134");
	waitq_remove(&q, &w[4]);
	expect(&q, w, "013");
	waitq_remove(&q, &w[0]);
	expect(&q, w, "13");
	t_check(waitq_take(&q) == &w[1] && !w[1].listed);
	waitq_append(&q, &w[0]);
	expect(&q, w, "30");
	t_check(waitq_take(&q) == &w[3]);
	t_check(waitq_take(&q) == &w[0]);
	t_check(waitq_take(&q) == NULL);
	expect(&q, w, "");
}
END_TEST

START_TEST(a_waiter_whose_select_was_served_elsewhere_is_passed_over)
{
	struct waitq q = { NULL, NULL };
	struct sel sel[2] = { { 0, 0, -1 }, { 7, 1, -1 } };
	struct waiter w[4] = { { .sel = &sel[1], .index = 1 }, { .sel = &sel[0], .index = 3 }, { .sel = &sel[0], .index = 4 },
			       { .sel = NULL } };

	for (int i = 0; i < 4; i++)
		waitq_append(&q, &w[i]);
	t_check(waitq_take(&q) == &w[1]);
	t_check_int(sel[0].fired, ==, 3);
	t_check(!w[0].listed && sel[1].fired == 7);
	t_check(waitq_take(&q) == &w[3]);
	t_check(!w[2].listed && sel[0].fired == 3);
	t_check(waitq_take(&q) == NULL);
}
END_TEST

/* ---- deadlines take waiters out of the middle ----------------------------------------------------------- */

struct timed {
	struct goro_chan *c;
	int listed; /* atomic */
	int timeouts; /* atomic */
	int sum; /* atomic */
};

static void timed_receiver(struct timed *t, int64_t deadline)
{
	int v = 0, ret;

	__atomic_add_fetch(&t->listed, 1, __ATOMIC_SEQ_CST);
	ret = goro_chan_recv(t->c, &v, deadline);
	t_check(ret == 1 || (ret == -ETIMEDOUT && v == 0));
	if (ret == 1)
		__atomic_add_fetch(&t->sum, v, __ATOMIC_SEQ_CST);
	else
		__atomic_add_fetch(&t->timeouts, 1, __ATOMIC_SEQ_CST);
}

static unsigned list_length(struct goro_chan *c)
{
	unsigned n = 0;
	struct m *m = rt_enter();

	goro__lock(&c->lock);
	for (struct waiter *w = c->recvq.first; w; w = w->next)
		n++;
	goro__unlock(&c->lock);
	rt_exit(m);
	return n;
}

static int timed_main(void *arg)
{
	struct timed t = { .c = goro_chan_new(sizeof(int), 0) };

	(void)arg;
	for (int i = 0; i < 20; i++)
		t_check(GORO_GO(timed_receiver, &t, i % 2 ? GORO_FOREVER : goro_after(GORO_MILLISECOND * (20 + i))) == 0);
	t_eventually(__atomic_load_n(&t.timeouts, __ATOMIC_SEQ_CST) == 10, PATIENCE);
	t_check_int(list_length(t.c), ==, 10);
	for (int v = 1; v <= 10; v++)
		t_check(goro_chan_send(t.c, &v, GORO_FOREVER) == 0);
	t_eventually(__atomic_load_n(&t.sum, __ATOMIC_SEQ_CST) == 55, PATIENCE);
	t_check_int(list_length(t.c), ==, 0);
	t_eventually(goro_count() == 1, PATIENCE);
	goro_chan_free(t.c);
	return 0;
}

START_TEST(deadlines_take_waiters_off_from_between_others)
{
	t_check_int(goro_run(NULL, timed_main, NULL), ==, 0);
}
END_TEST

/* ---- the invariants, under load --------------------------------------------------------------------------- */

#define CHANS 3
#define USERS 10

struct load {
	struct goro_chan *c[CHANS];
	long rounds;
	int64_t sent, received; /* atomic: sums of values */
	int left;		/* atomic: users that still run */
};

/* I1 to I4 of lib/chan.c. */
static void check_invariants(struct goro_chan *c)
{
	struct m *m = rt_enter();
	bool receivers = false, senders = false;
	uint32_t n;

	goro__lock(&c->lock);
	for (struct waiter *w = c->recvq.first; w; w = w->next) {
		t_check(w->listed && !w->sends && w->c == c);
		receivers |= !w->sel;
	}
	for (struct waiter *w = c->sendq.first; w; w = w->next) {
		t_check(w->listed && w->sends && w->c == c);
		senders |= !w->sel;
	}
	n = c->count;
	t_check(!(receivers && senders));
	t_check(!receivers || n == 0);
	t_check(!senders || n == c->cap);
	t_check(n <= c->cap);
	if (c->cap)
		t_check_int((c->recvx + n) % c->cap, ==, c->sendx);
	t_check(!(c->state & CHAN_CLOSED) || (!c->recvq.first && !c->sendq.first));
	goro__unlock(&c->lock);
	rt_exit(m);
}

static int64_t some_deadline(uint64_t *rng)
{
	switch (t_rand(rng) % 4) {
	case 0:
		return GORO_NOW;
	case 1:
		return 1; /* has passed */
	default:
		return goro_after((int64_t)(t_rand(rng) % 30000));
	}
}

static void do_select(struct load *l, uint64_t *rng, int64_t *value)
{
	struct goro_case k[4];
	int64_t v[4];
	unsigned n = 1 + (unsigned)(t_rand(rng) % 4);
	int i;

	for (unsigned j = 0; j < n; j++) {
		v[j] = *value + j;
		k[j] = (struct goro_case){ .chan = l->c[t_rand(rng) % CHANS], .op = t_rand(rng) & 1 ? GORO_SEND : GORO_RECV,
					   .elem = &v[j] };
	}
	i = goro_select(k, n, some_deadline(rng));
	if (i >= 0 && k[i].op == GORO_SEND)
		__atomic_add_fetch(&l->sent, v[i], __ATOMIC_RELAXED);
	else if (i >= 0)
		__atomic_add_fetch(&l->received, v[i], __ATOMIC_RELAXED);
	for (int j = 0; j < (int)n; j++)
		t_check(j == i || v[j] == *value + j);
	*value += n;
}

static void user(struct load *l, int number)
{
	uint64_t rng = t_seed() + (uint64_t)number;
	int64_t value = 1000 * number, v;

	for (long i = 0; i < l->rounds; i++) {
		struct goro_chan *c = l->c[t_rand(&rng) % CHANS];

		switch (t_rand(&rng) % 5) {
		case 0:
		case 1:
			v = ++value;
			if (goro_chan_send(c, &v, some_deadline(&rng)) == 0)
				__atomic_add_fetch(&l->sent, v, __ATOMIC_RELAXED);
			break;
		case 2:
		case 3:
			if (goro_chan_recv(c, &v, some_deadline(&rng)) == 1)
				__atomic_add_fetch(&l->received, v, __ATOMIC_RELAXED);
			break;
		default:
			do_select(l, &rng, &value);
		}
	}
	__atomic_sub_fetch(&l->left, 1, __ATOMIC_SEQ_CST);
}

static int load_main(void *arg)
{
	struct load l = { .rounds = t_scaled(3000), .left = USERS };
	int64_t v;

	(void)arg;
	for (int i = 0; i < CHANS; i++)
		l.c[i] = goro_chan_new(sizeof(int64_t), (size_t)(i * i));
	for (int i = 0; i < USERS; i++)
		t_check(GORO_GO(user, &l, i) == 0);
	while (__atomic_load_n(&l.left, __ATOMIC_SEQ_CST) > 0) {
		for (int i = 0; i < CHANS; i++)
			check_invariants(l.c[i]);
		goro_yield();
	}
	for (int i = 0; i < CHANS; i++) {
		while (goro_chan_recv(l.c[i], &v, GORO_NOW) == 1)
			l.received += v;
		check_invariants(l.c[i]);
		t_check(!l.c[i]->recvq.first && !l.c[i]->sendq.first);
	}
	t_check_int(l.sent, ==, l.received);
	t_eventually(goro_count() == 1, PATIENCE);
	for (int i = 0; i < CHANS; i++)
		goro_chan_free(l.c[i]);
	return 0;
}

START_TEST(the_invariants_hold_and_no_value_is_lost_under_random_use)
{
	static const unsigned procs[] = { 1, 2, 8 };
	struct goro_config cfg = GORO_CONFIG_INIT;

	cfg.maxprocs = procs[_i];
	t_check_int(goro_run(&cfg, load_main, NULL), ==, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("chan inside");
	TCase *tc = tcase_create("layout");

	tcase_add_test(tc, what_each_operation_touches_is_one_cache_line);
	tcase_add_test(tc, a_copy_touches_its_bytes_and_no_other);
	suite_add_tcase(s, tc);
	tc = tcase_create("waiters");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_list_of_waiters_keeps_its_order);
	tcase_add_test(tc, a_waiter_whose_select_was_served_elsewhere_is_passed_over);
	tcase_add_test(tc, deadlines_take_waiters_off_from_between_others);
	tcase_add_loop_test(tc, the_invariants_hold_and_no_value_is_lost_under_random_use, 0, 3);
	suite_add_tcase(s, tc);
	return t_main(s);
}
