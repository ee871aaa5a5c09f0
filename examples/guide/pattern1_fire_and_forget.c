/* SPDX-License-Identifier: MIT */
/*
 * pattern1_fire_and_forget: log_event() outlives the call that started it, and nobody waits for it. So it gets a copy of what it needs, and a
 * deadline: a log that nobody reads cannot keep it for ever. (This main goroutine reads the log, to have something to print.)
 *
 * Prints:
 *     request 7 is answered
 *     log: request 7
 *     the second event was dropped
 */
#include <goro.h>
#include <goro/short.h>
#include <errno.h>
#include <stdio.h>

GORO_CHAN_TYPE(log, int);

static void log_event(struct log *log, int request, struct goro_chan *dropped)
{
	if (GORO_CHAN_SEND(log, request, goro_after(50 * GORO_MILLISECOND)) == -ETIMEDOUT)
		goro_chan_close(dropped);
}

static void handle(struct log *log, int request, struct goro_chan *dropped)
{
	go(log_event, log, request, dropped);
}

static int start(void *arg)
{
	struct log *log = GORO_CHAN_NEW(struct log, 1), *stuck = GORO_CHAN_NEW(struct log, 0);
	struct goro_chan *dropped = goro_chan_new(0, 0);
	int request;

	(void)arg;
	handle(log, 7, dropped);
	puts("request 7 is answered");
	GORO_CHAN_RECV(log, &request, GORO_FOREVER);
	printf("log: request %d\n", request);
	handle(stuck, 8, dropped);
	goro_chan_recv(dropped, NULL, GORO_FOREVER);
	puts("the second event was dropped");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
