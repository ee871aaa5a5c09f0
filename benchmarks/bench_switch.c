/* SPDX-License-Identifier: MIT */
/*
 * bench_switch: what the scheduler is made of, below it. The one program here that is white-box: it links the internal library and runs
 * on a plain thread.
 *
 * The bare context switch: two contexts that resume each other. An operation is one switch. Switch is arch_switch(), which the
 * scheduler uses; SwitchCall is goro__switch(), the same as a C function; SwitchFresh is the way onto an empty stack and back.
 *
 * What guards a P's queues, each entered and left: Lock is the runtime's spin lock, one locked instruction and a store; BiasOwner is the
 * owner's side of bias.h; BiasOther is the other side, with a membarrier(2) that must reach a second thread, which computes.
 */
#include "bench.h"

#include "arch.h"
#include "bias.h"

#include <pthread.h>
#include <sys/mman.h>

#define OTHER_SHARE 100 /* BiasOther is so much dearer than the rest: it is done less often */

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

static struct lock lock = LOCK_INIT(RANK_NONE);
static struct bias bias;
static bool enough; /* atomic */

static void locks(long n)
{
	struct bench_span start = bench_start();

	for (long i = 0; i < n; i++) {
		goro__lock(&lock);
		goro__unlock(&lock);
	}
	bench_row("Lock", n, bench_stop(start), NULL);
	start = bench_start();
	for (long i = 0; i < n; i++) {
		bias_enter(&bias);
		bias_leave(&bias);
	}
	bench_row("BiasOwner", n, bench_stop(start), NULL);
}

static void *compute(void *unused)
{
	while (!load_rlx(&enough))
		arch_pause();
	return unused;
}

/* The CPU time is that of both threads: wall time is what it costs. */
static void other_side(long n)
{
	struct bench_span start;
	pthread_t thread;

	store_rlx(&enough, false);
	bench_check(pthread_create(&thread, NULL, compute, NULL) == 0, "pthread_create");
	start = bench_start();
	for (long i = 0; i < n; i++) {
		bench_check(goro__bias_claim(&bias), "nobody is inside");
		goro__bias_release(&bias);
	}
	bench_row(load_rlx(&goro__have_membarrier) ? "BiasOther" : "BiasOtherByFence", n, bench_stop(start), NULL);
	store_rlx(&enough, true);
	pthread_join(thread, NULL);
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
	goro__bias_setup();
	goro__bias_init(&bias);
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
		locks(n);
		other_side(n / OTHER_SHARE);
	}
	return 0;
}
