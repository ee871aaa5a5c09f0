/* SPDX-License-Identifier: MIT */
/* check_typed.c: what <goro/typed.h> makes of channels; what must not compile is in tests/compile_fail. */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <string.h>

#include "api.h"
#include "t.h"

struct point {
	double x;
	int y;
};
struct nothing {};
GORO_CHAN_TYPE(points, struct point);
GORO_CHAN_TYPE(numbers, long);
GORO_CHAN_TYPE(texts, const char *);
GORO_CHAN_TYPE(signals, struct nothing);
GORO_CHAN_TYPE(lines, struct numbers *);

static void count(struct numbers *c, long n, struct signals *done)
{
	for (long i = 1; i <= n; i++)
		t_check_int(GORO_CHAN_SEND(c, i, GORO_FOREVER), ==, 0);
	GORO_CHAN_CLOSE(c);
	t_check_int(GORO_CHAN_SEND(done, (struct nothing){}, GORO_FOREVER), ==, 0);
}

static int range_main(void *arg)
{
	struct numbers *c = GORO_CHAN_NEW(struct numbers, 2);
	struct signals *done = GORO_CHAN_NEW(struct signals, 0);
	long sum = 0, rounds = 0;
	struct nothing none;

	(void)arg;
	t_check(c && done);
	t_check(GORO_GO(count, c, 100L, done) == 0);
	GORO_CHAN_RANGE(v, c) {
		rounds++;
		if (v % 2)
			continue;
		sum += v;
		if (v == 50)
			break;
	}
	t_check(rounds == 50 && sum == 650);
	/* What is left, and then nothing more. */
	GORO_CHAN_RANGE(v, c)
		t_check_int(v, ==, ++rounds);
	t_check_int(rounds, ==, 100);
	t_check_int(GORO_CHAN_RECV(done, &none, GORO_FOREVER), ==, 1);
	GORO_CHAN_FREE(c);
	GORO_CHAN_FREE(done);
	return 0;
}

START_TEST(a_range_takes_all_until_the_close_and_knows_break_and_continue)
{
	api_run(range_main, NULL);
}
END_TEST

static int evaluated;

static struct numbers *once(struct numbers *c)
{
	evaluated++;
	return c;
}

static long *place(long *p)
{
	evaluated++;
	return p;
}

static int values_main(void *arg)
{
	struct points *p = GORO_CHAN_NEW(struct points, 1);
	struct texts *t = GORO_CHAN_NEW(struct texts, 2);
	struct numbers *n = GORO_CHAN_NEW(struct numbers, 3);
	struct lines *l = GORO_CHAN_NEW(struct lines, 1);
	struct point got = { 0, 0 };
	struct numbers *same;
	const char *text;
	char buf[] = "array";
	long v;

	(void)arg;
	t_check_int(GORO_CHAN_SEND(p, ((struct point){ 1.5, 2 }), GORO_NOW), ==, 0);
	t_check_int(GORO_CHAN_SEND(p, got, GORO_NOW), ==, -EAGAIN);
	t_check_int(GORO_CHAN_RECV(p, &got, GORO_NOW), ==, 1);
	t_check(got.x == 1.5 && got.y == 2);
	GORO_CHAN_SEND(t, "literal", GORO_NOW);
	GORO_CHAN_SEND(t, buf, GORO_NOW);
	t_check(GORO_CHAN_RECV(t, &text, GORO_NOW) == 1 && strcmp(text, "literal") == 0);
	t_check(GORO_CHAN_RECV(t, &text, GORO_NOW) == 1 && text == buf);
	GORO_CHAN_SEND(l, n, GORO_NOW);
	t_check(GORO_CHAN_RECV(l, &same, GORO_NOW) == 1 && same == n);
	v = 1;
	GORO_CHAN_SEND(once(n), v++, GORO_NOW);
	t_check(evaluated == 1 && v == 2);
	GORO_CHAN_RECV(once(n), place(&v), GORO_NOW);
	t_check(evaluated == 3 && v == 1);
	GORO_CHAN_SEND(n, 4L, GORO_NOW);
	GORO_CHAN_CLOSE(once(n));
	GORO_CHAN_RANGE(w, once(n))
		t_check_int(w, ==, 4);
	t_check_int(evaluated, ==, 5);
	t_check(goro_chan_cap(GORO_CHAN_PTR(n)) == 3);
	GORO_CHAN_FREE(p);
	GORO_CHAN_FREE(t);
	GORO_CHAN_FREE(once(n));
	t_check_int(evaluated, ==, 6);
	GORO_CHAN_FREE(l);
	GORO_CHAN_FREE((struct points *)NULL);
	return 0;
}

START_TEST(values_of_any_type_go_through_and_arguments_are_evaluated_once)
{
	api_run(values_main, NULL);
}
END_TEST

static int select_main(void *arg)
{
	struct numbers *n = GORO_CHAN_NEW(struct numbers, 1);
	struct points *p = GORO_CHAN_NEW(struct points, 1);
	struct numbers *nil = NULL;
	long v = 7, w = 0;
	struct point pt = { 2.5, 3 };
	struct goro_case cases[] = { GORO_CASE_SEND(n, &v), GORO_CASE_RECV(p, &pt), GORO_CASE_RECV(nil, &w) };

	(void)arg;
	t_check_int(goro_select(cases, 3, GORO_FOREVER), ==, 0);
	t_check_int(goro_select(cases, 3, GORO_NOW), ==, -EAGAIN);
	GORO_CHAN_SEND(p, pt, GORO_NOW);
	pt.y = 0;
	t_check_int(goro_select(cases, 3, GORO_FOREVER), ==, 1);
	t_check(cases[1].ret == 1 && pt.y == 3);
	cases[0] = GORO_CASE_RECV(n, &w);
	t_check_int(goro_select(cases, 3, GORO_FOREVER), ==, 0);
	t_check(w == 7);
	t_check_int(GORO_CHAN_RECV(nil, &w, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	GORO_CHAN_FREE(n);
	GORO_CHAN_FREE(p);
	return 0;
}

START_TEST(typed_cases_in_a_select)
{
	api_run(select_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("typed");
	TCase *tc = tcase_create("typed");

	tcase_add_test(tc, a_range_takes_all_until_the_close_and_knows_break_and_continue);
	tcase_add_test(tc, values_of_any_type_go_through_and_arguments_are_evaluated_once);
	tcase_add_test(tc, typed_cases_in_a_select);
	suite_add_tcase(s, tc);
	return t_main(s);
}
