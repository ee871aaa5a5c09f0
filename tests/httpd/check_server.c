/* SPDX-License-Identifier: MIT */
/*
 * check_server.c: examples/httpd as a process, spoken to over sockets by well-behaved and by difficult clients.
 * GORO_BACKEND in the environment reaches the server, so the driver runs this on both backends.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "t.h"

#define GET_ROOT "GET / HTTP/1.1\r\nHost: t\r\n\r\n"

static char buf[1 << 20];

/* ------------------------------------------------------------------ in order */

START_TEST(it_answers_and_keeps_the_connection)
{
	struct server_process s;
	int fd, i;

	SERVER_BEGIN(&s, "--procs=2");
	fd = dial(&s);
	for (i = 0; i < 100; i++)
		t_check_int(ask(fd, GET_ROOT, buf, sizeof(buf)), ==, 200);
	t_check(strstr(buf, "hello, world\n") != NULL, "%s", buf);
	close(fd);
	server_end(&s);
}
END_TEST

START_TEST(banner_and_metrics_name_the_backend)
{
	const char *want = getenv("GORO_BACKEND");
	struct server_process s;
	char text[64];

	SERVER_BEGIN(&s, "--procs=1");
	t_check(strstr(s.banner, want ? want : "(") != NULL, "%s", s.banner);
	snprintf(text, sizeof(text), "goro_backend_info{backend=\"%s\"}", want ? want : "");
	t_check_int(get(&s, "/metrics", buf, sizeof(buf)), ==, 200);
	t_check(want == NULL || strstr(buf, text) != NULL, "%s", buf);
	t_check(metric(&s, "goro_procs") == 1, "%s", buf);
	server_end(&s);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	struct server_process s;
	char request[128];
	int fd, i;

	SERVER_BEGIN(&s, "--procs=2");
	fd = dial(&s);
	for (i = 1; i <= 500; i++) {
		snprintf(request, sizeof(request), "PUT /items/%d HTTP/1.1\r\nHost: t\r\nContent-Length: 7\r\n\r\n{\"a\":0}", i);
		say(fd, request);
	}
	for (i = 1; i <= 500; i++) {
		t_check_int(hear(fd, buf, sizeof(buf)), ==, 201);
		snprintf(request, sizeof(request), "{\"id\":%d,", i);
		t_check(strstr(buf, request) != NULL, "%d: %s", i, buf);
	}
	close(fd);
	server_end(&s);
}
END_TEST

START_TEST(slow_answers_do_not_hold_up_others)
{
	struct server_process s;
	int slow, burn, fd, i;
	long long begin;

	SERVER_BEGIN(&s, "--procs=1");
	slow = dial(&s);
	burn = dial(&s);
	fd = dial(&s);
	say(slow, "GET /slow?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n");
	say(burn, "GET /burn?ms=1000 HTTP/1.1\r\nHost: t\r\n\r\n");
	begin = now_ms();
	for (i = 0; i < 20; i++)
		t_check_int(ask(fd, GET_ROOT, buf, sizeof(buf)), ==, 200);
	/* Measured by the CPU time that /burn gets, which a busy machine stretches as it stretches the rest. */
	t_check(poll(&(struct pollfd){ burn, POLLIN, 0 }, 1, 0) == 0, "20 requests took %lld ms", now_ms() - begin);
	t_check_int(hear(burn, buf, sizeof(buf)), ==, 200);
	t_check_int(hear(slow, buf, sizeof(buf)), ==, 200);
	t_check(now_ms() - begin >= 690, "a sleep of 700 ms took %lld ms", now_ms() - begin);
	server_end(&s);
}
END_TEST

/* Row 28 of the contract: one bad request is answered 500, and nobody else notices. */
START_TEST(a_handler_that_panics_or_dereferences_NULL_answers_500_and_the_server_goes_on)
{
	struct server_process s;
	int other, fd, i;

	SERVER_BEGIN(&s, "--procs=2");
	other = dial(&s);
	say(other, "GET /slow?ms=300 HTTP/1.1\r\nHost: t\r\n\r\n");
	fd = dial(&s);
	for (i = 0; i < 50; i++) {
		t_check_int(ask(fd, "GET /fail?how=null HTTP/1.1\r\nHost: t\r\n\r\n", buf, sizeof(buf)), ==, 500);
		t_check(strstr(buf, "internal error") != NULL, "%s", buf);
		t_check_int(ask(fd, "GET /fail?x=1&how=panic HTTP/1.1\r\nHost: t\r\n\r\n", buf, sizeof(buf)), ==, 500);
		t_check_int(ask(fd, GET_ROOT, buf, sizeof(buf)), ==, 200);
		t_check_int(get(&s, "/fail?how=null", buf, sizeof(buf)), ==, 500);
	}
	t_check_int(hear(other, buf, sizeof(buf)), ==, 200);
	t_check_int(ask(other, GET_ROOT, buf, sizeof(buf)), ==, 200);
	close(fd);
	close(other);
	server_end(&s);
}
END_TEST

struct worker {
	const struct server_process *s;
	int number, rounds;
};

/* Creates, reads, replaces and deletes items that nobody else touches: what it reads must be what it wrote. */
static void *work(void *arg)
{
	const struct worker *w = arg;
	char request[256], expected[64], answer[2048];
	int fd = dial(w->s), i;

	t_check(fd >= 0);
	for (i = 0; i < w->rounds; i++) {
		int value = w->number * 100000 + i;
		long long id;

		snprintf(request, sizeof(request), "POST /items HTTP/1.1\r\nHost: t\r\nContent-Length: 14\r\n\r\n{\"v\":\"%06d\"}", value);
		t_check_int(ask(fd, request, answer, sizeof(answer)), ==, 201);
		id = atoll(strstr(answer, "Location: /items/") + 17);
		snprintf(request, sizeof(request), "GET /items/%lld HTTP/1.1\r\nHost: t\r\n\r\n", id);
		t_check_int(ask(fd, request, answer, sizeof(answer)), ==, 200);
		snprintf(expected, sizeof(expected), "{\"id\":%lld,\"v\":\"%06d\"}\n", id, value);
		t_check(strstr(answer, expected) != NULL, "%s", answer);
		snprintf(request, sizeof(request), "DELETE /items/%lld HTTP/1.1\r\nHost: t\r\n\r\n", id);
		t_check_int(ask(fd, request, answer, sizeof(answer)), ==, 204);
	}
	close(fd);
	return NULL;
}

START_TEST(items_are_right_under_concurrent_use)
{
	struct server_process s;
	struct worker w[8];
	pthread_t threads[8];
	int i;

	SERVER_BEGIN(&s, "--procs=4");
	for (i = 0; i < 8; i++) {
		w[i] = (struct worker){ &s, i, (int)t_scaled(150) };
		t_check(pthread_create(&threads[i], NULL, work, &w[i]) == 0);
	}
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	t_check(metric(&s, "httpd_items") == 0);
	server_end(&s);
}
END_TEST

/* ------------------------------------------------------------------ difficult clients */

START_TEST(byte_by_byte_client_gets_408_and_disturbs_nobody)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: t\r\nX-Filler: ........................................\r\n\r\n";
	struct server_process s;
	long long begin;
	int slow, fd, i;

	SERVER_BEGIN(&s, "--procs=1", "--request-timeout=1");
	slow = dial(&s);
	fd = dial(&s);
	begin = now_ms();
	for (i = 0; request[i] != '\0'; i++) {
		struct pollfd p = { slow, POLLIN, 0 };

		if (!try_say(slow, request + i, 1) || poll(&p, 1, 200) == 1)
			break;
		if (now_ms() - begin < 900)
			t_check_int(ask(fd, GET_ROOT, buf, sizeof(buf)), ==, 200);
	}
	t_check_int(hear(slow, buf, sizeof(buf)), ==, 408);
	t_check(now_ms() - begin >= 990, "after %lld ms", now_ms() - begin);
	t_check(now_ms() - begin < 3000, "only after %lld ms", now_ms() - begin);
	t_check(ends_within(slow, 5000));
	server_end(&s);
}
END_TEST

START_TEST(idle_connections_are_closed_in_time)
{
	struct server_process s;
	int fd, silent;
	long long begin;

	SERVER_BEGIN(&s, "--idle-timeout=0.4", "--request-timeout=0.3");
	silent = dial(&s);
	fd = dial(&s);
	t_check_int(ask(fd, GET_ROOT, buf, sizeof(buf)), ==, 200);
	begin = now_ms();
	t_check(ends_within(silent, 10000));
	t_check(ends_within(fd, 10000));
	t_check(now_ms() - begin >= 390, "after %lld ms", now_ms() - begin);
	t_check(metric(&s, "httpd_connections_cut_total{reason=\"idle\"}") == 2);
	server_end(&s);
}
END_TEST

START_TEST(half_closed_client_still_gets_its_answers)
{
	struct server_process s;
	int fd;

	SERVER_BEGIN(&s, "--procs=2");
	fd = dial(&s);
	say(fd, GET_ROOT "GET /slow?ms=100 HTTP/1.1\r\nHost: t\r\n\r\n");
	shutdown(fd, SHUT_WR);
	t_check_int(hear(fd, buf, sizeof(buf)), ==, 200);
	t_check_int(hear(fd, buf, sizeof(buf)), ==, 200);
	t_check(ends_within(fd, 10000));
	close(fd);
	fd = dial(&s);
	say(fd, "GET / HT");
	shutdown(fd, SHUT_WR);
	t_check_int(hear(fd, buf, sizeof(buf)), ==, 400);
	t_check(ends_within(fd, 10000));
	server_end(&s);
}
END_TEST

static void reset(int fd)
{
	struct linger l = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

START_TEST(abandoned_connections_leave_nothing_behind)
{
	static const char *const beginnings[] = {
		"", "G", "GET / HTTP/1.1\r\n", "POST /items HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n{",
		"GET /slow?ms=50 HTTP/1.1\r\nHost: t\r\n\r\n", "GET /burn?ms=5 HTTP/1.1\r\nHost: t\r\n\r\n" GET_ROOT GET_ROOT,
		"POST /items HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", GET_ROOT GET_ROOT GET_ROOT,
	};
	struct server_process s;
	int i;

	SERVER_BEGIN(&s, "--procs=2");
	for (i = 0; i < 400; i++) {
		int fd = dial(&s);

		t_check(fd >= 0);
		say(fd, beginnings[i / 2 % 8]);
		if (i & 1)
			reset(fd);
		else
			close(fd);
	}
	/* The one left is the one that asks. */
	t_eventually(metric(&s, "httpd_connections_open") == 1, 20000);
	t_eventually(metric(&s, "httpd_requests_in_flight") == 1, 20000);
	server_end(&s);
}
END_TEST

START_TEST(client_that_does_not_read_is_cut)
{
	struct server_process s;
	struct pollfd p;
	int fd;

	SERVER_BEGIN(&s, "--write-timeout=0.5");
	fd = dial(&s);
	p = (struct pollfd){ fd, POLLOUT, 0 };
	/* Until our side too is full, or the connection broken. */
	while (poll(&p, 1, 5000) == 1 && !(p.revents & (POLLERR | POLLHUP)))
		if (send(fd, GET_ROOT GET_ROOT GET_ROOT GET_ROOT, 4 * (sizeof(GET_ROOT) - 1), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
		    errno != EAGAIN)
			break;
	t_eventually(metric(&s, "httpd_connections_cut_total{reason=\"write_timeout\"}") == 1, 20000);
	t_eventually(metric(&s, "httpd_connections_open") == 1, 20000);
	server_end(&s);
}
END_TEST

START_TEST(answers_to_nobody_do_not_kill_it)
{
	struct server_process s;
	int i, k;

	SERVER_BEGIN(&s, "--procs=2");
	for (i = 0; i < 50; i++) {
		int fd = dial(&s);

		for (k = 0; k < 50; k++)
			try_say(fd, GET_ROOT, sizeof(GET_ROOT) - 1);
		reset(fd);
	}
	t_check_int(get(&s, "/", buf, sizeof(buf)), ==, 200);
	server_end(&s);
}
END_TEST

START_TEST(random_bytes_on_many_connections_do_no_harm)
{
	static const char *const pieces[] = { "GET / HTTP/1.1\r\n", "Host: t\r\n", "\r\n", "Content-Length: 5\r\n", "\n", "\x01\x02",
		"Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n", "0\r\n\r\n", "POST /items HTTP/1.1\r\n", "{}" };
	uint64_t state = t_seed();
	struct server_process s;
	long i, n = t_scaled(1500);

	SERVER_BEGIN(&s, "--procs=2");
	for (i = 0; i < n; i++) {
		int fd = dial(&s), k;

		t_check(fd >= 0);
		for (k = (int)(t_rand(&state) % 12); k > 0; k--) {
			const char *p = pieces[t_rand(&state) % 11];

			if (!try_say(fd, p, strlen(p)))
				break;
		}
		if (t_rand(&state) & 1) {
			shutdown(fd, SHUT_WR);
			while (recv(fd, buf, sizeof(buf), 0) > 0)
				;
		}
		close(fd);
	}
	t_check_int(get(&s, "/", buf, sizeof(buf)), ==, 200);
	t_eventually(metric(&s, "httpd_connections_open") == 1, 20000);
	server_end(&s);
}
END_TEST

/* ------------------------------------------------------------------ shortage */

START_TEST(running_out_of_descriptors_is_survived)
{
	struct server_process s;
	int fds[200], i;

	server_begin(&s, 64, (char *[]){ "--procs=2", NULL });
	for (i = 0; i < 200; i++) {
		fds[i] = dial(&s);
		t_check(fds[i] >= 0, "connection %d: %s", i, strerror(errno));
	}
	/* The first ones are served, and go on being served while accept fails. */
	for (i = 0; i < 20; i++)
		t_check_int(ask(fds[0], GET_ROOT, buf, sizeof(buf)), ==, 200);
	for (i = 1; i < 200; i++)
		close(fds[i]);
	t_check(metric(&s, "httpd_accept_errors_total") > 0);
	t_check_int(ask(fds[0], GET_ROOT, buf, sizeof(buf)), ==, 200);
	t_eventually(metric(&s, "httpd_connections_open") == 2, 20000);
	server_end(&s);
}
END_TEST

START_TEST(too_many_connections_are_told_so)
{
	struct server_process s;
	int a, b, c;

	SERVER_BEGIN(&s, "--max-conns=2");
	a = dial(&s);
	b = dial(&s);
	t_check_int(ask(a, GET_ROOT, buf, sizeof(buf)), ==, 200);
	t_check_int(ask(b, GET_ROOT, buf, sizeof(buf)), ==, 200);
	c = dial(&s);
	t_check_int(hear(c, buf, sizeof(buf)), ==, 503);
	t_check(ends_within(c, 10000));
	close(b);
	t_eventually(get(&s, "/", buf, sizeof(buf)) == 200, 20000);
	t_check_int(ask(a, GET_ROOT, buf, sizeof(buf)), ==, 200);
	server_end(&s);
}
END_TEST

START_TEST(port_in_use_is_an_error)
{
	struct server_process s, second;
	char port[32], line[256] = "";
	int fds[2], status;

	SERVER_BEGIN(&s, "--procs=1");
	snprintf(port, sizeof(port), "--port=%d", s.port);
	t_check(pipe(fds) == 0);
	second.pid = fork();
	if (second.pid == 0) {
		dup2(fds[1], 2);
		execl(server_program(), server_program(), port, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	second.out = fds[0];
	t_check(read(fds[0], line, sizeof(line) - 1) > 0);
	t_check(strstr(line, "Address already in use") != NULL, "%s", line);
	status = server_reap(&second, 20000);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	server_end(&s);
}
END_TEST

/* ------------------------------------------------------------------ the end */

START_TEST(sigterm_lets_requests_in_flight_end)
{
	struct server_process s;
	int slow, idle, part, fresh, status;

	SERVER_BEGIN(&s, "--procs=2");
	idle = dial(&s);
	t_check_int(ask(idle, GET_ROOT, buf, sizeof(buf)), ==, 200);
	fresh = dial(&s);
	part = dial(&s);
	say(part, "GET / HTTP/1.1\r\nHost:");
	slow = dial(&s);
	say(slow, "GET /slow?ms=800 HTTP/1.1\r\nHost: t\r\n\r\n");
	t_eventually(metric(&s, "httpd_requests_in_flight") == 2, 20000);
	kill(s.pid, SIGTERM);
	t_check(ends_within(idle, 5000), "an idle connection stays");
	t_check(ends_within(fresh, 5000), "a connection without a request stays");
	t_eventually(dial(&s) < 0, 5000);
	say(part, " t\r\n\r\n");
	t_check_int(hear(part, buf, sizeof(buf)), ==, 200);
	t_check(strstr(buf, "\r\nConnection: close\r\n") != NULL, "%s", buf);
	t_check_int(hear(slow, buf, sizeof(buf)), ==, 200);
	t_check(strstr(buf, "\r\nConnection: close\r\n") != NULL, "%s", buf);
	t_check(ends_within(slow, 5000));
	close(part);
	close(slow);
	status = server_reap(&s, 20000);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", (unsigned)status);
}
END_TEST

START_TEST(draining_is_bounded)
{
	struct server_process s;
	long long begin;
	int fd, status;

	SERVER_BEGIN(&s, "--drain-timeout=0.3");
	fd = dial(&s);
	say(fd, "GET /slow?ms=60000 HTTP/1.1\r\nHost: t\r\n\r\n");
	t_eventually(metric(&s, "httpd_requests_in_flight") == 2, 20000);
	begin = now_ms();
	kill(s.pid, SIGTERM);
	status = server_reap(&s, 20000);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", (unsigned)status);
	t_check(now_ms() - begin >= 290, "after %lld ms", now_ms() - begin);
}
END_TEST

START_TEST(second_signal_cuts_draining_short)
{
	struct server_process s;
	int fd, status;

	SERVER_BEGIN(&s, "--drain-timeout=3600");
	fd = dial(&s);
	say(fd, "GET /slow?ms=60000 HTTP/1.1\r\nHost: t\r\n\r\n");
	t_eventually(metric(&s, "httpd_requests_in_flight") == 2, 20000);
	kill(s.pid, SIGINT);
	t_eventually(dial(&s) < 0, 5000);
	kill(s.pid, SIGINT);
	status = server_reap(&s, 20000);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", (unsigned)status);
}
END_TEST

START_TEST(burst_prints_a_table_and_ends_with_once)
{
	struct server_process s;
	size_t n = 0;
	ssize_t k;
	int status;

	SERVER_BEGIN(&s, "--burst=4000", "--burst-conns=16", "--once");
	while ((k = read(s.out, buf + n, sizeof(buf) - 1 - n)) > 0)
		n += (size_t)k;
	buf[n] = '\0';
	t_check(strstr(buf, "burst: 4000 requests over 16 connections") != NULL, "%s", buf);
	t_check(strstr(buf, "no answer: 0") != NULL, "%s", buf);
	status = server_reap(&s, 20000);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", (unsigned)status);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("httpd");
	TCase *order = tcase_create("order"), *hard = tcase_create("hard"), *end = tcase_create("end");

	t_skip_unless(access(server_program(), X_OK) == 0, "%s is not built (libhttp-parser, jansson, libbsd)", server_program());
	tcase_set_timeout(order, 60);
	tcase_add_test(order, it_answers_and_keeps_the_connection);
	tcase_add_test(order, banner_and_metrics_name_the_backend);
	tcase_add_test(order, pipelined_requests_are_answered_in_order);
	tcase_add_test(order, slow_answers_do_not_hold_up_others);
	tcase_add_test(order, items_are_right_under_concurrent_use);
	tcase_add_test(order, a_handler_that_panics_or_dereferences_NULL_answers_500_and_the_server_goes_on);
	suite_add_tcase(s, order);
	tcase_set_timeout(hard, 60);
	tcase_add_test(hard, byte_by_byte_client_gets_408_and_disturbs_nobody);
	tcase_add_test(hard, idle_connections_are_closed_in_time);
	tcase_add_test(hard, half_closed_client_still_gets_its_answers);
	tcase_add_test(hard, abandoned_connections_leave_nothing_behind);
	tcase_add_test(hard, client_that_does_not_read_is_cut);
	tcase_add_test(hard, answers_to_nobody_do_not_kill_it);
	tcase_add_test(hard, random_bytes_on_many_connections_do_no_harm);
	tcase_add_test(hard, running_out_of_descriptors_is_survived);
	tcase_add_test(hard, too_many_connections_are_told_so);
	tcase_add_test(hard, port_in_use_is_an_error);
	suite_add_tcase(s, hard);
	tcase_set_timeout(end, 60);
	tcase_add_test(end, sigterm_lets_requests_in_flight_end);
	tcase_add_test(end, draining_is_bounded);
	tcase_add_test(end, second_signal_cuts_draining_short);
	tcase_add_test(end, burst_prints_a_table_and_ends_with_once);
	suite_add_tcase(s, end);
	return t_main(s);
}
