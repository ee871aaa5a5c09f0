/* SPDX-License-Identifier: MIT */
/*
 * check_select_spec.c: select by the sentences of the Go specification ("Select statements"), and what an adversary
 * would try. Each case runs in a main goroutine on 1, 2 and 8 processors, and in a plain thread beside a runtime.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "cases.h"
#include "chan_ops.h"
#include "t.h"

GORO_CHAN_TYPE(numbers, int);

#define SEND(c, p) { .chan = (c), .op = GORO_SEND, .ret = 99, .elem = (p) }
#define RECV(c, p) { .chan = (c), .op = GORO_RECV, .ret = 99, .elem = (p) }

/* ---- 1: evaluation ---------------------------------------------------------------------------------------------- */

static int evaluated_once(void *arg)
{
	struct numbers *a = GORO_CHAN_NEW(struct numbers, 1), *b = GORO_CHAN_NEW(struct numbers, 0);
	int times[4] = { 0 }, v = 5, w = 0;
	struct goro_case cases[] = {
		GORO_CASE_SEND((times[0]++, a), (times[1]++, &v)),
		GORO_CASE_RECV((times[2]++, b), (times[3]++, &w)),
	};

	(void)arg;
	for (int i = 0; i < 4; i++) /* not Go's "in source order": C leaves the order of initialisers open */
		t_check_int(times[i], ==, 1);
	t_check_int(goro_select(cases, 2, GORO_FOREVER), ==, 0); /* whichever is selected, all were evaluated */
	t_check_int(goro_chan_len(GORO_CHAN_PTR(a)), ==, 1);
	GORO_CHAN_FREE(a);
	GORO_CHAN_FREE(b);
	return 0;
}

/* ---- 2: choice -------------------------------------------------------------------------------------------------- */

#define WAYS 8

/*
 * Of eight cases five are ready, in unlike ways: a value, room, a closed channel, twice the same channel. Chi-square
 * with four degrees of freedom: 50 is passed by chance less than once in a thousand million runs.
 */
static int uniform(void *arg)
{
	struct goro_chan *full = ints(1), *room = ints(1), *closed = ints(0), *never = ints(0);
	struct goro_case cases[WAYS] = { RECV(NULL, NULL), RECV(full, NULL), RECV(never, NULL), SEND(room, &cases), RECV(closed, NULL),
					 SEND(never, &cases), RECV(full, NULL), RECV(closed, NULL) };
	static const int ready[] = { 1, 3, 4, 6, 7 };
	double want, chi = 0;
	long hits[WAYS] = { 0 };
	const long rounds = 5000;

	(void)arg;
	goro_chan_close(closed);
	t_check_int(try_send(full, 1), ==, 0);
	for (long n = 0; n < rounds; n++) {
		int i = goro_select(cases, WAYS, n & 1 ? GORO_NOW : GORO_FOREVER);

		t_check(i >= 0 && i < WAYS);
		hits[i]++;
		t_check_int(cases[i].ret, ==, i == 1 || i == 6); /* a value; sent; closed */
		if (i == 1 || i == 6)
			t_check_int(try_send(full, 1), ==, 0);
		if (i == 3)
			t_check(take(room) != -EAGAIN);
	}
	want = (double)rounds / 5;
	for (int k = 0; k < 5; k++)
		chi += ((double)hits[ready[k]] - want) * ((double)hits[ready[k]] - want) / want;
	t_check(chi < 50, "chi-square is %f", chi);
	t_check_int(hits[0] + hits[2] + hits[5], ==, 0);
	goro_chan_free(full);
	goro_chan_free(room);
	goro_chan_free(closed);
	goro_chan_free(never);
	return 0;
}

static int default_case(void *arg)
{
	struct goro_chan *empty = ints(2), *full = ints(1);
	int v = 7, w = 8;
	struct goro_case cases[] = { RECV(empty, &v), SEND(full, &w), SEND(NULL, &w), RECV(NULL, &v) };

	(void)arg;
	t_check_int(try_send(full, 1), ==, 0);
	for (int i = 0; i < 3; i++)
		t_check_int(goro_select(cases, 4, GORO_NOW), ==, -EAGAIN);
	t_check(v == 7 && w == 8 && goro_chan_len(empty) == 0 && goro_chan_len(full) == 1);
	t_check_int(try_send(empty, 3), ==, 0);
	t_check_int(goro_select(cases, 4, GORO_NOW), ==, 0); /* not the default when one can proceed */
	t_check(v == 3 && cases[0].ret == 1);
	t_check_int(goro_select(NULL, 0, GORO_NOW), ==, -EAGAIN);
	goro_chan_free(empty);
	goro_chan_free(full);
	return 0;
}

/* A select that waits: over c to receive, d to send to, and what never is ready. */
struct selecting {
	struct go_wait w;
	struct goro_chan *c, *d;
	struct goro_case cases[5];
	int v, s, index;
};

static void selects(void *arg)
{
	struct selecting *s = arg;

	s->index = goro_select(s->cases, 5, GORO_FOREVER);
}

static void begin_select(struct selecting *s, struct goro_chan *c, struct goro_chan *d)
{
	s->c = c;
	s->d = d;
	s->v = -1;
	s->s = 40;
	s->index = -1;
	s->cases[0] = (struct goro_case)RECV(NULL, NULL);
	s->cases[1] = (struct goro_case)RECV(c, &s->v);
	s->cases[2] = (struct goro_case)SEND(NULL, NULL);
	s->cases[3] = (struct goro_case)SEND(d, &s->s);
	s->cases[4] = (struct goro_case){ .chan = NULL, .op = 0, .ret = 99 };
	go_begin(&s->w, selects, s);
}

/*
 * Each way in which a communication becomes possible ends the wait; the other case has not happened, and leaves no
 * waiter.
 */
static void each_way(struct selecting *s, size_t capacity)
{
	struct goro_chan *c = ints(capacity), *d = ints(capacity);

	for (int way = 0; way < 3; way++) {
		while (goro_chan_len(d) < capacity)
			t_check_int(try_send(d, 30), ==, 0);
		begin_select(s, c, d);
		go_still_waits(&s->w);
		if (way == 0)
			t_check_int(try_send(c, 21), ==, 0);
		else if (way == 1)
			t_check_int(take(d), ==, capacity ? 30 : 40);
		else
			goro_chan_close(c);
		go_ends(&s->w);
		t_check_int(s->index, ==, way == 1 ? 3 : 1);
		t_check_int(s->cases[s->index].ret, ==, way == 0);
		t_check_int(s->v, ==, way == 0 ? 21 : way == 1 ? -1 : 0);
		t_check_int(goro_chan_len(d), ==, capacity);
		t_check_int(take(c), ==, way == 2 ? 0 : -EAGAIN);
		if (capacity == 0)
			t_check_int(take(d), ==, -EAGAIN); /* nobody waits to send any more */
		else if (way != 2)
			t_check(take(d) == 30 + 10 * (way == 1) && goro_chan_len(d) == 0);
	}
	goro_chan_free(c);
	goro_chan_free(d);
}

static int blocks_until_one_can(void *arg)
{
	struct selecting s = { .v = 0 };

	(void)arg;
	for (s.w.thread = 0; s.w.thread < 2; s.w.thread++) {
		each_way(&s, 0);
		each_way(&s, 1);
	}
	return 0;
}

/* ---- 3 and 4: the communication --------------------------------------------------------------------------------- */

static int only_the_selected_happens(void *arg)
{
	struct goro_chan *in = ints(4), *out = ints(4);
	int v = -1, s = 6, got = 0, sent = 0;
	struct goro_case cases[] = { RECV(in, &v), SEND(out, &s) };

	(void)arg;
	for (int i = 1; i <= 4; i++)
		t_check_int(try_send(in, i), ==, 0);
	while (got + sent < 8) {
		int i = goro_select(cases, 2, GORO_NOW);

		if (i == 0)
			t_check_int(v, ==, ++got);
		else if (i == 1)
			sent++;
		t_check(i >= 0 && goro_chan_len(in) == (size_t)(4 - got) && goro_chan_len(out) == (size_t)sent);
	}
	t_check_int(goro_select(cases, 2, GORO_NOW), ==, -EAGAIN);
	goro_chan_free(in);
	goro_chan_free(out);
	return 0;
}

static int value_and_ok_are_assigned(void *arg)
{
	struct goro_chan *c = ints(1);
	int v = 5;
	struct goro_case cases[] = { RECV(c, &v) };

	(void)arg;
	t_check_int(try_send(c, 0), ==, 0);
	goro_chan_close(c);
	t_check_int(goro_select(cases, 1, GORO_FOREVER), ==, 0);
	t_check(cases[0].ret == 1 && v == 0); /* a zero that was sent */
	v = 5;
	t_check_int(goro_select(cases, 1, GORO_FOREVER), ==, 0);
	t_check(cases[0].ret == 0 && v == 0);
	goro_chan_free(c);
	return 0;
}

static int send_on_closed(void *arg)
{
	struct goro_chan *c = ints(1);
	int v = 1;
	struct goro_case cases[] = { RECV(NULL, NULL), SEND(c, &v) };

	(void)arg;
	goro_chan_close(c);
	goro_select(cases, 2, GORO_FOREVER);
	return 0;
}

static void selects_and_panics(void *arg)
{
	go_panics(selects, arg, "send on closed channel");
}

/*
 * The channel is closed under those who wait to send to it; after the panic it and the others are as if they had not
 * been there.
 */
static int closed_while_it_waits(void *arg)
{
	struct selecting s = { .v = 0 };

	(void)arg;
	for (s.w.thread = 0; s.w.thread < 2; s.w.thread++) {
		struct goro_chan *c = ints(0), *d = ints(0);

		begin_select(&s, c, d);
		go_still_waits(&s.w);
		t_check_int(try_send(c, 1), ==, 0);
		go_ends(&s.w);
		go_begin(&s.w, selects_and_panics, &s);
		go_still_waits(&s.w);
		goro_chan_close(d);
		go_ends(&s.w);
		t_check_int(try_send(c, 1), ==, -EAGAIN); /* nobody waits */
		selects_and_panics(&s);
		t_check_int(take(d), ==, 0);
		goro_chan_close(c);
		goro_chan_free(c);
		goro_chan_free(d);
	}
	return 0;
}

/* ---- nil, itself, many ------------------------------------------------------------------------------------------- */

static int only_nil_blocks(void *arg)
{
	struct selecting *s = t_keep(calloc(1, sizeof *s));

	(void)arg;
	begin_select(s, NULL, NULL);
	go_still_waits(&s->w);
	return 0;
}

static void selects_nothing(void *arg)
{
	goro_select(arg, 0, GORO_FOREVER);
}

static int empty_blocks(void *arg)
{
	struct go_wait *w = t_keep(calloc(1, sizeof *w));

	(void)arg;
	go_begin(w, selects_nothing, NULL);
	go_still_waits(w);
	return 0;
}

/* Both directions of one channel: it does not talk to itself, only to somebody else. */
static int not_with_itself(void *arg)
{
	struct goro_chan *c = ints(0);
	struct selecting s = { .v = 0 };

	(void)arg;
	for (int way = 0; way < 6; way++) {
		s.w.thread = way >= 4;
		begin_select(&s, c, c);
		go_still_waits(&s.w);
		if (way & 1)
			t_check_int(take(c), ==, 40);
		else
			t_check_int(try_send(c, way), ==, 0);
		go_ends(&s.w);
		t_check_int(s.index, ==, way & 1 ? 3 : 1);
		t_check(way & 1 || s.v == way);
		t_check(take(c) == -EAGAIN && try_send(c, 1) == -EAGAIN);
	}
	goro_chan_free(c);
	return 0;
}

#define MANY 1000

/* The last of a thousand; then each channel three times in the list, so that they are sorted and locked once. */
static int a_thousand_cases(void *arg)
{
	static struct goro_case cases[MANY];
	static struct goro_chan *c[MANY];
	static int v[MANY];

	(void)arg;
	for (int i = 0; i < MANY; i++) {
		c[i] = i < MANY / 3 ? ints(1) : c[i % (MANY / 3)];
		cases[i] = (struct goro_case)RECV(c[i], &v[i]);
	}
	t_check_int(goro_select(cases, MANY, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_select(cases, MANY, goro_after(1000)), ==, -ETIMEDOUT);
	for (int k = 0; k < MANY / 3; k += 37) {
		int i;

		t_check_int(try_send(c[k], k + 1), ==, 0);
		i = goro_select(cases, MANY, GORO_FOREVER);
		t_check_int(i % (MANY / 3), ==, k);
		t_check_int(v[i], ==, k + 1);
	}
	for (int i = 0; i < MANY / 3; i++)
		goro_chan_free(c[i]);
	return 0;
}

/* Timers, a context and a ticker are cases, too. */
static int timers_and_contexts(void *arg)
{
	struct goro_context *ctx = goro_context_with_timeout(goro_context_background(), 2 * GORO_MILLISECOND);
	int64_t when = 0, begin_at = goro_now();
	struct goro_timer *t = goro_timer_new(GORO_MILLISECOND);
	struct goro_chan *never = ints(0);
	int seen = 0;

	(void)arg;
	while (seen != 3) {
		struct goro_case cases[] = { RECV(never, NULL), RECV(seen & 1 ? NULL : goro_timer_chan(t), &when),
					     RECV(seen & 2 ? NULL : goro_context_done(ctx), NULL) };
		int i = goro_select(cases, 3, GORO_FOREVER);

		t_check(i == 1 || i == 2);
		t_check_int(cases[i].ret, ==, i == 1);
		seen |= i;
		t_check(i == 2 || when >= begin_at + GORO_MILLISECOND);
	}
	t_check_int(goro_context_err(ctx), ==, -ETIMEDOUT);
	goro_timer_free(t);
	goro_context_unref(ctx);
	goro_chan_free(never);
	return 0;
}

/* A deadline that passes has sent nothing and received nothing. */
static int a_deadline_takes_nothing(void *arg)
{
	struct goro_chan *c = ints(0), *d = ints(0);
	int v = -1, s = 1;
	struct goro_case cases[] = { RECV(c, &v), SEND(d, &s) };

	(void)arg;
	for (int i = 0; i < 20; i++) {
		int64_t deadline = goro_after(i * 20000);

		t_check_int(goro_select(cases, 2, deadline), ==, -ETIMEDOUT);
		t_check(goro_now() >= deadline);
		t_check(try_send(c, 1) == -EAGAIN && take(d) == -EAGAIN && v == -1);
	}
	goro_chan_free(c);
	goro_chan_free(d);
	return 0;
}

static int bad_arguments(void *arg)
{
	struct goro_chan *c = ints(1);
	int v = 1;
	struct goro_case cases[] = { SEND(c, &v), { .chan = c, .op = 99, .elem = &v } };

	(void)arg;
	t_check_int(goro_select(cases, 2, GORO_FOREVER), ==, -EINVAL);
	cases[1].op = ~0u;
	t_check_int(goro_select(cases, 2, GORO_NOW), ==, -EINVAL);
	t_check_int(goro_select(NULL, 1, GORO_FOREVER), ==, -EINVAL);
	t_check_int(goro_chan_len(c), ==, 0);
	goro_chan_free(c);
	return 0;
}

/* ---- two selects, back to back ----------------------------------------------------------------------------------- */

struct pair {
	struct go_wait w;
	struct goro_chan *c[2];
	int mine;
};

/*
 * Each sends its own values to one channel and receives from the other, whatever comes first; no locking order may
 * stop them.
 */
static void exchanges(void *arg)
{
	struct pair *p = arg;
	const int each = (int)t_scaled(400);
	int v, out = 0, in = 0;

	while (out < each || in < each) {
		struct goro_case cases[] = { SEND(out < each ? p->c[p->mine] : NULL, &out), RECV(in < each ? p->c[!p->mine] : NULL, &v) };
		int i = goro_select(cases, 2, GORO_FOREVER);

		if (i == 0)
			out++;
		else
			t_check_int(v, ==, in++);
	}
}

static int two_that_face_each_other(void *arg)
{
	(void)arg;
	for (size_t capacity = 0; capacity < 2; capacity++)
		for (int thread = 0; thread < 2; thread++) {
			struct pair p = { .c = { ints(capacity), ints(capacity) } }, q = p;

			q.mine = 1;
			p.w.thread = thread;
			go_begin(&p.w, exchanges, &p);
			exchanges(&q);
			go_ends(&p.w);
			goro_chan_free(p.c[0]);
			goro_chan_free(p.c[1]);
		}
	return 0;
}

static const struct go_case cases[] = {
	{ "For all the cases in the statement, the channel operands of receive operations and the channel and right-hand-side expressions of send "
	  "statements are evaluated exactly once, in source order, upon entering the \"select\" statement.", evaluated_once, NULL },
	{ "If one or more of the communications can proceed, a single one that can proceed is chosen via a uniform pseudo-random selection.", uniform,
	  NULL },
	{ "Otherwise, if there is a default case, that case is chosen.", default_case, NULL },
	{ "If there is no default case, the \"select\" statement blocks until at least one of the communications can proceed.", blocks_until_one_can,
	  NULL },
	{ "Unless the selected case is the default case, the respective communication operation is executed.", only_the_selected_happens, NULL },
	{ "If the selected case is a RecvStmt with a short variable declaration or an assignment, the left-hand side expressions are evaluated and the "
	  "received value (or values) are assigned.", value_and_ok_are_assigned, NULL },
	{ "A send on a closed channel proceeds by causing a run-time panic.", send_on_closed, "panic: send on closed channel" },
	{ "C: a channel is closed under a select that waits to send to it", closed_while_it_waits, NULL },
	{ "Since communication on nil channels can never proceed, a select with only nil channels and no default case blocks forever.", only_nil_blocks,
	  NULL },
	{ "select {}  // block forever", empty_blocks, NULL },
	{ "(unbuffered) communication succeeds only when both a sender and receiver are ready: a select that has both directions of one channel",
	  not_with_itself, NULL },
	{ "C: a thousand cases, with channels that stand in three of them", a_thousand_cases, NULL },
	{ "C: timers and contexts in a select", timers_and_contexts, NULL },
	{ "C: a select that ends by its deadline has taken nothing and left no waiter", a_deadline_takes_nothing, NULL },
	{ "C: an operation that is unknown, cases that are not there", bad_arguments, NULL },
	{ "C: two selects send to and receive from each other", two_that_face_each_other, NULL },
};

START_TEST(as_the_sentence_says)
{
	go_case_everywhere(&cases[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("select by the specification");
	TCase *tc = tcase_create("sentences");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	suite_add_tcase(s, tc);
	return t_main(s);
}
