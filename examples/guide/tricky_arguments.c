/* SPDX-License-Identifier: MIT */
/*
 * tricky_arguments: in go(f, get_value()) it is the caller who calls get_value(), and waits for it. Only f runs elsewhere.
 *
 * Prints:
 *     get_value() runs in the caller
 *     f(7) runs in another goroutine
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static uint64_t main_id;

static const char *where(void)
{
	return goro_id() == main_id ? "the caller" : "another goroutine";
}

static int get_value(void)
{
	printf("get_value() runs in %s\n", where());
	return 7;
}

static void f(int value, struct goro_chan *done)
{
	printf("f(%d) runs in %s\n", value, where());
	goro_chan_close(done);
}

static int start(void *arg)
{
	struct goro_chan *done = goro_chan_new(0, 0);

	(void)arg;
	main_id = goro_id();
	go(f, get_value(), done);
	goro_chan_recv(done, NULL, GORO_FOREVER);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
