/* SPDX-License-Identifier: MIT */
/*
 * check_context.c: contexts. Each test quotes the sentence of the documentation of Go's package context (1.23) that it is about; behind them what C
 * adds (counting), and a tree of 10,000. stress_context.c has cancel against timeout against children being made.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "t.h"

#define MS GORO_MILLISECOND
#define HOUR (3600 * GORO_SECOND)

static int key; /* of values: its address */

static struct goro_context *bg(void)
{
	return goro_context_background();
}

/* What a context says of itself; done is looked at too. */
static void is(struct goro_context *c, int err, int cause)
{
	t_check_int(goro_context_err(c), ==, err);
	t_check_int(goro_context_cause(c), ==, cause);
	t_check_int(goro_chan_recv(goro_context_done(c), NULL, GORO_NOW), ==, err ? 0 : -EAGAIN);
}

static void await(struct goro_context *c, int err, int cause)
{
	t_check_int(goro_chan_recv(goro_context_done(c), NULL, goro_after(API_PATIENCE * MS)), ==, 0);
	is(c, err, cause);
}

/* "Background returns a non-nil, empty Context. It is never canceled, has no values, and has no deadline." */
static void empty(void)
{
	struct goro_context *c[] = { bg(), goro_context_todo(), NULL };

	t_check(c[0] && c[1] && c[0] != c[1]);
	for (int i = 0; i < 3; i++) {
		t_check(goro_context_done(c[i]) == NULL);
		t_check_int(goro_context_err(c[i]), ==, 0);
		t_check_int(goro_context_cause(c[i]), ==, 0);
		t_check_int(goro_context_deadline(c[i]), ==, GORO_FOREVER);
		t_check(goro_context_value(c[i], &key) == NULL);
		t_check_int(goro_context_cancel(c[i]), ==, -EINVAL);
		t_check(goro_context_ref(c[i]) == c[i]);
		goro_context_unref(c[i]);
		goro_context_unref(c[i]);
	}
}

START_TEST(background_is_empty)
{
	empty();
	api_everywhere(empty);
}
END_TEST

/*
 * "WithCancel returns a copy of parent with a new Done channel. The returned context's Done channel is closed when the returned cancel function is
 * called or when the parent context's Done channel is closed, whichever happens first." "After the first call, subsequent calls to a CancelFunc do
 * nothing." "If Done is not yet closed, Err returns nil."
 */
static void with_cancel(void)
{
	struct goro_context *a = goro_context_with_cancel(bg()), *b = goro_context_with_cancel(a), *c = goro_context_with_cancel(b);

	t_check(goro_context_done(a) != goro_context_done(b));
	t_check(goro_context_done(a) == goro_context_done(a));
	is(a, 0, 0);
	is(c, 0, 0);
	t_check_int(goro_context_cancel(b), ==, 0);
	is(a, 0, 0);
	is(b, -ECANCELED, -ECANCELED);
	is(c, -ECANCELED, -ECANCELED);
	t_check_int(goro_context_cancel_cause(b, 5), ==, 0);
	is(b, -ECANCELED, -ECANCELED);
	goro_context_unref(c);
	c = goro_context_with_cancel(b); /* of one that is cancelled */
	is(c, -ECANCELED, -ECANCELED);
	goro_context_cancel(a);
	is(a, -ECANCELED, -ECANCELED);
	goro_context_unref(a);
	goro_context_unref(b);
	goro_context_unref(c);
}

START_TEST(cancelling_a_parent_cancels_its_children_and_not_itself_above)
{
	with_cancel(); /* plain memory: no runtime is needed */
	api_everywhere(with_cancel);
}
END_TEST

/*
 * "if parentContext is canceled with cause1 before childContext is canceled with cause2, then Cause(parentContext) == Cause(childContext) == cause1";
 * "if childContext is canceled with cause2 before parentContext is canceled with cause1, then Cause(parentContext) == cause1 and Cause(childContext) ==
 * cause2". "Calling cancel with nil sets the cause to Canceled." "ctx.Err() // returns context.Canceled; context.Cause(ctx) // returns myError"
 */
static void causes(void)
{
	for (int first = 0; first < 2; first++) {
		struct goro_context *p = goro_context_with_cancel(bg()), *c = goro_context_with_cancel(p);
		struct goro_context *v = goro_context_with_value(c, &key, NULL, NULL);

		goro_context_cancel_cause(first ? p : c, first ? -EIO : -EPIPE);
		goro_context_cancel_cause(first ? c : p, first ? -EPIPE : -EIO);
		is(p, -ECANCELED, -EIO);
		is(c, -ECANCELED, first ? -EIO : -EPIPE);
		is(v, -ECANCELED, first ? -EIO : -EPIPE);
		goro_context_unref(p);
		goro_context_unref(c);
		goro_context_unref(v);
	}
}

START_TEST(the_first_cancellation_sets_the_cause)
{
	causes();
	api_everywhere(causes);
}
END_TEST

/* "The returned Context.Done channel is closed when the deadline expires, [...] or when the parent context's Done channel is closed" */
static void deadlines(void)
{
	int64_t start = goro_now();
	struct goro_context *p = goro_context_with_cancel(bg()), *c = goro_context_with_timeout(p, 3 * MS);
	struct goro_context *cc = goro_context_with_cancel(c), *d = goro_context_with_timeout_cause(p, 2 * MS, -ENOSPC);

	t_check(goro_context_deadline(c) >= start + 3 * MS && goro_context_deadline(cc) == goro_context_deadline(c));
	await(cc, -ETIMEDOUT, -ETIMEDOUT);
	t_check(goro_now() >= start + 3 * MS);
	is(c, -ETIMEDOUT, -ETIMEDOUT);
	await(d, -ETIMEDOUT, -ENOSPC);
	goro_context_cancel(c); /* too late */
	is(c, -ETIMEDOUT, -ETIMEDOUT);
	is(p, 0, 0);
	goro_context_unref(c);
	goro_context_unref(cc);
	goro_context_unref(d);
	c = goro_context_with_timeout_cause(p, HOUR, -ENOSPC);
	/* "The returned CancelFunc does not set the cause." */
	goro_context_cancel(c);
	is(c, -ECANCELED, -ECANCELED);
	goro_context_unref(c);
	c = goro_context_with_timeout(p, HOUR);
	goro_context_cancel_cause(p, -EBADF);
	is(c, -ECANCELED, -EBADF);
	goro_context_unref(c);
	goro_context_unref(p);
}

START_TEST(a_deadline_cancels_with_etimedout)
{
	api_everywhere(deadlines);
}
END_TEST

/* "If the parent's deadline is already earlier than d, WithDeadline(parent, d) is semantically equivalent to parent." */
static void earlier(void)
{
	int64_t when = goro_after(3 * MS);
	struct goro_context *p = goro_context_with_deadline_cause(bg(), when, -EIO);
	struct goro_context *later = goro_context_with_timeout_cause(p, HOUR, -ENOSPC), *none = goro_context_with_deadline(p, GORO_FOREVER);
	struct goro_context *far = goro_context_with_timeout_cause(bg(), HOUR, -EIO), *sooner = goro_context_with_deadline(far, when - MS);

	t_check_int(goro_context_deadline(p), ==, when);
	t_check_int(goro_context_deadline(later), ==, when);
	t_check_int(goro_context_deadline(none), ==, when);
	t_check_int(goro_context_deadline(sooner), ==, when - MS);
	await(sooner, -ETIMEDOUT, -ETIMEDOUT);
	await(later, -ETIMEDOUT, -EIO);
	await(none, -ETIMEDOUT, -EIO);
	goro_context_unref(later);
	goro_context_unref(none);
	goro_context_unref(sooner);
	goro_context_unref(far);
	goro_context_unref(p);
}

START_TEST(the_earlier_deadline_counts)
{
	api_everywhere(earlier);
}
END_TEST

/* "deadline has already passed" */
static void passed(void)
{
	struct goro_context *c[] = { goro_context_with_deadline(bg(), GORO_NOW), goro_context_with_deadline_cause(bg(), 1, -EIO),
				     goro_context_with_timeout(bg(), 0), goro_context_with_timeout(bg(), -1),
				     goro_context_with_timeout(bg(), INT64_MIN), goro_context_with_deadline(bg(), goro_now()) };

	for (int i = 0; i < 6; i++) {
		is(c[i], -ETIMEDOUT, i == 1 ? -EIO : -ETIMEDOUT);
		goro_context_unref(c[i]);
	}
}

static void not_passed(void)
{
	struct goro_context *c = goro_context_with_timeout(bg(), INT64_MAX);

	t_check_int(goro_context_deadline(c), ==, GORO_FOREVER);
	is(c, 0, 0);
	goro_context_unref(c);
}

START_TEST(a_deadline_in_the_past_cancels_at_once)
{
	passed();
	not_passed();
	api_everywhere(passed);
	api_everywhere(not_passed);
	t_check(goro_context_with_timeout(bg(), HOUR) == NULL); /* no runtime: nobody could watch it */
}
END_TEST

static uint32_t destroyed;

static void destroy(void *v)
{
	destroyed += (uint32_t)(uintptr_t)v;
}

/* "WithValue returns a copy of parent in which the value associated with key is val." "Value returns ... nil if no value is associated with key." */
static void values(void)
{
	static int k1, k2, k3;
	struct goro_context *a = goro_context_with_value(bg(), &k1, (void *)1, destroy), *b = goro_context_with_cancel(a);
	struct goro_context *c = goro_context_with_value(b, &k2, (void *)2, destroy), *d = goro_context_with_value(c, &k1, (void *)4, destroy);
	struct goro_context *e = goro_context_without_cancel(d);

	destroyed = 0;
	t_check(goro_context_value(a, &k1) == (void *)1 && goro_context_value(a, &k2) == NULL);
	t_check(goro_context_value(d, &k1) == (void *)4 && goro_context_value(d, &k2) == (void *)2 && goro_context_value(d, &k3) == NULL);
	t_check(goro_context_value(e, &k1) == (void *)4 && goro_context_value(c, &k1) == (void *)1);
	t_check(goro_context_done(d) == goro_context_done(b) && goro_context_done(a) == NULL);
	t_check_int(goro_context_cancel(d), ==, -EINVAL);
	is(d, 0, 0);
	goro_context_cancel(b);
	is(d, -ECANCELED, -ECANCELED);
	goro_context_unref(a);
	goro_context_unref(b);
	goro_context_unref(c);
	goro_context_unref(d);
	t_check_int(destroyed, ==, 0); /* the child holds them all */
	goro_context_unref(e);
	t_check_int(destroyed, ==, 7);
}

START_TEST(values_are_found_upwards_and_destroyed_with_the_last_reference)
{
	values();
	api_everywhere(values);
}
END_TEST

/* "WithoutCancel returns a copy of parent that is not canceled when parent is canceled. [It has] no Deadline or Err, and its Done channel is nil." */
static void without_cancel(void)
{
	struct goro_context *p = goro_context_with_timeout(bg(), HOUR), *w = goro_context_without_cancel(p), *c = goro_context_with_cancel(w);

	goro_context_cancel_cause(p, -EIO);
	t_check(goro_context_done(w) == NULL);
	t_check_int(goro_context_err(w), ==, 0);
	t_check_int(goro_context_cause(w), ==, 0);
	t_check_int(goro_context_deadline(w), ==, GORO_FOREVER);
	is(c, 0, 0);
	goro_context_cancel(c);
	is(c, -ECANCELED, -ECANCELED);
	goro_context_unref(p);
	goro_context_unref(w);
	goro_context_unref(c);
}

START_TEST(without_cancel_keeps_no_more_than_the_values)
{
	api_everywhere(without_cancel);
}
END_TEST

static uint32_t calls;
static uint64_t caller;

static void called(void *arg)
{
	__atomic_store_n(&caller, goro_id(), __ATOMIC_SEQ_CST); /* others may run beside us */
	__atomic_add_fetch(&calls, (uint32_t)(uintptr_t)arg, __ATOMIC_SEQ_CST);
}

#define CALLS() __atomic_load_n(&calls, __ATOMIC_SEQ_CST)

/*
 * "AfterFunc arranges to call f in its own goroutine after ctx is done. If ctx is already done, AfterFunc calls f immediately in its own goroutine."
 * "Multiple calls to AfterFunc on a context operate independently". "It returns true if the call stopped f from being run."
 */
static void after_func(void)
{
	struct goro_context *c = goro_context_with_cancel(bg()), *v = goro_context_with_value(c, &calls, NULL, NULL);
	struct goro_context_func *f[3], *late, *never;

	calls = 0;
	for (int i = 0; i < 3; i++)
		t_check_int(goro_context_after_func(i == 1 ? v : c, called, (void *)(uintptr_t)(1 << i), &f[i]), ==, 0);
	t_check_int(goro_context_after_func(c, called, (void *)8, NULL), ==, 0);
	t_check_int(goro_context_func_stop(f[2]), ==, 1);
	t_check_int(goro_context_func_stop(f[2]), ==, 0);
	t_check_int(CALLS(), ==, 0);
	goro_context_cancel(c);
	t_eventually(CALLS() == 11, API_PATIENCE);
	t_check(__atomic_load_n(&caller, __ATOMIC_SEQ_CST) != 0 && __atomic_load_n(&caller, __ATOMIC_SEQ_CST) != goro_id());
	for (int i = 0; i < 3; i++)
		t_check_int(goro_context_func_stop(f[i]), ==, 0);
	t_check_int(goro_context_after_func(v, called, (void *)16, &late), ==, 0);
	t_check_int(goro_context_after_func(v, called, (void *)32, NULL), ==, 0);
	t_eventually(CALLS() == 59, API_PATIENCE);
	t_check_int(goro_context_func_stop(late), ==, 0);
	for (int i = 0; i < 3; i++)
		goro_context_func_free(f[i]);
	goro_context_func_free(late);
	goro_context_func_free(NULL);
	goro_context_unref(v);
	goro_context_unref(c);

	t_check_int(goro_context_after_func(bg(), called, NULL, &never), ==, 0);
	t_check_int(goro_context_func_stop(never), ==, 1);
	goro_context_func_free(never);
	t_check_int(goro_context_after_func(bg(), called, NULL, NULL), ==, 0);
	t_check_int(goro_context_after_func(bg(), NULL, NULL, &never), ==, -EINVAL);

	/* A context that goes with functions that were never called; a handle that is the last to hold its context. */
	c = goro_context_with_cancel(bg());
	t_check_int(goro_context_after_func(c, called, (void *)64, NULL), ==, 0);
	goro_context_unref(c);
	c = goro_context_with_cancel(bg());
	t_check_int(goro_context_after_func(c, called, (void *)64, &never), ==, 0);
	goro_context_unref(c);
	goro_context_func_free(never);
	t_check_int(CALLS(), ==, 59);
}

START_TEST(functions_are_called_in_goroutines_of_their_own_when_a_context_is_done)
{
	api_everywhere(after_func);
}
END_TEST

START_TEST(without_a_runtime_who_cancels_calls_the_functions)
{
	struct goro_context *c = goro_context_with_cancel(bg());

	calls = 0;
	t_check_int(goro_context_after_func(c, called, (void *)1, NULL), ==, 0);
	goro_context_cancel(c);
	t_check_int(calls, ==, 1);
	t_check_int(goro_context_after_func(c, called, (void *)2, NULL), ==, 0);
	t_check_int(calls, ==, 3);
	goro_context_unref(c);
}
END_TEST

/* Done is a case of a select, beside others; "The close of the Done channel" wakes all who wait. */
static void waiter(struct goro_context *c, struct goro_chan *never, struct goro_waitgroup *wg)
{
	struct goro_case k[] = { { .chan = never, .op = GORO_RECV }, { .chan = goro_context_done(c), .op = GORO_RECV } };

	t_check_int(goro_select(k, 2, GORO_FOREVER), ==, 1);
	t_check_int(k[1].ret, ==, 0);
	t_check_int(goro_context_cause(c), ==, -EIO);
	goro_waitgroup_done(wg);
}

static void in_select(void)
{
	struct goro_context *c = goro_context_with_cancel(bg());
	struct goro_chan *never = goro_chan_new(0, 0);
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	goro_waitgroup_add(&wg, 50);
	for (int i = 0; i < 50; i++)
		GORO_GO(waiter, c, never, &wg);
	goro_yield();
	goro_context_cancel_cause(c, -EIO);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	goro_chan_free(never);
	goro_context_unref(c);
}

START_TEST(done_is_a_case_of_a_select)
{
	api_everywhere(in_select);
}
END_TEST

/* A tree of 10,000, wide, deep, and mixed, is cancelled from its root. */
static void tree(void)
{
	enum { N = 10000 };
	struct goro_context **c = malloc(N * sizeof *c);

	for (int shape = 0; shape < 3; shape++) {
		c[0] = goro_context_with_cancel(bg());
		for (int i = 1; i < N; i++)
			c[i] = (i % 3 ? goro_context_with_cancel : goro_context_without_cancel)(bg());
		for (int i = 1; i < N; i++) {
			goro_context_unref(c[i]);
			c[i] = goro_context_with_cancel(c[shape == 0 ? 0 : shape == 1 ? i - 1 : (i - 1) / 2]);
		}
		goro_context_cancel_cause(c[0], -EIO);
		for (int i = 0; i < N; i++)
			is(c[i], -ECANCELED, -EIO);
		for (int i = 0; i < N; i++)
			goro_context_unref(c[shape == 1 ? i : N - 1 - i]); /* the deep one goes from its root: the last unref gives all back */
	}
	free(c);
}

START_TEST(a_tree_of_ten_thousand)
{
	api_everywhere(tree);
}
END_TEST

static int null_parent(void *arg)
{
	switch ((intptr_t)arg) {
	case 0:
		goro_context_with_cancel(NULL);
		break;
	case 1:
		goro_context_with_timeout(NULL, 1);
		break;
	case 2:
		goro_context_with_value(NULL, &key, NULL, NULL);
		break;
	default:
		goro_context_without_cancel(NULL);
	}
	return 0;
}

static int nil_key(void *arg)
{
	goro_context_with_value(bg(), NULL, arg, NULL);
	return 0;
}

static int closes_done(void *arg)
{
	(void)arg;
	goro_chan_close(goro_context_done(goro_context_with_cancel(bg())));
	return 0;
}

static int sends_done(void *arg)
{
	struct goro_context *c = goro_context_with_cancel(bg());

	(void)arg;
	goro_context_cancel(c);
	goro_chan_send(goro_context_done(c), NULL, GORO_FOREVER);
	return 0;
}

static int frees_done(void *arg)
{
	(void)arg;
	goro_chan_free(goro_context_done(goro_context_with_cancel(bg())));
	return 0;
}

START_TEST(misuse_panics_with_gos_text)
{
	for (intptr_t i = 0; i < 4; i++)
		api_expect_fatal(null_parent, (void *)i, "panic: cannot create context from nil parent");
	api_expect_fatal(nil_key, NULL, "panic: nil key");
	api_expect_fatal(closes_done, NULL, "panic: close of receive-only channel");
	api_expect_fatal(sends_done, NULL, "panic: send on receive-only channel");
	api_expect_fatal(frees_done, NULL, "panic: free of receive-only channel");
}
END_TEST

/* A child that is gone is forgotten above: what has its memory now is another context, and none of the parent's. */
static void forgotten(void)
{
	for (int i = 0; i < 100; i++) {
		struct goro_context *a = goro_context_with_cancel(bg()), *b = goro_context_with_cancel(bg()), *c = goro_context_with_cancel(a);

		goro_context_unref(c);
		c = goro_context_with_cancel(b);
		goro_context_cancel(a);
		is(c, 0, 0);
		goro_context_unref(c);
		goro_context_unref(a);
		goro_context_unref(b);
	}
}

/* Nor does a function that was freed keep its context and what that holds. */
static void lets_go(void)
{
	struct goro_context *v, *c;
	struct goro_context_func *f;

	destroyed = 0;
	v = goro_context_with_value(bg(), &key, (void *)1, destroy);
	c = goro_context_with_cancel(v);
	goro_context_unref(v);
	t_check_int(goro_context_after_func(c, called, NULL, &f), ==, 0);
	goro_context_func_free(f);
	t_check_int(destroyed, ==, 0);
	goro_context_unref(c);
	t_check_int(destroyed, ==, 1);
}

START_TEST(what_is_gone_is_forgotten)
{
	api_everywhere(forgotten);
	api_everywhere(lets_go);
}
END_TEST

/* "Canceling this context releases resources associated with it": its timer, which would be something that may still wake somebody. */
static int waits_behind_cancelled(void *arg)
{
	struct goro_context *p = goro_context_with_cancel(bg()), *c = NULL;

	if (arg)
		c = goro_context_with_timeout(p, HOUR);
	goro_context_cancel(p);
	if (!arg)
		c = goro_context_with_timeout(p, HOUR);
	is(c, -ECANCELED, -ECANCELED);
	return goro_chan_recv(NULL, NULL, GORO_FOREVER);
}

START_TEST(the_timer_of_a_cancelled_context_keeps_nobody_waiting)
{
	static int with;

	api_expect_fatal(waits_behind_cancelled, _i ? &with : NULL, "fatal error: all goroutines are asleep - deadlock!");
}
END_TEST

static int leaves(void *arg)
{
	struct goro_context **c = arg;

	c[0] = goro_context_with_timeout(bg(), HOUR);
	c[1] = goro_context_with_timeout(bg(), HOUR);
	c[2] = goro_context_with_cancel(c[1]);
	return 0;
}

START_TEST(contexts_outlive_a_run)
{
	struct goro_context *c[3];

	for (int i = 0; i < 3; i++) {
		api_run(leaves, c);
		goro_context_cancel(c[1]);
		is(c[2], -ECANCELED, -ECANCELED);
		for (int j = 0; j < 3; j++)
			goro_context_unref(c[j]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("context");
	TCase *tc = tcase_create("context");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, background_is_empty);
	tcase_add_test(tc, cancelling_a_parent_cancels_its_children_and_not_itself_above);
	tcase_add_test(tc, the_first_cancellation_sets_the_cause);
	tcase_add_test(tc, a_deadline_cancels_with_etimedout);
	tcase_add_test(tc, the_earlier_deadline_counts);
	tcase_add_test(tc, a_deadline_in_the_past_cancels_at_once);
	tcase_add_test(tc, values_are_found_upwards_and_destroyed_with_the_last_reference);
	tcase_add_test(tc, without_cancel_keeps_no_more_than_the_values);
	tcase_add_test(tc, functions_are_called_in_goroutines_of_their_own_when_a_context_is_done);
	tcase_add_test(tc, without_a_runtime_who_cancels_calls_the_functions);
	tcase_add_test(tc, done_is_a_case_of_a_select);
	tcase_add_test(tc, a_tree_of_ten_thousand);
	tcase_add_test(tc, misuse_panics_with_gos_text);
	tcase_add_test(tc, what_is_gone_is_forgotten);
	tcase_add_loop_test(tc, the_timer_of_a_cancelled_context_keeps_nobody_waiting, 0, 2);
	tcase_add_test(tc, contexts_outlive_a_run);
	return t_main(s);
}
