/* SPDX-License-Identifier: MIT */
/*
 * quicksort: in parallel. After each partition one part gets a goroutine of its own, the other is sorted on; small parts are sorted where they are. Nobody waits on the
 * way down: one WaitGroup counts all, and whoever starts a goroutine is counted himself, so it cannot be zero too early.
 *
 * Prints:
 *     1000000 numbers are in order, and the same as before
 */
#include <goro.h>
#include <goro/short.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBERS 1000000
#define ALONE 20000 /* fewer than that are not worth a goroutine */
#define SMALL 24

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

static void insertion_sort(uint32_t *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j > 0 && v[j - 1] > v[j]; j--)
			swap(&v[j - 1], &v[j]);
}

/* What is before the place returned is at most the pivot, what is behind it at least; neither part is empty. The pivot is the median of three. */
static size_t partition(uint32_t *v, size_t n)
{
	size_t lo = 0, hi = n - 1, mid = n / 2;
	uint32_t pivot;

	if (v[mid] < v[lo])
		swap(&v[mid], &v[lo]);
	if (v[hi] < v[lo])
		swap(&v[hi], &v[lo]);
	if (v[hi] < v[mid])
		swap(&v[hi], &v[mid]);
	pivot = v[mid];
	for (;;) {
		while (v[lo] < pivot)
			lo++;
		while (v[hi] > pivot)
			hi--;
		if (lo >= hi)
			return hi + 1;
		swap(&v[lo++], &v[hi--]);
	}
}

static void sort(uint32_t *v, size_t n, struct goro_waitgroup *wg)
{
	while (n > SMALL) {
		size_t k = partition(v, n);

		if (n - k < ALONE || GORO_WAITGROUP_GO(wg, sort, v + k, n - k, wg) != 0)
			sort(v + k, n - k, wg);
		n = k;
	}
	insertion_sort(v, n);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	uint32_t *v = malloc(NUMBERS * sizeof(*v)), x = 2463534242;
	uint64_t sum = 0, after = 0;
	int ordered = 1;

	(void)arg;
	if (!v)
		return 1;
	for (size_t i = 0; i < NUMBERS; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		v[i] = i % 4 ? x : x % 100; /* a quarter of them come many times */
		sum += v[i] * (uint64_t)(v[i] | 1);
	}
	GORO_WAITGROUP_GO(&wg, sort, v, (size_t)NUMBERS, &wg);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	for (size_t i = 0; i < NUMBERS; i++) {
		ordered &= i == 0 || v[i - 1] <= v[i];
		after += v[i] * (uint64_t)(v[i] | 1);
	}
	free(v);
	if (ordered && sum == after)
		printf("%d numbers are in order, and the same as before\n", NUMBERS);
	return !ordered || sum != after;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
