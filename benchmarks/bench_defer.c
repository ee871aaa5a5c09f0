/* SPDX-License-Identifier: MIT */
/*
 * bench_defer: a function that defers a call, against the same function that makes the call itself; and a panic that a deferred call of the
 * function that panics, or of one ten frames further down, recovers from. Go's twins are in peers/go/micro.go.
 */
#include "bench.h"

#define NOINLINE __attribute__((noinline))

static long counter;
static volatile int always = 1; /* the compiler is not to see a recursion without an end */

static NOINLINE void count(long *c)
{
	++*c;
}

static NOINLINE void calls(long *c)
{
	count(c);
}

static NOINLINE void defers(long *c)
{
	defer(count, c);
}

static NOINLINE void defers_three(long *c)
{
	defer(count, c);
	defer(count, c);
	defer(count, c);
}

static NOINLINE void recovers(long *c)
{
	if (recover())
		++*c;
}

static NOINLINE void panics(long *c)
{
	defer(recovers, c);
	panic("bench");
}

static NOINLINE void panics_below(int depth)
{
	if (depth > 0)
		panics_below(depth - 1);
	else if (always)
		panic("bench");
	__asm__ volatile(""); /* no tail call */
}

static NOINLINE void panics_deep(long *c)
{
	defer(recovers, c);
	panics_below(10);
}

static void (*const work[])(long *c) = { calls, defers, defers_three, panics, panics_deep };

static void repeat(long n, long which)
{
	void (*volatile f)(long *c) = work[which];

	counter = 0;
	for (long i = 0; i < n; i++)
		f(&counter);
	bench_check(counter == (which == 2 ? 3 * n : n), "a call is missing");
}

static void call_(long n) { bench_repeat("DeferNone", n, repeat, 0); }
static void defer_(long n) { bench_repeat("Defer", n, repeat, 1); }
static void defer3(long n) { bench_repeat("Defer3", n, repeat, 2); }
static void panic_(long n) { bench_repeat("PanicRecover", n, repeat, 3); }
static void panic10(long n) { bench_repeat("PanicRecover10", n, repeat, 4); }

static const struct bench_subject subjects[] = {
	{ "defer_none", 100000000, call_ }, { "defer", 50000000, defer_ },     { "defer3", 20000000, defer3 },
	{ "panic", 3000000, panic_ },	    { "panic10", 3000000, panic10 },
};

BENCH_MAIN(subjects, 0)
