/* SPDX-License-Identifier: MIT */
/*
 * check_args.c: arguments of a typed spawn, from GORO_GO() in the caller to the called function's parameters. The spawn
 * between the two is replaced by one that keeps the register images and calls at once.
 */
#include "arch.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define goro_spawn_args kept_spawn
#include <goro/go.h>
#include <goro/short.h>

#include "t.h"

/* ---- goro__invoke ---- */

/*
 * A function for each of the 511 ways to have up to 8 arguments that are integers or reals, each of which notes what it
 * got. Argument k is, of an integer: int64_t, int32_t, uint8_t, int16_t in turn; of a real: double, float in turn.
 */
static int got_n;
static double got[8];

#define UNP(...) __VA_ARGS__
#define FN(name, P, B)                                                                                           \
	static void f_##name(UNP P)                                                                              \
	{                                                                                                        \
		UNP B                                                                                            \
	}
#define NOTE(k) got[k] = (double)a##k; got_n = k + 1;
#define I0 int64_t
#define I1 int32_t
#define I2 uint8_t
#define I3 int16_t
#define I4 int64_t
#define I5 int32_t
#define I6 uint8_t
#define I7 int16_t
#define D0 double
#define D1 float
#define D2 double
#define D3 float
#define D4 double
#define D5 float
#define D6 double
#define D7 float
#define W8(n, P, B) FN(n, P, B)
#define W7(n, P, B)                                                                                            \
	FN(n, P, B)                                                                                              \
	W8(n##i, (UNP P, I7 a7), (UNP B NOTE(7))) W8(n##d, (UNP P, D7 a7), (UNP B NOTE(7)))
#define W6(n, P, B)                                                                                            \
	FN(n, P, B)                                                                                              \
	W7(n##i, (UNP P, I6 a6), (UNP B NOTE(6))) W7(n##d, (UNP P, D6 a6), (UNP B NOTE(6)))
#define W5(n, P, B)                                                                                            \
	FN(n, P, B)                                                                                              \
	W6(n##i, (UNP P, I5 a5), (UNP B NOTE(5))) W6(n##d, (UNP P, D5 a5), (UNP B NOTE(5)))
#define W4(n, P, B)                                                                                            \
	FN(n, P, B)                                                                                              \
	W5(n##i, (UNP P, I4 a4), (UNP B NOTE(4))) W5(n##d, (UNP P, D4 a4), (UNP B NOTE(4)))
#define W3(n, P, B)                                                                                            \
	FN(n, P, B)                                                                                              \
	W4(n##i, (UNP P, I3 a3), (UNP B NOTE(3))) W4(n##d, (UNP P, D3 a3), (UNP B NOTE(3)))
#define W2(n, P, B)                                                                                            \
	FN(n, P, B)                                                                                              \
	W3(n##i, (UNP P, I2 a2), (UNP B NOTE(2))) W3(n##d, (UNP P, D2 a2), (UNP B NOTE(2)))
#define W1(n, P, B)                                                                                            \
	FN(n, P, B)                                                                                              \
	W2(n##i, (UNP P, I1 a1), (UNP B NOTE(1))) W2(n##d, (UNP P, D1 a1), (UNP B NOTE(1)))
static void f_(void)
{
	got_n = 0;
}
W1(i, (I0 a0), (NOTE(0)))
W1(d, (D0 a0), (NOTE(0)))

#define ROW(n, k, m) {(void (*)(void))f_##n, k, m},
#define R8(n, m) ROW(n, 8, m)
#define R7(n, m) ROW(n, 7, m) R8(n##i, m) R8(n##d, m | 128)
#define R6(n, m) ROW(n, 6, m) R7(n##i, m) R7(n##d, m | 64)
#define R5(n, m) ROW(n, 5, m) R6(n##i, m) R6(n##d, m | 32)
#define R4(n, m) ROW(n, 4, m) R5(n##i, m) R5(n##d, m | 16)
#define R3(n, m) ROW(n, 3, m) R4(n##i, m) R4(n##d, m | 8)
#define R2(n, m) ROW(n, 2, m) R3(n##i, m) R3(n##d, m | 4)
#define R1(n, m) ROW(n, 1, m) R2(n##i, m) R2(n##d, m | 2)
static const struct {
	void (*fn)(void);
	unsigned nargs, mask;
} all_signatures[] = {{f_, 0, 0}, R1(i, 0) R1(d, 1)};

/* The register image of argument k, and what its function must see. */
static uint64_t image(unsigned k, bool real, double *ret_want)
{
	static const int64_t ints[4] = {-123456789012, -7654321, 250, -31000};
	uint64_t v = 0;
	double d = 0.5 + k;
	float f = -0.25f - (float)k;

	if (!real) {
		*ret_want = (double)ints[k % 4];
		return (uint64_t)ints[k % 4];
	}
	*ret_want = k % 2 ? (double)f : d;
	if (k % 2)
		memcpy(&v, &f, sizeof(f));
	else
		memcpy(&v, &d, sizeof(d));
	return v;
}

START_TEST(every_mix_of_up_to_eight_arguments_arrives)
{
	uint64_t arg[8];
	double want[8];

	t_check_int(sizeof(all_signatures) / sizeof(all_signatures[0]), ==, 511);
	for (size_t i = 0; i < 511; i++) {
		for (unsigned k = 0; k < 8; k++) {
			arg[k] = image(k, all_signatures[i].mask >> k & 1, &want[k]);
			got[k] = 0;
		}
		got_n = -1;
		goro__invoke(all_signatures[i].fn, arg, all_signatures[i].nargs, all_signatures[i].mask);
		t_check_int(got_n, ==, all_signatures[i].nargs);
		for (int k = 0; k < got_n; k++)
			t_check(got[k] == want[k], "argument %d of %d, mask %x: %g", k, got_n, all_signatures[i].mask, got[k]);
	}
}
END_TEST

/* ---- GORO_GO ---- */

static uint64_t kept[8];
static unsigned kept_nargs, kept_mask;

int kept_spawn(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask)
{
	uint64_t a[8] = {0};

	if (nargs > 0)
		memcpy(a, arg, nargs * sizeof(a[0]));
	memcpy(kept, a, sizeof(kept));
	kept_nargs = nargs;
	kept_mask = fpmask;
	goro__invoke(fn, a, nargs, fpmask);
	return (int)nargs;
}

static int calls;

static void none(void)
{
	calls++;
}

START_TEST(no_argument_is_a_call_without_arguments)
{
	calls = 0;
	t_check_int(GORO_GO(none), ==, 0);
	t_check_int(go(&none), ==, 0);
	t_check_int(calls, ==, 2);
	t_check_int(kept_mask, ==, 0);
}
END_TEST

enum colour { RED, GREEN = 7 };

static signed char s8;
static short s16;
static int s32;
static long s64;
static bool truth;
static enum colour colour;
static unsigned char u8;
static unsigned short u16;
static unsigned u32;
static unsigned long u64;

static long narrow(signed char a, short b, int c, long d, bool e, enum colour f)
{
	s8 = a;
	s16 = b;
	s32 = c;
	s64 = d;
	truth = e;
	colour = f;
	return d;
}

static void wide(unsigned char a, unsigned short b, unsigned c, unsigned long d, char e)
{
	u8 = a;
	u16 = b;
	u32 = c;
	u64 = d;
	s8 = (signed char)e;
}

START_TEST(integers_of_all_widths_arrive_unchanged)
{
	signed char a = SCHAR_MIN;
	short b = SHRT_MIN;
	bool e = true;
	enum colour f = GREEN;

	t_check_int(GORO_GO(narrow, a, b, INT_MIN, LONG_MIN, e, f), ==, 6);
	t_check(s8 == SCHAR_MIN && s16 == SHRT_MIN && s32 == INT_MIN && s64 == LONG_MIN && truth && colour == GREEN);
	/* The images are extended by the rules of the types: callees compiled by clang rely on 32 bits of it. */
	t_check(kept[0] == (uint64_t)SCHAR_MIN && kept[1] == (uint64_t)SHRT_MIN && kept[2] == (uint64_t)INT_MIN);
	t_check(kept[4] == 1 && kept[5] == GREEN);
	GORO_GO(wide, (unsigned char)UCHAR_MAX, (unsigned short)USHRT_MAX, UINT_MAX, ULONG_MAX, (char)'x');
	t_check(u8 == UCHAR_MAX && u16 == USHRT_MAX && u32 == UINT_MAX && u64 == ULONG_MAX && s8 == 'x');
	t_check(kept[0] == UCHAR_MAX && kept[1] == USHRT_MAX && kept[2] == UINT_MAX);
}
END_TEST

static float f1, f2;
static double d1, d2;

static void reals(float a, double b, float c, double d)
{
	f1 = a;
	d1 = b;
	f2 = c;
	d2 = d;
}

START_TEST(floats_and_doubles_arrive_unchanged)
{
	GORO_GO(reals, 1.25f, -2.5, -0.0f, HUGE_VAL);
	t_check(f1 == 1.25f && d1 == -2.5 && f2 == 0 && signbit(f2) && d2 == HUGE_VAL);
	t_check_int(kept_mask, ==, 15);
	GORO_GO(reals, nanf(""), 0x1p-1074, 3.4e38f, 1e308);
	t_check(isnan(f1) && d1 == 0x1p-1074 && f2 == 3.4e38f && d2 == 1e308);
}
END_TEST

struct opaque;
static const char *text;
static const struct opaque *thing;
static void *plain;
static void (*callback)(void);
static int (*row)[3];

static int pointers(const char *a, const struct opaque *b, void *c, void (*d)(void), int (*e)[3], char *const *f)
{
	text = a;
	thing = b;
	plain = c;
	callback = d;
	row = e;
	return f == NULL;
}

START_TEST(pointers_arrays_and_functions_arrive_as_pointers)
{
	char buf[8] = "abc";
	struct opaque *o = (struct opaque *)buf;
	int rows[2][3] = {{0}};

	GORO_GO(pointers, "literal", o, (void *)buf, none, rows, (char **)NULL);
	t_check(strcmp(text, "literal") == 0 && thing == o && plain == buf && callback == none && row == rows);
	GORO_GO(pointers, buf, (const struct opaque *)o, NULL, &none, &rows[1], (char *const *)NULL);
	t_check(text == buf && thing == o && plain == NULL && row == &rows[1]);
	t_check_int(kept_mask, ==, 0);
}
END_TEST

static double eight[8];

static void take_eight(int a, double b, const char *c, float d, long e, double f, short g, char h)
{
	eight[0] = a;
	eight[1] = b;
	eight[2] = c[0];
	eight[3] = d;
	eight[4] = (double)e;
	eight[5] = f;
	eight[6] = g;
	eight[7] = h;
}

static void take_seven(int a, int b, int c, int d, int e, int f, int g)
{
	eight[0] = a + b + c + d + e + f;
	eight[1] = g;
}

START_TEST(seven_and_eight_arguments_arrive_in_order)
{
	t_check_int(GORO_GO(take_eight, 1, 2.0, "3", 4.0f, 5L, 6.0, (short)7, (char)8), ==, 8);
	for (int i = 0; i < 8; i++)
		t_check(eight[i] == (i == 2 ? '3' : i + 1));
	t_check_int(GORO_GO(take_seven, 1, 2, 3, 4, 5, 6, 7), ==, 7);
	t_check(eight[0] == 21 && eight[1] == 7);
}
END_TEST

static void two(int a, int b)
{
	s32 = a;
	s64 = b;
}

static int evaluated;

static void (*choose(void))(int, int)
{
	evaluated++;
	return two;
}

START_TEST(everything_is_evaluated_once_and_in_the_caller)
{
	int i = 5;

	evaluated = 0;
	GORO_GO(choose(), i++, evaluated + 10);
	t_check_int(evaluated, ==, 1);
	t_check_int(i, ==, 6);
	t_check(s32 == 5 && s64 == 11);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("args");
	TCase *tc = tcase_create("invoke");

	tcase_add_test(tc, every_mix_of_up_to_eight_arguments_arrives);
	suite_add_tcase(s, tc);
	tc = tcase_create("GORO_GO");
	tcase_add_test(tc, no_argument_is_a_call_without_arguments);
	tcase_add_test(tc, integers_of_all_widths_arrive_unchanged);
	tcase_add_test(tc, floats_and_doubles_arrive_unchanged);
	tcase_add_test(tc, pointers_arrays_and_functions_arrive_as_pointers);
	tcase_add_test(tc, seven_and_eight_arguments_arrive_in_order);
	tcase_add_test(tc, everything_is_evaluated_once_and_in_the_caller);
	suite_add_tcase(s, tc);
	return t_main(s);
}
