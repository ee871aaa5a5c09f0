/* SPDX-License-Identifier: MIT */
/*
 * hello.c: hello from a goroutine, once without waiting for it and once waiting.
 *
 *     cc $(pkg-config --cflags goro) hello.c $(pkg-config --libs goro) -o hello
 *     ./hello          prints what the main goroutine says, and perhaps nothing else
 *     ./hello wait     prints both lines
 *
 * When the main goroutine returns, the program is over, whatever the others are doing: as in Go.
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void hello(const char *name, struct goro_waitgroup *wg)
{
	printf("hello, %s, from goroutine %llu\n", name, (unsigned long long)goro_id());
	if (wg != NULL)
		goro_waitgroup_done(wg);
}

static int forget(void *arg)
{
	(void)arg;
	go(hello, "world", (struct goro_waitgroup *)NULL);
	puts("main does not wait");
	return 0;
}

static int wait_for_it(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, 1);
	go(hello, "world", &wg);
	puts("main waits");
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return 0;
}

int main(int argc, char **argv)
{
	(void)argv;
	return goro_run(NULL, argc > 1 ? wait_for_it : forget, NULL);
}
