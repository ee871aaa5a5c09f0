/* SPDX-License-Identifier: MIT */
/*
 * api.c: the routes, and what each of them does.
 *
 * A handler is straight code on the connection's goroutine: it may sleep, wait for a lock or compute, and other connections
 * go on meanwhile. Nothing here knows about sockets or framing.
 */
#include "api.h"

#include "metrics.h"
#include "reply.h"
#include "store.h"

#include <errno.h>
#include <goro.h>
#include <http_parser.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROOT, ITEMS, ITEM, SLOW, BURN, FAIL, METRICS, ANY };

#define JSON_TYPE "application/json"
#define JSON_DEPTH 32u			/* nesting that a body may have: the decoder recurses on this stack */
#define MAX_CLIENT_ID ((UINT64_C(1) << 53) - 1) /* the largest that every JSON reader takes exactly */
#define SLOW_MAX_MS 60000u
#define BURN_MAX_MS 10000u
#define BURN_SLICE (50 * GORO_MICROSECOND)
#define LIST_LIMIT 100u
#define LIST_MAX 1000u
#define LIST_BYTES (1u << 20) /* a list ends after the item that goes beyond this */

static const char hello[] = "hello, world\n";

static void no_memory(struct reply *r)
{
	reply_error(r, 503, "out of memory");
}

/* ------------------------------------------------------------------ routing */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Undoes percent-encoding. Returns the length, or -1 if it is malformed, -2 if it cannot be one of our paths: longer than max, or with '/'. */
static long decode(const char *p, size_t n, char *out, size_t max)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++, k++) {
		char c = p[i];

		if (k == max)
			return -2;
		if (c == '%') {
			if (n - i < 3 || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0)
				return -1;
			c = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
			i += 2;
			if (c == '/')
				return -2; /* data within a segment, and no segment here has such data */
		}
		out[k] = c;
	}
	return (long)k;
}

static bool is(const char *p, size_t n, const char *s)
{
	return n == strlen(s) && memcmp(p, s, n) == 0;
}

/* Digits only, no leading zero, 1 to INT64_MAX: each item has one name. 0 if it is anything else. */
static uint64_t parse_id(const char *p, size_t n)
{
	uint64_t v = 0;
	size_t i;

	if (n == 0 || n > 19 || p[0] == '0')
		return 0;
	for (i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		v = v * 10 + (uint64_t)(p[i] - '0'); /* 19 digits fit */
	}
	return v <= INT64_MAX ? v : 0;
}

/* The route of a path, or -1. */
static int find_route(const char *p, size_t n, uint64_t *ret_id)
{
	static const struct {
		const char *path;
		unsigned route;
	} fixed[] = { { "/items", ITEMS }, { "/slow", SLOW }, { "/burn", BURN }, { "/fail", FAIL }, { "/metrics", METRICS } };
	size_t i;

	if (n == 1 && p[0] == '/')
		return ROOT;
	if (n > 7 && memcmp(p, "/items/", 7) == 0) {
		*ret_id = parse_id(p + 7, n - 7);
		return *ret_id != 0 ? ITEM : -1;
	}
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (is(p, n, fixed[i].path))
			return (int)fixed[i].route;
	return is(p, n, "*") ? ANY : -1;
}

static void refuse(struct api_call *call, unsigned status, const char *why)
{
	call->no.status = status;
	call->no.why = why;
}

/* Whether the route takes the method; sets what it would take. */
static bool allowed(struct api_call *call)
{
	unsigned m = call->req->method;
	bool get = m == HTTP_GET || m == HTTP_HEAD;

	switch (call->route) {
	case ITEMS:
		call->allow = "GET, HEAD, POST, OPTIONS";
		return get || m == HTTP_POST || m == HTTP_OPTIONS;
	case ITEM:
		call->allow = "GET, HEAD, PUT, DELETE, OPTIONS";
		return get || m == HTTP_PUT || m == HTTP_DELETE || m == HTTP_OPTIONS;
	case ANY:
		call->allow = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
		return m == HTTP_OPTIONS;
	default:
		call->allow = "GET, HEAD, OPTIONS";
		return get || m == HTTP_OPTIONS;
	}
}

static bool implemented(unsigned method)
{
	return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_POST || method == HTTP_PUT ||
	       method == HTTP_DELETE || method == HTTP_OPTIONS;
}

void api_route(struct api_call *call)
{
	const struct http_request *r = call->req;
	const char *p = call->head + r->path.off;
	size_t n = r->path.len;
	char plain[64]; /* no route is longer */
	int route;

	refuse(call, 0, NULL);
	call->allow = NULL;
	call->parks = false;
	call->close = false;
	if (!implemented(r->method)) {
		/* CONNECT, TRACE and all that a proxy or a tunnel would be needed for. */
		call->close = true;
		refuse(call, 501, "method not implemented");
		return;
	}
	if (n == 0)
		p = "/", n = 1; /* http://host without a path */
	if (memchr(p, '%', n) != NULL) {
		long len = decode(p, n, plain, sizeof(plain));

		if (len == -1) {
			refuse(call, 400, "malformed percent-encoding");
			return;
		}
		p = plain;
		n = len < 0 ? 0 : (size_t)len;
	}
	route = find_route(p, n, &call->id);
	if (route < 0) {
		refuse(call, 404, "no such resource");
		return;
	}
	call->route = (unsigned)route;
	call->parks = route == SLOW || route == BURN;
	if (!allowed(call))
		refuse(call, 405, "method not allowed here");
}

/* ------------------------------------------------------------------ parameters */

/* The number that the query gives for name, fallback if it names none. 0, or -1 if it is no number or above max. */
static int parameter(const struct api_call *call, const char *name, uint64_t fallback, uint64_t max, uint64_t *ret)
{
	const char *p = call->head + call->req->query.off, *end = p + call->req->query.len;
	size_t len = strlen(name);
	uint64_t v = 0;

	*ret = fallback;
	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *stop = amp != NULL ? amp : end;

		if ((size_t)(stop - p) > len && memcmp(p, name, len) == 0 && p[len] == '=') {
			for (p += len + 1; p < stop; p++) {
				if (*p < '0' || *p > '9' || v > max / 10)
					return -1;
				v = v * 10 + (uint64_t)(*p - '0');
			}
			*ret = v;
			return p[-1] == '=' || v > max ? -1 : 0;
		}
		p = stop + 1;
	}
	return 0;
}

/* ------------------------------------------------------------------ items */

/* Whether nesting stays within JSON_DEPTH; need not be right about text that is no JSON. */
static bool shallow(const char *p, size_t n)
{
	unsigned depth = 0;
	bool string = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				string = false;
		} else if (p[i] == '"') {
			string = true;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > JSON_DEPTH)
				return false;
		} else if ((p[i] == '}' || p[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

/* Decodes a body into a JSON object; NULL with *r set if it is none. */
static json_t *read_object(const char *body, size_t len, struct reply *r)
{
	json_error_t e;
	json_t *o;
	char why[64];

	if (!shallow(body, len)) {
		reply_error(r, 400, "JSON nested too deeply");
		return NULL;
	}
	o = json_loadb(body, len, JSON_REJECT_DUPLICATES, &e);
	if (o == NULL) {
		snprintf(why, sizeof(why), "malformed JSON at byte %d", e.position);
		reply_error(r, 400, why);
	} else if (!json_is_object(o)) {
		json_decref(o);
		o = NULL;
		reply_error(r, 400, "an item must be a JSON object");
	}
	return o;
}

/* The item's text: the object with "id" first, whatever id the client wrote, and a newline. NULL if memory is short. */
static struct item *make_item(uint64_t id, json_t *o)
{
	json_t *with_id = json_pack("{s:I}", "id", (json_int_t)id);
	struct item *it = NULL;
	size_t n;

	if (with_id != NULL && json_object_update_missing(with_id, o) == 0) {
		n = json_dumpb(with_id, NULL, 0, JSON_COMPACT);
		it = n > 0 ? store_item_new(id, n + 1) : NULL;
		if (it != NULL) {
			json_dumpb(with_id, it->text, n, JSON_COMPACT);
			it->text[n] = '\n';
		}
	}
	json_decref(with_id);
	return it;
}

static void answer_item(struct reply *r, unsigned status, struct item *it)
{
	reply_text(r, status, JSON_TYPE, it->text, it->len);
	r->release = store_item_unref;
	r->owner = it;
}

/* POST (create) and PUT (create or replace). */
static void write_item(struct api *api, const struct api_call *call, const char *body, size_t len, struct reply *r)
{
	bool post = call->req->method == HTTP_POST;
	struct item *it;
	json_t *o;
	uint64_t id;
	int put;

	if (!post && call->id > MAX_CLIENT_ID) {
		reply_error(r, 404, "id too large");
		return;
	}
	o = read_object(body, len, r);
	if (o == NULL)
		return;
	id = post ? store_new_id(api->store) : call->id;
	it = make_item(id, o);
	json_decref(o);
	if (it == NULL) {
		no_memory(r);
		return;
	}
	__atomic_add_fetch(&it->refs, 1, __ATOMIC_RELAXED); /* the answer's, beside the store's */
	put = store_put(api->store, it);
	if (put < 0) {
		store_item_unref(it);
		reply_error(r, 507, "the store is full");
		return;
	}
	answer_item(r, put == 1 ? 201 : 200, it);
	if (put == 1)
		snprintf(r->fields, sizeof(r->fields), "Location: /items/%llu\r\n", (unsigned long long)id);
}

static void one_item(struct api *api, const struct api_call *call, const char *body, size_t len, struct reply *r)
{
	struct item *it;

	switch (call->req->method) {
	case HTTP_PUT:
		write_item(api, call, body, len, r);
		return;
	case HTTP_DELETE:
		if (store_delete(api->store, call->id))
			reply_text(r, 204, NULL, NULL, 0);
		else
			reply_error(r, 404, "no such item");
		return;
	default:
		it = store_get(api->store, call->id);
		if (it != NULL)
			answer_item(r, 200, it);
		else
			reply_error(r, 404, "no such item");
	}
}

/* {"items":[...],"next":ID or null}: next is what ?after= must be for the rest. NULL if memory is short. */
static char *list_text(struct item **items, size_t got, bool more, size_t *ret_len)
{
	size_t n, i, bytes = 0;
	char *text, *p;

	for (n = 0; n < got && bytes < LIST_BYTES; n++)
		bytes += items[n]->len; /* with a newline, in the place of which comes a comma */
	text = malloc(bytes + 64);
	if (text == NULL)
		return NULL;
	p = stpcpy(text, "{\"items\":[");
	for (i = 0; i < n; i++) {
		if (i > 0)
			*p++ = ',';
		p = mempcpy(p, items[i]->text, items[i]->len - 1);
	}
	if (n > 0 && (n < got || more))
		p += sprintf(p, "],\"next\":%llu}\n", (unsigned long long)items[n - 1]->id);
	else
		p = stpcpy(p, "],\"next\":null}\n");
	*ret_len = (size_t)(p - text);
	return text;
}

static void list_items(struct api *api, const struct api_call *call, struct reply *r)
{
	uint64_t after, limit;
	struct item **items;
	size_t got, i, len = 0;
	char *text;

	if (parameter(call, "after", 0, INT64_MAX, &after) < 0 ||
	    parameter(call, "limit", LIST_LIMIT, LIST_MAX, &limit) < 0 || limit == 0) {
		reply_error(r, 400, "bad after or limit");
		return;
	}
	items = malloc((limit + 1) * sizeof(*items));
	if (items == NULL) {
		no_memory(r);
		return;
	}
	got = store_list(api->store, after, items, limit + 1);
	text = list_text(items, got > limit ? limit : got, got > limit, &len);
	for (i = 0; i < got; i++)
		store_item_unref(items[i]);
	free(items);
	if (text == NULL) {
		no_memory(r);
		return;
	}
	reply_text(r, 200, JSON_TYPE, text, len);
	r->release = free;
	r->owner = text;
}

/* ------------------------------------------------------------------ the rest */

static int64_t thread_cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * Computes for ns of CPU time, giving way every BURN_SLICE, so that others are served even on one processor. A goroutine
 * stays on its thread between two yields, so that thread's clock is the right one there.
 */
static void burn(int64_t ns)
{
	while (ns > 0) {
		int64_t slice = ns < BURN_SLICE ? ns : BURN_SLICE, start = thread_cpu(), used;

		do {
			volatile unsigned x = 0;

			while (x < 5000)
				x++;
			used = thread_cpu() - start;
		} while (used < slice);
		ns -= used;
		goro_yield();
	}
}

static void waste(const struct api_call *call, struct reply *r)
{
	bool slow = call->route == SLOW;
	uint64_t ms;
	int n;

	if (parameter(call, "ms", slow ? 1000 : 200, slow ? SLOW_MAX_MS : BURN_MAX_MS, &ms) < 0) {
		reply_error(r, 400, "bad ms");
		return;
	}
	if (slow)
		goro_sleep((int64_t)ms * GORO_MILLISECOND);
	else
		burn((int64_t)ms * GORO_MILLISECOND);
	n = snprintf(r->text, sizeof(r->text), "{\"%s\":%llu}\n", slow ? "slept_ms" : "burned_ms", (unsigned long long)ms);
	reply_text(r, 200, JSON_TYPE, r->text, (size_t)n);
}

/* Whether the query has this text among its parameters. */
static bool asks_for(const struct api_call *call, const char *text)
{
	const char *p = call->head + call->req->query.off, *end = p + call->req->query.len;
	size_t len = strlen(text);

	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *stop = amp != NULL ? amp : end;

		if ((size_t)(stop - p) == len && memcmp(p, text, len) == 0)
			return true;
		p = stop + 1;
	}
	return false;
}

/* Bugs in a handler, which must not end the server: see api_handle_safely(). Not instrumented by a sanitizer, which would end it. */
__attribute__((noinline, no_sanitize("undefined"))) static void write_to_null(void)
{
	volatile unsigned *volatile nothing = NULL;

	*nothing = 500;
}

static void misbehave(const struct api_call *call)
{
	if (asks_for(call, "how=null"))
		write_to_null();
	if (asks_for(call, "how=panic"))
		goro_panic("as asked");
}

static void fail(const struct api_call *call, struct reply *r)
{
	uint64_t status;

	misbehave(call);
	if (parameter(call, "status", 500, 599, &status) < 0 || status < 400 || !reply_knows((unsigned)status))
		reply_error(r, 400, "bad status");
	else
		reply_error(r, (unsigned)status, "failed as asked");
}

static void metrics(struct api *api, struct reply *r)
{
	size_t len = 0;
	char *text = metrics_text(api->metrics, store_count(api->store), &len);

	if (text == NULL) {
		no_memory(r);
		return;
	}
	reply_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
	r->release = free;
	r->owner = text;
}

static void add_allow(const struct api_call *call, struct reply *r)
{
	snprintf(r->fields, sizeof(r->fields), "Allow: %s\r\n", call->allow);
}

void api_init(void)
{
	json_object_seed(0); /* from the system, before there are goroutines */
}

void api_handle(struct api *api, const struct api_call *call, const char *body, size_t len, struct reply *r)
{
	if (call->no.status != 0) {
		reply_error(r, call->no.status, call->no.why);
		if (call->no.status == 405)
			add_allow(call, r);
		return;
	}
	if (call->req->method == HTTP_OPTIONS) {
		reply_text(r, 204, NULL, NULL, 0);
		add_allow(call, r);
		return;
	}
	switch (call->route) {
	case ROOT:
		reply_text(r, 200, "text/plain", hello, sizeof(hello) - 1);
		return;
	case ITEMS:
		if (call->req->method == HTTP_POST)
			write_item(api, call, body, len, r);
		else
			list_items(api, call, r);
		return;
	case ITEM:
		one_item(api, call, body, len, r);
		return;
	case FAIL:
		fail(call, r);
		return;
	case METRICS:
		metrics(api, r);
		return;
	default:
		waste(call, r);
	}
}

/* The handler has panicked, perhaps by a fault: its request gets 500, and the log tells why; the others go on. */
static void answer_500(struct reply *r)
{
	const struct goro_panicked *p = GORO_RECOVER();

	if (p == NULL)
		return;
	fprintf(stderr, "httpd: panic in a handler: %s\n", p->text);
	reply_error(r, 500, "internal error");
}

void api_handle_safely(struct api *api, const struct api_call *call, const char *body, size_t len, struct reply *r)
{
	GORO_DEFER(answer_500, r);
	api_handle(api, call, body, len, r);
}
