/* SPDX-License-Identifier: MIT */
/*
 * check_op: operations on goroutines, on both backends: deadlines and closes against completions, where a byte could be lost or a
 * buffer written to too late; operations of goroutines that have moved to another P; and the end of the runtime with all of that in flight.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include "op.h"

#include <errno.h>
#include <goro/go.h>
#include <goro/net.h>
#include <goro/runtime.h>
#include <goro/sync.h>
#include <goro/time.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "atomic.h"
#include "netpoll.h"
#include "probe.h"
#include "sys.h"
#include "t.h"

/* The set-ups: two backends by one and four processors. */
#define SETUPS 4

static void run(int setup, goro_main_fn fn)
{
	struct goro_config cfg = GORO_CONFIG_INIT;

	cfg.backend = setup & 1 ? GORO_BACKEND_EPOLL : GORO_BACKEND_URING;
	cfg.maxprocs = setup & 2 ? 4 : 1;
#ifdef GORO_HAVE_URING
	if (cfg.backend == GORO_BACKEND_URING)
		t_skip_unless(goro__probe(FEAT_URING), "no io_uring here");
#else
	if (cfg.backend == GORO_BACKEND_URING)
		t_skip("op", "built without io_uring");
#endif
	t_check_int(goro_run(&cfg, fn, NULL), ==, 0);
}

static void pair(int s[2])
{
	t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), ==, 0);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Deadlines against bytes */

#define STREAMS 8

static struct goro_waitgroup wg;
static long late; /* atomic: reads that timed out */

static void dribble(int fd, long n, uint64_t seed)
{
	for (long i = 0; i < n; i++) {
		unsigned char c = (unsigned char)i;

		t_check_int(goro_write(fd, &c, 1, GORO_FOREVER), ==, 1);
		if (t_rand(&seed) % 4 == 0)
			goro_sleep((int64_t)(t_rand(&seed) % 60000));
		else if (t_rand(&seed) % 2 == 0)
			goro_yield();
	}
	/* On a slow machine the data may have won each time so far: now there are none until a read has timed out. */
	t_eventually(load_rlx(&late) > 0, 10000);
	t_check_int(goro_close(fd), ==, 0);
	goro_waitgroup_done(&wg);
}

/* Reads with deadlines that pass all the time: each byte must come, once and in order. */
static void sip(int fd, long n, uint64_t seed)
{
	long got = 0;
	unsigned char buf[4];
	ssize_t r;

	for (;;) {
		memset(buf, 0xee, sizeof buf);
		r = goro_read(fd, buf, sizeof buf, goro_after((int64_t)(t_rand(&seed) % 40000)));
		if (r == 0)
			break;
		if (r < 0) {
			t_check_int(r, ==, -ETIMEDOUT);
			add_rlx(&late, 1);
			/* Nothing may have been written to the buffer, and nothing may be written to it from now on. */
			goro_yield();
			for (size_t i = 0; i < sizeof buf; i++)
				t_check_int(buf[i], ==, 0xee);
			continue;
		}
		for (ssize_t i = 0; i < r; i++)
			t_check_int(buf[i], ==, (unsigned char)got++);
	}
	t_check_int(got, ==, n);
	t_check_int(goro_close(fd), ==, 0);
	goro_waitgroup_done(&wg);
}

static int deadlines_main(void *arg)
{
	uint64_t seed = t_seed();
	long n = t_scaled(3000);

	(void)arg;
	for (int i = 0; i < STREAMS; i++) {
		int s[2];

		pair(s);
		goro_waitgroup_add(&wg, 2);
		t_check(GORO_GO(dribble, s[0], n, t_rand(&seed)) == 0);
		t_check(GORO_GO(sip, s[1], n, t_rand(&seed)) == 0);
	}
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	t_check_int(late, >, 0);
	return 0;
}

START_TEST(deadlines_that_race_with_data_lose_no_byte)
{
	run(_i, deadlines_main);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */
/* Closing against everything */

static void reader_until_closed(int fd)
{
	ssize_t r;
	char c;

	do {
		r = goro_read(fd, &c, 1, GORO_FOREVER);
	} while (r > 0);
	t_check(r == -ECANCELED || r == -EBADF, "%zd", r);
	goro_waitgroup_done(&wg);
}

static int closing_main(void *arg)
{
	uint64_t seed = t_seed();
	long n = t_scaled(1500);

	(void)arg;
	for (long i = 0; i < n; i++) {
		int s[2], readers = 1 + (int)(t_rand(&seed) % 3);

		pair(s);
		goro_waitgroup_add(&wg, readers);
		for (int k = 0; k < readers; k++)
			t_check(GORO_GO(reader_until_closed, s[0]) == 0);
		if (t_rand(&seed) % 2)
			goro_yield();
		if (t_rand(&seed) % 2)
			t_check_int(goro_write(s[1], "abc", 3, GORO_FOREVER), ==, 3);
		if (t_rand(&seed) % 4 == 0)
			goro_sleep((int64_t)(t_rand(&seed) % 50000));
		t_check_int(goro_close(s[0]), ==, 0);
		/* Before the number is used again: whoever calls later than this asks for trouble. */
		goro_waitgroup_wait(&wg, GORO_FOREVER);
		t_check_int(goro_close(s[1]), ==, 0);
	}
	return 0;
}

START_TEST(close_wakes_whoever_waits_at_any_moment)
{
	run(_i, closing_main);
}
END_TEST

/* A plain thread waits, a goroutine closes; and the other way round. */
static int thread_fd;

static void *thread_reads(void *arg)
{
	char c;
	ssize_t r = goro_read(thread_fd, &c, 1, GORO_FOREVER);

	(void)arg;
	t_check_int(r, ==, -ECANCELED);
	return NULL;
}

static void *thread_closes(void *arg)
{
	(void)arg;
	t_check_int(goro_close(thread_fd), ==, 0);
	return NULL;
}

static void *join(void *t)
{
	pthread_join(*(pthread_t *)t, NULL);
	return NULL;
}

/* Does a call wait at e? */
static bool waited_at(struct fdent *e)
{
	bool yes;

	goro__lock(&e->lock);
	yes = e->ops != NULL;
	goro__unlock(&e->lock);
	return yes;
}

static int threads_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		struct fdent *e;
		pthread_t t;
		int s[2];

		pair(s);
		thread_fd = s[0];
		e = goro__fd_entry(s[0]);
		t_check_int(pthread_create(&t, NULL, thread_reads, NULL), ==, 0);
		t_eventually(waited_at(e), 10000);
		t_check_int(goro_close(s[0]), ==, 0);
		goro_blocking(join, &t);
		t_check_int(goro_close(s[1]), ==, 0);

		pair(s);
		thread_fd = s[0];
		goro_waitgroup_add(&wg, 1);
		t_check(GORO_GO(reader_until_closed, s[0]) == 0);
		if (i % 2)
			goro_yield();
		t_check_int(pthread_create(&t, NULL, thread_closes, NULL), ==, 0);
		goro_waitgroup_wait(&wg, GORO_FOREVER);
		goro_blocking(join, &t);
		t_check_int(goro_close(s[1]), ==, 0);
	}
	return 0;
}

START_TEST(threads_and_goroutines_close_under_each_other)
{
	run(_i, threads_main);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */
/* The end of the runtime */

static void wait_for_ever(int fd)
{
	char c;

	goro_read(fd, &c, 1, GORO_FOREVER);
}

static void close_for_ever(int fd)
{
	goro_close(fd);
}

#define LEFT 200
static int left[LEFT][2];

static int leaving_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < LEFT; i++) {
		pair(left[i]);
		t_check(GORO_GO(wait_for_ever, left[i][0]) == 0);
		t_check(GORO_GO(wait_for_ever, left[i][0]) == 0);
	}
	for (int i = 0; i < 5; i++)
		goro_yield();
	t_check(GORO_GO(close_for_ever, left[0][0]) == 0);
	goro_yield();
	return 0;
}

START_TEST(after_the_end_every_descriptor_can_be_used_again)
{
	char c;

	for (int round = 0; round < 3; round++) {
		run(_i, leaving_main);
		for (int i = 1; i < LEFT; i++) {
			t_check_int(goro__fd_entry(left[i][0])->word, ==, 0);
			t_check(goro__fd_entry(left[i][0])->ops == NULL);
			t_check_int(goro_write(left[i][1], "x", 1, GORO_FOREVER), ==, 1);
			t_check_int(goro_read(left[i][0], &c, 1, GORO_FOREVER), ==, 1);
		}
		for (int i = 0; i < LEFT; i++) {
			goro_close(left[i][0]);
			t_check_int(goro_close(left[i][1]), ==, 0);
		}
	}
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */
/* Faults */

static int fault_main(void *arg)
{
	int l, port, c, a;

	(void)arg;
	/* The first socket fails; the first accept4 fails with EMFILE, the listener goes on. */
	t_check_int(goro_tcp_listen("127.0.0.1", 0, 0), ==, -EMFILE);
	l = goro_tcp_listen("127.0.0.1", 0, 0);
	t_check_int(l, >=, 0);
	port = goro_tcp_port(l);
	c = goro_tcp_dial(NULL, (unsigned)port, GORO_FOREVER);
	t_check_int(c, >=, 0);
	t_check_int(goro_accept(l, NULL, NULL, GORO_FOREVER), ==, -EMFILE);
	a = goro_accept(l, NULL, NULL, GORO_FOREVER);
	t_check_int(a, >=, 0);
	t_check_int(goro_write(c, "x", 1, GORO_FOREVER), ==, 1);
	t_check_int(goro_close(a), ==, 0);
	t_check_int(goro_close(c), ==, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

START_TEST(a_failed_socket_or_accept_is_reported_and_nothing_is_lost)
{
	setenv("GORO_FAULT", "socket:1:24,accept4:1:24", 1);
	run(_i, fault_main);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("op");
	TCase *tc = tcase_create("races");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, deadlines_that_race_with_data_lose_no_byte, 0, SETUPS);
	tcase_add_loop_test(tc, close_wakes_whoever_waits_at_any_moment, 0, SETUPS);
	tcase_add_loop_test(tc, threads_and_goroutines_close_under_each_other, 0, SETUPS);
	suite_add_tcase(s, tc);
	tc = tcase_create("end");
	tcase_add_loop_test(tc, after_the_end_every_descriptor_can_be_used_again, 0, SETUPS);
	suite_add_tcase(s, tc);
	tc = tcase_create("faults");
	tcase_add_loop_test(tc, a_failed_socket_or_accept_is_reported_and_nothing_is_lost, 0, SETUPS);
	suite_add_tcase(s, tc);
	return t_main(s);
}
