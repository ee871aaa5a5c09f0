/* SPDX-License-Identifier: MIT */
/*
 * check_tables.c: what tables.c reads of frames, against the C library's unwinder: of each frame from a callback down to the goroutine's entry
 * both must say the same of the next one. The frames are of many kinds: with and without frame pointer, large, of changing size, with arguments
 * on the stack, of the C library.
 */
#include "tables.h"

#include <alloca.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include <goro/runtime.h>

#include "arch.h"
#include "t.h"

#define NOINLINE __attribute__((noinline))
#define MAX_FRAMES 200

static struct {
	uintptr_t pc, sp;
} frames[MAX_FRAMES];
static int nframes;
static volatile int zero;

static _Unwind_Reason_Code note(struct _Unwind_Context *ctx, void *arg)
{
	(void)arg;
	frames[nframes].pc = _Unwind_GetIP(ctx);
	frames[nframes].sp = _Unwind_GetCFA(ctx);
	return ++nframes < MAX_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* Walks by the layouts beside what the unwinder has found. Its own frame has a frame pointer, since it asks for it. */
static NOINLINE void compare(void)
{
	uintptr_t fp = (uintptr_t)__builtin_frame_address(0);
	uint32_t l = 0;
	int i;

	nframes = 0;
	_Unwind_Backtrace(note, NULL);
	for (i = 0; i < nframes; i++) {
		uintptr_t end;

		l = goro__layout_of(frames[i].pc - 1);
		t_check(l == goro__layout_of(frames[i].pc - 1));
		if (!(l & LAYOUT_PLAIN))
			break;
		end = (l & LAYOUT_BY_FP ? fp : frames[i].sp) + LAYOUT_SIZE(l);
		t_check(i + 1 < nframes, "frame %d of %d", i, nframes);
		t_check(end == frames[i + 1].sp, "frame %d: %#lx, not %#lx", i, (long)end, (long)frames[i + 1].sp);
		t_check((uintptr_t)arch_strip(*(uint64_t *)(end - LAYOUT_RET(l))) == frames[i + 1].pc, "frame %d", i);
		if (LAYOUT_FP(l) != 0)
			fp = *(uintptr_t *)(end - LAYOUT_FP(l));
	}
	t_check(l == LAYOUT_END, "ends with %#x at frame %d of %d", l, i, nframes);
	t_check(i > 20, "%d frames", i);
}

#define AT_END __asm__ volatile("") /* no tail call */

static NOINLINE long deep(int n);

static NOINLINE long small(int n)
{
	long r = deep(n) + 1;

	AT_END;
	return r;
}

static NOINLINE long large(int n)
{
	char volatile a[3000];

	a[n] = (char)n;
	return deep(n) + a[n];
}

static NOINLINE long changing(int n)
{
	char *a = alloca(100 + 16 * (size_t)(n + zero));
	long r;

	memset(a, n, 100);
	r = deep(n) + a[99];
	AT_END;
	return r;
}

static NOINLINE long many(int n, long b, long c, long d, long e, long f, long g, long h, long i, long k)
{
	long r = deep(n);

	AT_END;
	return r + b + c + d + e + f + g + h + i + k;
}

static int called_back(const void *a, const void *b)
{
	static int n;

	if (n++ == 0)
		small(*(const int *)a < 0 ? 0 : -1);
	return *(const int *)a - *(const int *)b;
}

#ifndef __clang__
__attribute__((optimize("omit-frame-pointer")))
#endif
static NOINLINE long without_fp(int n)
{
	long r = deep(n) * (zero + 3);

	AT_END;
	return r;
}

static NOINLINE long deep(int n)
{
	int a[] = { -1, -2, -3 };
	long r;

	switch (n) {
	case -1: compare(); return 0;
	case 0: qsort(a, 3, sizeof(a[0]), called_back); r = deep(-1); break;
	case 1: case 6: r = small(n - 1); break;
	case 2: case 7: r = large(n - 1); break;
	case 3: case 8: r = changing(n - 1); break;
	case 4: case 9: r = many(n - 1, n, 2, 3, n, 5, 6, n, 8, n); break;
	default: r = without_fp(n - 1);
	}
	AT_END;
	return r;
}

static int frames_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		deep(10);
	return 0;
}

START_TEST(frames_are_as_the_unwinder_says_down_to_the_goroutines_entry)
{
	struct goro_config c = GORO_CONFIG_INIT;

	c.maxprocs = 1;
	t_check_int(goro_run(&c, frames_main, NULL), ==, 0);
}
END_TEST

START_TEST(a_function_is_known_by_each_of_its_addresses)
{
	uintptr_t start = (uintptr_t)large;
	bool whole = false;

	/* The first time it is looked up, the second time recalled. */
	for (int i = 0; i < 2; i++)
		for (uintptr_t pc = start; pc < start + 16; pc++) {
			t_check(goro__function_of((void *)pc, &whole) == start);
			t_check(whole);
		}
	t_check(goro__function_of((void *)qsort, &whole) == (uintptr_t)qsort);
}
END_TEST

START_TEST(of_what_is_no_code_nothing_is_known)
{
	static char data[64];
	bool whole;

	t_check(goro__function_of(data, &whole) == 0);
	t_check(goro__layout_of((uintptr_t)data) == LAYOUT_OTHER);
	t_check(goro__function_of(&whole, &whole) == 0);
	t_check(goro__layout_of((uintptr_t)&whole) == LAYOUT_OTHER);
	t_check(goro__layout_of(0) == LAYOUT_OTHER);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tables");
	TCase *tc = tcase_create("tables");
	bool whole;

	t_skip_unless(goro__function_of((void *)main, &whole) != 0, "no _dl_find_object()");
	tcase_add_test(tc, frames_are_as_the_unwinder_says_down_to_the_goroutines_entry);
	tcase_add_test(tc, a_function_is_known_by_each_of_its_addresses);
	tcase_add_test(tc, of_what_is_no_code_nothing_is_known);
	suite_add_tcase(s, tc);
	return t_main(s);
}
