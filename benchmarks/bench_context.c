/* SPDX-License-Identifier: MIT */
/*
 * bench_context: a tree of 10,000 contexts, each with ten children, is made, cancelled at its root, and given back. ContextTree is all of it,
 * ContextCancel the cancellation alone; an operation is a context. Go's twins are in peers/go/sync.go.
 */
#include "bench.h"

#define TREE 10000
#define CHILDREN 10

static struct goro_context *tree[TREE];

static void plant(void)
{
	tree[0] = goro_context_with_cancel(goro_context_background());
	for (int i = 1; i < TREE; i++)
		tree[i] = goro_context_with_cancel(tree[(i - 1) / CHILDREN]);
}

static void check_and_fell(void)
{
	for (int i = 0; i < TREE; i++) {
		bench_check(goro_context_err(tree[i]) != 0, "a context is not cancelled");
		goro_context_unref(tree[i]);
	}
}

static void whole(long n, long arg)
{
	(void)arg;
	for (long k = 0; k < n / TREE; k++) {
		plant();
		goro_context_cancel(tree[0]);
		check_and_fell();
	}
}

static void tree_row(long n)
{
	bench_repeat("ContextTree", n, whole, 0);
}

static void cancel_row(long n)
{
	for (int i = 0; i < bench.count; i++) {
		struct bench_span sum = { 0, 0 };

		for (long k = 0; k < n / TREE; k++) {
			struct bench_span start, s;

			plant();
			start = bench_start();
			goro_context_cancel(tree[0]);
			s = bench_stop(start);
			sum.wall += s.wall;
			sum.cpu += s.cpu;
			check_and_fell();
		}
		bench_row("ContextCancel", n, sum, NULL);
	}
}

static const struct bench_subject subjects[] = {
	{ "context_tree", 1000000, tree_row },
	{ "context_cancel", 1000000, cancel_row },
};

BENCH_MAIN(subjects, 0)
