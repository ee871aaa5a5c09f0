/* SPDX-License-Identifier: MIT */
/*
 * recover: a panic ends the process; recovering from it saves the process. A server of sorts handles requests, a goroutine each; some of them run
 * into bugs. Their clients are told so, the others do not notice.
 *
 *     ./recover            seven requests, of which three fail; exit status 0
 *     ./recover nobody     the same without recovering: "panic: ...", a backtrace, exit status 2
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct request {
	int id;
	const char *name; /* one client sends none */
	int status;
} requests[] = { { 1, "ann", 0 }, { 2, "bob", 0 }, { 3, NULL, 0 }, { 4, "dan", 0 }, { 13, "eve", 0 }, { 6, "fay", 0 }, { -1, "guy", 0 } };
#define NREQUESTS ((int)(sizeof(requests) / sizeof(requests[0])))

static struct goro_mutex lock;
static int served;
static struct goro_waitgroup wg;

/* Deferred by serve(): runs whether handle() returns or panics. */
static void answer_500(struct request *r)
{
	const struct goro_panicked *p = recover();

	if (p) {
		r->status = 500;
		fprintf(stderr, "request %d: %s\n", r->id, p->text);
	}
}

static void handle(struct request *r)
{
	goro_mutex_lock(&lock);
	defer(goro_mutex_unlock, &lock); /* also when it panics, or the others would wait for ever */
	if (r->id < 0)
		panic("bad id %d", r->id);
	if (r->name[0] == 'e') /* the request without a name ends here */
		panic("%s is not welcome", r->name);
	served++;
	r->status = 200;
}

static void serve(struct request *r)
{
	defer(goro_waitgroup_done, &wg);
	defer(answer_500, r);
	handle(r);
}

static void serve_unprotected(struct request *r)
{
	defer(goro_waitgroup_done, &wg);
	handle(r);
}

static int start(void *arg)
{
	int failed = 0;

	goro_waitgroup_add(&wg, NREQUESTS);
	for (int i = 0; i < NREQUESTS; i++)
		if (go(*(int *)arg > 1 ? serve_unprotected : serve, &requests[i]) != 0)
			return 1;
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	for (int i = 0; i < NREQUESTS; i++)
		failed += requests[i].status == 500;
	printf("%d served, %d failed\n", served, failed);
	return served == 4 && failed == 3 ? 0 : 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	return goro_run(NULL, start, &argc);
}
