/* SPDX-License-Identifier: MIT */
/* script.c: see script.h. */
#include "script.h"

#include "api.h"
#include "metrics.h"
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct script_stream {
	struct stream stream; /* first */
	struct script *script;
	size_t pos;
	int64_t now;
	uint64_t random;
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static ssize_t at_end(struct script_stream *st, int64_t deadline)
{
	switch (st->script->end) {
	case SCRIPT_SILENT:
		if (deadline < 0)
			abort(); /* the server would wait for ever */
		if (st->now < deadline)
			st->now = deadline;
		return -ETIMEDOUT;
	case SCRIPT_RESETS:
		return -ECONNRESET;
	default:
		return 0;
	}
}

static ssize_t script_read(struct stream *s, void *buf, size_t n, int64_t deadline)
{
	struct script_stream *st = (struct script_stream *)s;
	struct script *sc = st->script;
	size_t left = sc->in_len - st->pos;

	if (n == 0)
		abort(); /* the server would take it for the end of the stream */
	sc->reads++;
	if (left == 0)
		return at_end(st, deadline);
	if (deadline >= 0 && st->now + sc->gap_ns > deadline) {
		st->now = deadline;
		return -ETIMEDOUT;
	}
	st->now += sc->gap_ns;
	if (n > left)
		n = left;
	if (sc->piece > 0 && n > sc->piece)
		n = sc->piece;
	/* Mostly short, sometimes long: the interesting cuts are within lines. */
	if (sc->random != 0) {
		uint64_t r = next_random(&st->random);
		size_t most = r & 1 ? 8 : r & 2 ? 64 : n;

		most = 1 + (size_t)((r >> 8) % most);
		n = n < most ? n : most;
	}
	memcpy(buf, sc->in + st->pos, n);
	st->pos += n;
	return (ssize_t)n;
}

static ssize_t script_write(struct stream *s, const struct iovec *iov, int parts, int64_t deadline)
{
	struct script_stream *st = (struct script_stream *)s;
	struct script *sc = st->script;
	size_t n = 0;
	int i;

	for (i = 0; i < parts; i++)
		n += iov[i].iov_len;
	sc->writes++;
	if (sc->write_limit > 0 && sc->out_len + n > sc->write_limit) {
		st->now = deadline;
		return -ETIMEDOUT;
	}
	sc->out = realloc(sc->out, sc->out_len + n + 1);
	if (sc->out == NULL)
		abort();
	for (i = 0; i < parts; i++) {
		memcpy(sc->out + sc->out_len, iov[i].iov_base, iov[i].iov_len);
		sc->out_len += iov[i].iov_len;
	}
	sc->out[sc->out_len] = '\0';
	return (ssize_t)n;
}

static void script_finish(struct stream *s)
{
	((struct script_stream *)s)->script->finished = true;
}

static bool script_idle(struct stream *s, bool on)
{
	(void)s;
	(void)on;
	return true;
}

static int64_t script_now(struct stream *s)
{
	return ((struct script_stream *)s)->now;
}

static int64_t script_wall(struct stream *s)
{
	return ((struct script_stream *)s)->now;
}

static const struct stream_ops ops = {
	.read = script_read,
	.write = script_write,
	.finish = script_finish,
	.idle = script_idle,
	.now = script_now,
	.wall = script_wall,
};

struct script_server *script_server_new(void)
{
	struct script_server *s = calloc(1, sizeof(*s));
	struct metrics *m = aligned_alloc(64, sizeof(*m));
	struct api *api = calloc(1, sizeof(*api));
	struct conn_date *date = calloc(1, sizeof(*date));

	if (s == NULL || m == NULL || api == NULL || date == NULL)
		abort();
	memset(m, 0, sizeof(*m));
	api->store = store_new(1000);
	api->metrics = m;
	s->conf = (struct conn_config){
		.limits = { .head = 4096, .target = 1024, .fields = 20, .body = 40000 },
		.request_ns = 10 * GORO_SECOND,
		.idle_ns = 60 * GORO_SECOND,
		.write_ns = 30 * GORO_SECOND,
		.api = api,
		.metrics = m,
		.date = date,
		.draining = &s->draining,
	};
	http_init(&s->conf.limits);
	return s;
}

void script_server_free(struct script_server *s)
{
	store_free(s->conf.api->store);
	free(s->conf.api);
	free(s->conf.metrics);
	free(s->conf.date);
	free(s);
}

void script_run(struct script_server *server, struct script *s)
{
	struct script_stream st = { .stream = { &ops }, .script = s, .random = s->random };

	s->out = NULL;
	s->out_len = 0;
	s->writes = s->reads = 0;
	s->finished = false;
	server->conf.date->until = 0; /* the clock begins anew */
	conn_run(&st.stream, &server->conf, 0);
	s->ended_at = st.now;
}

void script_done(struct script *s)
{
	free(s->out);
	s->out = NULL;
}

/* The length of the answer at p, or 0 if it is not whole. *ret_status is its status, *ret_close whether it announces the end. */
static size_t one_answer(const char *p, size_t n, bool head, unsigned *ret_status, bool *ret_close)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *f;
	size_t len = 0, head_len;

	if (end == NULL || n < 13 || memcmp(p, "HTTP/1.1 ", 9) != 0)
		return 0;
	head_len = (size_t)(end - p) + 4;
	*ret_status = (unsigned)strtoul(p + 9, NULL, 10);
	*ret_close = memmem(p, head_len, "\r\nConnection: close\r\n", 21) != NULL;
	f = memmem(p, head_len, "\r\nContent-Length: ", 18);
	if (f != NULL && !head)
		len = strtoul(f + 18, NULL, 10);
	else if (f == NULL && *ret_status != 204 && *ret_status != 100)
		return 0;
	return head_len + len <= n ? head_len + len : 0;
}

void script_summary(const struct script *s, unsigned heads, char *ret, size_t size)
{
	size_t pos = 0, used = 0;
	unsigned stars = 0, i = 0;
	bool close = false;

	ret[0] = '\0';
	while (pos < s->out_len && !close && size - used > 16) {
		unsigned status = 0;
		size_t n = one_answer(s->out + pos, s->out_len - pos, heads >> i & 1, &status, &close);

		if (n == 0)
			break;
		pos += n;
		if (status == 100) {
			stars++;
			continue;
		}
		used += (size_t)snprintf(ret + used, size - used, "%s%u%.*s", used ? " " : "", status, (int)stars, "****");
		stars = 0;
		i += i < 31;
	}
	if (pos < s->out_len || stars > 0)
		snprintf(ret + used, size - used, "%sgarbage", used ? " " : "");
	else if (close)
		snprintf(ret + used, size - used, " close");
}
