/* SPDX-License-Identifier: MIT */
/*
 * tricky_how_many: how many goroutines a hello-world program has. Here it is one: there is no garbage collector, and what the runtime does besides it
 * does on threads of its own.
 *
 * Prints:
 *     Hello, World!
 *     goroutines: 1
 */
#include <goro.h>
#include <stdio.h>

static int start(void *arg)
{
	(void)arg;
	puts("Hello, World!");
	printf("goroutines: %ld\n", goro_count());
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
