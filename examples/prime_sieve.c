/* SPDX-License-Identifier: MIT */
/*
 * prime_sieve.c: the concurrent prime sieve, a chain of goroutines of which each drops the multiples of one prime.
 *
 *     cc $(pkg-config --cflags goro) prime_sieve.c $(pkg-config --libs goro) -o prime_sieve && ./prime_sieve 100
 *
 * The numbers 2, 3, 4, ... enter at one end. What arrives at the other end has passed all filters: it is a
 * prime, and gets a filter of its own. Nobody tells the chain to end: the main goroutine returns.
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <stdlib.h>

static void generate(struct goro_chan *out)
{
	for (int i = 2;; i++)
		goro_chan_send(out, &i, GORO_FOREVER);
}

static void filter(struct goro_chan *in, struct goro_chan *out, int prime)
{
	int i;

	while (goro_chan_recv(in, &i, GORO_FOREVER) > 0)
		if (i % prime != 0)
			goro_chan_send(out, &i, GORO_FOREVER);
}

static int sieve(void *arg)
{
	int count = *(int *)arg, prime;
	struct goro_chan *in = goro_chan_new(sizeof(int), 0), *out;

	go(generate, in);
	while (count-- > 0) {
		goro_chan_recv(in, &prime, GORO_FOREVER);
		printf("%d\n", prime);
		out = goro_chan_new(sizeof(int), 0);
		go(filter, in, out, prime);
		in = out;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 25;

	return goro_run(NULL, sieve, &count);
}
