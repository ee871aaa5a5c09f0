/* SPDX-License-Identifier: MIT */
/*
 * burst.c: load by clients that are goroutines: each has a connection, sends a request, reads the answer, goes on.
 *
 * A client plays the same little story again and again: hello, create an item, read it, replace it, read it, list, delete it,
 * look for it in vain. So each answer has a status that it must have, and the table shows the kinds apart.
 * Client and server share the processors, so the rate is that of the pair.
 */
#include "burst.h"

#include <errno.h>
#include <goro.h>
#include <http_parser.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_NS (30 * GORO_SECOND)
#define ANSWER_MAX 65536u

static const struct kind {
	const char *name, *method, *path; /* a path that ends in '/' gets the item's id */
	const char *body;
	unsigned status;
} kinds[] = {
	{ "hello", "GET", "/", NULL, 200 },
	{ "create", "POST", "/items", "{\"name\":\"gopher\",\"tags\":[\"small\",\"blue\"]}", 201 },
	{ "read", "GET", "/items/", NULL, 200 },
	{ "replace", "PUT", "/items/", "{\"name\":\"gopher\",\"tags\":[]}", 200 },
	{ "read again", "HEAD", "/items/", NULL, 200 },
	{ "list", "GET", "/items?limit=5", NULL, 200 },
	{ "delete", "DELETE", "/items/", NULL, 204 },
	{ "miss", "GET", "/items/", NULL, 404 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct sample {
	uint32_t us10; /* tenths of a microsecond */
	uint16_t kind;
	uint16_t status; /* 0: no answer */
};

struct shared {
	const struct burst *b;
	struct sample *samples;
	uint64_t next; /* atomic: the next request's number */
	struct goro_waitgroup done;
};

struct client {
	struct shared *sh;
	int fd;
	uint64_t id; /* of the item; from the answer to create */
	char *buf;
	bool complete, keep_alive, location;
};

/* ------------------------------------------------------------------ answers */

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct client *c = p->data;

	c->location = n == 8 && memcmp(at, "Location", 8) == 0;
	return 0;
}

/* The server sends this field in one piece; even if a read cuts it, the next line's digits do not come here. */
static int on_value(http_parser *p, const char *at, size_t n)
{
	struct client *c = p->data;
	size_t i;

	for (i = 0; c->location && i < n; i++)
		if (at[i] >= '0' && at[i] <= '9')
			c->id = c->id * 10 + (uint64_t)(at[i] - '0');
	return 0;
}

static int on_end(http_parser *p)
{
	struct client *c = p->data;

	c->complete = true;
	c->keep_alive = http_should_keep_alive(p) != 0;
	return 0;
}

/* One means that no body follows, whatever Content-Length says. */
static int on_headers_of_head(http_parser *p)
{
	(void)p;
	return 1;
}

/* Reads an answer. Its status, or a negative errno. */
static int read_answer(struct client *c, bool head, int64_t deadline)
{
	http_parser_settings settings = {
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = head ? on_headers_of_head : NULL,
		.on_message_complete = on_end,
	};
	http_parser hp;

	http_parser_init(&hp, HTTP_RESPONSE);
	hp.data = c;
	c->complete = c->location = false;
	while (!c->complete) {
		ssize_t n = goro_read(c->fd, c->buf, ANSWER_MAX, deadline);

		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
		if (http_parser_execute(&hp, &settings, c->buf, (size_t)n) != (size_t)n)
			return -EPROTO;
	}
	return (int)hp.status_code;
}

/* ------------------------------------------------------------------ requests */

/* Sends one request of the kind and reads the answer. Its status, or a negative errno. */
static int request(struct client *c, const struct kind *k)
{
	int64_t deadline = goro_after(TIMEOUT_NS);
	char text[512], id[24] = "";
	int n;
	ssize_t sent;

	if (c->fd < 0)
		c->fd = goro_tcp_dial(c->sh->b->host, c->sh->b->port, deadline);
	if (c->fd < 0)
		return c->fd;
	if (k->path[strlen(k->path) - 1] == '/' && k->path[1] != '\0')
		snprintf(id, sizeof(id), "%llu", (unsigned long long)c->id);
	if (k->status == 201)
		c->id = 0;
	n = snprintf(text, sizeof(text), "%s %s%s HTTP/1.1\r\nHost: localhost\r\n", k->method, k->path, id);
	if (k->body != NULL)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(k->body), k->body);
	else
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
	sent = goro_write(c->fd, text, (size_t)n, deadline);
	if (sent < 0)
		return (int)sent;
	return read_answer(c, strcmp(k->method, "HEAD") == 0, deadline);
}

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		goro_close(c->fd);
	c->fd = -1;
}

/* A client's goroutine. */
static void play(struct shared *sh)
{
	struct client c = { .sh = sh, .fd = -1, .buf = malloc(ANSWER_MAX) };
	unsigned step = 0;

	while (c.buf != NULL) {
		uint64_t number = __atomic_fetch_add(&sh->next, 1, __ATOMIC_RELAXED);
		int64_t begin = goro_now(), took;
		int status;

		if (number >= sh->b->requests)
			break;
		status = request(&c, &kinds[step]);
		took = (goro_now() - begin) / 100;
		sh->samples[number].us10 = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
		sh->samples[number].kind = (uint16_t)step;
		sh->samples[number].status = (uint16_t)(status > 0 ? status : 0);
		if (status < 0 || !c.keep_alive)
			hang_up(&c);
		step = (step + 1) % KINDS;
	}
	hang_up(&c);
	free(c.buf);
	goro_waitgroup_done(&sh->done);
}

/* ------------------------------------------------------------------ the table */

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double percentile(const uint32_t *sorted, size_t n, double p)
{
	size_t i = (size_t)((double)n * p);

	return n == 0 ? 0 : (double)sorted[i < n ? i : n - 1] / 10;
}

/* The row of one kind, or of all if kind is KINDS. Returns how many samples have the wrong status. */
static uint64_t row(const struct sample *s, uint64_t total, unsigned kind, uint32_t *times)
{
	size_t n = 0;
	uint64_t i, bad = 0;

	for (i = 0; i < total; i++) {
		if (kind != KINDS && s[i].kind != kind)
			continue;
		times[n++] = s[i].us10;
		bad += s[i].status != kinds[s[i].kind].status;
	}
	qsort(times, n, sizeof(*times), by_time);
	printf("  %-12s %10zu %10.1f %10.1f %10.1f %10llu\n", kind == KINDS ? "all" : kinds[kind].name, n,
	       percentile(times, n, 0.5), percentile(times, n, 0.99), percentile(times, n, 0.999),
	       (unsigned long long)bad);
	return bad;
}

static void statuses(const struct sample *s, uint64_t total)
{
	static const unsigned known[] = { 200, 201, 204, 404 };
	uint64_t counts[5] = { 0 }, none = 0, i;
	unsigned k;

	for (i = 0; i < total; i++) {
		for (k = 0; k < 4 && s[i].status != known[k]; k++)
			;
		counts[k]++;
		none += s[i].status == 0;
	}
	printf("  status");
	for (k = 0; k < 4; k++)
		printf("  %u: %llu", known[k], (unsigned long long)counts[k]);
	printf("  other: %llu  no answer: %llu\n", (unsigned long long)(counts[4] - none), (unsigned long long)none);
}

static uint64_t report(const struct shared *sh, double elapsed, uint32_t *times)
{
	uint64_t total = sh->b->requests, bad;
	unsigned k;

	printf("burst: %llu requests over %u connections in %.3f s: %.0f requests/s\n", (unsigned long long)total,
	       sh->b->conns, elapsed, (double)total / elapsed);
	printf("  %-12s %10s %10s %10s %10s %10s\n", "kind", "requests", "p50 us", "p99 us", "p99.9 us", "failed");
	for (k = 0; k < KINDS; k++)
		row(sh->samples, total, k, times);
	bad = row(sh->samples, total, KINDS, times);
	statuses(sh->samples, total);
	fflush(stdout);
	return bad;
}

int64_t burst_run(const struct burst *b)
{
	struct shared sh = { .b = b, .samples = calloc(b->requests, sizeof(*sh.samples)) };
	uint32_t *times = calloc(b->requests, sizeof(*times));
	int64_t begin = goro_now(), bad = -ENOMEM;
	unsigned i;
	int err = 0;

	if (sh.samples != NULL && times != NULL) {
		for (i = 0; i < b->conns && err == 0; i++) {
			goro_waitgroup_add(&sh.done, 1);
			err = GORO_GO(play, &sh);
			if (err < 0)
				goro_waitgroup_done(&sh.done);
		}
		goro_waitgroup_wait(&sh.done, GORO_FOREVER);
		bad = err < 0 ? err : (int64_t)report(&sh, (double)(goro_now() - begin) / 1e9, times);
	}
	free(sh.samples);
	free(times);
	return bad;
}
