/* SPDX-License-Identifier: MIT */
/*
 * check_net_errors.c: bad input and bad luck in <goro/net.h>: the negative errno, nothing leaked, and the
 * runtime goes on.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

/* Calls that are to fail must not wait: a hang would be the worse bug. */
#define SOON goro_after(5 * GORO_SECOND)

static void check_all_calls(int fd, int err)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = 1, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char buf[8] = "";
	struct iovec iov = { buf, sizeof buf };
	size_t n = 5;

	t_check_int(goro_read(fd, buf, sizeof buf, SOON), ==, err);
	t_check_int(goro_read(fd, buf, sizeof buf, GORO_NOW), ==, err);
	t_check_int(goro_readv(fd, &iov, 1, SOON), ==, err);
	t_check_int(goro_read_full(fd, buf, sizeof buf, SOON), ==, err);
	t_check_int(goro_write(fd, buf, sizeof buf, SOON), ==, err);
	t_check_int(goro_write_n(fd, buf, sizeof buf, SOON, &n), ==, err);
	t_check_int(n, ==, 0);
	t_check_int(goro_writev(fd, &iov, 1, SOON), ==, err);
	t_check_int(goro_accept(fd, NULL, NULL, SOON), ==, err);
	t_check_int(goro_connect(fd, (struct sockaddr *)&a, sizeof a, SOON), ==, err);
	t_check_int(goro_shutdown(fd, SHUT_RDWR), ==, err);
	t_check_int(goro_tcp_port(fd), ==, err);
	t_check_int(goro_close(fd), ==, err);
}

static int bad_fd_main(void *arg)
{
	int fd[2];

	(void)arg;
	check_all_calls(-1, -EBADF);
	check_all_calls(INT_MIN, -EBADF);
	check_all_calls(INT_MAX, -EBADF);
	check_all_calls(1000000, -EBADF);
	for (int i = 0; i < 20; i++) {
		t_check_int(api_link(i & 1 ? API_TCP4 : API_PAIR, fd), ==, 0);
		t_check_int(goro_close(fd[0]), ==, 0);
		check_all_calls(fd[0], -EBADF);
		t_check_int(goro_close(fd[1]), ==, 0);
		check_all_calls(fd[1], -EBADF);
	}
	/* Closed behind our back: an error all the same, and the number works when it is used again. */
	t_check_int(api_link(API_PAIR, fd), ==, 0);
	t_check_int(goro_write(fd[0], "x", 1, SOON), ==, 1);
	close(fd[0]);
	check_all_calls(fd[0], -EBADF);
	t_check_int(goro_close(fd[1]), ==, 0);
	return 0;
}

START_TEST(a_descriptor_that_is_not_open_is_EBADF)
{
	int fds = api_fds();

	api_run(bad_fd_main, NULL);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

static int wrong_fd_main(void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int p[2], s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = open("/", O_RDONLY | O_CLOEXEC), fd[2];
	char buf[8] = "";

	(void)arg;
	t_check(pipe2(p, O_CLOEXEC) == 0);
	t_check_int(goro_accept(p[0], NULL, NULL, SOON), ==, -ENOTSOCK);
	t_check_int(goro_connect(p[0], (struct sockaddr *)&a, sizeof a, SOON), ==, -ENOTSOCK);
	t_check_int(goro_shutdown(p[0], SHUT_RD), ==, -ENOTSOCK);
	t_check_int(goro_tcp_port(p[0]), ==, -ENOTSOCK);
	t_check_int(goro_read(p[1], buf, 1, SOON), ==, -EBADF);
	t_check_int(goro_write(p[0], buf, 1, SOON), ==, -EBADF);
	t_check_int(goro_accept(s, NULL, NULL, SOON), ==, -EINVAL);
	t_check_int(goro_read(s, buf, 1, SOON), ==, -ENOTCONN);
	t_check_int(goro_shutdown(s, SHUT_RD), ==, -ENOTCONN);
	t_check_int(goro_read(dir, buf, 1, SOON), ==, -EISDIR);
	t_check_int(api_link(API_PAIR, fd), ==, 0);
	t_check_int(goro_accept(fd[0], NULL, NULL, SOON), ==, -EINVAL);
	t_check_int(goro_shutdown(fd[0], 17), ==, -EINVAL);
	t_check_int(goro_tcp_port(fd[0]), <, 0);
	int all[] = { p[0], p[1], s, dir, fd[0], fd[1] };
	for (int i = 0; i < 6; i++)
		t_check_int(goro_close(all[i]), ==, 0);
	return 0;
}

START_TEST(a_descriptor_of_the_wrong_kind_gives_what_the_system_call_gives)
{
	int fds = api_fds();

	api_run(wrong_fd_main, NULL);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

static int bad_buffer_main(void *arg)
{
	char buf[16] = "";
	struct iovec iov = { buf, sizeof buf }, nul = { NULL, 8 };
	int fd[2];

	(void)arg;
	t_check_int(api_link(API_PAIR, fd), ==, 0);
	t_check_int(goro_write(fd[0], "0123456789", 10, SOON), ==, 10);
	t_check_int(goro_read(fd[1], NULL, 5, SOON), ==, -EFAULT);
	t_check_int(goro_read(fd[1], (void *)8, 5, SOON), ==, -EFAULT);
	t_check_int(goro_read_full(fd[1], NULL, 5, SOON), ==, -EFAULT);
	t_check_int(goro_readv(fd[1], NULL, 1, SOON), ==, -EFAULT);
	t_check_int(goro_readv(fd[1], &nul, 1, SOON), ==, -EFAULT);
	t_check_int(goro_write(fd[0], NULL, 5, SOON), ==, -EFAULT);
	t_check_int(goro_write(fd[0], (void *)8, 5, SOON), ==, -EFAULT);
	t_check_int(goro_writev(fd[0], NULL, 1, SOON), ==, -EFAULT);
	t_check_int(goro_writev(fd[0], &nul, 1, SOON), ==, -EFAULT);
	t_check_int(goro_connect(fd[0], NULL, 16, SOON), ==, -EFAULT);
	t_check_int(goro_read(fd[1], buf, (size_t)SSIZE_MAX + 1, SOON), ==, -EINVAL);
	t_check_int(goro_read(fd[1], buf, SIZE_MAX, SOON), ==, -EINVAL);
	t_check_int(goro_read_full(fd[1], buf, SIZE_MAX, SOON), ==, -EINVAL);
	t_check_int(goro_write(fd[0], buf, (size_t)SSIZE_MAX + 1, SOON), ==, -EINVAL);
	t_check_int(goro_write(fd[0], buf, SIZE_MAX, SOON), ==, -EINVAL);
	t_check_int(goro_readv(fd[1], &iov, -1, SOON), ==, -EINVAL);
	t_check_int(goro_writev(fd[0], &iov, -1, SOON), ==, -EINVAL);
	t_check_int(goro_readv(fd[1], &iov, IOV_MAX + 1, SOON), ==, -EINVAL);
	t_check_int(goro_readv(fd[1], &iov, INT_MAX, SOON), ==, -EINVAL);
	iov.iov_len = SIZE_MAX;
	t_check_int(goro_readv(fd[1], &iov, 1, SOON), ==, -EINVAL);
	t_check_int(goro_writev(fd[0], &iov, 1, SOON), ==, -EINVAL);
	/* None of that took a byte or added one. */
	t_check_int(goro_read(fd[1], buf, sizeof buf, SOON), ==, 10);
	t_check(memcmp(buf, "0123456789", 10) == 0);
	t_check_int(goro_read(fd[1], buf, sizeof buf, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
	return 0;
}

START_TEST(bad_buffers_and_absurd_lengths_are_refused_and_move_nothing)
{
	api_run(bad_buffer_main, NULL);
}
END_TEST

/* ---- addresses ------------------------------------------------------------------------------------------ */

static int addresses_main(void *arg)
{
	char path[300], dir[64];
	int l = goro_tcp_listen("127.0.0.1", 0, 0), port = goro_tcp_port(l), u;

	(void)arg;
	t_check_int(goro_tcp_listen("no address", 0, 0), ==, -EINVAL);
	t_check_int(goro_tcp_listen("", 0, 0), ==, -EINVAL);
	t_check_int(goro_tcp_listen("127.0.0.1.5", 0, 0), ==, -EINVAL);
	t_check_int(goro_tcp_listen("127.0.0.1", 65536, 0), ==, -EINVAL);
	t_check_int(goro_tcp_listen("192.0.2.1", 0, 0), ==, -EADDRNOTAVAIL);
	t_check_int(goro_tcp_listen("127.0.0.1", (unsigned)port, 0), ==, -EADDRINUSE);
	t_check_int(goro_tcp_dial("localhost", (unsigned)port, SOON), ==, -EINVAL);
	t_check_int(goro_tcp_dial("127.0.0.1", 65536 + (unsigned)port, SOON), ==, -EINVAL);
	t_check_int(goro_close(l), ==, 0);
	t_check_int(goro_tcp_dial("127.0.0.1", (unsigned)port, SOON), ==, -ECONNREFUSED);

	t_check_int(goro_unix_listen(NULL, 0), ==, -EFAULT);
	t_check_int(goro_unix_dial(NULL, SOON), ==, -EFAULT);
	api_temp_dir(dir, sizeof dir);
	snprintf(path, sizeof path, "%s/none", dir);
	t_check_int(goro_unix_dial(path, SOON), ==, -ENOENT);
	t_check_int(goro_unix_dial("@goro-nobody-is-here", SOON), ==, -ECONNREFUSED);
	t_check_int(goro_unix_listen("/nowhere/at/all", 0), ==, -ENOENT);
	u = goro_unix_listen(path, 0);
	t_check_int(u, >=, 0);
	t_check_int(goro_unix_listen(path, 0), ==, -EADDRINUSE);
	t_check_int(goro_close(u), ==, 0);
	t_check_int(goro_unix_dial(path, SOON), ==, -ECONNREFUSED);
	unlink(path);
	rmdir(dir);
	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = 0;
	t_check_int(goro_unix_listen(path, 0), ==, -ENAMETOOLONG);
	t_check_int(goro_unix_dial(path, SOON), ==, -ENAMETOOLONG);
	path[0] = '@';
	t_check_int(goro_unix_dial(path, SOON), ==, -ENAMETOOLONG);
	return 0;
}

START_TEST(bad_addresses_and_addresses_in_use_are_told)
{
	int fds = api_fds();

	api_run(addresses_main, NULL);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

/* ---- the peer goes away ------------------------------------------------------------------------------------ */

static void reset(int fd)
{
	struct linger now = { 1, 0 };

	t_check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
	t_check_int(goro_close(fd), ==, 0);
}

static void blocked_reader(int fd, struct goro_waitgroup *wg)
{
	char c;

	t_check_int(goro_read(fd, &c, 1, GORO_FOREVER), ==, -ECONNRESET);
	goro_waitgroup_done(wg);
}

static int reset_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int fd[2];
	char c = 0;

	(void)arg;
	for (int i = 0; i < 50; i++) {
		t_check_int(api_link(API_TCP4, fd), ==, 0);
		goro_waitgroup_add(&wg, 1);
		t_check(GORO_GO(blocked_reader, fd[0], &wg) == 0);
		for (int k = i % 5; k > 0; k--)
			goro_yield();
		reset(fd[1]);
		t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
		t_check_int(goro_write(fd[0], &c, 1, SOON), ==, -EPIPE);
		t_check_int(goro_close(fd[0]), ==, 0);
	}
	return 0;
}

START_TEST(a_reset_connection_is_ECONNRESET_then_EPIPE)
{
	api_run(reset_main, NULL);
}
END_TEST

static int epipe_main(void *arg)
{
	static char big[1 << 20];
	int fd[2], p[2];
	size_t n = 9;
	struct iovec iov = { big, 10 };

	(void)arg;
	/* No SIGPIPE from sockets: its default action would end this process. */
	for (int kind = 0; kind < API_LINKS; kind++) {
		ssize_t ret;

		if (api_link((enum api_link)kind, fd) < 0)
			continue;
		t_check_int(goro_close(fd[1]), ==, 0);
		/* TCP takes some bytes before the other side's refusal is back. */
		do
			ret = goro_write(fd[0], big, sizeof big, SOON);
		while (ret > 0);
		t_check(ret == -EPIPE || ret == -ECONNRESET, "%s: write gave %zd", api_link_name(kind), ret);
		t_check_int(goro_write_n(fd[0], big, 10, SOON, &n), ==, -EPIPE);
		t_check_int(n, ==, 0);
		t_check_int(goro_writev(fd[0], &iov, 1, SOON), ==, -EPIPE);
		t_check_int(goro_close(fd[0]), ==, 0);
	}
	signal(SIGPIPE, SIG_IGN); /* a pipe has no flag against it */
	t_check(pipe2(p, O_CLOEXEC) == 0);
	t_check_int(goro_close(p[0]), ==, 0);
	t_check_int(goro_write(p[1], big, sizeof big, SOON), ==, -EPIPE);
	t_check_int(goro_close(p[1]), ==, 0);
	return 0;
}

START_TEST(a_write_to_a_closed_peer_is_EPIPE_without_a_signal)
{
	api_run(epipe_main, NULL);
}
END_TEST

/* ---- no descriptors left ---------------------------------------------------------------------------------------- */

static void one_dial(unsigned port, int *ret, struct goro_waitgroup *wg)
{
	*ret = goro_tcp_dial("127.0.0.1", port, SOON);
	goro_waitgroup_done(wg);
}

static int emfile_main(void *arg)
{
	struct rlimit old, none;
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int l = goro_tcp_listen("127.0.0.1", 0, 0), c = -1, fd, spare;
	char x = 0;

	(void)arg;
	goro_waitgroup_add(&wg, 1);
	t_check(GORO_GO(one_dial, (unsigned)goro_tcp_port(l), &c, &wg) == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(c, >=, 0);
	t_check(getrlimit(RLIMIT_NOFILE, &old) == 0);
	spare = dup(0); /* the lowest free number: the limit goes there */
	t_check_int(spare, >=, 0);
	close(spare);
	none = old;
	none.rlim_cur = (rlim_t)spare;
	t_check(setrlimit(RLIMIT_NOFILE, &none) == 0);
	for (int i = 0; i < 3; i++) {
		t_check_int(goro_accept(l, NULL, NULL, SOON), ==, -EMFILE);
		t_check_int(goro_tcp_dial("127.0.0.1", 9, SOON), ==, -EMFILE);
		t_check_int(goro_tcp_listen("127.0.0.1", 0, 0), ==, -EMFILE);
		t_check_int(goro_unix_listen("@goro-emfile", 0), ==, -EMFILE);
		t_check_int(goro_file_open("/dev/null", O_RDONLY, 0, SOON), ==, -EMFILE);
	}
	t_check(setrlimit(RLIMIT_NOFILE, &old) == 0);
	/* The connection that could not be accepted is still there, and whole. */
	fd = goro_accept(l, NULL, NULL, SOON);
	t_check_int(fd, >=, 0);
	t_check_int(goro_write(c, "y", 1, SOON), ==, 1);
	t_check_int(goro_read(fd, &x, 1, SOON), ==, 1);
	t_check_int(x, ==, 'y');
	t_check_int(goro_close(fd), ==, 0);
	t_check_int(goro_close(c), ==, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(without_free_descriptors_calls_give_EMFILE_and_the_listener_stays_usable)
{
	int fds = api_fds();

	api_run(emfile_main, NULL);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("net, errors");
	TCase *tc = tcase_create("bad input");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_descriptor_that_is_not_open_is_EBADF);
	tcase_add_test(tc, a_descriptor_of_the_wrong_kind_gives_what_the_system_call_gives);
	tcase_add_test(tc, bad_buffers_and_absurd_lengths_are_refused_and_move_nothing);
	tcase_add_test(tc, bad_addresses_and_addresses_in_use_are_told);
	suite_add_tcase(s, tc);
	tc = tcase_create("bad luck");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_reset_connection_is_ECONNRESET_then_EPIPE);
	tcase_add_test(tc, a_write_to_a_closed_peer_is_EPIPE_without_a_signal);
	tcase_add_test(tc, without_free_descriptors_calls_give_EMFILE_and_the_listener_stays_usable);
	suite_add_tcase(s, tc);
	return t_main(s);
}
