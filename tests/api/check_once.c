/* SPDX-License-Identifier: MIT */
/* check_once.c: Once and OnceValue, by the sentences of Go's package sync, and what C adds: a deadline, plain threads. */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <string.h>

#include "api.h"
#include "cases.h"
#include "t.h"

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_SEQ_CST)
#define CALLERS 20

struct shared {
	struct goro_once once, other;
	struct goro_once_cell value;
	struct goro_waitgroup wg;
	int calls, returned; /* atomic */
	int written;		    /* plain: by fn, read after Do */
};

static void slow(void *arg)
{
	struct shared *s = arg;

	ADD(s->calls, 1);
	for (int i = 0; i < 50; i++)
		goro_yield();
	t_check_int(LOAD(s->returned), ==, 0); /* nobody returns before fn */
	s->written = 7;
}

static void caller(struct shared *s)
{
	goro_once_do(&s->once, slow, s);
	ADD(s->returned, 1);
	t_check_int(s->written, ==, 7);
	goro_waitgroup_done(&s->wg);
}

static void *caller_thread(void *arg)
{
	caller(arg);
	return NULL;
}

static int first_only(void *arg)
{
	struct shared s = { .calls = 0 };
	pthread_t t;

	(void)arg;
	goro_waitgroup_add(&s.wg, CALLERS + 1);
	t = api_thread(caller_thread, &s);
	for (int i = 0; i < CALLERS; i++)
		t_check(GORO_GO(caller, &s) == 0);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	api_join(t);
	t_check_int(LOAD(s.calls), ==, 1);
	return 0;
}

static void counts(void *arg)
{
	ADD(((struct shared *)arg)->calls, 1);
}

static void counts_too(void *arg)
{
	ADD(((struct shared *)arg)->calls, 100);
}

static int other_function(void *arg)
{
	struct shared s = { .calls = 0 };

	(void)arg;
	goro_once_do(&s.once, counts, &s);
	goro_once_do(&s.once, counts_too, &s);
	t_check_int(s.calls, ==, 1);
	goro_once_do(&s.other, counts_too, &s); /* a new instance of Once for each function */
	t_check_int(s.calls, ==, 101);
	return 0;
}

static void uses_another(void *arg)
{
	struct shared *s = arg;

	goro_once_do(&s->once, counts, s);
}

static int nested(void *arg)
{
	struct shared s = { .calls = 0 };

	(void)arg;
	goro_once_do(&s.other, uses_another, &s);
	t_check_int(s.calls, ==, 1);
	return 0;
}

static void tries_itself(void *arg)
{
	struct shared *s = arg;

	t_check_int(goro_once_do_until(&s->once, counts, s, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check_int(goro_once_do_until(&s->once, counts, s, GORO_NOW), ==, -EAGAIN);
}

static int deadlock(void *arg)
{
	struct shared s = { .calls = 0 };

	(void)arg;
	goro_once_do(&s.once, tries_itself, &s);
	t_check_int(s.calls, ==, 0);
	t_check_int(goro_once_do_until(&s.once, counts, &s, GORO_NOW), ==, 0); /* it is done */
	t_check_int(s.calls, ==, 0);
	t_check_int(goro_once_do_until(&s.other, counts, &s, goro_after(GORO_SECOND)), ==, 0);
	t_check_int(s.calls, ==, 1);
	return 0;
}

static void *makes(void *arg)
{
	ADD(((struct shared *)arg)->calls, 1);
	goro_yield();
	return arg;
}

static void value_caller(struct shared *s)
{
	t_check(goro_once_value(&s->value, makes, s) == s);
	goro_waitgroup_done(&s->wg);
}

static int values(void *arg)
{
	struct shared s = { .calls = 0 };

	(void)arg;
	goro_waitgroup_add(&s.wg, CALLERS);
	for (int i = 0; i < CALLERS; i++)
		t_check(GORO_GO(value_caller, &s) == 0);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	t_check_int(LOAD(s.calls), ==, 1);
	t_check(goro_once_value(&s.value, NULL, NULL) == &s); /* neither is looked at any more */
	return 0;
}

static void panics(void *arg)
{
	counts(arg);
	goro_panic("boom");
}

static int recovered; /* how often */

static void recovers(void *text)
{
	const struct goro_panicked *p = GORO_RECOVER();

	t_check(p != NULL && strcmp(p->text, text) == 0);
	recovered++;
}

static void does_and_recovers(struct shared *s)
{
	GORO_DEFER(recovers, "boom");
	goro_once_do(&s->once, panics, s);
	t_check(0, "goro_once_do() has returned");
}

static int panicking(void *arg)
{
	struct shared s = { .calls = 0 };

	(void)arg;
	recovered = 0;
	does_and_recovers(&s);
	t_check_int(recovered, ==, 1);
	t_check_int(goro_once_do_until(&s.once, panics, &s, GORO_NOW), ==, 0);
	t_check_int(s.calls, ==, 1);
	return 0;
}

static void *makes_a_panic(void *arg)
{
	counts(arg);
	goro_panic_with(arg, "no value, %d", 7);
}

static void recovers_value(struct shared *s)
{
	const struct goro_panicked *p = GORO_RECOVER();

	t_check(p != NULL && strcmp(p->text, "no value, 7") == 0 && p->value == s);
	recovered++;
}

static void asks_and_recovers(struct shared *s)
{
	GORO_DEFER(recovers_value, s);
	goro_once_value(&s->value, makes_a_panic, s);
	t_check(0, "goro_once_value() has returned");
}

static int panicking_value(void *arg)
{
	static struct shared s; /* lives as long as the text of the panic that it keeps */

	(void)arg;
	recovered = 0;
	for (int i = 0; i < 3; i++)
		asks_and_recovers(&s);
	t_check_int(recovered, ==, 3);
	t_check_int(s.calls, ==, 1);
	return 0;
}

static void exits(void *arg)
{
	counts(arg);
	goro_exit();
}

static void does_and_exits(struct shared *s)
{
	goro_once_do(&s->once, exits, s);
	t_check(0, "goro_once_do() has returned");
}

static int exiting(void *arg)
{
	struct shared s = { .calls = 0 };

	(void)arg;
	t_check_int(GORO_WAITGROUP_GO(&s.wg, does_and_exits, &s), ==, 0);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0); /* its deferred Done has run */
	t_check_int(goro_once_do_until(&s.once, exits, &s, GORO_NOW), ==, 0);
	t_check_int(s.calls, ==, 1);
	return 0;
}

static const struct go_case cases[] = {
	{ "If f panics, Do considers it to have returned; future calls of Do return without calling f.", panicking, NULL },
	{ "If f panics, the returned function will panic with the same value on every call.", panicking_value, NULL },
	{ "runtime.Goexit: Goexit runs all deferred calls before terminating the goroutine.", exiting, NULL },
	{ "Do calls the function f if and only if Do is being called for the first time for this instance of Once. [...] no call to Do returns "
	  "until the one call to f returns", first_only, NULL },
	{ "if once.Do(f) is called multiple times, only the first call will invoke f, even if f has a different value in each invocation. A new "
	  "instance of Once is required for each function to execute.", other_function, NULL },
	{ "(Another Once may be used in f.)", nested, NULL },
	{ "if f causes Do to be called, it will deadlock.", deadlock, NULL },
	{ "OnceValue returns a function that invokes f only once and returns the value returned by f. The returned function may be called "
	  "concurrently.", values, NULL },
};

START_TEST(as_the_sentence_says)
{
	go_case_run(&cases[_i]);
}
END_TEST

START_TEST(plain_threads_use_it_without_a_runtime)
{
	for (int i = 0; i < 50; i++) {
		struct shared s = { .calls = 0 };
		pthread_t t[3];

		goro_waitgroup_add(&s.wg, 3);
		for (int j = 0; j < 3; j++)
			t[j] = api_thread(caller_thread, &s);
		for (int j = 0; j < 3; j++)
			t_check(pthread_join(t[j], NULL) == 0);
		t_check_int(s.calls, ==, 1);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("once");
	TCase *tc = tcase_create("sentences");

	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	tcase_add_test(tc, plain_threads_use_it_without_a_runtime);
	suite_add_tcase(s, tc);
	return t_main(s);
}
