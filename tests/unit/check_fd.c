/* SPDX-License-Identifier: MIT */
/*
 * check_fd: the descriptor table's protocol, with plain threads as the callers: who is inside keeps close(2) away, who comes late is
 * refused, and a number that is used again starts clean.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <goro/net.h>
#include <goro/time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "atomic.h"
#include "t.h"

static int enter(int fd, struct fdent **e)
{
	struct m *m = rt_enter();
	int r = goro__fd_enter(&m, fd, e);

	rt_exit(m);
	return r;
}

static void leave(struct fdent *e)
{
	struct m *m = rt_enter();

	goro__fd_leave(m, e);
	rt_exit(m);
}

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int some_fd(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

START_TEST(what_cannot_be_a_descriptor_is_refused)
{
	static const int bad[] = { -1, -2, -2147483647 - 1, 2147483647 };
	struct fdent *e;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		t_check_int(enter(bad[i], &e), ==, -EBADF);
		t_check_int(goro_close(bad[i]), ==, -EBADF);
	}
	t_check_int(goro_close(999999), ==, -EBADF);
}
END_TEST

START_TEST(closing_closes_and_a_second_time_says_so)
{
	int fd = some_fd();

	t_check_int(goro_close(fd), ==, 0);
	t_check(!is_open(fd));
	t_check_int(goro_close(fd), ==, -EBADF);
}
END_TEST

static int closing_fd;
static uint32_t closed; /* atomic */

static void *closer(void *arg)
{
	(void)arg;
	t_check_int(goro_close(closing_fd), ==, 0);
	store_rel(&closed, 1);
	return NULL;
}

START_TEST(close_waits_until_nobody_is_inside)
{
	struct fdent *a, *b, *c;
	pthread_t t;

	closing_fd = some_fd();
	t_check_int(enter(closing_fd, &a), ==, 0);
	t_check_int(enter(closing_fd, &b), ==, 0);
	t_check(a == b);
	t_check_int(pthread_create(&t, NULL, closer, NULL), ==, 0);
	t_eventually(load_acq(&a->word) & FD_CLOSING, 10000);
	t_check_int(enter(closing_fd, &c), ==, -EBADF);
	t_check_int(goro_close(closing_fd), ==, -EBADF);
	leave(a);
	t_check(is_open(closing_fd));
	t_check_int(load_acq(&closed), ==, 0);
	leave(b);
	pthread_join(t, NULL);
	t_check(!is_open(closing_fd));
	t_check_int(a->word, ==, 0);
}
END_TEST

START_TEST(a_number_that_is_used_again_starts_clean)
{
	int s[2], fd, again;
	struct fdent *e;
	char c;

	t_check_int(socketpair(AF_UNIX, SOCK_STREAM, 0, s), ==, 0);
	t_check_int(write(s[1], "x", 1), ==, 1);
	t_check_int(goro_read(s[0], &c, 1, GORO_FOREVER), ==, 1);
	fd = s[0];
	e = goro__fd_entry(fd);
	t_check_int(e->kind, ==, FD_SOCKET);
	t_check_int(goro_close(fd), ==, 0);
	t_check_int(e->kind, ==, FD_UNKNOWN);
	t_check_int(e->hint, ==, 0);
	again = some_fd();
	t_check_int(again, ==, fd);
	t_check_int(goro_read(again, &c, 1, GORO_FOREVER), ==, 0);
	t_check_int(goro_close(again), ==, 0);
}
END_TEST

/* Closed behind our back: what is remembered is wrong in every way, and nothing breaks. */
START_TEST(a_stale_kind_is_found_out)
{
	int s[2], p[2];
	char c = 0;

	t_check_int(socketpair(AF_UNIX, SOCK_STREAM, 0, s), ==, 0);
	t_check_int(goro_write(s[0], "a", 1, GORO_FOREVER), ==, 1);
	close(s[0]);
	close(s[1]);
	t_check_int(pipe(p), ==, 0);
	t_check_int(p[0], ==, s[0]);
	t_check_int(write(p[1], "b", 1), ==, 1);
	t_check_int(goro_read(p[0], &c, 1, GORO_FOREVER), ==, 1);
	t_check_int(c, ==, 'b');
	close(p[0]);
	close(p[1]);
	t_check_int(socketpair(AF_UNIX, SOCK_STREAM, 0, s), ==, 0);
	t_check_int(goro_write(s[1], "c", 1, GORO_FOREVER), ==, 1);
	t_check_int(goro_read(s[0], &c, 1, GORO_FOREVER), ==, 1);
	t_check_int(c, ==, 'c');
}
END_TEST

/* Many threads open, use and close numbers that they take from each other's hands as fast as they can. */
static void *churner(void *arg)
{
	long n = t_scaled(3000);

	(void)arg;
	for (long i = 0; i < n; i++) {
		char out = (char)i, in = 0;
		int s[2];

		t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), ==, 0);
		t_check_int(goro_write(s[0], &out, 1, GORO_FOREVER), ==, 1);
		t_check_int(goro_read(s[1], &in, 1, GORO_FOREVER), ==, 1);
		t_check_int(in, ==, out);
		t_check_int(goro_close(s[0]), ==, 0);
		t_check_int(goro_read(s[1], &in, 1, GORO_FOREVER), ==, 0);
		t_check_int(goro_close(s[1]), ==, 0);
	}
	return NULL;
}

START_TEST(numbers_that_change_hands_are_never_refused)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		t_check_int(pthread_create(&t[i], NULL, churner, NULL), ==, 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fd");
	TCase *tc = tcase_create("table");

	tcase_add_test(tc, what_cannot_be_a_descriptor_is_refused);
	tcase_add_test(tc, closing_closes_and_a_second_time_says_so);
	tcase_add_test(tc, close_waits_until_nobody_is_inside);
	tcase_add_test(tc, a_number_that_is_used_again_starts_clean);
	tcase_add_test(tc, a_stale_kind_is_found_out);
	tcase_add_test(tc, numbers_that_change_hands_are_never_refused);
	suite_add_tcase(s, tc);
	return t_main(s);
}
