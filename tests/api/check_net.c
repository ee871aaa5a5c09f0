/* SPDX-License-Identifier: MIT */
/*
 * check_net.c: what <goro/net.h> promises while all goes well: addresses, round trips, whole transfers.
 * check_net_wait.c has deadlines, closing and cancel races, check_net_errors.c bad input.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

/* ---- addresses ------------------------------------------------------------------------------------- */

static void check_cloexec(int fd)
{
	t_check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void check_nodelay(int fd)
{
	int on = 0;
	socklen_t len = sizeof on;

	t_check(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0);
	t_check_int(on, !=, 0);
}

static int accept_main(void *arg)
{
	int l = goro_tcp_listen("127.0.0.1", 0, 5), port = goro_tcp_port(l), c, s, on = 0;
	struct sockaddr_in peer = { 0 };
	socklen_t len = sizeof peer, onlen = sizeof on;

	(void)arg;
	t_check_int(l, >=, 0);
	t_check(port > 0 && port < 65536, "port is %d", port);
	t_check(getsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, &onlen) == 0 && on);
	c = goro_tcp_dial("127.0.0.1", (unsigned)port, GORO_FOREVER);
	t_check_int(c, >=, 0);
	s = goro_accept(l, (struct sockaddr *)&peer, &len, GORO_FOREVER);
	t_check_int(s, >=, 0);
	t_check_int(len, ==, sizeof peer);
	t_check_int(peer.sin_family, ==, AF_INET);
	t_check_int(ntohs(peer.sin_port), ==, goro_tcp_port(c));
	t_check_int(ntohl(peer.sin_addr.s_addr), ==, INADDR_LOOPBACK);
	t_check_int(goro_tcp_port(s), ==, port);
	check_nodelay(c);
	check_nodelay(s);
	check_cloexec(l);
	check_cloexec(c);
	check_cloexec(s);
	t_check_int(goro_close(c), ==, 0);
	t_check_int(goro_close(s), ==, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(accept_tells_the_peer_and_sets_what_the_header_says)
{
	api_run(accept_main, NULL);
}
END_TEST

static int everywhere_main(void *arg)
{
	int l = goro_tcp_listen(NULL, 0, 0), port = goro_tcp_port(l), probe = goro_tcp_listen("::1", 0, 0), c, s;
	const char *hosts[] = { "127.0.0.1", NULL, "::1" };

	(void)arg;
	t_check_int(l, >=, 0);
	for (int i = 0; i < (probe >= 0 ? 3 : 2); i++) {
		c = goro_tcp_dial(hosts[i], (unsigned)port, GORO_FOREVER);
		t_check(c >= 0, "dial %s gave %d", hosts[i] ? hosts[i] : "loopback", c);
		s = goro_accept(l, NULL, NULL, GORO_FOREVER);
		t_check_int(s, >=, 0);
		t_check_int(goro_write(c, "x", 1, GORO_FOREVER), ==, 1);
		t_check_int(goro_close(c), ==, 0);
		t_check_int(goro_close(s), ==, 0);
	}
	if (probe >= 0)
		t_check_int(goro_close(probe), ==, 0);
	t_check_int(goro_close(l), ==, 0);
	/* The port is free again for a listener that wants this one, though old connections linger. */
	l = goro_tcp_listen(NULL, (unsigned)port, 0);
	t_check_int(l, >=, 0);
	t_check_int(goro_tcp_port(l), ==, port);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(a_listener_on_all_addresses_hears_both_families_and_its_port_can_be_taken_again)
{
	api_run(everywhere_main, NULL);
}
END_TEST

static int connect_main(void *arg)
{
	int l = goro_tcp_listen("127.0.0.1", 0, 0), c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), s;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char buf[8];

	(void)arg;
	a.sin_port = htons((uint16_t)goro_tcp_port(l));
	t_check_int(goro_connect(c, (struct sockaddr *)&a, sizeof a, GORO_FOREVER), ==, 0);
	s = goro_accept(l, NULL, NULL, goro_after(GORO_SECOND * 10));
	t_check_int(s, >=, 0);
	t_check_int(goro_write(s, "hello", 5, GORO_FOREVER), ==, 5);
	t_check_int(goro_read_full(c, buf, 5, GORO_FOREVER), ==, 5);
	t_check(memcmp(buf, "hello", 5) == 0);
	t_check_int(goro_connect(c, (struct sockaddr *)&a, sizeof a, GORO_FOREVER), ==, -EISCONN);
	t_check_int(goro_close(c), ==, 0);
	t_check_int(goro_close(s), ==, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(connect_takes_the_callers_socket)
{
	api_run(connect_main, NULL);
}
END_TEST

/* ---- round trips -------------------------------------------------------------------------------------- */

static void vectored(int a, int b)
{
	char x[3], y[5], z[8];
	struct iovec out[] = { { "abc", 3 }, { "", 0 }, { "defgh", 5 }, { "ij", 2 } };
	struct iovec in[] = { { x, sizeof x }, { y, sizeof y }, { z, sizeof z } };
	ssize_t n;

	t_check_int(goro_writev(a, out, 4, GORO_FOREVER), ==, 10);
	t_check(out[0].iov_len == 3 && out[3].iov_len == 2); /* the caller's array is his */
	n = goro_readv(b, in, 3, GORO_FOREVER);
	t_check(n > 0 && n <= 10, "readv gave %zd", n);
	/* On a stream the rest may come later. */
	if (n < 10) {
		char rest[10];

		t_check_int(goro_read_full(b, rest, (size_t)(10 - n), GORO_FOREVER), ==, 10 - n);
		return;
	}
	t_check(memcmp(x, "abc", 3) == 0 && memcmp(y, "defgh", 5) == 0 && memcmp(z, "ij", 2) == 0);
}

static int round_trip_main(void *arg)
{
	enum api_link kind = *(enum api_link *)arg;
	int fd[2];
	char buf[64];

	if (api_link(kind, fd) < 0)
		t_skip_unless(0, "no %s here", api_link_name(kind));
	for (int i = 0; i < 200; i++) {
		int a = fd[i & 1], b = fd[!(i & 1)];

		t_check_int(goro_write(a, "message", 7, GORO_FOREVER), ==, 7);
		memset(buf, 0, sizeof buf);
		t_check_int(goro_read(b, buf, sizeof buf, GORO_FOREVER), ==, 7);
		t_check(strcmp(buf, "message") == 0);
		vectored(b, a);
	}
	t_check_int(goro_read(fd[0], buf, 0, goro_after(5 * GORO_SECOND)), ==, 0);
	t_check_int(goro_write(fd[0], buf, 0, goro_after(5 * GORO_SECOND)), ==, 0);
	t_check_int(goro_read_full(fd[0], buf, 0, goro_after(5 * GORO_SECOND)), ==, 0);
	/* The end of the stream: what was sent comes first, a full read ends short, and so on for ever. */
	t_check_int(goro_write(fd[0], "end", 3, GORO_FOREVER), ==, 3);
	t_check_int(goro_shutdown(fd[0], SHUT_WR), ==, 0);
	t_check_int(goro_read_full(fd[1], buf, sizeof buf, GORO_FOREVER), ==, 3);
	t_check_int(goro_read(fd[1], buf, sizeof buf, GORO_FOREVER), ==, 0);
	t_check_int(goro_read_full(fd[1], buf, sizeof buf, GORO_FOREVER), ==, 0);
	t_check_int(goro_write(fd[1], "back", 4, GORO_FOREVER), ==, 4);
	t_check_int(goro_read(fd[0], buf, sizeof buf, GORO_FOREVER), ==, 4);
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
	return 0;
}

START_TEST(messages_go_and_come_on_every_kind_of_stream)
{
	enum api_link kind = (enum api_link)_i;

	api_run(round_trip_main, &kind);
}
END_TEST

/* ---- big transfers ---------------------------------------------------------------------------------------- */

#define BIG ((size_t)8 << 20)

struct flow {
	int fd;
	size_t total;
	uint64_t seed;
	struct goro_waitgroup *wg;
};

/* The stream's content at each place, so that a byte lost, doubled or moved is seen. */
static unsigned char content(size_t at, uint64_t seed)
{
	uint64_t z = (at >> 3) * UINT64_C(0x9e3779b97f4a7c15) + seed;

	z ^= z >> 29;
	return (unsigned char)(z >> (8 * (at & 7)));
}

static void big_writer(struct flow *f)
{
	size_t most = 300000, at = 0;
	unsigned char *buf = malloc(most);
	uint64_t rng = f->seed;

	while (at < f->total) {
		size_t n = 1 + api_below(&rng, api_below(&rng, 4) ? 5000 : (unsigned)most);
		struct iovec iov[3];

		n = n < f->total - at ? n : f->total - at;
		for (size_t i = 0; i < n; i++)
			buf[i] = content(at + i, f->seed);
		if (n & 1) {
			t_check_int(goro_write(f->fd, buf, n, GORO_FOREVER), ==, n);
		} else {
			iov[0] = (struct iovec){ buf, n / 3 };
			iov[1] = (struct iovec){ buf + n / 3, n / 2 - n / 3 };
			iov[2] = (struct iovec){ buf + n / 2, n - n / 2 };
			t_check_int(goro_writev(f->fd, iov, 3, GORO_FOREVER), ==, n);
		}
		at += n;
	}
	t_check_int(goro_shutdown(f->fd, SHUT_WR), ==, 0);
	free(buf);
	goro_waitgroup_done(f->wg);
}

static void big_reader(struct flow *f)
{
	size_t most = 200000, at = 0;
	unsigned char *buf = malloc(most);
	uint64_t rng = f->seed + 1;

	for (;;) {
		size_t want = 1 + api_below(&rng, (unsigned)most);
		ssize_t n;

		if (want & 1) {
			n = goro_read(f->fd, buf, want, GORO_FOREVER);
		} else {
			struct iovec iov[2] = { { buf, want / 2 }, { buf + want / 2, want - want / 2 } };

			n = goro_readv(f->fd, iov, 2, GORO_FOREVER);
		}
		t_check(n >= 0 && (size_t)n <= want, "read gave %zd", n);
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			t_check(buf[i] == content(at + (size_t)i, f->seed), "at byte %zu", at + (size_t)i);
		at += (size_t)n;
	}
	t_check_int(at, ==, f->total);
	free(buf);
	goro_waitgroup_done(f->wg);
}

static int big_main(void *arg)
{
	enum api_link kind = *(enum api_link *)arg;
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	size_t total = (size_t)t_scaled((long)BIG);
	struct flow there = { 0, total, t_seed(), &wg }, back = { 0, total, t_seed() + 7, &wg }, there_r, back_r;
	int fd[2];

	if (api_link(kind, fd) < 0)
		t_skip_unless(0, "no %s here", api_link_name(kind));
	there.fd = fd[0];
	back.fd = fd[1];
	there_r = there, there_r.fd = fd[1];
	back_r = back, back_r.fd = fd[0];
	goro_waitgroup_add(&wg, 4);
	t_check(GORO_GO(big_reader, &there_r) == 0);
	t_check(GORO_GO(big_reader, &back_r) == 0);
	t_check(GORO_GO(big_writer, &there) == 0);
	t_check(GORO_GO(big_writer, &back) == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
	return 0;
}

START_TEST(eight_megabytes_both_ways_at_once_arrive_whole)
{
	enum api_link kind = (enum api_link)_i;

	api_run(big_main, &kind);
}
END_TEST

/* ---- other descriptors ---------------------------------------------------------------------------------------- */

static void pipe_writer(int fd, long n)
{
	for (long i = 0; i < n; i++)
		t_check_int(goro_write(fd, &i, sizeof i, GORO_FOREVER), ==, sizeof i);
	t_check_int(goro_close(fd), ==, 0);
}

/* The descriptors block, as pipe() makes them: the calls must not, or one processor would stand still. */
static int pipe_main(void *arg)
{
	int p[2];
	long v, n = t_scaled(20000), i;
	ssize_t got;

	(void)arg;
	t_check(pipe2(p, O_CLOEXEC) == 0);
	t_check(GORO_GO(pipe_writer, p[1], n) == 0);
	for (i = 0; (got = goro_read_full(p[0], &v, sizeof v, GORO_FOREVER)) == sizeof v; i++)
		t_check_int(v, ==, i);
	t_check_int(got, ==, 0);
	t_check_int(i, ==, n);
	t_check_int(goro_close(p[0]), ==, 0);
	return 0;
}

START_TEST(a_pipe_that_blocks_does_not_block_the_processor)
{
	api_run_procs(1, pipe_main, NULL);
}
END_TEST

static int packets_main(void *arg)
{
	int fd[2], timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec soon = { .it_value = { 0, 3000000 } };
	uint64_t ticks = 0;
	char buf[64];

	(void)arg;
	t_check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd) == 0);
	t_check_int(goro_write(fd[0], "one", 3, GORO_FOREVER), ==, 3);
	t_check_int(goro_write(fd[0], "three", 5, GORO_FOREVER), ==, 5);
	t_check_int(goro_read(fd[1], buf, sizeof buf, GORO_FOREVER), ==, 3);
	t_check_int(goro_read(fd[1], buf, sizeof buf, GORO_FOREVER), ==, 5);
	t_check_int(goro_read(fd[1], buf, sizeof buf, GORO_NOW), ==, -EAGAIN);
	t_check(timerfd_settime(timer, 0, &soon, NULL) == 0);
	t_check_int(goro_read(timer, &ticks, sizeof ticks, GORO_FOREVER), ==, sizeof ticks);
	t_check_int(ticks, ==, 1);
	t_check_int(goro_close(timer), ==, 0);
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
	return 0;
}

START_TEST(datagrams_keep_their_bounds_and_a_timerfd_can_be_read)
{
	api_run(packets_main, NULL);
}
END_TEST

/* ---- many connections ------------------------------------------------------------------------------------------- */

#define CONNECTIONS 500
#define ROUNDS 20

static void echo(int fd)
{
	char buf[256];
	ssize_t n;

	while ((n = goro_read(fd, buf, sizeof buf, GORO_FOREVER)) > 0)
		t_check_int(goro_write(fd, buf, (size_t)n, GORO_FOREVER), ==, n);
	t_check_int(n, ==, 0);
	t_check_int(goro_close(fd), ==, 0);
}

static void echo_server(int l)
{
	int fd;

	while ((fd = goro_accept(l, NULL, NULL, GORO_FOREVER)) >= 0)
		t_check(GORO_GO(echo, fd) == 0);
	t_check(fd == -ECANCELED, "accept gave %d", fd);
}

static void echo_client(unsigned port, int number, struct goro_waitgroup *wg)
{
	int fd = goro_tcp_dial("127.0.0.1", port, GORO_FOREVER);
	char out[200], in[200];

	t_check_int(fd, >=, 0);
	for (int i = 0; i < ROUNDS; i++) {
		memset(out, number + i, sizeof out);
		t_check_int(goro_write(fd, out, sizeof out, GORO_FOREVER), ==, sizeof out);
		t_check_int(goro_read_full(fd, in, sizeof in, GORO_FOREVER), ==, sizeof in);
		t_check(memcmp(in, out, sizeof in) == 0);
	}
	t_check_int(goro_close(fd), ==, 0);
	goro_waitgroup_done(wg);
}

static void *client_thread(void *arg)
{
	struct flow *f = arg;

	for (int i = 0; i < 20; i++)
		echo_client((unsigned)f->fd, i, f->wg);
	return NULL;
}

static int many_main(void *arg)
{
	int l = goro_tcp_listen("127.0.0.1", 0, 4096), fds = api_fds();
	int n = (int)t_scaled(CONNECTIONS);
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct flow f = { .wg = &wg };
	pthread_t t;

	(void)arg;
	t_check_int(l, >=, 0);
	f.fd = goro_tcp_port(l);
	t_check(GORO_GO(echo_server, l) == 0);
	goro_waitgroup_add(&wg, n + 20);
	t = api_thread(client_thread, &f);
	for (int i = 0; i < n; i++)
		t_check(GORO_GO(echo_client, (unsigned)f.fd, i, &wg) == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	api_join(t);
	t_eventually(goro_count() == 2, API_PATIENCE);
	t_check_int(api_fds(), <=, fds + 8); /* idle spares of the runtime, no connection */
	t_check_int(goro_close(l), ==, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(five_hundred_connections_and_a_thread_talk_to_one_server)
{
	api_run(many_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("net");
	TCase *tc = tcase_create("addresses");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, accept_tells_the_peer_and_sets_what_the_header_says);
	tcase_add_test(tc, a_listener_on_all_addresses_hears_both_families_and_its_port_can_be_taken_again);
	tcase_add_test(tc, connect_takes_the_callers_socket);
	suite_add_tcase(s, tc);
	tc = tcase_create("streams");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, messages_go_and_come_on_every_kind_of_stream, 0, API_LINKS);
	tcase_add_loop_test(tc, eight_megabytes_both_ways_at_once_arrive_whole, 0, API_LINKS);
	tcase_add_test(tc, a_pipe_that_blocks_does_not_block_the_processor);
	tcase_add_test(tc, datagrams_keep_their_bounds_and_a_timerfd_can_be_read);
	tcase_add_test(tc, five_hundred_connections_and_a_thread_talk_to_one_server);
	suite_add_tcase(s, tc);
	return t_main(s);
}
