/* SPDX-License-Identifier: MIT */
/* check_select.c: what <goro/select.h> promises. */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "t.h"

static struct goro_case recv_case(struct goro_chan *c, void *elem)
{
	return (struct goro_case){ .chan = c, .op = GORO_RECV, .ret = 99, .elem = elem };
}

static struct goro_case send_case(struct goro_chan *c, void *elem)
{
	return (struct goro_case){ .chan = c, .op = GORO_SEND, .ret = 99, .elem = elem };
}

/* ---- one goroutine, no waiting ------------------------------------------------------------------------ */

static int default_main(void *arg)
{
	struct goro_chan *a = goro_chan_new(sizeof(int), 1), *b = goro_chan_new(sizeof(int), 0);
	int v = 5, w = 6;
	struct goro_case cases[] = { recv_case(a, &v), recv_case(b, &w), send_case(b, &w) };

	(void)arg;
	t_check_int(goro_select(cases, 3, GORO_NOW), ==, -EAGAIN);
	t_check(v == 5 && w == 6);
	w = 8;
	t_check(goro_chan_send(a, &w, GORO_NOW) == 0);
	t_check_int(goro_select(cases, 3, GORO_NOW), ==, 0);
	t_check_int(cases[0].ret, ==, 1);
	t_check_int(v, ==, 8);
	t_check_int(goro_chan_len(a), ==, 0);
	goro_chan_free(a);
	goro_chan_free(b);
	return 0;
}

START_TEST(without_a_ready_case_GORO_NOW_is_the_default_branch)
{
	api_run(default_main, NULL);
}
END_TEST

static int bad_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 1);
	int v = 1;
	struct goro_case bad[] = { { .chan = c, .op = 7, .elem = &v }, send_case(c, &v) };
	struct goro_case none[] = { { .chan = c, .op = 0, .elem = &v }, recv_case(NULL, &v), send_case(NULL, &v), { .op = 0 } };
	int64_t deadline;

	(void)arg;
	t_check_int(goro_select(NULL, 1, GORO_NOW), ==, -EINVAL);
	t_check_int(goro_select(bad, 2, GORO_NOW), ==, -EINVAL);
	t_check_int(goro_chan_len(c), ==, 0);
	t_check_int(goro_select(NULL, 0, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_select(none, 4, GORO_NOW), ==, -EAGAIN);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check_int(goro_select(none, 4, deadline), ==, -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check_int(goro_select(NULL, 0, deadline), ==, -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	t_check_int(goro_select(NULL, 0, 1), ==, -ETIMEDOUT);
	goro_chan_free(c);
	return 0;
}

START_TEST(bad_cases_are_refused_and_nil_cases_never_fire)
{
	api_run(bad_main, NULL);
}
END_TEST

static void empty_select(void *arg)
{
	(void)arg;
	goro_select(NULL, 0, GORO_FOREVER);
	t_check(!"an empty select ended");
}

static int empty_main(void *arg)
{
	(void)arg;
	t_check(goro_spawn(empty_select, NULL) == 0);
	for (int i = 0; i < 200; i++)
		goro_yield();
	t_check_int(goro_count(), ==, 2);
	return 0;
}

START_TEST(an_empty_select_waits_for_ever)
{
	api_run(empty_main, NULL);
}
END_TEST

static int closed_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 1);
	int v = 4;
	struct goro_case cases[] = { recv_case(NULL, NULL), recv_case(c, &v) };

	(void)arg;
	t_check(goro_chan_send(c, &v, GORO_NOW) == 0);
	goro_chan_close(c);
	v = 0;
	t_check_int(goro_select(cases, 2, GORO_FOREVER), ==, 1);
	t_check(cases[1].ret == 1 && v == 4);
	t_check_int(goro_select(cases, 2, GORO_FOREVER), ==, 1);
	t_check(cases[1].ret == 0 && v == 0);
	cases[1].elem = NULL;
	t_check_int(goro_select(cases, 2, GORO_NOW), ==, 1);
	t_check_int(cases[1].ret, ==, 0);
	goro_chan_free(c);
	return 0;
}

START_TEST(a_closed_channel_is_ready_to_receive_and_gives_zero)
{
	api_run(closed_main, NULL);
}
END_TEST

static int send_on_closed(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 1);
	int v = 0;
	struct goro_case cases[] = { send_case(c, &v) };

	(void)arg;
	goro_chan_close(c);
	goro_select(cases, 1, GORO_NOW);
	return 0;
}

static void select_sender(void *arg)
{
	int v = 0;
	struct goro_case cases[] = { send_case(arg, &v), recv_case(NULL, NULL) };

	goro_select(cases, 2, GORO_FOREVER);
}

static int closed_under_select(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 0);

	(void)arg;
	t_check(goro_spawn(select_sender, c) == 0);
	t_eventually(api_waiting("select") == 1, API_PATIENCE);
	goro_chan_close(c);
	goro_sleep(10 * GORO_SECOND); /* the panic ends the process long before */
	return 0;
}

START_TEST(a_send_case_on_a_closed_channel_panics)
{
	api_expect_fatal(_i ? closed_under_select : send_on_closed, NULL, "panic: send on closed channel");
}
END_TEST

/* ---- choice ------------------------------------------------------------------------------------------------ */

#define WAYS 4

/*
 * Chi-square with three degrees of freedom: 45 is passed by chance once in a thousand million runs, while
 * a choice that prefers one case by a tenth gives several hundred.
 */
static void check_uniform(const long *hits, long rounds)
{
	double want = (double)rounds / WAYS, chi = 0;

	for (int i = 0; i < WAYS; i++)
		chi += ((double)hits[i] - want) * ((double)hits[i] - want) / want;
	t_check(chi < 45, "chi-square is %f: %ld %ld %ld %ld", chi, hits[0], hits[1], hits[2], hits[3]);
}

static int uniform_main(void *arg)
{
	struct goro_chan *c[WAYS];
	struct goro_case cases[WAYS];
	long hits[WAYS] = { 0 };
	long rounds = 20000;
	int v = 1, sends = *(int *)arg;

	for (int i = 0; i < WAYS; i++) {
		c[i] = goro_chan_new(sizeof(int), 1);
		t_check(sends & 1 << i || goro_chan_send(c[i], &v, GORO_NOW) == 0);
		cases[i] = sends & 1 << i ? send_case(c[i], &v) : recv_case(c[i], &v);
	}
	for (long n = 0; n < rounds; n++) {
		int i = goro_select(cases, WAYS, n & 1 ? GORO_NOW : GORO_FOREVER);

		t_check(i >= 0 && i < WAYS, "select returned %d", i);
		hits[i]++;
		t_check_int(cases[i].ret, ==, cases[i].op == GORO_RECV);
		/* Undo what it did, so that all are ready again. */
		if (cases[i].op == GORO_RECV)
			t_check(goro_chan_send(c[i], &v, GORO_NOW) == 0);
		else
			t_check(goro_chan_recv(c[i], &v, GORO_NOW) == 1);
	}
	check_uniform(hits, rounds);
	for (int i = 0; i < WAYS; i++)
		goro_chan_free(c[i]);
	return 0;
}

START_TEST(each_of_several_ready_cases_has_the_same_chance)
{
	/* All receive, all send, and a mix: a bit per case that sends. */
	static int kinds[] = { 0, 15, 6 };

	api_run(uniform_main, &kinds[_i]);
}
END_TEST

static int same_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 1);
	int v[WAYS], one = 1;
	struct goro_case cases[WAYS];
	long hits[WAYS] = { 0 };
	long rounds = 20000;

	(void)arg;
	for (int i = 0; i < WAYS; i++)
		cases[i] = recv_case(c, &v[i]);
	for (long n = 0; n < rounds; n++) {
		int i;

		memset(v, 0, sizeof v);
		t_check(goro_chan_send(c, &one, GORO_NOW) == 0);
		i = goro_select(cases, WAYS, GORO_FOREVER);
		t_check(i >= 0 && i < WAYS, "select returned %d", i);
		hits[i]++;
		for (int k = 0; k < WAYS; k++)
			t_check_int(v[k], ==, k == i);
	}
	check_uniform(hits, rounds);
	goro_chan_free(c);
	return 0;
}

START_TEST(the_same_channel_may_stand_in_several_cases)
{
	api_run(same_main, NULL);
}
END_TEST

/* ---- waiting -------------------------------------------------------------------------------------------------- */

struct wait {
	struct goro_chan *c[3];
	struct goro_chan *done;
	int index;
};

/* Waits on three receives and a send that nobody takes; tells which case fired. */
static void waiter(void *arg)
{
	struct wait *w = arg;
	int v[3] = { -1, -1, -1 }, s = 0;
	struct goro_chan *unheard = goro_chan_new(sizeof(int), 0);
	struct goro_case cases[] = { recv_case(w->c[0], &v[0]), send_case(unheard, &s), recv_case(w->c[1], &v[1]),
				     recv_case(w->c[2], &v[2]), recv_case(w->c[0], &v[0]) };

	for (;;) {
		int i = goro_select(cases, 5, GORO_FOREVER);
		int word[2] = { i, 0 };

		t_check(i == 0 || i == 2 || i == 3 || i == 4, "select returned %d", i);
		word[1] = cases[i].ret == 1 ? *(int *)cases[i].elem : -1;
		t_check(goro_chan_send(w->done, word, GORO_FOREVER) == 0);
		if (cases[i].ret == 0)
			break;
	}
	goro_chan_free(unheard);
}

static int wait_main(void *arg)
{
	struct wait *w = arg;
	int word[2];

	for (int i = 0; i < 3; i++)
		w->c[i] = goro_chan_new(sizeof(int), 0);
	w->done = goro_chan_new(sizeof word, 0);
	t_check(goro_spawn(waiter, w) == 0);
	for (int n = 0; n < 3000; n++) {
		t_check(goro_chan_send(w->c[n % 3], &n, GORO_FOREVER) == 0);
		t_check(goro_chan_recv(w->done, word, GORO_FOREVER) == 1);
		t_check_int(word[1], ==, n);
		t_check(n % 3 == 0 ? word[0] == 0 || word[0] == 4 : word[0] == n % 3 + 1);
	}
	goro_chan_close(w->c[1]);
	t_check(goro_chan_recv(w->done, word, GORO_FOREVER) == 1);
	t_check(word[0] == 2 && word[1] == -1);
	t_eventually(goro_count() == 1, API_PATIENCE);
	/* It left no waiter behind. */
	for (int i = 0; i < 3; i++) {
		t_check(i == 1 || goro_chan_send(w->c[i], &i, GORO_NOW) == -EAGAIN);
		goro_chan_free(w->c[i]);
	}
	goro_chan_free(w->done);
	return 0;
}

START_TEST(a_waiting_select_is_woken_by_one_send_and_by_close)
{
	struct wait w = { .index = 0 };

	api_run(wait_main, &w);
}
END_TEST

static int deadline_main(void *arg)
{
	struct goro_chan *a = goro_chan_new(sizeof(int), 0), *b = goro_chan_new(sizeof(int), 0);
	int v = 3;
	struct goro_case cases[] = { recv_case(a, &v), send_case(b, &v) };
	int64_t deadline;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		deadline = goro_after(500 * GORO_MICROSECOND);
		t_check_int(goro_select(cases, 2, deadline), ==, -ETIMEDOUT);
		t_check(goro_now() >= deadline);
	}
	t_check_int(v, ==, 3);
	t_check_int(goro_chan_send(a, &v, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_chan_recv(b, &v, GORO_NOW), ==, -EAGAIN);
	goro_chan_free(a);
	goro_chan_free(b);
	return 0;
}

START_TEST(a_select_ends_at_its_deadline_and_leaves_no_trace)
{
	api_run(deadline_main, NULL);
}
END_TEST

#define MANY 100

static void many_sender(struct goro_chan **c, long rounds)
{
	for (long n = 0; n < rounds; n++) {
		long v = n;

		t_check(goro_chan_send(c[(n * 37) % MANY], &v, GORO_FOREVER) == 0);
	}
}

static int many_main(void *arg)
{
	struct goro_chan *c[MANY];
	struct goro_case cases[MANY];
	long v[MANY], rounds = t_scaled(5000);

	(void)arg;
	for (int i = 0; i < MANY; i++) {
		c[i] = goro_chan_new(sizeof(long), 0);
		cases[i] = recv_case(c[i], &v[i]);
	}
	t_check(GORO_GO(many_sender, c, rounds) == 0);
	for (long n = 0; n < rounds; n++) {
		int i = goro_select(cases, MANY, GORO_FOREVER);

		t_check_int(i, ==, (n * 37) % MANY);
		t_check_int(v[i], ==, n);
	}
	t_eventually(goro_count() == 1, API_PATIENCE);
	for (int i = 0; i < MANY; i++)
		goro_chan_free(c[i]);
	return 0;
}

START_TEST(a_hundred_cases)
{
	api_run(many_main, NULL);
}
END_TEST

/* ---- select against select ---------------------------------------------------------------------------------- */

struct duel {
	struct goro_chan *a, *b;
	long rounds;
	long sent[2], got[2]; /* per side; counts and sums by the side itself only */
	uint64_t sums[2], sumr[2];
	struct goro_waitgroup wg;
};

/*
 * Each side offers to send on one channel and to receive on the other, with the channels in opposite
 * order: a select that locked them in the order of the cases would stand still here.
 */
static void duellist(struct duel *d, int side)
{
	uint64_t out = 1 + (uint64_t)side, in = 0;
	struct goro_chan *mine = side ? d->b : d->a, *other = side ? d->a : d->b;
	struct goro_case cases[] = { send_case(mine, &out), recv_case(other, &in) };

	while (d->sent[side] < d->rounds || d->got[side] < d->rounds) {
		int i;

		cases[0].chan = d->sent[side] < d->rounds ? mine : NULL;
		cases[1].chan = d->got[side] < d->rounds ? other : NULL;
		i = goro_select(cases, 2, GORO_FOREVER);
		t_check(i == 0 || i == 1, "select returned %d", i);
		if (i == 0) {
			t_check_int(cases[0].ret, ==, 0);
			d->sent[side]++;
			d->sums[side] += out;
			out += 2;
		} else {
			t_check_int(cases[1].ret, ==, 1);
			d->got[side]++;
			d->sumr[side] += in;
		}
	}
	goro_waitgroup_done(&d->wg);
}

static void *duel_thread(void *arg)
{
	duellist(arg, 1);
	return NULL;
}

static int duel_main(void *arg)
{
	struct duel *d = arg;

	d->rounds = t_scaled(20000);
	goro_waitgroup_add(&d->wg, 2);
	t_check(GORO_GO(duellist, d, 0) == 0);
	t_check(GORO_GO(duellist, d, 1) == 0);
	t_check(goro_waitgroup_wait(&d->wg, GORO_FOREVER) == 0);
	t_check(d->sums[0] == d->sumr[1] && d->sums[1] == d->sumr[0]);
	return 0;
}

START_TEST(two_selects_that_face_each_other_meet)
{
	struct duel d = { .a = goro_chan_new(8, _i ? 3 : 0), .b = goro_chan_new(8, 0) };

	api_run(duel_main, &d);
	goro_chan_free(d.a);
	goro_chan_free(d.b);
}
END_TEST

static int thread_duel_main(void *arg)
{
	struct duel *d = arg;
	pthread_t t;

	d->rounds = t_scaled(2000);
	goro_waitgroup_add(&d->wg, 2);
	t = api_thread(duel_thread, d);
	duellist(d, 0);
	t_check(goro_waitgroup_wait(&d->wg, GORO_FOREVER) == 0);
	api_join(t);
	t_check(d->sums[0] == d->sumr[1] && d->sums[1] == d->sumr[0]);
	return 0;
}

START_TEST(a_thread_and_a_goroutine_meet_in_select)
{
	struct duel d = { .a = goro_chan_new(8, 0), .b = goro_chan_new(8, 0) };

	api_run(thread_duel_main, &d);
	goro_chan_free(d.a);
	goro_chan_free(d.b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("select");
	TCase *tc = tcase_create("ready or not");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, without_a_ready_case_GORO_NOW_is_the_default_branch);
	tcase_add_test(tc, bad_cases_are_refused_and_nil_cases_never_fire);
	tcase_add_test(tc, an_empty_select_waits_for_ever);
	tcase_add_test(tc, a_closed_channel_is_ready_to_receive_and_gives_zero);
	tcase_add_loop_test(tc, a_send_case_on_a_closed_channel_panics, 0, 2);
	tcase_add_loop_test(tc, each_of_several_ready_cases_has_the_same_chance, 0, 3);
	tcase_add_test(tc, the_same_channel_may_stand_in_several_cases);
	suite_add_tcase(s, tc);
	tc = tcase_create("waiting");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_waiting_select_is_woken_by_one_send_and_by_close);
	tcase_add_test(tc, a_select_ends_at_its_deadline_and_leaves_no_trace);
	tcase_add_test(tc, a_hundred_cases);
	tcase_add_loop_test(tc, two_selects_that_face_each_other_meet, 0, 2);
	tcase_add_test(tc, a_thread_and_a_goroutine_meet_in_select);
	suite_add_tcase(s, tc);
	return t_main(s);
}
