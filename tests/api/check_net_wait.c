/* SPDX-License-Identifier: MIT */
/*
 * check_net_wait.c: the waits of <goro/net.h>: deadlines, shutdown and close from another goroutine, and the races
 * of all of them with data that arrives: no byte and no connection is lost or doubled.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

/* Writes until nothing more fits; returns how much that was. */
static size_t fill(int fd)
{
	static const char block[4096];
	size_t total = 0, n;
	ssize_t ret;

	/* A last piece goes byte by byte: pipes and sockets differ in what "full" means. */
	for (size_t size = sizeof block; size > 0; size = size > 1 ? 1 : 0)
		do {
			ret = goro_write_n(fd, block, size, GORO_NOW, &n);
			t_check(ret == (ssize_t)size || ret == -EAGAIN, "write gave %zd", ret);
			total += n;
		} while (ret > 0);
	return total;
}

/* ---- deadlines --------------------------------------------------------------------------------------- */

/* Does the call, which must end with -ETIMEDOUT, not before its deadline. */
#define TIMES_OUT(call) do {									\
	int64_t d = goro_after(3 * GORO_MILLISECOND);						\
	t_check_int(call, ==, -ETIMEDOUT);							\
	t_check(goro_now() >= d);								\
	d = 1; /* long ago */									\
	t_check_int(call, ==, -ETIMEDOUT);							\
	d = GORO_NOW;										\
	t_check_int(call, ==, -EAGAIN);								\
} while (0)

/* More than any socket buffer grows to while nobody reads. */
static char huge[32 << 20];

/* Reads what the peer sent before it shut down. */
static size_t drain(int fd)
{
	static char sink[65536];
	size_t at = 0;
	ssize_t n;

	while ((n = goro_read(fd, sink, sizeof sink, GORO_FOREVER)) > 0)
		at += (size_t)n;
	t_check_int(n, ==, 0);
	return at;
}

static void write_deadlines(int fd[2])
{
	struct iovec iov[2] = { { huge, 4 }, { huge + 4, sizeof huge - 4 } };
	size_t sent = fill(fd[0]), n = 77;
	ssize_t ret;

	TIMES_OUT((ret = goro_write_n(fd[0], huge, sizeof huge, d, &n), sent += n, ret));
	fill(fd[1]);
	TIMES_OUT(goro_write(fd[1], huge, sizeof huge, d));
	TIMES_OUT(goro_writev(fd[1], iov, 2, d));
	/* What timed out has gone as far as the count says. */
	t_check_int(goro_shutdown(fd[0], SHUT_WR), ==, 0);
	t_check_int(drain(fd[1]), ==, sent);
}

static int deadlines_main(void *arg)
{
	enum api_link kind = *(enum api_link *)arg;
	int fd[2], l = goro_tcp_listen("127.0.0.1", 0, 0);
	char buf[8] = "untouch";
	struct iovec iov[2] = { { buf, 4 }, { buf + 4, 4 } };

	if (api_link(kind, fd) < 0)
		t_skip_unless(0, "no %s here", api_link_name(kind));
	TIMES_OUT(goro_read(fd[0], buf, sizeof buf, d));
	TIMES_OUT(goro_readv(fd[0], iov, 2, d));
	TIMES_OUT(goro_read_full(fd[0], buf, sizeof buf, d));
	TIMES_OUT(goro_accept(l, NULL, NULL, d));
	t_check(strcmp(buf, "untouch") == 0);
	write_deadlines(fd);
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(each_call_ends_at_its_deadline)
{
	enum api_link kind = (enum api_link)_i;

	api_run(deadlines_main, &kind);
}
END_TEST

/*
 * A listener whose queue is full: the kernel drops what would connect. Returns it, with its address and the
 * descriptors that fill it.
 */
static int full_listener(struct sockaddr_in *a, int *fillers, int *nfillers)
{
	socklen_t len = sizeof *a;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	t_check(bind(l, (struct sockaddr *)a, sizeof *a) == 0 && listen(l, 0) == 0);
	t_check(getsockname(l, (struct sockaddr *)a, &len) == 0);
	*nfillers = 0;
	do {
		fd = goro_tcp_dial("127.0.0.1", ntohs(a->sin_port), goro_after(50 * GORO_MILLISECOND));
		t_check(fd >= 0 || fd == -ETIMEDOUT, "dial gave %d", fd);
		t_check_int(*nfillers, <, 64);
		fillers[(*nfillers)++] = fd;
	} while (fd >= 0);
	(*nfillers)--;
	return l;
}

static int connect_deadline_main(void *arg)
{
	int fillers[64], n, fds, l, c;
	struct sockaddr_in a;

	(void)arg;
	l = full_listener(&a, fillers, &n);
	fds = api_fds();
	for (int i = 0; i < 5; i++) {
		int64_t d = goro_after(5 * GORO_MILLISECOND);

		t_check_int(goro_tcp_dial("127.0.0.1", ntohs(a.sin_port), d), ==, -ETIMEDOUT);
		t_check(goro_now() >= d);
	}
	t_check_int(api_fds(), ==, fds);
	c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	t_check_int(goro_connect(c, (struct sockaddr *)&a, sizeof a, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check_int(goro_close(c), ==, 0);
	for (int i = 0; i < n; i++)
		t_check_int(goro_close(fillers[i]), ==, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(a_dial_that_nobody_answers_ends_at_its_deadline_and_leaks_nothing)
{
	api_run(connect_deadline_main, NULL);
}
END_TEST

/* ---- close and shutdown -------------------------------------------------------------------------------- */

struct blocked {
	int fd, kind;
	struct sockaddr_in a;
	int started;   /* atomic */
	long ret;
	struct goro_waitgroup done;
};

enum { READ, READV, READ_FULL, WRITE, WRITEV, ACCEPT, CONNECT, KINDS };

static void blocked_call(struct blocked *b)
{
	struct iovec iov[2] = { { huge, 100 }, { huge + 100, sizeof huge - 100 } };
	int64_t far = goro_after(3600 * GORO_SECOND);

	__atomic_store_n(&b->started, 1, __ATOMIC_SEQ_CST);
	switch (b->kind) {
	case READ:
		b->ret = goro_read(b->fd, huge, 10, GORO_FOREVER);
		break;
	case READV:
		b->ret = goro_readv(b->fd, iov, 2, far);
		break;
	case READ_FULL:
		b->ret = goro_read_full(b->fd, huge, 10, far);
		break;
	case WRITE:
		b->ret = goro_write(b->fd, huge, sizeof huge, GORO_FOREVER);
		break;
	case WRITEV:
		b->ret = goro_writev(b->fd, iov, 2, far);
		break;
	case ACCEPT:
		b->ret = goro_accept(b->fd, NULL, NULL, GORO_FOREVER);
		break;
	case CONNECT:
		b->ret = goro_connect(b->fd, (struct sockaddr *)&b->a, sizeof b->a, GORO_FOREVER);
		break;
	}
	goro_waitgroup_done(&b->done);
}

static void *close_thread(void *arg)
{
	t_check_int(goro_close(*(int *)arg), ==, 0);
	return NULL;
}

/* Closes the descriptor under the call; by a thread now and then. Returns what the call gave. */
static long close_under(struct blocked *b, int by_thread)
{
	b->started = 0;
	goro_waitgroup_add(&b->done, 1);
	t_check(GORO_GO(blocked_call, b) == 0);
	while (!__atomic_load_n(&b->started, __ATOMIC_SEQ_CST))
		goro_yield();
	goro_yield();
	if (by_thread)
		api_join(api_thread(close_thread, &b->fd));
	else
		t_check_int(goro_close(b->fd), ==, 0);
	t_check_int(goro_waitgroup_wait(&b->done, GORO_FOREVER), ==, 0);
	t_check_int(goro_close(b->fd), ==, -EBADF);
	return b->ret;
}

static int close_main(void *arg)
{
	struct blocked b = { .kind = *(int *)arg };
	int fillers[64], nfillers = 0, l = -1, fd[2] = { -1, -1 };

	if (b.kind == CONNECT)
		l = full_listener(&b.a, fillers, &nfillers);
	/* The close may come before the call (-EBADF), but not each time. */
	for (int tries = 0, canceled = 0; canceled < 20; tries++) {
		long ret;

		t_check_int(tries, <, 2000);
		if (b.kind == ACCEPT) {
			b.fd = goro_tcp_listen("127.0.0.1", 0, 0);
		} else if (b.kind == CONNECT) {
			b.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		} else {
			t_check_int(api_link(tries & 1 ? API_TCP4 : API_PAIR, fd), ==, 0);
			b.fd = fd[0];
			if (b.kind == WRITE || b.kind == WRITEV)
				fill(b.fd);
		}
		t_check_int(b.fd, >=, 0);
		ret = close_under(&b, tries % 4 == 3);
		t_check(ret == -ECANCELED || ret == -EBADF, "the call gave %ld", ret);
		canceled += ret == -ECANCELED;
		if (fd[1] >= 0)
			t_check_int(goro_close(fd[1]), ==, 0);
		fd[1] = -1;
	}
	for (int i = 0; i < nfillers; i++)
		t_check_int(goro_close(fillers[i]), ==, 0);
	if (l >= 0)
		t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(close_wakes_the_call_that_waits_with_ECANCELED)
{
	int kind = _i, fds = api_fds();

	api_run(close_main, &kind);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

#define READERS 20

static void one_of_many(int fd, struct goro_waitgroup *wg)
{
	char c;
	ssize_t ret = goro_read(fd, &c, 1, GORO_FOREVER);

	t_check(ret == -ECANCELED || ret == -EBADF, "read gave %zd", ret);
	goro_waitgroup_done(wg);
}

static int many_readers_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int fd[2];

	(void)arg;
	for (int round = 0; round < 50; round++) {
		t_check_int(api_link(round & 1 ? API_TCP4 : API_PAIR, fd), ==, 0);
		goro_waitgroup_add(&wg, READERS);
		for (int i = 0; i < READERS; i++)
			t_check(GORO_GO(one_of_many, fd[0], &wg) == 0);
		for (int i = 0; i < round % 5; i++)
			goro_yield();
		t_check_int(goro_close(fd[0]), ==, 0);
		t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
		t_check_int(goro_close(fd[1]), ==, 0);
	}
	return 0;
}

START_TEST(close_wakes_all_readers_of_a_descriptor)
{
	api_run(many_readers_main, NULL);
}
END_TEST

static int shutdown_main(void *arg)
{
	struct blocked b = { .kind = READ };
	int fd[2], how = *(int *)arg;

	for (int i = 0; i < 50; i++) {
		t_check_int(api_link(i & 1 ? API_TCP4 : API_PAIR, fd), ==, 0);
		b.fd = fd[0];
		b.started = 0;
		goro_waitgroup_add(&b.done, 1);
		t_check(GORO_GO(blocked_call, &b) == 0);
		while (!__atomic_load_n(&b.started, __ATOMIC_SEQ_CST))
			goro_yield();
		goro_yield();
		/* Either end: the reader's own, or the peer's. */
		t_check_int(goro_shutdown(how == SHUT_WR ? fd[1] : fd[0], how), ==, 0);
		t_check_int(goro_waitgroup_wait(&b.done, GORO_FOREVER), ==, 0);
		t_check_int(b.ret, ==, 0);
		t_check_int(goro_close(fd[0]), ==, 0);
		t_check_int(goro_close(fd[1]), ==, 0);
	}
	return 0;
}

START_TEST(shutdown_wakes_the_reader_with_the_end_of_the_stream)
{
	static int hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };

	api_run(shutdown_main, &hows[_i]);
}
END_TEST

/* ---- races of deadlines with data ------------------------------------------------------------------------------- */

#define RACES 20000

struct race {
	int fd[2];
	long rounds;
	long timeouts, hits;
	struct goro_waitgroup wg;
};

/* Sends numbers, with pauses about as long as the reader's deadlines. */
static void race_writer(struct race *r)
{
	uint64_t rng = t_seed();

	for (uint32_t i = 0; i < (uint32_t)r->rounds; i++) {
		if (api_below(&rng, 3))
			goro_sleep(api_below(&rng, 40000));
		t_check_int(goro_write(r->fd[1], &i, sizeof i, GORO_FOREVER), ==, sizeof i);
	}
	t_check_int(goro_shutdown(r->fd[1], SHUT_WR), ==, 0);
	goro_waitgroup_done(&r->wg);
}

static void race_reader(struct race *r)
{
	uint64_t rng = t_seed() + 1;
	unsigned char buf[sizeof(uint32_t) * 3 + 1], expect[sizeof(uint32_t)];
	size_t at = 0;

	for (;;) {
		int64_t d = api_below(&rng, 8) ? goro_after(api_below(&rng, 40000)) : GORO_NOW;
		ssize_t n;

		memset(buf, 0xcc, sizeof buf);
		n = goro_read(r->fd[0], buf, 1 + api_below(&rng, sizeof buf), d);
		if (n == -ETIMEDOUT || n == -EAGAIN) {
			r->timeouts++;
			for (size_t i = 0; i < sizeof buf; i++)
				t_check_int(buf[i], ==, 0xcc);
			if (n == -EAGAIN)
				goro_yield();
			continue;
		}
		t_check(n >= 0, "read gave %zd", n);
		if (n == 0)
			break;
		r->hits++;
		for (ssize_t i = 0; i < n; i++, at++) {
			uint32_t number = (uint32_t)(at / sizeof number);

			memcpy(expect, &number, sizeof number);
			t_check(buf[i] == expect[at % sizeof number], "at byte %zu", at);
		}
	}
	t_check_int(at, ==, sizeof(uint32_t) * (size_t)r->rounds);
	goro_waitgroup_done(&r->wg);
}

static int race_main(void *arg)
{
	struct race r = { .rounds = t_scaled(RACES) };

	t_check_int(api_link(*(enum api_link *)arg, r.fd), ==, 0);
	goro_waitgroup_add(&r.wg, 2);
	t_check(GORO_GO(race_writer, &r) == 0);
	t_check(GORO_GO(race_reader, &r) == 0);
	t_check_int(goro_waitgroup_wait(&r.wg, GORO_FOREVER), ==, 0);
	/* Else the test showed nothing. */
	t_check(r.timeouts > 0 && r.hits > 0, "%ld timeouts, %ld hits", r.timeouts, r.hits);
	t_check_int(goro_close(r.fd[0]), ==, 0);
	t_check_int(goro_close(r.fd[1]), ==, 0);
	return 0;
}

START_TEST(a_deadline_that_meets_arriving_data_loses_and_doubles_no_byte)
{
	static enum api_link kinds[] = { API_TCP4, API_PAIR };

	api_run(race_main, &kinds[_i]);
}
END_TEST

/* The other direction: what goro_write_n() says went out is what comes in. */
static void partial_writer(struct race *r, size_t *total)
{
	uint64_t rng = t_seed();
	unsigned char *buf = malloc(60000);
	size_t at = 0;

	/* However short the run: until the buffers have been full at a bad moment. */
	for (long i = 0; i < r->rounds || (r->timeouts == 0 && i < 100000); i++) {
		size_t want = 1 + api_below(&rng, 60000), n = 123456789;
		ssize_t ret;

		for (size_t k = 0; k < want; k++)
			buf[k] = (unsigned char)((at + k) % 251);
		ret = goro_write_n(r->fd[1], buf, want, goro_after(api_below(&rng, 30000)), &n);
		if (ret >= 0) {
			t_check(ret == (ssize_t)want && n == want);
			r->hits++;
		} else {
			t_check(ret == -ETIMEDOUT && n < want, "write gave %zd after %zu of %zu", ret, n, want);
			r->timeouts++;
		}
		at += n;
	}
	*total = at;
	free(buf);
	t_check_int(goro_shutdown(r->fd[1], SHUT_WR), ==, 0);
	goro_waitgroup_done(&r->wg);
}

static void slow_reader(struct race *r, size_t *total)
{
	uint64_t rng = t_seed() + 2;
	unsigned char *buf = malloc(50000);
	size_t at = 0;
	ssize_t n;

	while ((n = goro_read(r->fd[0], buf, 1 + api_below(&rng, 50000), GORO_FOREVER)) > 0) {
		for (ssize_t i = 0; i < n; i++, at++)
			t_check(buf[i] == at % 251, "at byte %zu", at);
		if (api_below(&rng, 2))
			goro_sleep(api_below(&rng, 30000));
	}
	t_check_int(n, ==, 0);
	*total = at;
	free(buf);
	goro_waitgroup_done(&r->wg);
}

static int partial_main(void *arg)
{
	struct race r = { .rounds = t_scaled(3000) };
	size_t out = 0, in = 0;

	t_check_int(api_link(*(enum api_link *)arg, r.fd), ==, 0);
	goro_waitgroup_add(&r.wg, 2);
	t_check(GORO_GO(partial_writer, &r, &out) == 0);
	t_check(GORO_GO(slow_reader, &r, &in) == 0);
	t_check_int(goro_waitgroup_wait(&r.wg, GORO_FOREVER), ==, 0);
	t_check_int(in, ==, out);
	t_check_int(r.timeouts, >, 0);
	t_check_int(goro_close(r.fd[0]), ==, 0);
	t_check_int(goro_close(r.fd[1]), ==, 0);
	return 0;
}

START_TEST(a_write_that_times_out_tells_how_much_went_out)
{
	static enum api_link kinds[] = { API_TCP4, API_PAIR };

	api_run(partial_main, &kinds[_i]);
}
END_TEST

static void race_dialer(struct race *r, unsigned port)
{
	uint64_t rng = t_seed() + 3;

	for (uint32_t i = 0; i < (uint32_t)r->rounds; i++) {
		int fd = goro_tcp_dial("127.0.0.1", port, GORO_FOREVER);

		t_check_int(fd, >=, 0);
		t_check_int(goro_write(fd, &i, sizeof i, GORO_FOREVER), ==, sizeof i);
		t_check_int(goro_close(fd), ==, 0);
		goro_sleep(api_below(&rng, 50000));
	}
	goro_waitgroup_done(&r->wg);
}

static int accept_race_main(void *arg)
{
	struct race r = { .rounds = t_scaled(1000) };
	int l = goro_tcp_listen("127.0.0.1", 0, 4096);
	uint64_t rng = t_seed() + 4;
	uint32_t v;

	(void)arg;
	goro_waitgroup_add(&r.wg, 1);
	t_check(GORO_GO(race_dialer, &r, (unsigned)goro_tcp_port(l)) == 0);
	for (uint32_t next = 0; next < (uint32_t)r.rounds;) {
		int fd = goro_accept(l, NULL, NULL, goro_after(api_below(&rng, 50000)));

		if (fd == -ETIMEDOUT) {
			r.timeouts++;
			continue;
		}
		t_check_int(fd, >=, 0);
		t_check_int(goro_read_full(fd, &v, sizeof v, GORO_FOREVER), ==, sizeof v);
		t_check_int(v, ==, next);
		next++;
		t_check_int(goro_close(fd), ==, 0);
	}
	t_check_int(goro_waitgroup_wait(&r.wg, GORO_FOREVER), ==, 0);
	t_check_int(r.timeouts, >, 0);
	t_check_int(goro_accept(l, NULL, NULL, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(an_accept_that_times_out_loses_no_connection)
{
	int fds = api_fds();

	api_run(accept_race_main, NULL);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("net, waits");
	TCase *tc = tcase_create("deadlines");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_call_ends_at_its_deadline, 0, API_LINKS);
	tcase_add_test(tc, a_dial_that_nobody_answers_ends_at_its_deadline_and_leaks_nothing);
	suite_add_tcase(s, tc);
	tc = tcase_create("close");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, close_wakes_the_call_that_waits_with_ECANCELED, 0, KINDS);
	tcase_add_test(tc, close_wakes_all_readers_of_a_descriptor);
	tcase_add_loop_test(tc, shutdown_wakes_the_reader_with_the_end_of_the_stream, 0, 3);
	suite_add_tcase(s, tc);
	tc = tcase_create("races");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_deadline_that_meets_arriving_data_loses_and_doubles_no_byte, 0, 2);
	tcase_add_loop_test(tc, a_write_that_times_out_tells_how_much_went_out, 0, 2);
	tcase_add_test(tc, an_accept_that_times_out_loses_no_connection);
	suite_add_tcase(s, tc);
	return t_main(s);
}
