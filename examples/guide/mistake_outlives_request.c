/* SPDX-License-Identifier: MIT */
/*
 * mistake_outlives_request: a goroutine that a request has started goes on when the request is over, and keeps what it holds. Give it the request's
 * context: whoever ends the request cancels that.
 *
 * Prints:
 *     request over, goroutines: 2
 *     cancelled, goroutines: 1
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void poll_backend(struct goro_context *ctx)
{
	struct goro_chan *tick = goro_time_tick(GORO_MILLISECOND);
	struct goro_case cases[] = { { .chan = goro_context_done(ctx), .op = GORO_RECV }, { .chan = tick, .op = GORO_RECV } };

	while (goro_select(cases, 2, GORO_FOREVER) != 0)
		; /* here it would ask the backend */
	goro_chan_free(tick);
	goro_context_unref(ctx);
}

static void handle(struct goro_context *ctx)
{
	go(poll_backend, goro_context_ref(ctx));
}

static int start(void *arg)
{
	struct goro_context *ctx = goro_context_with_cancel(goro_context_background());

	(void)arg;
	handle(ctx);
	printf("request over, goroutines: %ld\n", goro_count());
	goro_context_cancel(ctx);
	while (goro_count() > 1)
		goro_yield();
	printf("cancelled, goroutines: %ld\n", goro_count());
	goro_context_unref(ctx);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
