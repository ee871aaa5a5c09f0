/* SPDX-License-Identifier: MIT */
/*
 * stress_net.c: connections that live shortly and end badly: random sizes, deadlines, half closes, resets, and closes
 * under a blocked call, on both sides at once. A byte that arrives is the right one, every descriptor is given back, the
 * server goes on.
 *
 * A descriptor may be closed under others only where nothing else opens one: they might call once more, when the
 * number already stands for another connection. So the town shuts down, and the close has a test of its own.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api.h"
#include "t.h"

#define CLIENTS 24
#define CHUNK 30000

struct town {
	int listener;
	unsigned port;
	int64_t end;
	uint64_t seed;
	long served, dialled, bytes; /* atomic */
	struct goro_waitgroup clients;
};

/* What an end of a connection may get when the other end, or its own closer, is rude. */
static int is_rude(ssize_t ret)
{
	return ret == -ECONNRESET || ret == -EPIPE || ret == -ECANCELED || ret == -EBADF || ret == -ETIMEDOUT ||
	       ret == -EAGAIN || ret == -ENOTCONN;
}

static int64_t some_deadline(uint64_t *rng)
{
	switch (api_below(rng, 6)) {
	case 0:
		return GORO_NOW;
	case 1:
		return goro_after(api_below(rng, 50000));
	default:
		return goro_after(GORO_SECOND / 4);
	}
}

struct conn {
	int fd;
	struct goro_waitgroup ends; /* its reader and its writer */
};

static void send_pattern(struct town *t, struct conn *c, uint64_t rng)
{
	unsigned char *buf = malloc(CHUNK);
	size_t at = 0, n;

	for (unsigned k = api_below(&rng, 12); k > 0; k--) {
		size_t want = 1 + api_below(&rng, CHUNK);
		ssize_t ret;

		for (size_t i = 0; i < want; i++)
			buf[i] = (unsigned char)((at + i) * 11 >> 2);
		ret = goro_write_n(c->fd, buf, want, some_deadline(&rng), &n);
		t_check(ret == (ssize_t)want || is_rude(ret), "write gave %zd", ret);
		t_check(n <= want);
		at += n;
		__atomic_add_fetch(&t->bytes, (long)n, __ATOMIC_RELAXED);
		if (ret < 0 && ret != -ETIMEDOUT && ret != -EAGAIN)
			break;
		if (ret == -EAGAIN)
			goro_yield();
	}
	goro_shutdown(c->fd, SHUT_WR);
	free(buf);
	goro_waitgroup_done(&c->ends);
}

static void check_pattern(struct conn *c, uint64_t rng)
{
	unsigned char *buf = malloc(CHUNK);
	size_t at = 0;
	int silent = 0;

	while (silent < 8) {
		ssize_t n = goro_read(c->fd, buf, 1 + api_below(&rng, CHUNK), some_deadline(&rng));

		t_check(n >= 0 || is_rude(n), "read gave %zd", n);
		if (n == -ETIMEDOUT || n == -EAGAIN) {
			silent++;
			goro_yield();
			continue;
		}
		if (n <= 0)
			break;
		silent = 0;
		for (ssize_t i = 0; i < n; i++, at++)
			t_check(buf[i] == (unsigned char)(at * 11 >> 2), "at byte %zu", at);
	}
	free(buf);
	goro_waitgroup_done(&c->ends);
}

static void swallow(struct conn *c, uint64_t rng)
{
	char *buf = malloc(CHUNK);
	ssize_t n;

	do
		n = goro_read(c->fd, buf, 1 + api_below(&rng, CHUNK), goro_after(api_below(&rng, 200000)));
	while (n > 0 || n == -ETIMEDOUT);
	t_check(n == 0 || is_rude(n), "read gave %zd", n);
	free(buf);
	goro_waitgroup_done(&c->ends);
}

/* Lets two goroutines use the connection and ends it in one of several ways. */
static void use(struct town *t, int fd, uint64_t rng)
{
	struct conn c = { .fd = fd };
	struct linger now = { 1, 0 };
	unsigned way = api_below(&rng, 4);

	goro_waitgroup_add(&c.ends, 2);
	t_check_int(GORO_GO(send_pattern, t, &c, t_rand(&rng)), ==, 0);
	t_check_int(GORO_GO(check_pattern, &c, t_rand(&rng)), ==, 0);
	if (way == 0) /* in the middle of it all */
		goro_sleep(api_below(&rng, 300000));
	if (way == 1)
		goro_yield();
	if (way <= 1)
		goro_shutdown(fd, SHUT_RDWR);
	t_check_int(goro_waitgroup_wait(&c.ends, GORO_FOREVER), ==, 0);
	if (way & 1)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	t_check_int(goro_close(fd), ==, 0);
}

static void serve(struct town *t, int fd, uint64_t rng)
{
	use(t, fd, rng);
	__atomic_add_fetch(&t->served, 1, __ATOMIC_RELAXED);
}

static void server(struct town *t)
{
	uint64_t rng = t->seed;
	int fd;

	while ((fd = goro_accept(t->listener, NULL, NULL, some_deadline(&rng))) != -ECANCELED) {
		if (fd >= 0)
			t_check_int(GORO_GO(serve, t, fd, t_rand(&rng)), ==, 0);
		else
			t_check(fd == -ETIMEDOUT || fd == -EAGAIN || fd == -ECONNABORTED, "accept gave %d", fd);
		if (fd == -EAGAIN)
			goro_yield();
		if (fd == -EBADF)
			break;
	}
}

static void client(struct town *t, int who)
{
	uint64_t rng = t->seed + 1 + (uint64_t)who;

	while (goro_now() < t->end) {
		int64_t d = api_below(&rng, 4) ? GORO_FOREVER : goro_after(api_below(&rng, 300000));
		int fd = goro_tcp_dial("127.0.0.1", t->port, d);

		/* The server may have ended it before connect() looked: EPIPE after its FIN, else ECONNRESET. */
		t_check(fd >= 0 || fd == -ETIMEDOUT || fd == -ECONNRESET || fd == -EPIPE, "dial gave %d", fd);
		if (fd < 0)
			continue;
		__atomic_add_fetch(&t->dialled, 1, __ATOMIC_RELAXED);
		use(t, fd, t_rand(&rng));
	}
	goro_waitgroup_done(&t->clients);
}

static int town_main(void *arg)
{
	struct town *t = arg;

	t->listener = goro_tcp_listen("127.0.0.1", 0, 0);
	t_check_int(t->listener, >=, 0);
	t->port = (unsigned)goro_tcp_port(t->listener);
	t->end = goro_after(api_stress_ns());
	t_check_int(GORO_GO(server, t), ==, 0);
	goro_waitgroup_add(&t->clients, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		t_check_int(GORO_GO(client, t, i), ==, 0);
	t_check_int(goro_waitgroup_wait(&t->clients, GORO_FOREVER), ==, 0);
	/* The server is as fresh as ever. */
	t_eventually(goro_count() == 2, API_PATIENCE);
	t_check_int(goro_close(t->listener), ==, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	t_check(__atomic_load_n(&t->dialled, __ATOMIC_RELAXED) > 0);
	t_check(__atomic_load_n(&t->served, __ATOMIC_RELAXED) > 0 && __atomic_load_n(&t->bytes, __ATOMIC_RELAXED) > 0);
	return 0;
}

START_TEST(rude_connections_leave_nothing_behind)
{
	struct town t = { .seed = t_seed() + (uint64_t)_i };
	int fds = api_fds();

	api_run_procs(api_procs[_i], town_main, &t);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

/* ---- close under calls that begin, wait and end -------------------------------------------------------- */

static void *closing_thread(void *arg)
{
	t_check_int(goro_close(*(int *)arg), ==, 0);
	return NULL;
}

static int close_main(void *arg)
{
	struct town *t = arg;
	uint64_t rng = t->seed;

	t->end = goro_after(api_stress_ns());
	while (goro_now() < t->end) {
		struct conn c[2] = { { .fd = -1 }, { .fd = -1 } };
		int fd[2];

		t_check_int(api_link(api_below(&rng, 2) ? API_TCP4 : API_PAIR, fd), ==, 0);
		for (int i = 0; i < 2; i++) {
			c[i].fd = fd[i];
			goro_waitgroup_add(&c[i].ends, 3);
			t_check_int(GORO_GO(send_pattern, t, &c[i], t_rand(&rng)), ==, 0);
			/* Two writers: their bytes mix, so that nobody looks at them. */
			t_check_int(GORO_GO(send_pattern, t, &c[i], t_rand(&rng)), ==, 0);
			t_check_int(GORO_GO(swallow, &c[i], t_rand(&rng)), ==, 0);
		}
		if (api_below(&rng, 2))
			goro_sleep(api_below(&rng, 100000));
		for (unsigned n = api_below(&rng, 10); n > 0; n--)
			goro_yield();
		for (int i = 0; i < 2; i++) {
			if (api_below(&rng, 8))
				t_check_int(goro_close(fd[i]), ==, 0);
			else
				api_join(api_thread(closing_thread, &fd[i]));
			t_check_int(goro_waitgroup_wait(&c[i].ends, GORO_FOREVER), ==, 0);
		}
	}
	return 0;
}

START_TEST(close_under_calls_at_any_moment)
{
	struct town t = { .seed = t_seed() + 50 + (uint64_t)_i };
	int fds = api_fds();

	api_run_procs(api_procs[_i], close_main, &t);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: net");
	TCase *tc = t_case(s, "town", api_stress_limit());

	tcase_add_loop_test(tc, rude_connections_leave_nothing_behind, 0, 3);
	tcase_add_loop_test(tc, close_under_calls_at_any_moment, 0, 3);
	return t_main(s);
}
