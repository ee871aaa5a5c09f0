/* SPDX-License-Identifier: MIT */
/* check_select_fd.c: cases of <goro/select.h> that are no channels of the program's own: descriptors, timers, contexts, and mixes of all. */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/typed.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

static void pair(int fd[2])
{
	t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==, 0);
}

static void close_pair(int fd[2])
{
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
}

static void put(int fd)
{
	t_check_int(write(fd, "x", 1), ==, 1);
}

static void take(int fd)
{
	char c;

	t_check_int(read(fd, &c, 1), ==, 1);
}

/* ---- without waiting -------------------------------------------------------------------------------------- */

static void polls(void)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 0);
	int fd[2];

	pair(fd);
	struct goro_case k[] = { GORO_CASE_READABLE(fd[0]), { .chan = c, .op = GORO_RECV }, GORO_CASE_WRITABLE(fd[0]) };

	k[0].ret = k[1].ret = k[2].ret = 99;
	t_check_int(goro_select(k, 2, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_select(k, 2, 1), ==, -ETIMEDOUT);
	t_check(k[0].ret == 99 && k[1].ret == 99);
	t_check_int(goro_select(k, 3, GORO_NOW), ==, 2);
	t_check_int(k[2].ret, ==, POLLOUT);
	put(fd[1]);
	t_check_int(goro_select(k, 2, GORO_NOW), ==, 0);
	t_check_int(k[0].ret, ==, POLLIN);
	t_check_int(goro_select(k, 2, GORO_FOREVER), ==, 0);
	take(fd[0]);
	t_check_int(goro_select(k, 2, GORO_NOW), ==, -EAGAIN);
	/* The end of the stream is readable, and hung up. */
	t_check_int(shutdown(fd[1], SHUT_RDWR), ==, 0);
	t_check_int(goro_select(k, 2, GORO_FOREVER), ==, 0);
	t_check(k[0].ret & POLLIN && k[0].ret & POLLHUP);
	close_pair(fd);
	goro_chan_free(c);
}

START_TEST(readiness_is_found_at_once_and_moves_no_byte)
{
	api_everywhere(polls);
}
END_TEST

static void bad_ones(void)
{
	int fd[2];

	pair(fd);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), closed = dup(fd[0]);
	struct goro_case k[] = { GORO_CASE_READABLE(fd[0]), GORO_CASE_READABLE(-1), { .fd = fd[1], .op = GORO_WRITABLE + 1 } };

	t_check_int(goro_select(k, 3, GORO_NOW), ==, -EINVAL);
	close(closed);
	for (int i = 0; i < 3; i++) {
		k[1].fd = i == 0 ? -1 : i == 1 ? closed : 0x7fffffff;
		k[1].ret = 0;
		t_check_int(goro_select(k, 2, i == 2 ? GORO_NOW : GORO_FOREVER), ==, 1);
		t_check_int(k[1].ret, ==, -EBADF);
	}
	k[1].fd = file;
	t_check_int(goro_select(k, 2, GORO_FOREVER), ==, 1);
	t_check_int(k[1].ret, ==, POLLIN);
	k[1].op = 0;
	t_check_int(goro_select(k, 2, GORO_NOW), ==, -EAGAIN);
	close(file);
	close_pair(fd);
}

START_TEST(a_bad_descriptor_is_ready_with_its_error_and_a_file_always)
{
	api_everywhere(bad_ones);
}
END_TEST

/* ---- choice -------------------------------------------------------------------------------------------------- */

#define WAYS 5

static void choices(void)
{
	struct goro_context *ctx = goro_context_with_cancel(goro_context_background());
	struct goro_chan *c = goro_chan_new(sizeof(int), 1);
	long hits[WAYS] = { 0 }, rounds = 20000;
	double want = (double)rounds / WAYS, chi = 0;
	int fd[2], v = 1;

	pair(fd);
	put(fd[1]);
	goro_context_cancel(ctx);
	struct goro_case k[WAYS] = { GORO_CASE_READABLE(fd[0]), { .chan = c, .op = GORO_SEND, .elem = &v }, GORO_CASE_WRITABLE(fd[0]),
				     GORO_CASE_DONE(ctx), GORO_CASE_READABLE(fd[0]) };

	for (long n = 0; n < rounds; n++) {
		int i = goro_select(k, WAYS, n & 1 ? GORO_NOW : GORO_FOREVER);

		t_check(i >= 0 && i < WAYS, "select returned %d", i);
		hits[(unsigned)i % WAYS]++; /* the remainder for the compiler, which does not know that a check ends the test */
		if (i == 1)
			t_check_int(goro_chan_recv(c, &v, GORO_NOW), ==, 1);
	}
	/* Four degrees of freedom: 47 is passed by chance once in a thousand million runs. */
	for (int i = 0; i < WAYS; i++)
		chi += ((double)hits[i] - want) * ((double)hits[i] - want) / want;
	t_check(chi < 47, "chi-square is %f: %ld %ld %ld %ld %ld", chi, hits[0], hits[1], hits[2], hits[3], hits[4]);
	goro_context_unref(ctx);
	goro_chan_free(c);
	close_pair(fd);
}

static int choices_main(void *arg)
{
	(void)arg;
	choices();
	return 0;
}

START_TEST(a_descriptor_has_the_same_chance_as_a_channel)
{
	api_run(choices_main, NULL);
}
END_TEST

/* ---- waiting ------------------------------------------------------------------------------------------------- */

struct wait {
	struct goro_chan *c, *told;
	struct goro_context *ctx;
	int fd[2];
	unsigned n;
};

/* Tells what each select came to, until the context is cancelled. */
static void waiter(struct wait *w)
{
	for (;;) {
		int v = 0, got[3];
		struct goro_case k[] = { GORO_CASE_READABLE(w->fd[0]), { .chan = w->c, .op = GORO_RECV, .elem = &v }, GORO_CASE_DONE(w->ctx),
					 GORO_CASE_READABLE(w->fd[0]) };

		got[0] = goro_select(k, 4, GORO_FOREVER);
		t_check(got[0] >= 0 && got[0] < 4, "select gave %d", got[0]);
		got[1] = k[got[0]].ret;
		got[2] = v;
		if (got[0] % 3 == 0)
			take(w->fd[0]);
		t_check_int(goro_chan_send(w->told, got, GORO_FOREVER), ==, 0);
		if (got[0] == 2)
			return;
	}
}

static void *waiter_thread(void *arg)
{
	waiter(arg);
	return NULL;
}

static int wait_main(void *arg)
{
	struct wait w = { .c = goro_chan_new(sizeof(int), 0), .told = goro_chan_new(3 * sizeof(int), 0) };
	int got[3], by_thread = arg != NULL;
	pthread_t t = { 0 };

	w.ctx = goro_context_with_cancel(goro_context_background());
	pair(w.fd);
	if (by_thread)
		t = api_thread(waiter_thread, &w);
	else
		t_check_int(GORO_GO(waiter, &w), ==, 0);
	for (long n = 0; n < t_scaled(2000); n++) {
		int v = (int)n + 1;

		if (n % 3 == 0)
			t_check_int(goro_chan_send(w.c, &v, GORO_FOREVER), ==, 0);
		else
			put(w.fd[1]);
		t_check_int(goro_chan_recv(w.told, got, GORO_FOREVER), ==, 1);
		if (n % 3 == 0)
			t_check(got[0] == 1 && got[1] == 1 && got[2] == v);
		else
			t_check(got[0] % 3 == 0 && got[1] == POLLIN && got[2] == 0);
	}
	goro_context_cancel(w.ctx);
	t_check_int(goro_chan_recv(w.told, got, GORO_FOREVER), ==, 1);
	t_check(got[0] == 2 && got[1] == 0);
	if (by_thread)
		api_join(t);
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_context_unref(w.ctx);
	goro_chan_free(w.c);
	goro_chan_free(w.told);
	close_pair(w.fd);
	return 0;
}

START_TEST(a_waiting_select_is_woken_by_bytes_by_a_send_and_by_a_cancel)
{
	api_run_procs(api_procs[_i % 3], wait_main, _i < 3 ? NULL : "a thread");
}
END_TEST

static void deadlines(void)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 0);
	int fd[2];

	pair(fd);
	for (int i = 0; i < 20; i++) {
		struct goro_case k[] = { GORO_CASE_READABLE(fd[0]), { .chan = c, .op = GORO_RECV }, GORO_CASE_READABLE(fd[1]) };
		int64_t deadline = goro_after(500 * GORO_MICROSECOND);

		t_check_int(goro_select(k, 3, deadline), ==, -ETIMEDOUT);
		t_check(goro_now() >= deadline);
	}
	/* Nothing was left behind: neither a waiter nor an operation that would take the close for its own. */
	t_check_int(goro_chan_send(c, &fd[0], GORO_NOW), ==, -EAGAIN);
	close_pair(fd);
	goro_chan_free(c);
}

START_TEST(a_select_ends_at_its_deadline)
{
	api_everywhere(deadlines);
}
END_TEST

static void times(void)
{
	int64_t when = 0, start = goro_now();
	struct goro_timer *t = goro_timer_new(2 * GORO_MILLISECOND);
	struct goro_ticker *tick = goro_ticker_new(3600 * GORO_SECOND);
	struct goro_context *ctx = goro_context_with_cancel(goro_context_background()), *late;
	int fd[2];

	pair(fd);
	struct goro_case k[] = { GORO_CASE_TICKER(tick, NULL), GORO_CASE_TIMER(t, &when), GORO_CASE_READABLE(fd[0]), GORO_CASE_DONE(ctx) };

	t_check_int(goro_select(k, 4, GORO_FOREVER), ==, 1);
	t_check(k[1].ret == 1 && when >= start && when <= goro_now());
	late = goro_context_with_timeout(ctx, 3 * GORO_MILLISECOND);
	k[3] = GORO_CASE_DONE(late);
	t_check_int(goro_select(k, 4, GORO_FOREVER), ==, 3);
	t_check(k[3].ret == 0 && goro_context_err(late) == -ETIMEDOUT);
	goro_context_unref(late);
	goro_ticker_reset(tick, GORO_MILLISECOND);
	t_check_int(goro_select(k, 3, GORO_FOREVER), ==, 0);
	goro_timer_free(t);
	goro_ticker_free(tick);
	goro_context_unref(ctx);
	close_pair(fd);
}

START_TEST(timers_tickers_and_contexts_stand_beside_descriptors)
{
	api_everywhere(times);
}
END_TEST

/* ---- closing, and several selects ------------------------------------------------------------------------------ */

static void *closing_waiter(void *arg)
{
	struct wait *w = arg;
	int v = 0, got[3] = { 0 };
	struct goro_case k[] = { { .chan = w->c, .op = GORO_RECV, .elem = &v }, GORO_CASE_READABLE(w->fd[0]) };

	got[0] = goro_select(k, 2, GORO_FOREVER);
	got[1] = got[0] < 0 ? 0 : k[got[0]].ret;
	t_check_int(goro_chan_send(w->told, got, GORO_FOREVER), ==, 0);
	return NULL;
}

static void closing_goroutine(struct wait *w)
{
	closing_waiter(w);
}

#define CROWD 6

static int close_main(void *arg)
{
	struct wait w = { .c = goro_chan_new(sizeof(int), 0), .told = goro_chan_new(3 * sizeof(int), 0) };
	pthread_t t[CROWD];
	int got[3];

	(void)arg;
	for (int round = 0; round < 100; round++) {
		pair(w.fd);
		for (int i = 0; i < CROWD; i++)
			if (i % 3 == 0)
				t[i] = api_thread(closing_waiter, &w);
			else
				t_check_int(GORO_GO(closing_goroutine, &w), ==, 0);
		for (int i = 0; i < round; i++)
			goro_yield();
		t_check_int(goro_close(w.fd[0]), ==, 0);
		for (int i = 0; i < CROWD; i++) {
			t_check_int(goro_chan_recv(w.told, got, GORO_FOREVER), ==, 1);
			t_check(got[0] == 1 && (got[1] == -ECANCELED || got[1] == -EBADF), "%d %d", got[0], got[1]);
		}
		for (int i = 0; i < CROWD; i += 3)
			api_join(t[i]);
		close(w.fd[1]);
	}
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_chan_free(w.c);
	goro_chan_free(w.told);
	return 0;
}

START_TEST(goro_close_wakes_all_selects_on_a_descriptor)
{
	api_run_procs(api_procs[_i], close_main, NULL);
}
END_TEST

static int peers_main(void *arg)
{
	struct wait w = { .c = goro_chan_new(sizeof(int), 0), .told = goro_chan_new(3 * sizeof(int), CROWD) };
	pthread_t t = { 0 };
	int got[3];

	(void)arg;
	pair(w.fd);
	for (int i = 0; i < CROWD; i++)
		if (i == 0)
			t = api_thread(closing_waiter, &w);
		else
			t_check_int(GORO_GO(closing_goroutine, &w), ==, 0);
	for (int i = 0; i < 200; i++)
		goro_yield();
	put(w.fd[1]);
	for (int i = 0; i < CROWD; i++) {
		t_check_int(goro_chan_recv(w.told, got, GORO_FOREVER), ==, 1);
		t_check(got[0] == 1 && got[1] == POLLIN);
	}
	api_join(t);
	take(w.fd[0]);
	goro_chan_free(w.c);
	goro_chan_free(w.told);
	close_pair(w.fd);
	return 0;
}

START_TEST(one_byte_is_seen_by_all_selects_that_wait_for_it)
{
	api_run_procs(_i ? 8 : 1, peers_main, NULL);
}
END_TEST

/* ---- many ---------------------------------------------------------------------------------------------------------- */

#define MANY 1000
#define PAIRS 250

static void send_one(struct goro_chan *c, int v)
{
	t_check_int(goro_chan_send(c, &v, GORO_FOREVER), ==, 0);
}

static int many_main(void *arg)
{
	static struct goro_case k[MANY];
	static int fd[PAIRS][2];
	struct goro_chan *c[MANY - PAIRS];
	int v[MANY - PAIRS];
	struct rlimit lim;

	(void)arg;
	t_check_int(getrlimit(RLIMIT_NOFILE, &lim), ==, 0);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	for (int i = 0, f = 0, h = 0; i < MANY; i++) {
		if (i % 4 == 0) {
			pair(fd[f]);
			k[i] = GORO_CASE_READABLE(fd[f++][0]);
		} else {
			c[h] = goro_chan_new(sizeof(int), 0);
			k[i] = (struct goro_case){ .chan = c[h], .op = GORO_RECV, .elem = &v[h] };
			h++;
		}
	}
	t_check_int(goro_select(k, MANY, GORO_NOW), ==, -EAGAIN);
	for (int n = 0; n < 20; n++) {
		int i = (n * 397) % MANY;

		t_check_int(goro_select(k, MANY, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
		if (i % 4 == 0) {
			put(fd[i / 4][1]);
		} else {
			t_check_int(GORO_GO(send_one, k[i].chan, n), ==, 0);
		}
		t_check_int(goro_select(k, MANY, GORO_FOREVER), ==, i);
		if (i % 4 == 0)
			take(fd[i / 4][0]);
		else
			t_check_int(*(int *)k[i].elem, ==, n);
	}
	t_eventually(goro_count() == 1, API_PATIENCE);
	for (int i = 0; i < PAIRS; i++)
		close_pair(fd[i]);
	for (int i = 0; i < MANY - PAIRS; i++)
		goro_chan_free(c[i]);
	return 0;
}

START_TEST(a_select_of_a_thousand_mixed_cases)
{
	api_run_procs(_i ? 2 : 1, many_main, NULL);
}
END_TEST

/* ---- the end of the run ---------------------------------------------------------------------------------------------- */

static int pipe_ends[2];

static void left_behind(struct goro_chan *c, unsigned n)
{
	struct goro_case *k = t_keep(calloc(n, sizeof(*k)));

	for (unsigned i = 0; i < n; i++)
		k[i] = i % 2 ? (struct goro_case){ .chan = c, .op = GORO_RECV } : (struct goro_case)GORO_CASE_READABLE(pipe_ends[0]);
	goro_select(k, n, GORO_FOREVER);
	t_check(!"the select ended");
}

static int ending_main(void *arg)
{
	for (unsigned i = 0; i < 10; i++)
		t_check_int(GORO_GO(left_behind, (struct goro_chan *)arg, i % 2 ? 3u : 40u), ==, 0);
	for (int i = 0; i < 50; i++)
		goro_yield();
	return 0;
}

static int closing_main(void *arg)
{
	(void)arg;
	t_check_int(goro_close(pipe_ends[0]), ==, 0);
	return 0;
}

START_TEST(selects_that_never_end_are_forgotten_by_channel_and_descriptor)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 0);

	t_check_int(pipe2(pipe_ends, O_CLOEXEC), ==, 0);
	api_run_procs(2, ending_main, c);
	t_check_int(goro_chan_send(c, &pipe_ends[0], GORO_NOW), ==, -EAGAIN);
	goro_chan_free(c);
	api_run(closing_main, NULL);
	close(pipe_ends[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("select on descriptors");
	TCase *tc = tcase_create("cases");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, readiness_is_found_at_once_and_moves_no_byte);
	tcase_add_test(tc, a_bad_descriptor_is_ready_with_its_error_and_a_file_always);
	tcase_add_test(tc, a_descriptor_has_the_same_chance_as_a_channel);
	tcase_add_loop_test(tc, a_waiting_select_is_woken_by_bytes_by_a_send_and_by_a_cancel, 0, 6);
	tcase_add_test(tc, a_select_ends_at_its_deadline);
	tcase_add_test(tc, timers_tickers_and_contexts_stand_beside_descriptors);
	tcase_add_loop_test(tc, goro_close_wakes_all_selects_on_a_descriptor, 0, 3);
	tcase_add_loop_test(tc, one_byte_is_seen_by_all_selects_that_wait_for_it, 0, 2);
	tcase_add_loop_test(tc, a_select_of_a_thousand_mixed_cases, 0, 2);
	tcase_add_test(tc, selects_that_never_end_are_forgotten_by_channel_and_descriptor);
	suite_add_tcase(s, tc);
	return t_main(s);
}
