/* SPDX-License-Identifier: MIT */
/*
 * check_chan.c: what <goro/chan.h> promises of one channel: rendezvous, buffering, sizes, order, close, the
 * nil channel. check_chan_many.c has deadlines, crowds and the panics.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "t.h"

START_TEST(new_refuses_absurd_sizes)
{
	struct goro_chan *c;

	t_check(goro_chan_new(65537, 0) == NULL);
	t_check(goro_chan_new(SIZE_MAX, 1) == NULL);
	t_check(goro_chan_new(8, SIZE_MAX) == NULL);
	t_check(goro_chan_new(8, SIZE_MAX / 8) == NULL);
	t_check(goro_chan_new(65536, SIZE_MAX / 65536 + 1) == NULL);
	c = goro_chan_new(65536, 2);
	t_check(c != NULL);
	goro_chan_free(c);
	goro_chan_free(NULL);
}
END_TEST

/* ---- rendezvous ---------------------------------------------------------------------------------- */

struct meet {
	struct goro_chan *c;
	int sent; /* atomic: the sender is past its send */
	int got;
};

static void meet_sender(void *arg)
{
	struct meet *m = arg;
	int v = 42;

	t_check(goro_chan_send(m->c, &v, GORO_FOREVER) == 0);
	__atomic_store_n(&m->sent, 1, __ATOMIC_SEQ_CST);
}

static int meet_main(void *arg)
{
	struct meet *m = arg;
	int v = 0;

	t_check(goro_spawn(meet_sender, m) == 0);
	for (int i = 0; i < 200; i++) {
		goro_yield();
		t_check(!__atomic_load_n(&m->sent, __ATOMIC_SEQ_CST));
		t_check(goro_chan_len(m->c) == 0);
	}
	t_check(goro_chan_recv(m->c, &v, GORO_FOREVER) == 1);
	t_check(v == 42);
	t_eventually(__atomic_load_n(&m->sent, __ATOMIC_SEQ_CST), API_PATIENCE);
	t_check(goro_chan_recv(m->c, &v, GORO_NOW) == -EAGAIN);
	t_check(goro_chan_send(m->c, &v, GORO_NOW) == -EAGAIN);
	return 0;
}

START_TEST(an_unbuffered_send_waits_for_its_receiver)
{
	struct meet m = { goro_chan_new(sizeof(int), 0), 0, 0 };

	t_check(goro_chan_cap(m.c) == 0);
	api_run(meet_main, &m);
	goro_chan_free(m.c);
}
END_TEST

static void meet_receiver(void *arg)
{
	struct meet *m = arg;
	int v = 0;

	t_check(goro_chan_recv(m->c, &v, GORO_FOREVER) == 1);
	__atomic_store_n(&m->got, v, __ATOMIC_SEQ_CST);
}

static int receiver_first_main(void *arg)
{
	struct meet *m = arg;

	t_check(goro_spawn(meet_receiver, m) == 0);
	/* The receiver is there as soon as a send that does not wait finds it. */
	for (int v = 7;;) {
		int ret = goro_chan_send(m->c, &v, GORO_NOW);

		if (ret == 0)
			break;
		t_check(ret == -EAGAIN);
		goro_yield();
	}
	t_eventually(__atomic_load_n(&m->got, __ATOMIC_SEQ_CST) == 7, API_PATIENCE);
	return 0;
}

START_TEST(a_send_that_does_not_wait_finds_a_waiting_receiver)
{
	struct meet m = { goro_chan_new(sizeof(int), 0), 0, 0 };

	api_run(receiver_first_main, &m);
	goro_chan_free(m.c);
}
END_TEST

/* ---- buffers and sizes ---------------------------------------------------------------------------- */

static const size_t caps[] = { 1, 2, 3, 7, 64, 100, 1024 };

static int fill_and_drain_main(void *arg)
{
	(void)arg;
	for (size_t k = 0; k < sizeof caps / sizeof caps[0]; k++) {
		struct goro_chan *c = goro_chan_new(sizeof(long), caps[k]);
		long v, extra = -1;

		t_check(c != NULL && goro_chan_cap(c) == caps[k]);
		/* Three rounds, so that the ring wraps at every place. */
		for (int round = 0; round < 3; round++) {
			for (size_t i = 0; i < caps[k]; i++) {
				v = (long)i + round;
				t_check(goro_chan_len(c) == i);
				t_check(goro_chan_send(c, &v, GORO_NOW) == 0);
			}
			t_check(goro_chan_send(c, &extra, GORO_NOW) == -EAGAIN);
			t_check(goro_chan_len(c) == caps[k]);
			for (size_t i = 0; i < caps[k]; i++) {
				t_check(goro_chan_recv(c, &v, GORO_NOW) == 1);
				t_check(v == (long)i + round);
			}
			t_check(goro_chan_recv(c, &v, GORO_NOW) == -EAGAIN);
			/* Shift the ring by one for the next round. */
			t_check(goro_chan_send(c, &v, GORO_NOW) == 0);
			t_check(goro_chan_recv(c, &v, GORO_NOW) == 1);
		}
		goro_chan_free(c);
	}
	return 0;
}

START_TEST(a_buffer_takes_its_capacity_and_not_one_more)
{
	api_run(fill_and_drain_main, NULL);
}
END_TEST

#define SIZED_ROUNDS 24

struct sized {
	struct goro_chan *c;
	size_t size;
};

static void sized_sender(void *arg)
{
	struct sized *s = arg;
	unsigned char *elem = malloc(s->size + 1);

	for (int i = 0; i < SIZED_ROUNDS; i++) {
		for (size_t k = 0; k < s->size; k++)
			elem[k] = (unsigned char)((size_t)i * 31 + k * 7 + (k >> 8));
		t_check(goro_chan_send(s->c, elem, GORO_FOREVER) == 0);
		memset(elem, 0xee, s->size); /* the channel must have its own copy */
	}
	free(elem);
}

static void sized_receive(struct sized *s)
{
	unsigned char *elem = malloc(s->size + 16);

	for (int i = 0; i < SIZED_ROUNDS; i++) {
		memset(elem, 0xaa, s->size + 16);
		t_check(goro_chan_recv(s->c, elem, GORO_FOREVER) == 1);
		for (size_t k = 0; k < s->size; k++)
			t_check(elem[k] == (unsigned char)((size_t)i * 31 + k * 7 + (k >> 8)));
		for (size_t k = s->size; k < s->size + 16; k++)
			t_check(elem[k] == 0xaa);
	}
	free(elem);
}

static int sized_main(void *arg)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 4, 7, 8, 16, 24, 4096, 65536 };
	static const size_t some_caps[] = { 0, 1, 5 };

	(void)arg;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (size_t k = 0; k < 3; k++) {
			struct sized s = { goro_chan_new(sizes[i], some_caps[k]), sizes[i] };

			t_check(s.c != NULL);
			t_check(goro_spawn(sized_sender, &s) == 0);
			sized_receive(&s);
			t_eventually(goro_count() == 1, API_PATIENCE);
			goro_chan_free(s.c);
		}
	return 0;
}

START_TEST(elements_of_every_size_arrive_whole_and_nothing_beside_them_is_touched)
{
	api_run(sized_main, NULL);
}
END_TEST

static int no_element_main(void *arg)
{
	struct goro_chan *z = goro_chan_new(0, 2), *c = goro_chan_new(sizeof(int), 2);
	int v = 1;

	(void)arg;
	t_check(goro_chan_send(z, NULL, GORO_NOW) == 0);
	t_check(goro_chan_send(z, &v, GORO_NOW) == 0);
	t_check(goro_chan_len(z) == 2);
	t_check(goro_chan_send(z, NULL, GORO_NOW) == -EAGAIN);
	t_check(goro_chan_recv(z, NULL, GORO_NOW) == 1);
	t_check(goro_chan_recv(z, &v, GORO_NOW) == 1);
	t_check(v == 1);
	goro_chan_close(z);
	t_check(goro_chan_recv(z, NULL, GORO_FOREVER) == 0);
	goro_chan_free(z);

	t_check(goro_chan_send(c, &v, GORO_NOW) == 0);
	v = 2;
	t_check(goro_chan_send(c, &v, GORO_NOW) == 0);
	t_check(goro_chan_recv(c, NULL, GORO_NOW) == 1); /* drops the 1 */
	t_check(goro_chan_recv(c, &v, GORO_NOW) == 1);
	t_check(v == 2);
	goro_chan_free(c);
	return 0;
}

START_TEST(an_element_may_be_of_no_size_or_dropped)
{
	api_run(no_element_main, NULL);
}
END_TEST

/* ---- order ------------------------------------------------------------------------------------------ */

#define QUEUE 40

struct queue {
	struct goro_chan *c;
	int started; /* atomic */
	int got[QUEUE];
	struct goro_waitgroup wg;
};

struct place {
	struct queue *q;
	int index;
};

static void queued_sender(void *arg)
{
	struct place *p = arg;

	__atomic_add_fetch(&p->q->started, 1, __ATOMIC_SEQ_CST);
	t_check(goro_chan_send(p->q->c, &p->index, GORO_FOREVER) == 0);
	goro_waitgroup_done(&p->q->wg);
}

static void queued_receiver(void *arg)
{
	struct place *p = arg;

	__atomic_add_fetch(&p->q->started, 1, __ATOMIC_SEQ_CST);
	t_check(goro_chan_recv(p->q->c, &p->q->got[p->index], GORO_FOREVER) == 1);
	goro_waitgroup_done(&p->q->wg);
}

/*
 * Starts fn for each place, one after the other. On one processor a goroutine that has begun is parked a few
 * turns later, preempted or not, which makes the order of arrival known.
 */
static void line_up(struct queue *q, struct place *places, void (*fn)(void *))
{
	for (int i = 0; i < QUEUE; i++) {
		places[i].q = q;
		places[i].index = i;
		goro_waitgroup_add(&q->wg, 1);
		t_check(goro_spawn(fn, &places[i]) == 0);
		while (__atomic_load_n(&q->started, __ATOMIC_SEQ_CST) <= i)
			goro_yield();
		for (int k = 0; k < 4; k++)
			goro_yield();
	}
}

static int senders_in_order_main(void *arg)
{
	struct queue *q = arg;
	struct place places[QUEUE];
	int v, base = 1000;
	size_t cap = goro_chan_cap(q->c);

	for (size_t i = 0; i < cap; i++, base++)
		t_check(goro_chan_send(q->c, &base, GORO_NOW) == 0);
	line_up(q, places, queued_sender);
	for (int i = 0; i < (int)cap; i++) {
		t_check(goro_chan_recv(q->c, &v, GORO_FOREVER) == 1);
		t_check(v == 1000 + i);
	}
	for (int i = 0; i < QUEUE; i++) {
		t_check(goro_chan_recv(q->c, &v, GORO_FOREVER) == 1);
		t_check(v == i);
	}
	t_check(goro_waitgroup_wait(&q->wg, GORO_FOREVER) == 0);
	return 0;
}

START_TEST(waiting_senders_are_served_in_their_order)
{
	struct queue q = { .c = goro_chan_new(sizeof(int), _i == 0 ? 0 : 5) };

	api_run_procs(1, senders_in_order_main, &q);
	goro_chan_free(q.c);
}
END_TEST

static int receivers_in_order_main(void *arg)
{
	struct queue *q = arg;
	struct place places[QUEUE];

	line_up(q, places, queued_receiver);
	for (int i = 0; i < QUEUE; i++)
		t_check(goro_chan_send(q->c, &i, GORO_FOREVER) == 0);
	t_check(goro_waitgroup_wait(&q->wg, GORO_FOREVER) == 0);
	for (int i = 0; i < QUEUE; i++)
		t_check(q->got[i] == i);
	return 0;
}

START_TEST(waiting_receivers_are_served_in_their_order)
{
	struct queue q = { .c = goro_chan_new(sizeof(int), _i == 0 ? 0 : 5) };

	api_run_procs(1, receivers_in_order_main, &q);
	goro_chan_free(q.c);
}
END_TEST

#define STREAM 20000

static void stream_sender(void *arg)
{
	struct goro_chan *c = arg;

	for (long i = 0; i < t_scaled(STREAM); i++)
		t_check(goro_chan_send(c, &i, GORO_FOREVER) == 0);
	goro_chan_close(c);
}

static int stream_main(void *arg)
{
	static const size_t some_caps[] = { 0, 1, 2, 128 };
	long v, next;

	(void)arg;
	for (size_t k = 0; k < 4; k++) {
		struct goro_chan *c = goro_chan_new(sizeof(long), some_caps[k]);

		t_check(goro_spawn(stream_sender, c) == 0);
		for (next = 0; goro_chan_recv(c, &v, GORO_FOREVER) > 0; next++)
			t_check(v == next);
		t_check(next == t_scaled(STREAM));
		t_eventually(goro_count() == 1, API_PATIENCE);
		goro_chan_free(c);
	}
	return 0;
}

START_TEST(a_stream_of_values_keeps_its_order_and_ends_at_close)
{
	api_run(stream_main, NULL);
}
END_TEST

/* ---- close ------------------------------------------------------------------------------------------- */

static int close_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(24, 4);
	unsigned char v[24], zero[24] = { 0 };

	(void)arg;
	for (int i = 1; i <= 3; i++) {
		memset(v, i, sizeof v);
		t_check(goro_chan_send(c, v, GORO_NOW) == 0);
	}
	goro_chan_close(c);
	t_check(goro_chan_len(c) == 3 && goro_chan_cap(c) == 4);
	for (int i = 1; i <= 3; i++) {
		t_check(goro_chan_recv(c, v, i == 2 ? GORO_NOW : GORO_FOREVER) == 1);
		t_check(v[0] == i && v[23] == i);
	}
	for (int i = 0; i < 5; i++) {
		memset(v, 0xff, sizeof v);
		t_check(goro_chan_recv(c, v, i & 1 ? GORO_NOW : GORO_FOREVER) == 0);
		t_check(memcmp(v, zero, sizeof v) == 0);
	}
	t_check(goro_chan_recv(c, NULL, GORO_FOREVER) == 0);
	goro_chan_free(c);
	return 0;
}

START_TEST(recv_on_closed_channel_drains_then_returns_zero)
{
	api_run(close_main, NULL);
}
END_TEST

struct wake {
	struct goro_chan *c;
	int waiting; /* atomic */
	struct goro_waitgroup wg;
};

static void closed_receiver(void *arg)
{
	struct wake *w = arg;
	long v = -1;

	__atomic_add_fetch(&w->waiting, 1, __ATOMIC_SEQ_CST);
	t_check(goro_chan_recv(w->c, &v, GORO_FOREVER) == 0);
	t_check(v == 0);
	goro_waitgroup_done(&w->wg);
}

static void *closed_thread(void *arg)
{
	closed_receiver(arg);
	return NULL;
}

static int close_wakes_main(void *arg)
{
	struct wake *w = arg;
	pthread_t t[3];

	goro_waitgroup_add(&w->wg, 103);
	for (int i = 0; i < 100; i++)
		t_check(goro_spawn(closed_receiver, w) == 0);
	for (int i = 0; i < 3; i++)
		t[i] = api_thread(closed_thread, w);
	t_eventually(__atomic_load_n(&w->waiting, __ATOMIC_SEQ_CST) == 103, API_PATIENCE);
	goro_chan_close(w->c);
	t_check(goro_waitgroup_wait(&w->wg, GORO_FOREVER) == 0);
	for (int i = 0; i < 3; i++)
		api_join(t[i]);
	return 0;
}

START_TEST(close_wakes_every_receiver_goroutines_and_threads)
{
	struct wake w = { .c = goro_chan_new(sizeof(long), _i == 0 ? 0 : 3) };

	api_run(close_wakes_main, &w);
	goro_chan_free(w.c);
}
END_TEST

/* ---- the nil channel ----------------------------------------------------------------------------------- */

static void nil_waiter(void *arg)
{
	int v = 0;

	if (arg)
		goro_chan_recv(NULL, &v, GORO_FOREVER);
	else
		goro_chan_send(NULL, &v, GORO_FOREVER);
	t_check(!"a wait on the nil channel ended");
}

static int nil_main(void *arg)
{
	int v = 5;
	int64_t deadline;

	t_check(goro_chan_len(NULL) == 0 && goro_chan_cap(NULL) == 0);
	t_check(goro_chan_recv(NULL, &v, GORO_NOW) == -EAGAIN);
	t_check(goro_chan_send(NULL, &v, GORO_NOW) == -EAGAIN);
	t_check(goro_spawn(nil_waiter, NULL) == 0);
	t_check(goro_spawn(nil_waiter, arg) == 0);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check(goro_chan_recv(NULL, &v, deadline) == -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check(goro_chan_send(NULL, &v, deadline) == -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	t_check(v == 5);
	t_check(goro_count() == 3);
	return 0;
}

START_TEST(a_nil_channel_waits_for_ever_or_until_the_deadline)
{
	int something;

	api_run(nil_main, &something);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("chan");
	TCase *tc = tcase_create("one channel");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, new_refuses_absurd_sizes);
	tcase_add_test(tc, an_unbuffered_send_waits_for_its_receiver);
	tcase_add_test(tc, a_send_that_does_not_wait_finds_a_waiting_receiver);
	tcase_add_test(tc, a_buffer_takes_its_capacity_and_not_one_more);
	tcase_add_test(tc, elements_of_every_size_arrive_whole_and_nothing_beside_them_is_touched);
	tcase_add_test(tc, an_element_may_be_of_no_size_or_dropped);
	tcase_add_loop_test(tc, waiting_senders_are_served_in_their_order, 0, 2);
	tcase_add_loop_test(tc, waiting_receivers_are_served_in_their_order, 0, 2);
	tcase_add_test(tc, a_stream_of_values_keeps_its_order_and_ends_at_close);
	tcase_add_test(tc, recv_on_closed_channel_drains_then_returns_zero);
	tcase_add_loop_test(tc, close_wakes_every_receiver_goroutines_and_threads, 0, 2);
	tcase_add_test(tc, a_nil_channel_waits_for_ever_or_until_the_deadline);
	suite_add_tcase(s, tc);
	return t_main(s);
}
