/* SPDX-License-Identifier: MIT */
/*
 * stress_cancel.c: a storm of cancellations over streams: writers and readers whose contexts are cancelled all the time, by goroutines, by plain
 * threads and by their own deadlines, and that go on with a new context. Each byte that a call reports as written is read, once and in order: a call that
 * a cancellation ends has moved nothing that it does not report. Some readers wait in a select before they read.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/typed.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

#define STREAMS 6
#define THREADS 2 /* of the streams, one end each is a plain thread's */
#define CHUNK 3000

struct stream {
	int fd[2];
	uint64_t seed;
	int64_t end;
	size_t written;	   /* by calls' own word; the writer's, then constant */
	struct goro_mutex mu;
	struct goro_context *target[2]; /* under mu: the contexts that writer and reader are in */
	long cancelled, ended;	/* atomic */
	struct goro_waitgroup ends;
};

/* What lies at offset `at` of each stream. */
static unsigned char pattern(size_t at)
{
	return (unsigned char)(at * 7 + (at >> 9));
}

/* A new context, which the cancellers find; the former one is given up. */
static struct goro_context *next_context(struct stream *s, int side, uint64_t *rng)
{
	struct goro_context *bg = goro_context_background(), *ctx, *old;

	ctx = api_below(rng, 2) ? goro_context_with_cancel(bg) : goro_context_with_timeout(bg, api_below(rng, 300000));
	t_check(ctx != NULL);
	goro_mutex_lock(&s->mu);
	old = s->target[side];
	s->target[side] = ctx;
	goro_mutex_unlock(&s->mu);
	goro_context_enter(ctx);
	goro_context_unref(old);
	return ctx;
}

static void end_of(struct stream *s, int side)
{
	goro_context_enter(NULL);
	goro_mutex_lock(&s->mu);
	goro_context_unref(s->target[side]);
	s->target[side] = NULL;
	goro_mutex_unlock(&s->mu);
}

static int is_cancel(struct stream *s, struct goro_context *ctx, long ret)
{
	if (ret != -ECANCELED && ret != -ETIMEDOUT)
		return 0;
	t_check_int(goro_context_err(ctx), ==, ret);
	__atomic_add_fetch(&s->cancelled, 1, __ATOMIC_RELAXED);
	return 1;
}

static void writer(struct stream *s)
{
	uint64_t rng = s->seed;
	unsigned char buf[CHUNK];
	size_t n, want;
	ssize_t ret;

	while (goro_now() < s->end) {
		struct goro_context *ctx = next_context(s, 0, &rng);

		do {
			want = 1 + api_below(&rng, CHUNK);
			for (size_t i = 0; i < want; i++)
				buf[i] = pattern(s->written + i);
			n = 77777;
			if (api_below(&rng, 8)) {
				ret = goro_write_n(s->fd[0], buf, want, GORO_FOREVER, &n);
			} else {
				ret = goro_sleep(api_below(&rng, 100000));
				n = 0;
				want = 0;
			}
			t_check(n <= want && (ret < 0 || (size_t)ret == want), "%zd, %zu of %zu", ret, n, want);
			s->written += n;
		} while (ret >= 0 && goro_now() < s->end);
		t_check(ret >= 0 || is_cancel(s, ctx, ret), "write gave %zd", ret);
	}
	end_of(s, 0);
	t_check_int(goro_shutdown(s->fd[0], SHUT_WR), ==, 0);
	goro_waitgroup_done(&s->ends);
}

static ssize_t read_somehow(struct stream *s, struct goro_context *ctx, uint64_t *rng, unsigned char *buf)
{
	struct iovec iov[2] = { { buf, 1 + api_below(rng, 50) }, { buf + 50, 0 } };
	ssize_t ret;

	if (api_below(rng, 3) == 0) {
		struct goro_case k[] = { GORO_CASE_READABLE(s->fd[1]), GORO_CASE_DONE(ctx) };
		int i = goro_select(k, 2, GORO_FOREVER);

		t_check(i == 0 || i == 1, "select gave %d", i);
		if (i == 1)
			return goro_context_err(ctx);
		t_check(k[0].ret > 0, "%d", k[0].ret);
	}
	if (api_below(rng, 3))
		return goro_read(s->fd[1], buf, 1 + api_below(rng, CHUNK), GORO_FOREVER);
	iov[1].iov_base = buf + iov[0].iov_len;
	iov[1].iov_len = api_below(rng, CHUNK - 60);
	ret = goro_readv(s->fd[1], iov, 2, GORO_FOREVER);
	return ret;
}

static void reader(struct stream *s)
{
	uint64_t rng = s->seed ^ 0x5555;
	unsigned char buf[CHUNK];
	size_t at = 0;
	ssize_t ret = 1;

	while (ret != 0) {
		struct goro_context *ctx = next_context(s, 1, &rng);

		while ((ret = read_somehow(s, ctx, &rng, buf)) > 0)
			for (ssize_t i = 0; i < ret; i++, at++)
				t_check(buf[i] == pattern(at), "at byte %zu", at);
		t_check(ret == 0 || is_cancel(s, ctx, ret), "read gave %zd", ret);
	}
	end_of(s, 1);
	goro_waitgroup_done(&s->ends);
	/* The writer has ended: its shutdown is what we have read. */
	t_check_int(at, ==, __atomic_load_n(&s->written, __ATOMIC_RELAXED));
	__atomic_store_n(&s->ended, 1, __ATOMIC_SEQ_CST);
}

static void *reader_thread(void *arg)
{
	reader(arg);
	return NULL;
}

static void cancel_one(struct stream *s, int side)
{
	struct goro_context *ctx;

	goro_mutex_lock(&s->mu);
	ctx = s->target[side] ? goro_context_ref(s->target[side]) : NULL;
	goro_mutex_unlock(&s->mu);
	if (ctx)
		goro_context_cancel(ctx);
	goro_context_unref(ctx);
}

static struct stream streams[STREAMS];
static int stop; /* atomic */

static void storm(uint64_t rng, int in_thread)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		cancel_one(&streams[api_below(&rng, STREAMS)], (int)api_below(&rng, 2));
		if (in_thread)
			usleep(api_below(&rng, 200));
		else if (api_below(&rng, 2))
			goro_sleep(api_below(&rng, 100000));
		else
			goro_yield();
	}
}

static void *storm_thread(void *arg)
{
	storm(*(uint64_t *)arg, 1);
	return NULL;
}

static int storm_main(void *arg)
{
	uint64_t seed = *(uint64_t *)arg, thread_seed = seed + 99;
	pthread_t t[THREADS], killer;
	long cancelled = 0;

	__atomic_store_n(&stop, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < STREAMS; i++) {
		struct stream *s = &streams[i];

		*s = (struct stream){ .seed = seed + (uint64_t)i * 1001, .end = goro_after(api_stress_ns()) };
		t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->fd), ==, 0);
		goro_waitgroup_add(&s->ends, 2);
		t_check_int(GORO_GO(writer, s), ==, 0);
		if (i < THREADS)
			t[i] = api_thread(reader_thread, s);
		else
			t_check_int(GORO_GO(reader, s), ==, 0);
	}
	t_check_int(GORO_GO(storm, seed + 7, 0), ==, 0);
	killer = api_thread(storm_thread, &thread_seed);
	for (int i = 0; i < STREAMS; i++) {
		t_check_int(goro_waitgroup_wait(&streams[i].ends, GORO_FOREVER), ==, 0);
		t_eventually(__atomic_load_n(&streams[i].ended, __ATOMIC_SEQ_CST), API_PATIENCE);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	api_join(killer);
	for (int i = 0; i < THREADS; i++)
		api_join(t[i]);
	t_eventually(goro_count() == 1, API_PATIENCE);
	for (int i = 0; i < STREAMS; i++) {
		cancelled += streams[i].cancelled;
		t_check_int(goro_close(streams[i].fd[0]), ==, 0);
		t_check_int(goro_close(streams[i].fd[1]), ==, 0);
	}
	t_check(cancelled > 0);
	return 0;
}

START_TEST(a_storm_of_cancellations_loses_no_byte)
{
	uint64_t seed = t_seed() + (uint64_t)_i;

	api_run_procs(api_procs[_i], storm_main, &seed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: cancel");
	TCase *tc = t_case(s, "storm", api_stress_limit());

	tcase_add_loop_test(tc, a_storm_of_cancellations_loses_no_byte, 0, 3);
	return t_main(s);
}
