/* SPDX-License-Identifier: MIT */
/*
 * tricky_recover_outside: recover() tells something only in a function that was deferred, and that a panic has called. Asked before the panic, or in a
 * function that the deferred one calls, it gives NULL, and the panic goes on.
 *
 * Prints:
 *     before the panic: nothing to recover
 *     in a helper: nothing to recover
 * Ends with status 2 and, on stderr:
 *     panic: oops
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void try_to(const char *where)
{
	printf("%s: %s\n", where, recover() ? "recovered" : "nothing to recover");
	fflush(stdout);
}

static void deferred(const char *where)
{
	try_to(where); /* the mistake: recover() belongs here */
}

static void work(void)
{
	defer(deferred, "in a helper");
	try_to("before the panic"); /* the other mistake */
	panic("oops");
}

static int start(void *arg)
{
	(void)arg;
	go(work);
	goro_sleep(60 * GORO_SECOND);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
