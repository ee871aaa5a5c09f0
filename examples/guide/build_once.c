/* SPDX-License-Identifier: MIT */
/*
 * build_once: many need the configuration, the first one loads it, and all wait until it is there.
 *
 * Prints:
 *     loading
 *     10 goroutines saw version 3
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_once once;
static int version, seen;

static void load(void *arg)
{
	(void)arg;
	puts("loading");
	goro_sleep(GORO_MILLISECOND);
	version = 3;
}

static void use(void)
{
	goro_once_do(&once, load, NULL);
	if (version == 3)
		__atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int i = 0; i < 10; i++)
		GORO_WAITGROUP_GO(&wg, use);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("%d goroutines saw version %d\n", seen, version);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
