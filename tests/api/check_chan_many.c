/* SPDX-License-Identifier: MIT */
/*
 * check_chan_many.c: channels under deadlines and crowds. The property behind most tests: a value whose send
 * returned 0 is received exactly once, one whose send failed is received never.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "t.h"

/* ---- deadlines --------------------------------------------------------------------------------------- */

static int timeouts_main(void *arg)
{
	static const size_t some_caps[] = { 0, 2 };

	(void)arg;
	for (int k = 0; k < 2; k++) {
		struct goro_chan *c = goro_chan_new(sizeof(int), some_caps[k]);
		int v = 77;
		int64_t deadline = goro_after(5 * GORO_MILLISECOND);

		t_check_int(goro_chan_recv(c, &v, deadline), ==, -ETIMEDOUT);
		t_check(goro_now() >= deadline);
		t_check_int(v, ==, 77);
		t_check_int(goro_chan_recv(c, &v, 1), ==, -ETIMEDOUT);
		t_check_int(goro_chan_recv(c, &v, goro_now() - 1), ==, -ETIMEDOUT);
		t_check_int(goro_chan_recv(c, &v, GORO_NOW), ==, -EAGAIN);
		t_check_int(v, ==, 77);
		while (goro_chan_send(c, &v, GORO_NOW) == 0)
			;
		t_check_int(goro_chan_len(c), ==, some_caps[k]);
		deadline = goro_after(5 * GORO_MILLISECOND);
		t_check_int(goro_chan_send(c, &v, deadline), ==, -ETIMEDOUT);
		t_check(goro_now() >= deadline);
		t_check_int(goro_chan_send(c, &v, 1), ==, -ETIMEDOUT);
		t_check_int(goro_chan_send(c, &v, GORO_NOW), ==, -EAGAIN);
		t_check_int(goro_chan_len(c), ==, some_caps[k]);
		goro_chan_free(c);
	}
	return 0;
}

START_TEST(a_deadline_ends_the_wait_and_not_before)
{
	api_run(timeouts_main, NULL);
}
END_TEST

static void late_sender(void *arg)
{
	int v = 9;

	t_eventually(api_waiting("chan receive") == 1, API_PATIENCE);
	t_check(goro_chan_send(arg, &v, GORO_FOREVER) == 0);
}

static int negative_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 0);
	int v = 0;

	(void)arg;
	t_check(goro_spawn(late_sender, c) == 0);
	t_check_int(goro_chan_recv(c, &v, -12345), ==, 1);
	t_check_int(v, ==, 9);
	v = 0;
	t_check(goro_spawn(late_sender, c) == 0);
	t_check_int(goro_chan_recv(c, &v, INT64_MAX), ==, 1);
	t_check_int(v, ==, 9);
	goro_chan_free(c);
	return 0;
}

START_TEST(a_negative_deadline_is_for_ever_and_a_far_one_is_far)
{
	api_run(negative_main, NULL);
}
END_TEST

static int after_timeout_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 0);
	int v = 3, w = 0;

	(void)arg;
	/* Waiters that gave up must be gone from the queue: nobody may meet them. */
	for (int i = 0; i < 50; i++)
		t_check_int(goro_chan_recv(c, &w, goro_after(1000)), ==, -ETIMEDOUT);
	t_check_int(goro_chan_send(c, &v, GORO_NOW), ==, -EAGAIN);
	for (int i = 0; i < 50; i++)
		t_check_int(goro_chan_send(c, &v, goro_after(1000)), ==, -ETIMEDOUT);
	t_check_int(goro_chan_recv(c, &w, GORO_NOW), ==, -EAGAIN);
	t_check_int(w, ==, 0);
	goro_chan_close(c);
	goro_chan_free(c);
	return 0;
}

START_TEST(a_waiter_that_timed_out_is_gone)
{
	api_run(after_timeout_main, NULL);
}
END_TEST

#define LOSS_SENDERS 6
#define LOSS_RECEIVERS 6
#define LOSS_EACH 3000

struct loss {
	struct goro_chan *c;
	unsigned char *sent, *received; /* one per value; received is atomic */
	long each;
	int sending; /* atomic: senders that go on */
	struct goro_waitgroup wg;
};

/* A deadline of 0 to 50 us, or none at all to wait, so that every path is met. */
static int64_t random_deadline(uint64_t *rng)
{
	unsigned kind = api_below(rng, 8);

	if (kind == 0)
		return GORO_NOW;
	return goro_after(api_below(rng, kind < 4 ? 5000 : 50000));
}

static void loss_sender(struct loss *l, int who)
{
	uint64_t rng = t_seed() + (uint64_t)who;

	for (long i = 0; i < l->each; i++) {
		long v = who * l->each + i;
		int ret = goro_chan_send(l->c, &v, random_deadline(&rng));

		t_check(ret == 0 || ret == -ETIMEDOUT || ret == -EAGAIN, "ret is %d", ret);
		l->sent[v] = ret == 0;
		if ((i & 63) == 0)
			goro_yield();
	}
	__atomic_sub_fetch(&l->sending, 1, __ATOMIC_SEQ_CST);
	goro_waitgroup_done(&l->wg);
}

static void loss_receiver(struct loss *l, int who)
{
	uint64_t rng = t_seed() + 1000 + (uint64_t)who;
	int senders, ret;
	long v;

	do {
		senders = __atomic_load_n(&l->sending, __ATOMIC_SEQ_CST);
		v = -1;
		ret = goro_chan_recv(l->c, &v, random_deadline(&rng));
		if (ret == 1) {
			t_check(v >= 0 && v < LOSS_SENDERS * l->each, "v is %ld", v);
			__atomic_add_fetch(&l->received[v], 1, __ATOMIC_RELAXED);
		} else {
			t_check(ret == -ETIMEDOUT || ret == -EAGAIN, "ret is %d", ret);
			t_check_int(v, ==, -1);
		}
	} while (senders > 0 || ret == 1 || goro_chan_len(l->c) > 0);
	goro_waitgroup_done(&l->wg);
}

static int loss_main(void *arg)
{
	struct loss *l = arg;
	long n = LOSS_SENDERS * l->each, ok = 0;

	goro_waitgroup_add(&l->wg, LOSS_SENDERS + LOSS_RECEIVERS);
	for (int i = 0; i < LOSS_SENDERS; i++)
		t_check(GORO_GO(loss_sender, l, i) == 0);
	for (int i = 0; i < LOSS_RECEIVERS; i++)
		t_check(GORO_GO(loss_receiver, l, i) == 0);
	t_check(goro_waitgroup_wait(&l->wg, GORO_FOREVER) == 0);
	for (long v = 0; v < n; v++) {
		t_check(l->sent[v] == l->received[v], "value %ld: sent %d, received %d", v, l->sent[v],
			l->received[v]);
		ok += l->sent[v];
	}
	/* Neither way may be the only one, else the test shows nothing. */
	t_check(ok > 0);
	return 0;
}

START_TEST(timeouts_lose_no_message_and_double_none)
{
	static const size_t some_caps[] = { 0, 1, 8 };
	struct loss l = { .c = goro_chan_new(sizeof(long), some_caps[_i]), .sending = LOSS_SENDERS };

	l.each = t_scaled(LOSS_EACH);
	l.sent = calloc(LOSS_SENDERS, (size_t)l.each);
	l.received = calloc(LOSS_SENDERS, (size_t)l.each);
	api_run(loss_main, &l);
	goro_chan_free(l.c);
	free(l.sent);
	free(l.received);
}
END_TEST

/* ---- crowds -------------------------------------------------------------------------------------------- */

#define CROWD 8
#define CROWD_THREADS 2
#define CROWD_EACH 4000

struct crowd {
	struct goro_chan *c;
	long each;
	uint64_t sum, count; /* atomic */
	struct goro_waitgroup senders, receivers;
};

static void crowd_sender(struct crowd *w, long first)
{
	for (long i = 0; i < w->each; i++) {
		uint64_t v = (uint64_t)(first + i);

		t_check_int(goro_chan_send(w->c, &v, GORO_FOREVER), ==, 0);
	}
	goro_waitgroup_done(&w->senders);
}

static void crowd_receiver(struct crowd *w)
{
	uint64_t v, sum = 0, count = 0;

	while (goro_chan_recv(w->c, &v, GORO_FOREVER) > 0) {
		sum += v;
		count++;
	}
	__atomic_add_fetch(&w->sum, sum, __ATOMIC_RELAXED);
	__atomic_add_fetch(&w->count, count, __ATOMIC_RELAXED);
	goro_waitgroup_done(&w->receivers);
}

static void *crowd_thread_sends(void *arg)
{
	crowd_sender(arg, 0);
	return NULL;
}

static void *crowd_thread_receives(void *arg)
{
	crowd_receiver(arg);
	return NULL;
}

static int crowd_main(void *arg)
{
	struct crowd *w = arg;
	pthread_t t[2 * CROWD_THREADS];
	uint64_t n = (uint64_t)w->each, want;

	goro_waitgroup_add(&w->senders, CROWD + CROWD_THREADS);
	goro_waitgroup_add(&w->receivers, CROWD + CROWD_THREADS);
	for (int i = 0; i < CROWD_THREADS; i++) {
		t[2 * i] = api_thread(crowd_thread_sends, w);
		t[2 * i + 1] = api_thread(crowd_thread_receives, w);
	}
	for (long i = 0; i < CROWD; i++) {
		t_check(GORO_GO(crowd_receiver, w) == 0);
		t_check(GORO_GO(crowd_sender, w, i * w->each) == 0);
	}
	t_check(goro_waitgroup_wait(&w->senders, GORO_FOREVER) == 0);
	goro_chan_close(w->c);
	t_check(goro_waitgroup_wait(&w->receivers, GORO_FOREVER) == 0);
	for (int i = 0; i < 2 * CROWD_THREADS; i++)
		api_join(t[i]);
	want = n * CROWD * (n * CROWD - 1) / 2 + CROWD_THREADS * (n * (n - 1) / 2);
	t_check_int(w->count, ==, n * (CROWD + CROWD_THREADS));
	t_check_int(w->sum, ==, want);
	return 0;
}

START_TEST(many_goroutines_and_threads_share_one_channel)
{
	static const size_t some_caps[] = { 0, 1, 16, 128 };
	struct crowd w = { .c = goro_chan_new(sizeof(uint64_t), some_caps[_i]) };

	w.each = t_scaled(CROWD_EACH);
	api_run(crowd_main, &w);
	goro_chan_free(w.c);
}
END_TEST

START_TEST(plain_threads_use_channels_without_a_runtime)
{
	struct crowd w = { .c = goro_chan_new(sizeof(uint64_t), _i ? 4 : 0) };
	pthread_t t[8];

	w.each = t_scaled(2000);
	goro_waitgroup_add(&w.senders, 4);
	goro_waitgroup_add(&w.receivers, 4);
	for (int i = 0; i < 4; i++) {
		t[i] = api_thread(crowd_thread_receives, &w);
		t[4 + i] = api_thread(crowd_thread_sends, &w);
	}
	t_check(goro_waitgroup_wait(&w.senders, GORO_FOREVER) == 0);
	goro_chan_close(w.c);
	t_check(goro_waitgroup_wait(&w.receivers, GORO_FOREVER) == 0);
	for (int i = 0; i < 8; i++)
		t_check(pthread_join(t[i], NULL) == 0);
	t_check_int(w.count, ==, 4 * w.each);
	goro_chan_free(w.c);
}
END_TEST

struct pair {
	struct goro_chan *ping, *pong;
	long n;
};

static void ponger(void *arg)
{
	struct pair *p = arg;
	long v;

	while (goro_chan_recv(p->ping, &v, GORO_FOREVER) > 0) {
		v++;
		t_check(goro_chan_send(p->pong, &v, GORO_FOREVER) == 0);
	}
	goro_chan_close(p->pong);
}

static int pingpong_main(void *arg)
{
	struct pair *p = arg;
	long v = 0;

	t_check(goro_spawn(ponger, p) == 0);
	for (long i = 0; i < p->n; i++) {
		t_check(goro_chan_send(p->ping, &v, GORO_FOREVER) == 0);
		t_check(goro_chan_recv(p->pong, &v, GORO_FOREVER) == 1);
	}
	t_check_int(v, ==, p->n);
	goro_chan_close(p->ping);
	t_check_int(goro_chan_recv(p->pong, &v, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(two_goroutines_bounce_a_value_a_hundred_thousand_times)
{
	struct pair p = { goro_chan_new(sizeof(long), 0), goro_chan_new(sizeof(long), 0), t_scaled(100000) };

	api_run(pingpong_main, &p);
	goro_chan_free(p.ping);
	goro_chan_free(p.pong);
}
END_TEST

static void *thread_ponger(void *arg)
{
	ponger(arg);
	return NULL;
}

static int thread_pingpong_main(void *arg)
{
	struct pair *p = arg;
	pthread_t t = api_thread(thread_ponger, p);
	long v = 0;

	for (long i = 0; i < p->n; i++) {
		t_check(goro_chan_send(p->ping, &v, GORO_FOREVER) == 0);
		t_check(goro_chan_recv(p->pong, &v, GORO_FOREVER) == 1);
	}
	t_check_int(v, ==, p->n);
	goro_chan_close(p->ping);
	api_join(t);
	return 0;
}

START_TEST(a_goroutine_and_a_thread_bounce_a_value)
{
	struct pair p = { goro_chan_new(sizeof(long), 0), goro_chan_new(sizeof(long), 0), t_scaled(3000) };

	api_run(thread_pingpong_main, &p);
	goro_chan_free(p.ping);
	goro_chan_free(p.pong);
}
END_TEST

/* ---- the prime sieve: a chain of goroutines that grows ------------------------------------------------------- */

static void numbers(struct goro_chan *out)
{
	for (int i = 2;; i++)
		goro_chan_send(out, &i, GORO_FOREVER);
}

static void filter(struct goro_chan *in, struct goro_chan *out, int prime)
{
	int i;

	while (goro_chan_recv(in, &i, GORO_FOREVER) > 0)
		if (i % prime)
			goro_chan_send(out, &i, GORO_FOREVER);
}

static int sieve_main(void *arg)
{
	struct goro_chan *c = t_keep(goro_chan_new(sizeof(int), 0));
	int prime = 0;

	(void)arg;
	t_check(GORO_GO(numbers, c) == 0);
	for (int i = 0; i < 200; i++) {
		struct goro_chan *next = t_keep(goro_chan_new(sizeof(int), 0));

		t_check(goro_chan_recv(c, &prime, GORO_FOREVER) == 1);
		t_check(GORO_GO(filter, c, next, prime) == 0);
		c = next;
	}
	t_check_int(prime, ==, 1223);
	return 0;
}

START_TEST(the_prime_sieve_finds_the_200th_prime)
{
	api_run(sieve_main, NULL);
}
END_TEST

/* ---- panics ---------------------------------------------------------------------------------------------- */

static int send_on_closed(void *arg)
{
	struct goro_chan *c = goro_chan_new(1, 4);

	(void)arg;
	goro_chan_close(c);
	goro_chan_send(c, "x", GORO_NOW);
	return 0;
}

static void parked_sender(void *arg)
{
	goro_chan_send(arg, "x", GORO_FOREVER);
}

static int closed_under_a_sender(void *arg)
{
	struct goro_chan *c = goro_chan_new(1, 0);

	(void)arg;
	goro_spawn(parked_sender, c);
	t_eventually(api_waiting("chan send") == 1, API_PATIENCE);
	goro_chan_close(c);
	goro_sleep(10 * GORO_SECOND); /* the panic ends the process long before */
	return 0;
}

static int close_of_closed(void *arg)
{
	struct goro_chan *c = goro_chan_new(1, 4);

	(void)arg;
	goro_chan_close(c);
	goro_chan_close(c);
	return 0;
}

static int close_of_nil(void *arg)
{
	(void)arg;
	goro_chan_close(NULL);
	return 0;
}

static void *thread_that_sends(void *arg)
{
	goro_chan_send(arg, "x", GORO_FOREVER);
	return NULL;
}

static int send_on_closed_by_a_thread(void *arg)
{
	struct goro_chan *c = goro_chan_new(1, 0);

	(void)arg;
	goro_chan_close(c);
	api_join(api_thread(thread_that_sends, c));
	return 0;
}

static int free_in_use(void *arg)
{
	struct goro_chan *c = goro_chan_new(1, 0);

	(void)arg;
	goro_maxprocs(1); /* then the sender waits when we have had our turn again a few times */
	goro_spawn(parked_sender, c);
	t_eventually(api_waiting("chan send") == 1, API_PATIENCE);
	goro_chan_free(c);
	return 0;
}

static const struct {
	goro_main_fn fn;
	const char *text;
} panics[] = {
	{ send_on_closed, "panic: send on closed channel" },
	{ closed_under_a_sender, "panic: send on closed channel" },
	{ close_of_closed, "panic: close of closed channel" },
	{ close_of_nil, "panic: close of nil channel" },
	{ send_on_closed_by_a_thread, "panic: send on closed channel" },
	{ free_in_use, "panic: free of a channel in use" },
};

START_TEST(misuse_panics_with_the_words_of_go_and_status_2)
{
	api_expect_fatal(panics[_i].fn, NULL, panics[_i].text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("chan, many");
	TCase *tc = tcase_create("deadlines");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_deadline_ends_the_wait_and_not_before);
	tcase_add_test(tc, a_negative_deadline_is_for_ever_and_a_far_one_is_far);
	tcase_add_test(tc, a_waiter_that_timed_out_is_gone);
	tcase_add_loop_test(tc, timeouts_lose_no_message_and_double_none, 0, 3);
	suite_add_tcase(s, tc);
	tc = tcase_create("crowds");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, many_goroutines_and_threads_share_one_channel, 0, 4);
	tcase_add_loop_test(tc, plain_threads_use_channels_without_a_runtime, 0, 2);
	tcase_add_test(tc, two_goroutines_bounce_a_value_a_hundred_thousand_times);
	tcase_add_test(tc, a_goroutine_and_a_thread_bounce_a_value);
	tcase_add_test(tc, the_prime_sieve_finds_the_200th_prime);
	suite_add_tcase(s, tc);
	tc = tcase_create("misuse");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, misuse_panics_with_the_words_of_go_and_status_2, 0,
			    sizeof panics / sizeof panics[0]);
	suite_add_tcase(s, tc);
	return t_main(s);
}
