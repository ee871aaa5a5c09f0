/* SPDX-License-Identifier: MIT */
/*
 * prime_multiples: the other concurrent prime sieve. Where the first one (examples/prime_sieve.c) sends every number through a chain of filters, here each prime has a
 * goroutine that lists its multiples, and the numbers that stand in no list are the primes. The lists are merged by a heap of their next elements, so a number
 * costs as much as it has divisors, not as many steps as there are primes.
 *
 * Prints:
 *     2 3 5 7 11 13 17 19 23 29
 *     5133 primes below 50000, the last 49999, their sum 121013308
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT 50000
#define LISTS 100 /* more than there are primes whose square is below the limit */

GORO_CHAN_TYPE(list, long);

/* The odd multiples of an odd prime, from its square on: the smaller ones have a smaller prime's list. */
static void multiples(struct list *out, long prime)
{
	for (long m = prime * prime; m < LIMIT; m += 2 * prime)
		GORO_CHAN_SEND(out, m, GORO_FOREVER);
	GORO_CHAN_CLOSE(out);
}

/* A list and its next element. */
struct head {
	long next;
	struct list *rest;
};

struct heap {
	struct head h[LISTS]; /* the smallest at 0; no parent, at (i - 1) / 2, is larger than i */
	int n;
};

static void swap(struct head *a, struct head *b)
{
	struct head t = *a;

	*a = *b;
	*b = t;
}

static void add(struct heap *heap, struct head new)
{
	int i = heap->n++;

	heap->h[i] = new;
	for (; i > 0 && heap->h[(i - 1) / 2].next > heap->h[i].next; i = (i - 1) / 2)
		swap(&heap->h[i], &heap->h[(i - 1) / 2]);
}

/* The smallest list goes on by one; when it has ended it leaves the heap. */
static void advance(struct heap *heap)
{
	struct head *top = &heap->h[0];
	int i = 0;

	if (GORO_CHAN_RECV(top->rest, &top->next, GORO_FOREVER) == 0) {
		GORO_CHAN_FREE(top->rest);
		*top = heap->h[--heap->n];
	}
	for (;;) {
		int least = i;

		for (int child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < heap->n && heap->h[child].next < heap->h[least].next)
				least = child;
		if (least == i)
			return;
		swap(&heap->h[i], &heap->h[least]);
		i = least;
	}
}

static int sieve(void *arg)
{
	static struct heap heap;
	long count = 1, last = 2, sum = 2;

	(void)arg;
	printf("2");
	for (long n = 3; n < LIMIT; n += 2) {
		if (heap.n > 0 && heap.h[0].next == n) {
			while (heap.n > 0 && heap.h[0].next == n)
				advance(&heap);
			continue;
		}
		last = n;
		sum += n;
		if (++count <= 10)
			printf(" %ld", n);
		if (n * n < LIMIT) {
			struct head first = { 0, GORO_CHAN_NEW(struct list, 32) };

			go(multiples, first.rest, n);
			GORO_CHAN_RECV(first.rest, &first.next, GORO_FOREVER);
			add(&heap, first);
		}
	}
	while (heap.n > 0)
		advance(&heap);
	printf("\n%ld primes below %d, the last %ld, their sum %ld\n", count, LIMIT, last, sum);
	return 0;
}

int main(void)
{
	return goro_run(NULL, sieve, NULL);
}
