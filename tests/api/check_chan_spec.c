/* SPDX-License-Identifier: MIT */
/*
 * check_chan_spec.c: channels by the sentences of the Go specification ("Channel types", "Send statements", "Receive
 * operator", "Close", "Length and capacity", "For statements with range clause"), and what an adversary would try.
 * Each case runs in a main goroutine on 1, 2 and 8 processors, and in a plain thread beside a runtime. What the
 * memory model says of channels is in check_memory.c.
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

static void closes(void *c)
{
	goro_chan_close(c);
}

/* ---- Channel types ----------------------------------------------------------------------------------------------- */

static int unbuffered(void *arg)
{
	struct goro_chan *c = ints(0);
	struct op o = { .v = 0 };

	(void)arg;
	for (o.w.thread = 0; o.w.thread < 2; o.w.thread++) {
		t_check_int(try_send(c, 1), ==, -EAGAIN);
		t_check_int(take(c), ==, -EAGAIN);
		begin(&o, sends, c, 5);
		go_still_waits(&o.w);
		t_check_int(take(c), ==, 5);
		go_ends(&o.w);
		t_check_int(o.ret, ==, 0);
		begin(&o, receives, c, 0);
		go_still_waits(&o.w);
		t_check_int(try_send(c, 6), ==, 0);
		go_ends(&o.w);
		t_check(o.ret == 1 && o.v == 6);
	}
	goro_chan_free(c);
	return 0;
}

static int buffered(void *arg)
{
	struct goro_chan *c = ints(3);

	(void)arg;
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 3; i++)
			t_check_int(try_send(c, 10 * round + i), ==, 0);
		t_check_int(try_send(c, 99), ==, -EAGAIN);
		for (int i = 0; i < 3; i++)
			t_check_int(take(c), ==, 10 * round + i);
		t_check_int(take(c), ==, -EAGAIN);
		t_check_int(try_send(c, 7), ==, 0); /* the ring begins elsewhere in each round */
		t_check_int(take(c), ==, 7);
	}
	goro_chan_free(c);
	return 0;
}

static int nil_is_never_ready(void *arg)
{
	struct goro_case cases[] = { { .chan = NULL, .op = GORO_SEND, .elem = &cases }, { .chan = NULL, .op = GORO_RECV } };

	(void)arg;
	t_check_int(try_send(NULL, 1), ==, -EAGAIN);
	t_check_int(take(NULL), ==, -EAGAIN);
	t_check_int(goro_chan_send(NULL, &cases, goro_after(1000)), ==, -ETIMEDOUT);
	t_check_int(goro_chan_recv(NULL, &cases, goro_after(1000)), ==, -ETIMEDOUT);
	t_check_int(goro_select(cases, 2, GORO_NOW), ==, -EAGAIN);
	return 0;
}

struct crowd {
	struct goro_chan *c;
	struct goro_waitgroup senders, others;
	long each, sent, got; /* atomic */
};

static void crowd_sends(struct crowd *k)
{
	for (int i = 1; i <= k->each; i++) {
		t_check_int(goro_chan_send(k->c, &i, GORO_FOREVER), ==, 0);
		ADD(k->sent, i);
	}
	goro_waitgroup_done(&k->senders);
}

static void crowd_receives(struct crowd *k)
{
	int v;

	while (goro_chan_recv(k->c, &v, GORO_FOREVER) > 0)
		ADD(k->got, v);
	goro_waitgroup_done(&k->others);
}

/* At any time 0 <= len(s) <= cap(s). */
static void crowd_looks(struct crowd *k)
{
	while (LOAD(k->sent) < 6 * k->each * (k->each + 1) / 2) {
		t_check_int(goro_chan_len(k->c), <=, 3);
		t_check_int(goro_chan_cap(k->c), ==, 3);
		goro_yield();
	}
	goro_waitgroup_done(&k->others);
}

static void *crowd_sending_thread(void *arg)
{
	crowd_sends(arg);
	return NULL;
}

static int any_number_of_goroutines(void *arg)
{
	struct crowd k = { .c = ints(3), .each = t_scaled(300) };
	pthread_t t;

	(void)arg;
	goro_waitgroup_add(&k.senders, 6);
	goro_waitgroup_add(&k.others, 8);
	t = api_thread(crowd_sending_thread, &k);
	for (int i = 0; i < 6; i++) {
		t_check(i == 5 || GORO_GO(crowd_sends, &k) == 0);
		t_check(GORO_GO(crowd_receives, &k) == 0);
	}
	t_check(GORO_GO(crowd_looks, &k) == 0 && GORO_GO(crowd_looks, &k) == 0);
	t_check_int(goro_waitgroup_wait(&k.senders, GORO_FOREVER), ==, 0);
	goro_chan_close(k.c);
	t_check_int(goro_waitgroup_wait(&k.others, GORO_FOREVER), ==, 0);
	t_check_int(k.got, ==, k.sent);
	api_join(t);
	goro_chan_free(k.c);
	return 0;
}

static void counts_to_a_thousand(struct numbers *c)
{
	for (int i = 0; i < 1000; i++)
		GORO_CHAN_SEND(c, i, GORO_FOREVER);
	GORO_CHAN_CLOSE(c);
}

static int first_in_first_out(void *arg)
{
	(void)arg;
	for (size_t capacity = 0; capacity < 4; capacity++) {
		struct numbers *c = GORO_CHAN_NEW(struct numbers, capacity);
		int next = 0;

		t_check(GORO_GO(counts_to_a_thousand, c) == 0);
		GORO_CHAN_RANGE(v, c)
			t_check_int(v, ==, next++);
		t_check_int(next, ==, 1000);
		t_keep(c); /* its sender may be inside of close still */
	}
	return 0;
}

/* ---- Send statements --------------------------------------------------------------------------------------------- */

struct typed {
	struct go_wait w;
	struct numbers *c, *other;
	int v, evaluated; /* atomic */
};

static void sends_what_it_was(void *arg)
{
	struct typed *t = arg;

	t_check_int(GORO_CHAN_SEND((ADD(t->evaluated, 1), LOAD(t->c)), (ADD(t->evaluated, 1), LOAD(t->v)), GORO_FOREVER), ==, 0);
}

static int evaluated_before(void *arg)
{
	struct numbers *c = GORO_CHAN_NEW(struct numbers, 0);
	struct typed t = { .c = c, .other = GORO_CHAN_NEW(struct numbers, 1), .v = 3 };
	int v = 0;

	(void)arg;
	go_begin(&t.w, sends_what_it_was, &t);
	t_eventually(LOAD(t.evaluated) == 2, API_PATIENCE);
	go_still_waits(&t.w);
	STORE(t.v, 4);
	STORE(t.c, t.other);
	t_check_int(GORO_CHAN_RECV(c, &v, GORO_FOREVER), ==, 1);
	t_check_int(v, ==, 3);
	go_ends(&t.w);
	t_check_int(t.evaluated, ==, 2);
	GORO_CHAN_FREE(c);
	GORO_CHAN_FREE(t.other);
	return 0;
}

static int blocks_until_it_can_proceed(void *arg)
{
	struct goro_chan *c = ints(1);
	struct op o = { .v = 0 };

	(void)arg;
	t_check_int(try_send(c, 1), ==, 0);
	begin(&o, sends, c, 2);
	go_still_waits(&o.w);
	t_check(goro_chan_len(c) == 1 && take(c) == 1);
	go_ends(&o.w);
	t_check_int(goro_chan_len(c), ==, 1);
	t_check_int(take(c), ==, 2);
	goro_chan_free(c);
	return 0;
}

static int if_a_receiver_is_ready(void *arg)
{
	struct goro_chan *c = ints(0);
	struct op o = { .v = 0 };

	(void)arg;
	begin(&o, receives, c, 0);
	while (try_send(c, 8) == -EAGAIN)
		goro_yield();
	go_ends(&o.w);
	t_check(o.ret == 1 && o.v == 8);
	t_check_int(try_send(c, 9), ==, -EAGAIN); /* it was ready for one */
	goro_chan_free(c);
	return 0;
}

static int send_on_closed(void *arg)
{
	struct goro_chan *c = ints(arg ? 0 : 4);
	int v = 1;

	goro_chan_close(c);
	goro_chan_send(c, &v, GORO_FOREVER);
	return 0;
}

static void sends_and_panics(void *arg)
{
	go_panics(sends, arg, "send on closed channel");
}

/* The panic leaves the channel whole: it is unlocked, and nothing was sent. */
static int send_on_closed_recovered(void *arg)
{
	(void)arg;
	for (size_t capacity = 0; capacity < 3; capacity++) {
		struct goro_chan *c = ints(capacity);
		struct op o = { .c = c };

		if (capacity > 1)
			t_check_int(try_send(c, 4), ==, 0);
		goro_chan_close(c);
		for (int i = 0; i < 3; i++)
			sends_and_panics(&o);
		t_check_int(goro_chan_len(c), ==, capacity > 1);
		if (capacity > 1)
			t_check_int(take(c), ==, 4);
		t_check_int(take(c), ==, 0);
		goro_chan_free(c);
	}
	return 0;
}

static int nil_send_blocks(void *arg)
{
	struct op *o = t_keep(calloc(1, sizeof *o));

	(void)arg;
	begin(o, sends, NULL, 1);
	go_still_waits(&o->w);
	return 0;
}

/* ---- Receive operator -------------------------------------------------------------------------------------------- */

static int blocks_until_a_value(void *arg)
{
	(void)arg;
	for (size_t capacity = 0; capacity < 2; capacity++) {
		struct goro_chan *c = ints(capacity);
		struct op o = { .v = 0 };

		begin(&o, receives, c, 0);
		go_still_waits(&o.w);
		t_check_int(try_send(c, 11), ==, 0);
		go_ends(&o.w);
		t_check(o.ret == 1 && o.v == 11);
		goro_chan_free(c);
	}
	return 0;
}

static int nil_receive_blocks(void *arg)
{
	struct op *o = t_keep(calloc(1, sizeof *o));

	(void)arg;
	begin(o, receives, NULL, 1);
	go_still_waits(&o->w);
	t_check_int(o->v, ==, 1);
	return 0;
}

static int closed_gives_zero_after_the_values(void *arg)
{
	struct goro_chan *c = ints(3);

	(void)arg;
	for (int i = 1; i <= 3; i++)
		t_check_int(try_send(c, i), ==, 0);
	goro_chan_close(c);
	for (int i = 1; i <= 6; i++) {
		int v = -1;

		t_check_int(goro_chan_recv(c, &v, i & 1 ? GORO_NOW : GORO_FOREVER), ==, i <= 3);
		t_check_int(v, ==, i <= 3 ? i : 0);
	}
	goro_chan_free(c);
	return 0;
}

static int zero_that_was_sent(void *arg)
{
	struct goro_chan *c = ints(1);
	int v = 5;

	(void)arg;
	t_check_int(try_send(c, 0), ==, 0);
	goro_chan_close(c);
	t_check(goro_chan_recv(c, &v, GORO_FOREVER) == 1 && v == 0);
	v = 5;
	t_check(goro_chan_recv(c, &v, GORO_FOREVER) == 0 && v == 0);
	t_check_int(goro_chan_recv(c, NULL, GORO_FOREVER), ==, 0);
	goro_chan_free(c);
	return 0;
}

/* ---- Close ------------------------------------------------------------------------------------------------------ */

static int close_of_closed(void *arg)
{
	struct goro_chan *c = ints(0);

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

static int close_recovered(void *arg)
{
	struct goro_chan *c = ints(1);

	(void)arg;
	go_panics(closes, NULL, "close of nil channel");
	t_check_int(try_send(c, 1), ==, 0);
	goro_chan_close(c);
	for (int i = 0; i < 3; i++)
		go_panics(closes, c, "close of closed channel");
	t_check_int(take(c), ==, 1);
	t_check_int(take(c), ==, 0);
	goro_chan_free(c);
	return 0;
}

#define MANY 12

/* A close ends every wait: receivers get zero, senders panic, and what they wanted to send is not received. */
static int close_ends_every_wait(void *arg)
{
	(void)arg;
	for (int sending = 0; sending < 2; sending++) {
		struct goro_chan *c = ints(2);
		struct op o[MANY] = { { .v = 0 } };

		for (int i = 0; sending && i < 2; i++)
			t_check_int(try_send(c, i + 1), ==, 0);
		for (int i = 0; i < MANY; i++) {
			o[i].w.thread = i % 6 == 5;
			begin(&o[i], sending ? sends_and_panics : receives, c, 70 + i);
		}
		go_still_waits(&o[MANY - 1].w);
		goro_chan_close(c);
		for (int i = 0; i < MANY; i++) {
			go_ends(&o[i].w);
			t_check(sending ? o[i].ret == 99 : o[i].ret == 0 && o[i].v == 0);
		}
		for (int i = 0; sending && i < 2; i++)
			t_check_int(take(c), ==, i + 1);
		t_check_int(take(c), ==, 0);
		goro_chan_free(c);
	}
	return 0;
}

/* Of two that close at the same time one panics. */
static void may_panic(struct op *o)
{
	const struct goro_panicked *p = GORO_RECOVER();

	t_check(!p || strcmp(p->text, "close of closed channel") == 0);
	if (p)
		o->ret = -1;
}

static void close_or_panic(struct op *o, struct goro_waitgroup *wg)
{
	GORO_DEFER(goro_waitgroup_done, wg);
	GORO_DEFER(may_panic, o);
	goro_chan_close(o->c);
	o->ret = 0;
}

static int closes_that_race(void *arg)
{
	(void)arg;
	for (int i = 0; i < t_scaled(200); i++) {
		struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
		struct op a = { .c = ints(0) }, b = { .c = a.c };

		goro_waitgroup_add(&wg, 2);
		t_check(GORO_GO(close_or_panic, &a, &wg) == 0 && GORO_GO(close_or_panic, &b, &wg) == 0);
		t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
		t_check_int(a.ret + b.ret, ==, -1);
		t_check_int(take(a.c), ==, 0);
		goro_chan_free(a.c);
	}
	return 0;
}

/* ---- Length and capacity, make ----------------------------------------------------------------------------------- */

static int length(void *arg)
{
	struct goro_chan *c = ints(5);
	struct op o = { .v = 0 };

	(void)arg;
	t_check(goro_chan_len(NULL) == 0 && goro_chan_cap(NULL) == 0);
	for (int i = 0; i < 5; i++) {
		t_check_int(goro_chan_len(c), ==, i);
		t_check_int(try_send(c, i), ==, 0);
	}
	begin(&o, sends, c, 5);
	go_still_waits(&o.w);
	t_check(goro_chan_len(c) == 5 && goro_chan_cap(c) == 5); /* one who waits is not queued */
	t_check_int(take(c), ==, 0);
	go_ends(&o.w);
	goro_chan_close(c);
	t_check_int(goro_chan_len(c), ==, 5);
	for (int i = 5; i > 0; i--) {
		t_check_int(goro_chan_len(c), ==, i);
		t_check_int(take(c), ==, 6 - i);
	}
	t_check(goro_chan_len(c) == 0 && goro_chan_cap(c) == 5);
	goro_chan_free(c);
	return 0;
}

static int sizes_out_of_range(void *arg)
{
	struct goro_chan *c;

	(void)arg;
	t_check(goro_chan_new(1, (size_t)-1) == NULL);
	t_check(goro_chan_new(65536, (size_t)-1 / 65536) == NULL);
	t_check(goro_chan_new(65536, (size_t)-1 / 65536 + 2) == NULL); /* the product is small again */
	t_check(goro_chan_new(65537, 0) == NULL);
	t_check(goro_chan_new((size_t)-1, 0) == NULL);
	/* No element takes no room, so any number of them fits. */
	c = goro_chan_new(0, 1000000);
	t_check(c != NULL && goro_chan_cap(c) == 1000000);
	for (int i = 0; i < 1000; i++)
		t_check_int(goro_chan_send(c, NULL, GORO_NOW), ==, 0);
	t_check_int(goro_chan_len(c), ==, 1000);
	goro_chan_free(c);
	return 0;
}

/* ---- For statements with range clause ---------------------------------------------------------------------------- */

static int ranges(void *arg)
{
	struct numbers *c = GORO_CHAN_NEW(struct numbers, 10);
	int seen = 0;

	(void)arg;
	for (int i = 0; i < 10; i++)
		t_check_int(GORO_CHAN_SEND(c, i, GORO_NOW), ==, 0);
	GORO_CHAN_RANGE(v, c) {
		t_check_int(v, ==, seen);
		if (++seen == 4)
			break;
	}
	t_check_int(goro_chan_len(GORO_CHAN_PTR(c)), ==, 6); /* none was taken after the break */
	GORO_CHAN_CLOSE(c);
	GORO_CHAN_RANGE(v, c) {
		t_check_int(v, ==, seen++);
		if (v < 8)
			continue;
		t_check(v == 8 || v == 9);
	}
	t_check_int(seen, ==, 10);
	GORO_CHAN_RANGE(v, c)
		t_check(0, "%d from a channel that is drained", v);
	GORO_CHAN_FREE(c);
	return 0;
}

static void ranges_over_nil(void *arg)
{
	struct numbers *c = arg;

	GORO_CHAN_RANGE(v, c)
		t_check(0, "%d from the nil channel", v);
}

static int nil_range_blocks(void *arg)
{
	struct go_wait *w = t_keep(calloc(1, sizeof *w));

	(void)arg;
	go_begin(w, ranges_over_nil, NULL);
	go_still_waits(w);
	return 0;
}

static const struct go_case cases[] = {
	{ "If the capacity is zero or absent, the channel is unbuffered and communication succeeds only when both a sender and receiver are ready.",
	  unbuffered, NULL },
	{ "Otherwise, the channel is buffered and communication succeeds without blocking if the buffer is not full (sends) or not empty (receives).",
	  buffered, NULL },
	{ "A nil channel is never ready for communication.", nil_is_never_ready, NULL },
	{ "A single channel may be used in send statements, receive operations, and calls to the built-in functions cap and len by any number of "
	  "goroutines without further synchronization. [...] At any time the following relationship holds: 0 <= len(s) <= cap(s)",
	  any_number_of_goroutines, NULL },
	{ "Channels act as first-in-first-out queues. For example, if one goroutine sends values on a channel and a second goroutine receives them, "
	  "the values are received in the order sent.", first_in_first_out, NULL },
	{ "Both the channel and the value expression are evaluated before communication begins.", evaluated_before, NULL },
	{ "Communication blocks until the send can proceed. [...] A send on a buffered channel can proceed if there is room in the buffer.",
	  blocks_until_it_can_proceed, NULL },
	{ "A send on an unbuffered channel can proceed if a receiver is ready.", if_a_receiver_is_ready, NULL },
	{ "A send on a closed channel proceeds by causing a run-time panic.", send_on_closed, "panic: send on closed channel" },
	{ "C: a recovered send on a closed channel leaves it as it was", send_on_closed_recovered, NULL },
	{ "A send on a nil channel blocks forever.", nil_send_blocks, NULL },
	{ "The expression blocks until a value is available.", blocks_until_a_value, NULL },
	{ "Receiving from a nil channel blocks forever.", nil_receive_blocks, NULL },
	{ "A receive operation on a closed channel can always proceed immediately, yielding the element type's zero value after any previously sent "
	  "values have been received.", closed_gives_zero_after_the_values, NULL },
	{ "The value of ok is true if the value received was delivered by a successful send operation to the channel, or false if it is a zero value "
	  "generated because the channel is closed and empty.", zero_that_was_sent, NULL },
	{ "Sending to or closing a closed channel causes a run-time panic.", close_of_closed, "panic: close of closed channel" },
	{ "Closing the nil channel also causes a run-time panic.", close_of_nil, "panic: close of nil channel" },
	{ "C: a recovered close leaves the channel as it was", close_recovered, NULL },
	{ "After calling close, and after any previously sent values have been received, receive operations will return the zero value for the "
	  "channel's type without blocking.", close_ends_every_wait, NULL },
	{ "C: two that close the same channel at the same time", closes_that_race, NULL },
	{ "len(s): number of elements queued in channel buffer; cap(s): channel buffer capacity. The length of a nil [...] channel is 0.", length,
	  NULL },
	{ "makechan: size out of range", sizes_out_of_range, NULL },
	{ "For channels, the iteration values produced are the successive values sent on the channel until the channel is closed.", ranges, NULL },
	{ "If the channel is nil, the range expression blocks forever.", nil_range_blocks, NULL },
};

START_TEST(as_the_sentence_says)
{
	go_case_everywhere(&cases[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("channels by the specification");
	TCase *tc = tcase_create("sentences");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	suite_add_tcase(s, tc);
	return t_main(s);
}
