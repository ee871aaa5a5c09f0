/* SPDX-License-Identifier: MIT */
/*
 * bench_switch: the bare context switch, below the scheduler: two contexts that resume each other. An operation is one switch.
 * Switch is arch_switch(), which the scheduler uses; SwitchCall is goro__switch(), the same as a C function; SwitchFresh is the way onto
 * an empty stack and back. The one program here that is white-box: it links the internal library and runs on a plain
 * thread.
 */
#include "bench.h"

#include "arch.h"

#include <sys/mman.h>

#define STACK_SIZE (64 * 1024)

static void *here, *there;

static _Noreturn void partner(void *pass)
{
	for (;;)
		pass = arch_switch(&there, here, pass);
}

static _Noreturn void calling_partner(void *pass)
{
	for (;;)
		pass = goro__switch(&there, here, pass);
}

/* All registers are lost in an arch_switch(), so its loop is a function of its own. */
static __attribute__((noinline)) void switch_inline(long n)
{
	for (long i = 0; i < n / 2; i++)
		arch_switch(&here, there, NULL);
}

static _Noreturn void visitor(void *pass)
{
	void *unused;

	goro__switch(&unused, here, pass);
	abort();
}

int main(int argc, char **argv)
{
	long n = 20000000;
	struct bench_span start;
	char *stack;

	if (!bench_options(argc, argv))
		return 2;
	n = bench.n ? bench.n : n;
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bench_check(stack != MAP_FAILED, "mmap");
	bench_header();
	for (int r = 0; r < bench.count; r++) {
		there = goro__ctx_make(stack + STACK_SIZE, partner);
		start = bench_start();
		switch_inline(n);
		bench_row("Switch", n, bench_stop(start), NULL);
		there = goro__ctx_make(stack + STACK_SIZE, calling_partner);
		start = bench_start();
		for (long i = 0; i < n / 2; i++)
			goro__switch(&here, there, NULL);
		bench_row("SwitchCall", n, bench_stop(start), NULL);
		start = bench_start();
		for (long i = 0; i < n / 2; i++)
			goro__switch_fresh(&here, stack + STACK_SIZE, visitor, NULL);
		bench_row("SwitchFresh", n / 2, bench_stop(start), NULL);
	}
	return 0;
}
