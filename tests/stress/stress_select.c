/* SPDX-License-Identifier: MIT */
/*
 * stress_select.c: many selects of random shape over a common set of channels, in goroutines and threads, with
 * deadlines. The books must balance: per channel, what was sent was received or is still in the buffer.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "t.h"

#define CHANNELS 5
#define ACTORS 12
#define THREADS 2
#define MOST_CASES 8

struct book {
	int64_t sent, received;	     /* messages; atomic */
	uint64_t sum_sent, sum_received; /* atomic */
};

struct arena {
	struct goro_chan *c[CHANNELS];
	struct book books[CHANNELS];
	long chosen, timeouts; /* atomic */
	int64_t end;
	uint64_t seed;
};

static void enter(struct arena *a, int chan, int sent, uint64_t v)
{
	struct book *b = &a->books[chan];

	__atomic_add_fetch(sent ? &b->sent : &b->received, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(sent ? &b->sum_sent : &b->sum_received, v, __ATOMIC_RELAXED);
}

static int64_t some_deadline(uint64_t *rng)
{
	switch (api_below(rng, 4)) {
	case 0:
		return GORO_NOW;
	case 1:
		return goro_after(api_below(rng, 20000));
	default:
		return goro_after(api_below(rng, 2000000));
	}
}

/* One select: random cases, among them nil ones and the same channel several times. */
static void one_select(struct arena *a, uint64_t *rng)
{
	struct goro_case cases[MOST_CASES];
	uint64_t v[MOST_CASES];
	int which[MOST_CASES], i;
	unsigned n = 1 + api_below(rng, MOST_CASES);

	for (unsigned k = 0; k < n; k++) {
		which[k] = (int)api_below(rng, CHANNELS);
		cases[k].chan = api_below(rng, 10) ? a->c[which[k]] : NULL;
		cases[k].op = api_below(rng, 2) ? GORO_SEND : GORO_RECV;
		cases[k].ret = 12345;
		v[k] = cases[k].op == GORO_SEND ? t_rand(rng) : 0;
		cases[k].elem = &v[k];
	}
	i = goro_select(cases, n, some_deadline(rng));
	if (i < 0) {
		t_check(i == -ETIMEDOUT || i == -EAGAIN, "select gave %d", i);
		__atomic_add_fetch(&a->timeouts, 1, __ATOMIC_RELAXED);
		if (i == -EAGAIN)
			goro_yield();
		return;
	}
	t_check((unsigned)i < n && cases[i].chan != NULL, "select gave %d of %u", i, n);
	t_check_int(cases[i].ret, ==, cases[i].op == GORO_RECV);
	enter(a, which[i], cases[i].op == GORO_SEND, v[i]);
	for (unsigned k = 0; k < n; k++) /* no other case was touched */
		t_check(k == (unsigned)i || cases[k].op == GORO_SEND || v[k] == 0);
	__atomic_add_fetch(&a->chosen, 1, __ATOMIC_RELAXED);
}

/* Now and then a plain operation, to meet selects from the other side. */
static void one_plain(struct arena *a, uint64_t *rng)
{
	int which = (int)api_below(rng, CHANNELS), ret;
	uint64_t v = t_rand(rng);

	if (api_below(rng, 2)) {
		ret = goro_chan_send(a->c[which], &v, some_deadline(rng));
		if (ret == 0)
			enter(a, which, 1, v);
	} else {
		ret = goro_chan_recv(a->c[which], &v, some_deadline(rng));
		if (ret == 1)
			enter(a, which, 0, v);
	}
	if (ret == -EAGAIN)
		goro_yield();
}

static void actor(void *arg, int who)
{
	struct arena *a = arg;
	uint64_t rng = a->seed + (uint64_t)who * 1001;

	while (goro_now() < a->end)
		if (api_below(&rng, 4))
			one_select(a, &rng);
		else
			one_plain(a, &rng);
}

static int arena_main(void *arg)
{
	struct arena *a = arg;

	a->end = goro_after(api_stress_ns());
	api_crowd(ACTORS, THREADS, actor, a);
	t_check(a->chosen > 0 && a->timeouts > 0);
	for (int i = 0; i < CHANNELS; i++) {
		struct book *b = &a->books[i];
		uint64_t v;

		t_check_int(b->sent - b->received, ==, goro_chan_len(a->c[i]));
		while (goro_chan_recv(a->c[i], &v, GORO_NOW) == 1)
			b->sum_received += v;
		t_check(b->sum_sent == b->sum_received, "channel %d", i);
		goro_chan_free(a->c[i]);
	}
	return 0;
}

START_TEST(selects_lose_and_double_nothing)
{
	static const size_t caps[CHANNELS] = { 0, 0, 1, 3, 50 };
	struct arena a = { .seed = t_seed() + (uint64_t)_i };

	for (int i = 0; i < CHANNELS; i++)
		a.c[i] = goro_chan_new(sizeof(uint64_t), caps[i]);
	api_run_procs(api_procs[_i], arena_main, &a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: select");
	TCase *tc = t_case(s, "arena", api_stress_limit());

	tcase_add_loop_test(tc, selects_lose_and_double_nothing, 0, 3);
	return t_main(s);
}
