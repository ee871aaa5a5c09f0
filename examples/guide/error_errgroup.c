/* SPDX-License-Identifier: MIT */
/*
 * error_errgroup: parts of one task. The first error is the task's, and cancels the context of the others.
 *
 * Prints, in any order:
 *     a: stopped
 *     b: stopped
 *     the task: Connection refused
 */
#include <errno.h>
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <string.h>

static struct goro_context *ctx;

static int fetch(void *url)
{
	if (strcmp(url, "bad") == 0)
		return -ECONNREFUSED;
	goro_chan_recv(goro_context_done(ctx), NULL, GORO_FOREVER); /* a slow server */
	printf("%s: stopped\n", (char *)url);
	return goro_context_err(ctx);
}

static int start(void *arg)
{
	static char *urls[] = { "a", "bad", "b" };
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;
	int err;

	(void)arg;
	ctx = goro_errgroup_with_context(&eg, goro_context_background());
	for (int i = 0; i < 3; i++)
		goro_errgroup_go(&eg, fetch, urls[i], GORO_FOREVER);
	err = goro_errgroup_wait(&eg, GORO_FOREVER);
	printf("the task: %s\n", strerror(-err));
	goro_errgroup_fini(&eg);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
