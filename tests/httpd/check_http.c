/* SPDX-License-Identifier: MIT */
/*
 * check_http.c: the HTTP of examples/httpd on byte streams, without sockets and without a runtime: conn_run() on the test's own
 * thread. Each stream of cases.h is played whole, byte by byte and cut at random, and must always come to the same bytes.
 */
#include <goro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "cases.h"
#include "metrics.h"
#include "reply.h"
#include "script.h"
#include "t.h"

#define CUTS 12 /* random ways to cut each stream */

static void play(const struct http_case *c, struct script *s)
{
	struct script_server *server = script_server_new();

	s->in = c->in;
	s->in_len = c->in_len;
	script_run(server, s);
	script_server_free(server);
}

START_TEST(stream_gets_its_answers_however_it_is_cut)
{
	const struct http_case *c = &http_cases[_i];
	struct script whole = { .in = NULL }, bytes = { .piece = 1 }, random = { .in = NULL };
	uint64_t seed = t_seed();
	char got[200];
	int i;

	play(c, &whole);
	script_summary(&whole, c->heads, got, sizeof(got));
	t_check(strcmp(got, c->out) == 0, "%s: \"%s\", not \"%s\":\n%s", c->what, got, c->out, whole.out ? whole.out : "");
	play(c, &bytes);
	t_check(bytes.out_len == whole.out_len && (whole.out_len == 0 || memcmp(bytes.out, whole.out, whole.out_len) == 0),
		"%s: byte by byte:\n%s\nwhole:\n%s", c->what, bytes.out ? bytes.out : "", whole.out ? whole.out : "");
	for (i = 0; i < CUTS; i++) {
		random.random = t_rand(&seed) | 1;
		play(c, &random);
		t_check(random.out_len == whole.out_len &&
				(whole.out_len == 0 || memcmp(random.out, whole.out, whole.out_len) == 0),
			"%s: cut at random:\n%s\nwhole:\n%s", c->what, random.out ? random.out : "", whole.out ? whole.out : "");
		script_done(&random);
	}
	/* After a refusal the server's side is shut first and the rest read, so that the answer gets through. */
	if (strlen(c->out) > 6 && strcmp(c->out + strlen(c->out) - 6, " close") == 0 && strstr(c->out, "200 close") == NULL &&
	    strstr(c->out, "201 close") == NULL)
		t_check(whole.finished, "%s: closed at once", c->what);
	script_done(&whole);
	script_done(&bytes);
}
END_TEST

/* ------------------------------------------------------------------ exact bytes */

static void expect_bytes(const char *in, const char *out)
{
	struct script s = { .in = in, .in_len = strlen(in) };
	struct script_server *server = script_server_new();

	script_run(server, &s);
	t_check(s.out != NULL && strcmp(s.out, out) == 0, "got:\n%s\nexpected:\n%s", s.out ? s.out : "", out);
	script_done(&s);
	script_server_free(server);
}

#define DATE "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

START_TEST(hello_is_these_bytes)
{
	expect_bytes(NEXT, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nhello, world\n");
}
END_TEST

START_TEST(head_is_the_same_without_the_body)
{
	expect_bytes("HEAD / HTTP/1.1\r\n" H "\r\n",
		     "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 13\r\n\r\n");
}
END_TEST

START_TEST(http_1_0_hears_that_the_connection_stays)
{
	expect_bytes("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		     "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: 13\r\n"
		     "Connection: keep-alive\r\n\r\nhello, world\n");
}
END_TEST

START_TEST(method_not_allowed_names_those_that_are)
{
	expect_bytes("DELETE /items HTTP/1.1\r\n" H "\r\n",
		     "HTTP/1.1 405 Method Not Allowed\r\n" DATE "Content-Type: application/json\r\nContent-Length: 36\r\n"
		     "Allow: GET, HEAD, POST, OPTIONS\r\n\r\n{\"error\":\"method not allowed here\"}\n");
}
END_TEST

START_TEST(created_says_where)
{
	expect_bytes(POST "Content-Length: 17\r\n\r\n{\"b\":[1],\"id\":99}",
		     "HTTP/1.1 201 Created\r\n" DATE "Content-Type: application/json\r\nContent-Length: 17\r\n"
		     "Location: /items/1\r\n\r\n{\"id\":1,\"b\":[1]}\n");
}
END_TEST

START_TEST(delete_has_no_content_and_no_length)
{
	expect_bytes("PUT /items/3 HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}DELETE /items/3 HTTP/1.1\r\n" H "\r\n",
		     "HTTP/1.1 201 Created\r\n" DATE "Content-Type: application/json\r\nContent-Length: 9\r\n"
		     "Location: /items/3\r\n\r\n{\"id\":3}\nHTTP/1.1 204 No Content\r\n" DATE "\r\n");
}
END_TEST

START_TEST(list_goes_on_after_a_given_item)
{
	expect_bytes(POST "Content-Length: 2\r\n\r\n{}" POST "Content-Length: 2\r\n\r\n{}"
		     "GET /items?limit=1 HTTP/1.1\r\n" H "\r\nGET /items?after=1 HTTP/1.1\r\n" H "Connection: close\r\n\r\n",
		     "HTTP/1.1 201 Created\r\n" DATE "Content-Type: application/json\r\nContent-Length: 9\r\n"
		     "Location: /items/1\r\n\r\n{\"id\":1}\n"
		     "HTTP/1.1 201 Created\r\n" DATE "Content-Type: application/json\r\nContent-Length: 9\r\n"
		     "Location: /items/2\r\n\r\n{\"id\":2}\n"
		     "HTTP/1.1 200 OK\r\n" DATE "Content-Type: application/json\r\nContent-Length: 30\r\n\r\n"
		     "{\"items\":[{\"id\":1}],\"next\":1}\n"
		     "HTTP/1.1 200 OK\r\n" DATE "Content-Type: application/json\r\nContent-Length: 33\r\n"
		     "Connection: close\r\n\r\n{\"items\":[{\"id\":2}],\"next\":null}\n");
}
END_TEST

START_TEST(continue_comes_before_the_body_is_read)
{
	expect_bytes(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
		     "HTTP/1.1 100 Continue\r\n\r\n"
		     "HTTP/1.1 201 Created\r\n" DATE "Content-Type: application/json\r\nContent-Length: 9\r\n"
		     "Location: /items/1\r\n\r\n{\"id\":1}\n");
}
END_TEST

START_TEST(dates_are_right)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} dates[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
		{ 951782399, "Mon, 28 Feb 2000 23:59:59 GMT" },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
		{ 951868800, "Wed, 01 Mar 2000 00:00:00 GMT" },
		{ 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
		{ 4102444799, "Thu, 31 Dec 2099 23:59:59 GMT" },
		{ 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
	};
	char got[REPLY_DATE_LEN + 1] = "";
	size_t i;

	for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		reply_date(got, dates[i].seconds);
		t_check(strcmp(got, dates[i].text) == 0, "%s, not %s", got, dates[i].text);
	}
}
END_TEST

/* ------------------------------------------------------------------ writes, time, memory */

START_TEST(answers_to_one_read_leave_in_one_write)
{
	static const char in[] = X8(NEXT) X8(NEXT);
	struct script s = { .in = in, .in_len = sizeof(in) - 1 };
	struct script_server *server = script_server_new();

	script_run(server, &s);
	t_check_int(s.writes, ==, 1);
	t_check_int(s.reads, ==, 2); /* the requests, the end */
	script_done(&s);
	script_server_free(server);
}
END_TEST

START_TEST(answers_leave_before_a_handler_may_sleep)
{
	static const char in[] = NEXT "GET /slow?ms=0 HTTP/1.1\r\n" H "\r\n" NEXT;
	struct script s = { .in = in, .in_len = sizeof(in) - 1 };
	struct script_server *server = script_server_new();

	script_run(server, &s);
	t_check_int(s.writes, ==, 2);
	script_done(&s);
	script_server_free(server);
}
END_TEST

START_TEST(thousands_of_pipelined_requests_are_all_answered)
{
	static const char in[] = X4096(NEXT);
	struct script s = { .in = in, .in_len = sizeof(in) - 1 };
	struct script_server *server = script_server_new();
	size_t n = 0;
	const char *p;

	script_run(server, &s);
	for (p = s.out; (p = strstr(p, "HTTP/1.1 200 OK")) != NULL; p++)
		n++;
	t_check_int(n, ==, 4096);
	t_check(s.writes < 64, "%u writes", s.writes);
	script_done(&s);
	script_server_free(server);
}
END_TEST

/* Plays in with the gap before each byte, then silence; the answers and the time that it took in seconds. */
static void expect_timing(const char *in, int64_t gap_ns, const char *out, int seconds)
{
	struct script s = { .in = in, .in_len = strlen(in), .piece = 1, .gap_ns = gap_ns, .end = SCRIPT_SILENT };
	struct script_server *server = script_server_new();
	char got[100];

	script_run(server, &s);
	script_summary(&s, 0, got, sizeof(got));
	t_check(strcmp(got, out) == 0, "\"%s\", not \"%s\"", got, out);
	t_check_int(s.ended_at / GORO_SECOND, ==, seconds);
	script_done(&s);
	script_server_free(server);
}

START_TEST(byte_a_second_is_cut_at_the_request_deadline)
{
	/* The first byte comes at 1 s, the deadline is 10 s later; the second that lingers after the answer is the client's. */
	expect_timing(GET "X: y\r\n\r\n", GORO_SECOND, "408 close", 12);
}
END_TEST

START_TEST(slow_body_is_cut_at_the_same_deadline)
{
	expect_timing("POST /items HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n{", GORO_SECOND / 10, "408 close", 11);
}
END_TEST

START_TEST(slow_chunks_are_cut_at_the_same_deadline)
{
	expect_timing("POST /items HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n \r\n1\r\n \r\n1\r\n \r\n",
		      GORO_SECOND / 8, "408 close", 11);
}
END_TEST

START_TEST(silent_client_is_closed_without_a_word)
{
	expect_timing("", 0, "", 10);
}
END_TEST

START_TEST(idle_connection_is_closed_after_its_own_time)
{
	expect_timing(NEXT, 0, "200", 60);
}
END_TEST

START_TEST(each_request_has_a_deadline_of_its_own)
{
	/* 27 bytes each, a fifth of a second a byte: 5.4 s a request, 16.2 s in all, then idle. */
	expect_timing("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", GORO_SECOND / 5,
		      "200 200 200", 76);
}
END_TEST

START_TEST(client_that_does_not_read_is_cut_at_the_write_deadline)
{
	static const char in[] = X4096(NEXT);
	struct script s = { .in = in, .in_len = sizeof(in) - 1, .end = SCRIPT_SILENT, .write_limit = 100000 };
	struct script_server *server = script_server_new();

	script_run(server, &s);
	t_check_int(s.ended_at / GORO_SECOND, ==, 30);
	t_check_int(server->conf.metrics->cuts[CUT_WRITE], ==, 1);
	t_check(!s.finished, "lingers on a connection that is broken");
	script_done(&s);
	script_server_free(server);
}
END_TEST

START_TEST(reset_in_the_middle_ends_quietly)
{
	struct script s = { .in = NEXT "GET", .in_len = sizeof(NEXT "GET") - 1, .end = SCRIPT_RESETS };
	struct script_server *server = script_server_new();
	char got[100];

	script_run(server, &s);
	script_summary(&s, 0, got, sizeof(got));
	t_check(strcmp(got, "200") == 0, "%s", got);
	t_check_int(server->conf.metrics->cuts[CUT_ABANDONED], ==, 1);
	script_done(&s);
	script_server_free(server);
}
END_TEST

START_TEST(draining_announces_the_end_with_the_next_answer)
{
	struct script s = { .in = NEXT NEXT, .in_len = sizeof(NEXT NEXT) - 1 };
	struct script_server *server = script_server_new();
	char got[100];

	server->draining = 1;
	script_run(server, &s);
	script_summary(&s, 0, got, sizeof(got));
	t_check(strcmp(got, "200 close") == 0, "%s", got);
	script_done(&s);
	script_server_free(server);
}
END_TEST

/* An object of n bytes, behind a head that announces it or in chunks of 1000 bytes. */
static char *large_post(size_t n, bool chunked, size_t *ret_len)
{
	size_t size = n + n / 1000 * 8 + 300, used, i;
	char *p = malloc(size), *object = malloc(n + 1);

	t_check(p != NULL && object != NULL);
	memset(object, 'x', n);
	memcpy(object, "{\"a\":\"", 6);
	memcpy(object + n - 2, "\"}", 3);
	if (!chunked) {
		used = (size_t)snprintf(p, size, POST "Content-Length: %zu\r\n\r\n%s", n, object);
	} else {
		used = (size_t)snprintf(p, size, CHUNKED);
		for (i = 0; i < n; i += 1000)
			used += (size_t)snprintf(p + used, size - used, "%zx\r\n%.*s\r\n", n - i < 1000 ? n - i : 1000,
						 1000, object + i);
		used += (size_t)snprintf(p + used, size - used, "0\r\n\r\n");
	}
	free(object);
	*ret_len = used;
	return p;
}

START_TEST(large_items_come_back_whole)
{
	struct script_server *server = script_server_new();
	static const size_t sizes[] = { 20, 900, 1100, 5000, 8192, 9000, 16384, 39999, 40000 };
	size_t i, got;

	for (i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i / 2], len;
		char *in = large_post(n, i & 1, &len);
		struct script s = { .in = in, .in_len = len, .random = i + 1 };
		char tail[40];

		script_run(server, &s);
		t_check(strncmp(s.out, "HTTP/1.1 201 ", 13) == 0, "%zu bytes: %.40s", n, s.out);
		/* {"id":N,"a":"xxx"} and a newline */
		snprintf(tail, sizeof(tail), "{\"id\":%zu,\"a\":\"x", i + 1);
		t_check(strstr(s.out, tail) != NULL, "%zu bytes", n);
		got = strlen(strstr(s.out, tail));
		t_check_int(got, ==, n + strlen(tail) - 7 + 1);
		script_done(&s);
		free(in);
	}
	script_server_free(server);
}
END_TEST

static void expect_summary(const char *in, size_t len, const char *out)
{
	struct script_server *server = script_server_new();
	struct script s = { .in = in, .in_len = len };
	char got[100];

	script_run(server, &s);
	script_summary(&s, 0, got, sizeof(got));
	t_check(strcmp(got, out) == 0, "%zu bytes: \"%s\", not \"%s\"", len, got, out);
	script_done(&s);
	script_server_free(server);
}

START_TEST(limits_are_met_to_the_byte)
{
	char in[9000], fill[5000];
	size_t len;
	int over;
	char *post;

	memset(fill, 'a', sizeof(fill));
	for (over = 0; over <= 1; over++) {
		/* 16 for the line, 9 for Host, 3 + 4 around the filling: 4096. */
		len = (size_t)snprintf(in, sizeof(in), GET "X: %.*s\r\n\r\n" NEXT, 4064 + over, fill);
		expect_summary(in, len, over ? "431 close" : "200 200");
		len = (size_t)snprintf(in, sizeof(in), "GET /?%.*s HTTP/1.1\r\n" H "\r\n" NEXT, 1022 + over, fill);
		expect_summary(in, len, over ? "414 close" : "200 200");
		post = large_post(40000 + (size_t)over, false, &len);
		expect_summary(post, len, over ? "413 close" : "201");
		free(post);
		post = large_post(40000 + (size_t)over, true, &len);
		expect_summary(post, len, over ? "413 close" : "201");
		free(post);
	}
}
END_TEST

START_TEST(full_store_refuses_new_items_and_takes_new_versions)
{
	struct script_server *server = script_server_new();
	struct script s = { .in = NULL };
	char in[200], got[100];
	int i;

	for (i = 1; i <= 1002; i++) {
		s.in = in;
		s.in_len = (size_t)snprintf(in, sizeof(in), "PUT /items/%d HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}",
					    i == 1002 ? 5 : i);
		script_run(server, &s);
		script_summary(&s, 0, got, sizeof(got));
		t_check(strcmp(got, i <= 1000 ? "201" : i == 1001 ? "507" : "200") == 0, "%d: %s", i, got);
		script_done(&s);
	}
	script_server_free(server);
}
END_TEST

START_TEST(metrics_count_what_happened)
{
	struct script_server *server = script_server_new();
	struct script s = { .in = NEXT NEXT "GET /fail HTTP/1.1\r\n" H "\r\n", .end = SCRIPT_CLOSES };
	char *text;
	size_t len;

	s.in_len = strlen(s.in);
	script_run(server, &s);
	text = metrics_text(server->conf.metrics, 3, &len);
	t_check(strstr(text, "httpd_requests_total{code=\"200\"} 2\n") != NULL, "%s", text);
	t_check(strstr(text, "httpd_requests_total{code=\"500\"} 1\n") != NULL, "%s", text);
	t_check(strstr(text, "httpd_requests_in_flight 0\n") != NULL, "%s", text);
	t_check(strstr(text, "httpd_request_duration_seconds_count 3\n") != NULL, "%s", text);
	t_check(strstr(text, "httpd_request_duration_seconds_bucket{le=\"+Inf\"} 3\n") != NULL, "%s", text);
	t_check(strstr(text, "httpd_items 3\n") != NULL, "%s", text);
	t_check_int(server->conf.metrics->shards[0].received, ==, s.in_len);
	t_check_int(server->conf.metrics->shards[0].sent, ==, s.out_len);
	free(text);
	script_done(&s);
	script_server_free(server);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http");
	TCase *cases = tcase_create("cases"), *bytes = tcase_create("bytes"), *rest = tcase_create("connection");

	api_init();
	tcase_add_loop_test(cases, stream_gets_its_answers_however_it_is_cut, 0, (int)HTTP_CASES);
	suite_add_tcase(s, cases);
	tcase_add_test(bytes, hello_is_these_bytes);
	tcase_add_test(bytes, head_is_the_same_without_the_body);
	tcase_add_test(bytes, http_1_0_hears_that_the_connection_stays);
	tcase_add_test(bytes, method_not_allowed_names_those_that_are);
	tcase_add_test(bytes, created_says_where);
	tcase_add_test(bytes, delete_has_no_content_and_no_length);
	tcase_add_test(bytes, list_goes_on_after_a_given_item);
	tcase_add_test(bytes, continue_comes_before_the_body_is_read);
	tcase_add_test(bytes, dates_are_right);
	suite_add_tcase(s, bytes);
	tcase_add_test(rest, answers_to_one_read_leave_in_one_write);
	tcase_add_test(rest, answers_leave_before_a_handler_may_sleep);
	tcase_add_test(rest, thousands_of_pipelined_requests_are_all_answered);
	tcase_add_test(rest, byte_a_second_is_cut_at_the_request_deadline);
	tcase_add_test(rest, slow_body_is_cut_at_the_same_deadline);
	tcase_add_test(rest, slow_chunks_are_cut_at_the_same_deadline);
	tcase_add_test(rest, silent_client_is_closed_without_a_word);
	tcase_add_test(rest, idle_connection_is_closed_after_its_own_time);
	tcase_add_test(rest, each_request_has_a_deadline_of_its_own);
	tcase_add_test(rest, client_that_does_not_read_is_cut_at_the_write_deadline);
	tcase_add_test(rest, reset_in_the_middle_ends_quietly);
	tcase_add_test(rest, draining_announces_the_end_with_the_next_answer);
	tcase_add_test(rest, large_items_come_back_whole);
	tcase_add_test(rest, limits_are_met_to_the_byte);
	tcase_add_test(rest, full_store_refuses_new_items_and_takes_new_versions);
	tcase_add_test(rest, metrics_count_what_happened);
	suite_add_tcase(s, rest);
	return t_main(s);
}
