/* SPDX-License-Identifier: MIT */
/*
 * tricky_yield: what goro_yield() is good for. It lets others run and goes on soon after; it waits for nothing. It is hardly ever needed: a loop that
 * calls nothing is preempted, so one processor is enough for main and for a goroutine that spins.
 *
 * Prints:
 *     yielding does not wait
 *     the spinner saw the flag
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static int flag;

static void spin(void)
{
	while (!__atomic_load_n(&flag, __ATOMIC_ACQUIRE))
		;
	puts("the spinner saw the flag");
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_maxprocs(1);
	GORO_WAITGROUP_GO(&wg, spin);
	for (int i = 0; i < 3; i++)
		goro_yield(); /* to the spinner, which is stopped after a time slice, 10 ms */
	puts("yielding does not wait");
	__atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
