/* SPDX-License-Identifier: MIT */
/*
 * tricky_deadlock: main ends itself alone, as by Go's runtime.Goexit. The others go on; when the last one has ended nobody is left who could end the
 * program, and that is fatal.
 *
 * Prints:
 *     the last goroutine ends
 * Ends with status 2 and, on stderr:
 *     fatal error: no goroutines (main called runtime.Goexit) - deadlock!
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void last(void)
{
	puts("the last goroutine ends");
	fflush(stdout);
}

static int start(void *arg)
{
	(void)arg;
	go(last);
	goro_exit();
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
