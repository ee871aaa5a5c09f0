/* SPDX-License-Identifier: MIT */
/*
 * model_scope.c: a call that a context may end (scope.c), against the context's cancellation and the operation's own end, in all interleavings. The operation
 * is a word that a completion changes; who is cancelled asks for its end, and waits for it. The context is its done channel.
 */
#include "doors.h"

/* mem.h: nothing here allocates. */
#define LIB_MEM_H
static void *goro__mem_alloc(size_t n)
{
	(void)n;
	return NULL;
}

static void goro__mem_free(void *p)
{
	(void)p;
}

#include "../../lib/chan.c"

#include <goro/context.h>

/* <goro/context.h>: a source without children. */
struct goro_context {
	int err;
	struct goro_chan done; /* last: it has a flexible array */
};

static struct goro_context the_context;

struct goro_chan *goro_context_done(struct goro_context *ctx)
{
	return &ctx->done;
}

int goro_context_err(struct goro_context *ctx)
{
	return load_acq(&ctx->done.state) & CHAN_CLOSED ? ctx->err : 0;
}

struct goro_context *goro_context_background(void)
{
	return NULL;
}

#include "../../lib/scope.c"

#include "t.h"

enum { PENDING, DONE, CANCELLED };

static struct cancel_watch watch;
static uint32_t op, asked; /* atomic: the operation's state; somebody wants its end */
static struct g *owner;
static int ret;

static void reset(void)
{
	model_doors_reset();
	memset(&the_context, 0, sizeof(the_context));
	goro__chan_init(&the_context.done, 0, 0, CHAN_RECV_ONLY);
	op = PENDING;
	asked = 0;
	owner = &model_ms[0].g;
	ret = 99;
}

/* The loop of op.c, await(). */
static void calls(void)
{
	struct m *m = rt_enter();
	bool watching = true;
	int r = goro__cancel_watch(m, &the_context, &watch, -1);

	if (r < 0) {
		ret = r;
		return;
	}
	while (load_acq(&op) == PENDING) {
		if (watching && cancel_fired(&watch)) {
			store_rel(&asked, 1);
			watching = false;
			continue;
		}
		m = goro__park_token(m, WAIT_SELECT);
	}
	ret = load_acq(&op) == DONE ? 1 : goro__cancel_err(watch.ctx);
	goro__cancel_unwatch(m, &watch);
	/* It lies on a stack that is gone now. */
	model_forbid(&watch, sizeof(watch));
}

static void cancels(void)
{
	struct m *m = rt_enter();

	goro__lock(&the_context.done.lock);
	if (the_context.done.state & CHAN_CLOSED) {
		goro__unlock(&the_context.done.lock);
		return;
	}
	the_context.err = -ECANCELED;
	goro__chan_close(m, &the_context.done);
}

static void ends(uint32_t how)
{
	uint32_t pending = PENDING;

	if (cas_ar(&op, &pending, how))
		goro__notify(rt_enter(), owner);
}

static void completes(void)
{
	ends(DONE);
}

/* The backend: ends the operation early when it is asked. */
static void obeys(void)
{
	model_wait(&asked, MODEL_HERE);
	ends(CANCELLED);
}

static void cancelled(void)
{
	model_check(ret == -ECANCELED);
	model_check(!the_context.done.recvq.first);
}

static void either(void)
{
	model_check(ret == -ECANCELED || ret == 1);
	/* A success is never taken for a cancellation once the operation has begun. */
	model_check(op != DONE || ret == 1 || !asked);
	model_check(!the_context.done.recvq.first);
}

START_TEST(a_cancellation_wakes_the_call_whenever_it_comes)
{
	struct model m = { .thread = { calls, cancels, obeys }, .daemons = 4, .check = cancelled, .setup = reset };

	model_explore(&m);
}
END_TEST

START_TEST(a_completion_against_a_cancellation_is_one_of_the_two)
{
	struct model m = { .thread = { calls, cancels, completes, obeys }, .daemons = 8, .check = either, .setup = reset };

	model_explore(&m);
}
END_TEST

START_TEST(of_two_cancellations_one_counts)
{
	struct model m = { .thread = { calls, cancels, cancels, obeys }, .daemons = 8, .check = cancelled, .setup = reset };

	model_explore(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of scope");
	TCase *tc = tcase_create("scope");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_cancellation_wakes_the_call_whenever_it_comes);
	tcase_add_test(tc, a_completion_against_a_cancellation_is_one_of_the_two);
	tcase_add_test(tc, of_two_cancellations_one_counts);
	suite_add_tcase(s, tc);
	return model_main(s);
}
