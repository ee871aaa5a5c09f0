/* SPDX-License-Identifier: MIT */
/* cases.c: see cases.h. */
#include "cases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "t.h"

void go_case_run(const struct go_case *c)
{
	printf("Go: %s\n", c->sentence);
	if (c->fatal)
		api_expect_fatal(c->fn, NULL, c->fatal);
	else
		api_run(c->fn, NULL);
}

static void *in_a_thread(void *arg)
{
	const struct go_case *c = arg;

	t_check_int(c->fn(NULL), ==, 0);
	return NULL;
}

static int beside_a_thread(void *arg)
{
	api_join(api_thread(in_a_thread, arg));
	return 0;
}

void go_case_everywhere(const struct go_case *c)
{
	static const unsigned procs[] = { 1, 2, 8, 2 };

	for (int i = 0; i < 4; i++) {
		goro_main_fn fn = i == 3 ? beside_a_thread : c->fn;

		printf("Go, %u processors%s: %s\n", procs[i], i == 3 ? ", in a thread" : "", c->sentence);
		fflush(stdout);
		if (c->fatal)
			api_expect_fatal_procs(procs[i], fn, (void *)c, c->fatal);
		else
			api_run_procs(procs[i], fn, (void *)c);
	}
}

/* Both channels are buffered and stay, so that nobody is inside of one when the frame of w goes. */
static void wait_body(struct go_wait *w)
{
	struct goro_chan *over = w->over; /* w may be gone after the send */

	t_check_int(goro_chan_send(w->begun, NULL, GORO_FOREVER), ==, 0);
	w->fn(w->arg);
	t_check_int(goro_chan_send(over, NULL, GORO_FOREVER), ==, 0);
}

static void *wait_thread(void *arg)
{
	wait_body(arg);
	return NULL;
}

void go_begin(struct go_wait *w, void (*fn)(void *arg), void *arg)
{
	w->fn = fn;
	w->arg = arg;
	w->begun = t_keep(goro_chan_new(0, 1));
	w->over = t_keep(goro_chan_new(0, 1));
	if (w->thread)
		w->id = api_thread(wait_thread, w);
	else
		t_check_int(GORO_GO(wait_body, w), ==, 0);
	t_check_int(goro_chan_recv(w->begun, NULL, GORO_FOREVER), ==, 1);
}

void go_still_waits(struct go_wait *w)
{
	for (int i = 0; i < 30; i++)
		goro_yield();
	t_check_int(goro_chan_recv(w->over, NULL, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
}

void go_ends(struct go_wait *w)
{
	t_check_int(goro_chan_recv(w->over, NULL, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 1);
	if (w->thread)
		api_join(w->id);
}

static void catches(char *text)
{
	const struct goro_panicked *p = GORO_RECOVER();

	if (p)
		snprintf(text, 128, "%s", p->text);
}

static void attempt(void (*fn)(void *arg), void *arg, char *text)
{
	GORO_DEFER(catches, text);
	fn(arg);
}

void go_panics(void (*fn)(void *arg), void *arg, const char *text)
{
	char got[128] = "no panic";

	attempt(fn, arg, got);
	t_check(strcmp(got, text) == 0, "'%s' where '%s' was expected", got, text);
}
