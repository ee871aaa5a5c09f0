/* SPDX-License-Identifier: MIT */
/*
 * check_fp.c: the registers of a goroutine survive that it is stopped (hazard 12): floating point results, whole vector registers, the rounding mode
 * and the other bits of the control words, which each goroutine has for itself.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <fenv.h>
#include <math.h>
#include <string.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define GOROUTINES 6

/* ---- sums ---------------------------------------------------------------------------------------------------- */

static uint64_t sum_job(uint64_t seed)
{
	double d = (double)seed + 0.5, s = 0;
	long double l = 1.0L / (long double)(seed + 3), t = 0;
	float f = 1.0f + (float)seed, u = 0;
	uint64_t h = PRE_HASH;

	for (long n = t_scaled(3000000); n > 0; n--) {
		d = d * 1.0000001 + 1e-9;
		s += d / 3;
		l = l * 0.9999999L + 1e-8L;
		t += l;
		f = f * 0.999f + 0.25f;
		u += f;
	}
	h = pre_hash(h, &s, sizeof s);
	h = pre_hash(h, &t, 10 < sizeof t ? 10 : sizeof t); /* x87: the rest is padding */
	return pre_hash(h, &u, sizeof u);
}

START_TEST(floating_point_results_are_those_of_a_plain_thread)
{
	pre_agree(sum_job, GOROUTINES);
}
END_TEST

/* ---- patterns in registers: set, spin, look --------------------------------------------------------------------- */

#if defined(__x86_64__)
# define WIDE 64 /* bytes of the widest register that we know of */
# define REGS 16

# define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
# define STR_(x) #x
# define STR(x) STR_(x)
# define LOAD_SSE(n) "movdqu " #n "*16(%[in]), %%xmm" #n "\n\t"
# define SAVE_SSE(n) "movdqu %%xmm" #n ", " #n "*16(%[out])\n\t"
# define LOAD_AVX(n) "vmovdqu " #n "*32(%[in]), %%ymm" #n "\n\t"
# define SAVE_AVX(n) "vmovdqu %%ymm" #n ", " #n "*32(%[out])\n\t"
# define LOAD_AVX512(n) "vmovdqu64 " #n "*64(%[in]), %%zmm" #n "\n\t"
# define SAVE_AVX512(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%[out])\n\t"
# define CLOBBERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
	"xmm14", "xmm15", "memory", "cc"
# define HOLD(kind, extra) __asm__ volatile(EACH(LOAD_##kind) "1: subq $1, %[n]\n\tjnz 1b\n\t" EACH(SAVE_##kind) extra	\
	: [n] "+r"(n) : [in] "r"(in), [out] "r"(out) : CLOBBERS)

static size_t width(void)
{
	return __builtin_cpu_supports("avx512f") ? 64 : __builtin_cpu_supports("avx2") ? 32 : 16;
}

__attribute__((noinline)) static void hold_patterns(const unsigned char *in, unsigned char *out, long n)
{
	switch (width()) {
	case 64:
		HOLD(AVX512, "vzeroupper");
		break;
	case 32:
		HOLD(AVX, "vzeroupper");
		break;
	default:
		HOLD(SSE, "");
		break;
	}
}

#elif defined(__aarch64__)
# define WIDE 16
# define REGS 32

static size_t width(void)
{
	return 16;
}

# define PAIR_IN(a, b, at) "ldp q" #a ", q" #b ", [%[in], #" #at "]\n\t"
# define PAIR_OUT(a, b, at) "stp q" #a ", q" #b ", [%[out], #" #at "]\n\t"
# define PAIRS(X) X(0, 1, 0) X(2, 3, 32) X(4, 5, 64) X(6, 7, 96) X(8, 9, 128) X(10, 11, 160) X(12, 13, 192) X(14, 15, 224) \
	X(16, 17, 256) X(18, 19, 288) X(20, 21, 320) X(22, 23, 352) X(24, 25, 384) X(26, 27, 416) X(28, 29, 448) X(30, 31, 480)

__attribute__((noinline)) static void hold_patterns(const unsigned char *in, unsigned char *out, long n)
{
	__asm__ volatile(PAIRS(PAIR_IN) "1: subs %[n], %[n], #1\n\tb.ne 1b\n\t" PAIRS(PAIR_OUT)
		: [n] "+r"(n) : [in] "r"(in), [out] "r"(out)
		: "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
		  "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "memory", "cc");
}
#endif

static uint64_t pattern_job(uint64_t seed)
{
	unsigned char in[REGS * WIDE], out[REGS * WIDE];
	size_t used = REGS * width();
	uint64_t rng = seed;

	for (long round = t_scaled(200); round > 0; round--) {
		for (size_t i = 0; i < used; i++)
			in[i] = (unsigned char)t_rand(&rng);
		memset(out, 0, sizeof out);
		hold_patterns(in, out, 200000);
		t_check(memcmp(in, out, used) == 0);
	}
	return seed;
}

START_TEST(vector_registers_survive_whole)
{
	pre_agree(pattern_job, GOROUTINES);
}
END_TEST

/* ---- the rounding mode -------------------------------------------------------------------------------------------------- */

static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };

static uint64_t rounding_job(uint64_t seed)
{
	volatile double one = 1, three = seed & 4 ? -3 : 3;
	volatile long double lone = 1, lthree = seed & 4 ? -3 : 3;
	double first;
	long double lfirst;

	t_check(fesetround(modes[seed % 4]) == 0);
	first = one / three;
	lfirst = lone / lthree;
	for (long n = t_scaled(3000); n > 0; n--) {
		for (int i = 0; i < 1000; i++)
			t_check(one / three == first);
		t_check(lone / lthree == lfirst);
		t_check_int(fegetround(), ==, modes[seed % 4]);
		if (n % 64 == 0)
			goro_yield(); /* a switch that it asks for keeps it as well */
	}
	t_check(fesetround(FE_TONEAREST) == 0);
	return pre_hash(pre_hash(PRE_HASH, &first, sizeof first), &lfirst, 10 < sizeof lfirst ? 10 : sizeof lfirst);
}

START_TEST(each_goroutine_has_its_own_rounding_mode)
{
	pre_agree(rounding_job, 8);
}
END_TEST

/* The flags that computing raises are the thread's, and so the goroutine's between two calls that park. */
static uint64_t flags_job(uint64_t seed)
{
	volatile double zero = 0, x;

	for (long n = t_scaled(400); n > 0; n--) {
		feclearexcept(FE_ALL_EXCEPT);
		if (seed % 2) {
			x = 1 / zero;
			(void)x;
		}
		for (volatile int i = 0; i < 20000; i++)
			;
		t_check_int(fetestexcept(FE_DIVBYZERO), ==, seed % 2 ? FE_DIVBYZERO : 0);
	}
	return seed;
}

START_TEST(exception_flags_are_not_mixed_up)
{
	pre_agree(flags_job, GOROUTINES);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: registers");
	TCase *tc = tcase_create("fp");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, floating_point_results_are_those_of_a_plain_thread);
	tcase_add_test(tc, vector_registers_survive_whole);
	tcase_add_test(tc, each_goroutine_has_its_own_rounding_mode);
	tcase_add_test(tc, exception_flags_are_not_mixed_up);
	suite_add_tcase(s, tc);
	return t_main(s);
}
