/* SPDX-License-Identifier: MIT */
/*
 * fuzz_http.c: random byte streams against the HTTP of examples/httpd, without sockets.
 *
 * A stream is made of the streams of cases.h and of fragments that matter to a parser, joined, cut, repeated and damaged. It
 * is played to the server whole and in pieces. What must hold for any bytes:
 *
 * F1. The answers depend on the bytes, not on how they are cut.
 * F2. The output is a sequence of whole answers, and none follows one that announces the end.
 * F3. A connection ends when its client has ended, and never asks for more time than its deadlines give it.
 * F4. Every request counted as begun is counted as answered.
 *
 * Memory errors are the sanitizers' part: .ci/run runs this program under them.
 */
#include <goro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "cases.h"
#include "metrics.h"
#include "script.h"
#include "t.h"

#define STREAMS 20000
#define STREAM_MAX 20000u

static const char *const fragments[] = {
	"\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", ":", ";", ",", "0", "1", "a", "ffff", "\x80", "\x7f",
	"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "/ ", "/items ", "/items/1 ", "/fail ", "* ", "/items?limit=2 ",
	"http://h/ ", "HTTP/1.1\r\n", "HTTP/1.0\r\n", "Host: a\r\n", "Content-Length: 2\r\n", "Content-Length: ",
	"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: ", "Expect: 100-continue\r\n", "Connection: close\r\n",
	"Connection: keep-alive\r\n", "2\r\n{}\r\n", "0\r\n\r\n", "{}", "{\"a\":1}", "chunked", "X: y\r\n",
};

#define FRAGMENTS (sizeof(fragments) / sizeof(fragments[0]))

static size_t below(uint64_t *state, size_t n)
{
	return (size_t)(t_rand(state) % n);
}

static size_t append(char *buf, size_t len, const char *p, size_t n)
{
	if (n > STREAM_MAX - len)
		n = STREAM_MAX - len;
	memcpy(buf + len, p, n);
	return len + n;
}

/* Changes one thing somewhere. Returns the new length. */
static size_t damage(uint64_t *state, char *buf, size_t len)
{
	size_t at = below(state, len + 1), n = 1 + below(state, 8);
	const char *f = fragments[below(state, FRAGMENTS)];

	switch (below(state, 5)) {
	case 0: /* other bytes */
		if (at < len)
			buf[at] = (char)t_rand(state);
		return len;
	case 1: /* fewer */
		if (n > len - at)
			n = len - at;
		memmove(buf + at, buf + at + n, len - at - n);
		return len - n;
	case 2: /* a piece twice */
		if (n > len - at)
			n = len - at;
		if (len + n > STREAM_MAX)
			return len;
		memmove(buf + at + n, buf + at, len - at);
		return len + n;
	case 3: /* a fragment in between */
		n = strlen(f);
		if (len + n > STREAM_MAX)
			return len;
		memmove(buf + at + n, buf + at, len - at);
		memcpy(buf + at, f, n);
		return len + n;
	default: /* the end is missing */
		return at > len / 2 ? at : len;
	}
}

static size_t make_stream(uint64_t *state, char *buf)
{
	size_t parts = 1 + below(state, 4), len = 0, i, k, n;

	for (i = 0; i < parts; i++) {
		if (below(state, 4) > 0) {
			const struct http_case *c = &http_cases[below(state, HTTP_CASES)];

			len = append(buf, len, c->in, c->in_len);
			continue;
		}
		n = below(state, 16);
		for (k = 0; k < n; k++) {
			const char *f = fragments[below(state, FRAGMENTS)];

			len = append(buf, len, f, strlen(f));
		}
	}
	for (n = below(state, 5); n > 0; n--)
		len = damage(state, buf, len);
	return len;
}

/* F2. Which answers are to HEAD is not known here, so an answer may or may not have its body. */
static bool whole_answers(const char *p, size_t n)
{
	while (p != NULL && n > 0) {
		const char *end = memmem(p, n, "\r\n\r\n", 4), *f;
		size_t head, body = 0;
		bool close;

		if (end == NULL || n < 13 || memcmp(p, "HTTP/1.1 ", 9) != 0)
			return false;
		head = (size_t)(end - p) + 4;
		f = memmem(p, head, "\r\nContent-Length: ", 18);
		close = memmem(p, head, "\r\nConnection: close\r\n", 21) != NULL;
		if (f != NULL)
			body = strtoul(f + 18, NULL, 10);
		p += head;
		n -= head;
		/* An answer to HEAD is followed by the next answer, or by nothing. */
		if (body <= n && (n < 9 || memcmp(p, "HTTP/1.1 ", 9) != 0)) {
			p += body;
			n -= body;
		} else if (n > 0 && memcmp(p, "HTTP/1.1 ", n < 9 ? n : 9) != 0) {
			return false;
		}
		if (close)
			return n == 0;
	}
	return true;
}

static void play(struct script *s)
{
	struct script_server *server = script_server_new();
	struct metrics_shard *m = &server->conf.metrics->shards[0];

	script_run(server, s);
	t_check_int(m->started, ==, m->finished);
	t_check_int(m->sent, ==, s->out_len);
	script_server_free(server);
}

/* Writes the stream as a C string, for cases.h. */
static void show(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p[i] == '\r')
			fputs("\\r", stderr);
		else if (p[i] == '\n')
			fputs("\\n", stderr);
		else if (p[i] >= ' ' && p[i] < 0x7f)
			fputc(p[i], stderr);
		else
			fprintf(stderr, "\\x%02x", (unsigned char)p[i]);
	}
	fputc('\n', stderr);
}

static void one_stream(uint64_t *state, char *buf)
{
	size_t len = make_stream(state, buf);
	enum script_end end = (enum script_end)below(state, 3);
	struct script whole = { .in = buf, .in_len = len, .end = end };
	struct script cut = { .in = buf, .in_len = len, .end = end, .random = t_rand(state) | 1 };
	bool same;

	play(&whole);
	play(&cut);
	same = cut.out_len == whole.out_len && (cut.out_len == 0 || memcmp(cut.out, whole.out, cut.out_len) == 0);
	if (!same || !whole_answers(whole.out, whole.out_len))
		show(buf, len);
	t_check(same, "whole:\n%s\ncut:\n%s", whole.out ? whole.out : "", cut.out ? cut.out : "");
	t_check(whole_answers(whole.out, whole.out_len), "%s", whole.out ? whole.out : "");
	t_check(whole.ended_at <= 200 * GORO_SECOND && cut.ended_at <= 200 * GORO_SECOND);
	script_done(&whole);
	script_done(&cut);
}

START_TEST(any_bytes_get_whole_answers_that_do_not_depend_on_the_cuts)
{
	uint64_t state = t_seed() + (uint64_t)_i;
	char *buf = malloc(STREAM_MAX);
	long i, n = t_scaled(STREAMS);

	t_check(buf != NULL);
	for (i = 0; i < n; i++)
		one_stream(&state, buf);
	free(buf);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fuzz http");
	TCase *tc = tcase_create("streams");

	api_init();
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, any_bytes_get_whole_answers_that_do_not_depend_on_the_cuts, 0, 4);
	suite_add_tcase(s, tc);
	return t_main(s);
}
