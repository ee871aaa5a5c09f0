/* SPDX-License-Identifier: MIT */
/*
 * error_channel: a goroutine cannot return its error to the caller, who is gone on. It sends it. The channel has room for one, so that the goroutine
 * ends even if nobody receives.
 *
 * Prints:
 *     work: Input/output error
 */
#include <errno.h>
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <string.h>

GORO_CHAN_TYPE(errors, int);

static int do_work(void)
{
	return -EIO;
}

static void work(struct errors *errors)
{
	GORO_CHAN_SEND(errors, do_work(), GORO_FOREVER);
}

static int start(void *arg)
{
	struct errors *errors = GORO_CHAN_NEW(struct errors, 1);
	int err;

	(void)arg;
	go(work, errors);
	GORO_CHAN_RECV(errors, &err, GORO_FOREVER);
	if (err < 0)
		printf("work: %s\n", strerror(-err));
	GORO_CHAN_FREE(errors);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
