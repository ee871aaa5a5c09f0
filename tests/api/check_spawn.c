/* SPDX-License-Identifier: MIT */
/*
 * check_spawn.c: what <goro/go.h> promises of starting goroutines: the plain, the optioned and the typed form.
 * check_spawn_cxx.cc has the C++ side; what must not compile is in tests/compile_fail.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <goro/short.h>

#include "api.h"
#include "t.h"

static struct goro_waitgroup wg;

static void wait_for(int err)
{
	t_check_int(err, ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
}

/* ---- each type alone ------------------------------------------------------------------------------------ */

enum colour { RED = -7, GREEN = 2000000000 };

/* One function per type: it compares what arrives with what the slot says was sent. */
#define TYPES(X)									\
	X(bool_, bool) X(char_, char) X(schar_, signed char) X(uchar_, unsigned char)	\
	X(short_, short) X(ushort_, unsigned short) X(int_, int) X(uint_, unsigned)	\
	X(long_, long) X(ulong_, unsigned long) X(llong_, long long)			\
	X(ullong_, unsigned long long) X(enum_, enum colour) X(float_, float)		\
	X(double_, double) X(pointer_, int *) X(cpointer_, const char *) X(vpointer_, void *) \
	X(function_, int (*)(int))

#define RECEIVER(name, type)								\
static __typeof__(type) name##want, name##got;						\
static void name##receiver(__typeof__(type) v)						\
{											\
	name##got = v;									\
	goro_waitgroup_done(&wg);							\
}											\
static void name##check(__typeof__(type) v)						\
{											\
	__typeof__(type) local = v;							\
											\
	name##want = v;									\
	memset(&name##got, 0x5a, sizeof name##got);					\
	goro_waitgroup_add(&wg, 1);							\
	wait_for(GORO_GO(name##receiver, local));					\
	t_check(memcmp(&name##want, &name##got, sizeof name##want) == 0, "%s", #type);	\
}

TYPES(RECEIVER)

static int twice(int n)
{
	return 2 * n;
}

static void check_integers(void)
{
	bool_check(true), bool_check(false);
	char_check('x'), char_check(CHAR_MIN), char_check(CHAR_MAX);
	schar_check(-1), schar_check(SCHAR_MIN), schar_check(SCHAR_MAX);
	uchar_check(0), uchar_check(UCHAR_MAX);
	short_check(-1), short_check(SHRT_MIN), short_check(SHRT_MAX);
	ushort_check(1), ushort_check(USHRT_MAX);
	int_check(-1), int_check(INT_MIN), int_check(INT_MAX);
	uint_check(0), uint_check(UINT_MAX);
	long_check(-1), long_check(LONG_MIN), long_check(LONG_MAX);
	ulong_check(0), ulong_check(ULONG_MAX);
	llong_check(-2), llong_check(LLONG_MIN), llong_check(LLONG_MAX);
	ullong_check(1), ullong_check(ULLONG_MAX);
	enum_check(RED), enum_check(GREEN);
}

static int types_main(void *arg)
{
	int x;

	(void)arg;
	check_integers();
	float_check(0.0f), float_check(-0.0f), float_check(1.5f), float_check(FLT_MIN);
	float_check(-FLT_MAX), float_check(__builtin_inff());
	double_check(0.0), double_check(-0.0), double_check(1e300), double_check(DBL_MIN);
	double_check(-DBL_MAX), double_check(__builtin_inf());
	pointer_check(&x), pointer_check(NULL);
	cpointer_check("text"), vpointer_check(&x);
	function_check(twice), function_check(NULL);
	return 0;
}

START_TEST(a_value_of_each_scalar_type_arrives_unchanged)
{
	api_run(types_main, NULL);
}
END_TEST

/* ---- all together ---------------------------------------------------------------------------------------- */

static int arrived; /* atomic: goroutines whose arguments were right */

static void right(bool ok, const char *who)
{
	t_check(ok, "%s", who);
	__atomic_add_fetch(&arrived, 1, __ATOMIC_RELAXED);
	goro_waitgroup_done(&wg);
}

static void zero(void)
{
	right(true, "zero");
}

static void mixed8(char a, double b, short c, float d, bool e, long long f, const char *g, int (*h)(int))
{
	right(a == (char)-3 && b == 2.25 && c == -30000 && d == -0.5f && e && f == LLONG_MIN + 1 &&
	      strcmp(g, "seven") == 0 && h(21) == 42, __func__);
}

static void ints8(int a, int b, int c, int d, int e, int f, int g, int h)
{
	right(a == 1 && b == -2 && c == 3 && d == -4 && e == 5 && f == -6 && g == 7 && h == -8, __func__);
}

static void doubles8(double a, double b, double c, double d, double e, double f, double g, double h)
{
	right(a == 1 && b == -2 && c == 3 && d == -4 && e == 5 && f == -6 && g == 7 && h == -8, __func__);
}

static void floats8(float a, float b, float c, float d, float e, float f, float g, float h)
{
	right(a == 1 && b == -2 && c == 3 && d == -4 && e == 5 && f == -6 && g == 7 && h == -8, __func__);
}

static void narrow8(signed char a, unsigned char b, short c, unsigned short d, bool e, char f, enum colour g,
		    unsigned h)
{
	right(a == -1 && b == 255 && c == -1 && d == 65535 && e && f == 'z' && g == RED && h == UINT_MAX,
	      __func__);
}

static void turn7(float a, int b, float c, int d, double e, long f, float g)
{
	right(a == 0.25f && b == -1 && c == 0.5f && d == -2 && e == 0.75 && f == -3 && g == 1.25f, __func__);
}

static int returns(int a, void *b)
{
	right(a == 5 && b == &arrived, __func__);
	return a;
}

static double returns_real(float a)
{
	right(a == 5.5f, __func__);
	return a;
}

static int mixed_main(void *arg)
{
	void (*pointer)(void) = zero;
	int err = 0;

	(void)arg;
	goro_waitgroup_add(&wg, 10);
	err |= GORO_GO(zero);
	err |= GORO_GO(&zero);
	err |= GORO_GO(pointer);
	err |= GORO_GO(mixed8, (char)-3, 2.25, (short)-30000, -0.5f, (bool)true, LLONG_MIN + 1, "seven", twice);
	err |= GORO_GO(ints8, 1, -2, 3, -4, 5, -6, 7, -8);
	err |= GORO_GO(doubles8, 1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0);
	err |= GORO_GO(floats8, 1.0f, -2.0f, 3.0f, -4.0f, 5.0f, -6.0f, 7.0f, -8.0f);
	err |= GORO_GO(narrow8, (signed char)-1, (unsigned char)255, (short)-1, (unsigned short)65535, (bool)true,
		       (char)'z', (enum colour)RED, UINT_MAX);
	err |= go(turn7, 0.25f, -1, 0.5f, -2, 0.75, -3l, 1.25f);
	err |= go(returns, 5, (void *)&arrived);
	wait_for(err);
	goro_waitgroup_add(&wg, 1);
	wait_for(GORO_GO(returns_real, 5.5f));
	t_check_int(arrived, ==, 11);
	return 0;
}

START_TEST(eight_arguments_of_any_mixture_arrive_unchanged)
{
	api_run(mixed_main, NULL);
}
END_TEST

/* The same from the registers' point of view: each count and each position of a real among integers. */
static void pattern4(double a, long b, double c, long d)
{
	right(a == 1.5 && b == 2 && c == 3.5 && d == 4, __func__);
}

static int raw_main(void *arg)
{
	double x = 1.5, y = 3.5;
	uint64_t a[9] = { 0, 2, 0, 4 };

	(void)arg;
	memcpy(&a[0], &x, 8);
	memcpy(&a[2], &y, 8);
	goro_waitgroup_add(&wg, 1);
	wait_for(goro_spawn_args((void (*)(void))pattern4, a, 4, 5));
	t_check_int(goro_spawn_args((void (*)(void))pattern4, a, 9, 0), ==, -EINVAL);
	t_check_int(goro_spawn_args(NULL, a, 1, 0), ==, -EINVAL);
	return 0;
}

START_TEST(the_plain_function_behind_the_macro_does_as_it_says)
{
	api_run(raw_main, NULL);
}
END_TEST

/* ---- evaluation ------------------------------------------------------------------------------------------- */

static int evaluated[4];

static int count_evaluation(int which, uint64_t caller)
{
	t_check(goro_id() == caller);
	return ++evaluated[which];
}

static void three(int a, int b, int c)
{
	right(a == 1 && b == 1 && c == 1, __func__);
}

static void (*the_function(uint64_t caller))(int, int, int)
{
	count_evaluation(3, caller);
	return three;
}

static int once_main(void *arg)
{
	uint64_t me = goro_id();

	(void)arg;
	goro_waitgroup_add(&wg, 1);
	wait_for(GORO_GO(the_function(me), count_evaluation(0, me), count_evaluation(1, me), count_evaluation(2, me)));
	for (int i = 0; i < 4; i++)
		t_check_int(evaluated[i], ==, 1);
	return 0;
}

START_TEST(function_and_arguments_are_evaluated_once_in_the_caller)
{
	api_run(once_main, NULL);
}
END_TEST

static void captured(char *seen, int i)
{
	seen[i]++;
	goro_waitgroup_done(&wg);
}

static int loop_main(void *arg)
{
	char *seen = calloc(1000, 1);

	(void)arg;
	goro_waitgroup_add(&wg, 1000);
	for (int i = 0; i < 1000; i++)
		t_check_int(GORO_GO(captured, seen, i), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < 1000; i++)
		t_check_int(seen[i], ==, 1);
	free(seen);
	return 0;
}

START_TEST(the_loop_variable_is_copied_for_each_goroutine)
{
	api_run(loop_main, NULL);
}
END_TEST

/* ---- options -------------------------------------------------------------------------------------------------- */

struct big {
	char text[100];
	int64_t numbers[100];
};

static void takes_copy(void *arg)
{
	struct big *b = arg;

	for (int round = 0; round < 3; round++) {
		goro_yield(); /* by now the original is overwritten */
		t_check(strcmp(b->text, "kept") == 0);
		for (int i = 0; i < 100; i++)
			t_check(b->numbers[i] == i * 3);
		t_check((uintptr_t)b % __alignof__(max_align_t) == 0);
	}
	b->numbers[0] = 1; /* it may write to it */
	goro_waitgroup_done(&wg);
}

static int copy_main(void *arg)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;
	struct big b;

	(void)arg;
	o.copy = &b;
	o.copy_size = sizeof b;
	for (int n = 0; n < 100; n++) {
		strcpy(b.text, "kept");
		for (int i = 0; i < 100; i++)
			b.numbers[i] = i * 3;
		goro_waitgroup_add(&wg, 1);
		t_check_int(goro_spawn_opts(takes_copy, NULL, &o), ==, 0);
		memset(&b, 0xff, sizeof b);
	}
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(a_structure_is_copied_before_spawn_returns)
{
	api_run(copy_main, NULL);
}
END_TEST

static void uses_stack(void *arg)
{
	size_t size = *(size_t *)arg;
	volatile char *p = __builtin_alloca(size);

	for (size_t i = 0; i < size; i += 1024)
		p[i] = (char)i;
	goro_waitgroup_done(&wg);
}

static int stack_main(void *arg)
{
	static const size_t sizes[] = { 64 << 10, 128 << 10, 1 << 20, 8 << 20, 100000, 64 << 20 };
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;

	(void)arg;
	o.name = "deep";
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		size_t use = sizes[i] / 4 * 3; /* the guard is part of the size */

		o.stack_size = sizes[i];
		goro_waitgroup_add(&wg, 1);
		wait_for(goro_spawn_opts(uses_stack, &use, &o));
	}
	return 0;
}

START_TEST(a_stack_of_the_wanted_size_can_be_used)
{
	api_run(stack_main, NULL);
}
END_TEST

static void nothing(void *arg)
{
	(void)arg;
}

static void nothing_typed(void)
{
}

static int bad_main(void *arg)
{
	struct {
		struct goro_spawn_opts o;
		uint64_t later;
	} newer = { GORO_SPAWN_OPTS_INIT, 0 };
	struct goro_spawn_opts good = GORO_SPAWN_OPTS_INIT, o;
	int x = 0;

	(void)arg;
	t_check_int(goro_spawn(NULL, NULL), ==, -EINVAL);
	t_check_int(goro_spawn_opts(NULL, NULL, &good), ==, -EINVAL);
	t_check_int(goro_spawn_opts(nothing, NULL, NULL), ==, 0);
	o = good, o.size = 0;
	t_check_int(goro_spawn_opts(nothing, NULL, &o), ==, -EINVAL);
	o = good, o.flags = 1u << 31;
	t_check_int(goro_spawn_opts(nothing, NULL, &o), ==, -EINVAL);
	o = good, o.stack_size = ((size_t)1 << 30) + 1;
	t_check_int(goro_spawn_opts(nothing, NULL, &o), ==, -EINVAL);
	o = good, o.stack_size = SIZE_MAX;
	t_check_int(goro_spawn_opts(nothing, NULL, &o), ==, -EINVAL);
	o = good, o.copy = &x, o.copy_size = sizeof x;
	t_check_int(goro_spawn_opts(nothing, &x, &o), ==, -EINVAL);
	newer.o.size = sizeof newer;
	t_check_int(goro_spawn_opts(nothing, NULL, &newer.o), ==, 0);
	newer.later = 1;
	t_check_int(goro_spawn_opts(nothing, NULL, &newer.o), ==, -E2BIG);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(bad_input_is_refused)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;

	t_check_int(goro_spawn(nothing, NULL), ==, -EPERM);
	t_check_int(goro_spawn_opts(nothing, NULL, &o), ==, -EPERM);
	t_check_int(GORO_GO(nothing_typed), ==, -EPERM);
	api_run(bad_main, NULL);
	t_check_int(goro_spawn(nothing, NULL), ==, -EPERM);
}
END_TEST

/* ---- from everywhere ---------------------------------------------------------------------------------------------- */

static long ran; /* atomic */

static void count_up(void)
{
	__atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
	goro_waitgroup_done(&wg);
}

static void *thread_spawns(void *arg)
{
	long n = *(long *)arg;

	for (long i = 0; i < n; i++)
		t_check_int(GORO_GO(count_up), ==, 0);
	return NULL;
}

static int threads_main(void *arg)
{
	long n = t_scaled(5000);
	pthread_t t[4];

	(void)arg;
	goro_waitgroup_add(&wg, 4 * (int)n);
	for (int i = 0; i < 4; i++)
		t[i] = api_thread(thread_spawns, &n);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(ran, ==, 4 * n);
	for (int i = 0; i < 4; i++)
		api_join(t[i]);
	return 0;
}

START_TEST(plain_threads_spawn)
{
	api_run(threads_main, NULL);
}
END_TEST

static int short_main(void *arg)
{
	long n = t_scaled(100000);

	(void)arg;
	goro_waitgroup_add(&wg, (int)n);
	for (long i = 0; i < n; i++)
		t_check_int(GORO_GO(count_up), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(ran, ==, n);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(a_hundred_thousand_short_goroutines_all_run)
{
	api_run(short_main, NULL);
}
END_TEST

/* Go's skynet: ten children each, the leaves counted on the way up. */
static void skynet(struct goro_chan *up, long number, long size)
{
	struct goro_chan *c;
	long sum = 0, v;

	if (size == 1) {
		goro_chan_send(up, &number, GORO_FOREVER);
		return;
	}
	c = goro_chan_new(sizeof(long), 0);
	for (int i = 0; i < 10; i++)
		t_check_int(GORO_GO(skynet, c, number + i * (size / 10), size / 10), ==, 0);
	for (int i = 0; i < 10; i++) {
		t_check(goro_chan_recv(c, &v, GORO_FOREVER) == 1);
		sum += v;
	}
	goro_chan_free(c);
	goro_chan_send(up, &sum, GORO_FOREVER);
}

static int skynet_main(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(long), 0);
	long n = t_scaled(100) == 100 ? 100000 : 1000, v = 0;

	(void)arg;
	t_check_int(GORO_GO(skynet, c, 0l, n), ==, 0);
	t_check(goro_chan_recv(c, &v, GORO_FOREVER) == 1);
	t_check_int(v, ==, n * (n - 1) / 2);
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_chan_free(c);
	return 0;
}

START_TEST(goroutines_that_spawn_goroutines_that_spawn)
{
	api_run(skynet_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spawn");
	TCase *tc = tcase_create("typed");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_value_of_each_scalar_type_arrives_unchanged);
	tcase_add_test(tc, eight_arguments_of_any_mixture_arrive_unchanged);
	tcase_add_test(tc, the_plain_function_behind_the_macro_does_as_it_says);
	tcase_add_test(tc, function_and_arguments_are_evaluated_once_in_the_caller);
	tcase_add_test(tc, the_loop_variable_is_copied_for_each_goroutine);
	suite_add_tcase(s, tc);
	tc = tcase_create("options");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_structure_is_copied_before_spawn_returns);
	tcase_add_test(tc, a_stack_of_the_wanted_size_can_be_used);
	tcase_add_test(tc, bad_input_is_refused);
	suite_add_tcase(s, tc);
	tc = tcase_create("from everywhere");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, plain_threads_spawn);
	tcase_add_test(tc, a_hundred_thousand_short_goroutines_all_run);
	tcase_add_test(tc, goroutines_that_spawn_goroutines_that_spawn);
	suite_add_tcase(s, tc);
	return t_main(s);
}
