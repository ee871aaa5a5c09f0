/* SPDX-License-Identifier: MIT */
/* check_context_io.c: a context as what ends the calls of <goro/net.h>, <goro/file.h> and the sleeps: goro_context_enter() and its promises. */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

enum { READ, READV, READ_FULL, WRITE, WRITEV, ACCEPT, CONNECT, UNIX_DIAL, SLEEP, SLEEP_UNTIL, KINDS };

static char huge[32 << 20]; /* more than any socket buffer grows to while nobody reads */

/* A call that would wait for ever, and whoever ends it. */
struct call {
	int kind, in_thread, fd;
	struct sockaddr_in a;
	char path[64];
	struct goro_context *ctx;
	int started; /* atomic: the thread that calls */
	long ret;
	size_t written;
	struct goro_waitgroup done;
};

static long do_call(struct call *c)
{
	struct iovec iov[2] = { { huge, 100 }, { huge + 100, sizeof huge - 100 } };

	switch (c->kind) {
	case READ:
		return goro_read(c->fd, huge, 10, GORO_FOREVER);
	case READV:
		return goro_readv(c->fd, iov, 2, GORO_FOREVER);
	case READ_FULL:
		return goro_read_full(c->fd, huge, 10, goro_after(3600 * GORO_SECOND));
	case WRITE:
		return goro_write_n(c->fd, huge, sizeof huge, GORO_FOREVER, &c->written);
	case WRITEV:
		return goro_writev(c->fd, iov, 2, goro_after(3600 * GORO_SECOND));
	case ACCEPT:
		return goro_accept(c->fd, NULL, NULL, GORO_FOREVER);
	case CONNECT:
		return goro_connect(c->fd, (struct sockaddr *)&c->a, sizeof c->a, GORO_FOREVER);
	case UNIX_DIAL:
		return goro_unix_dial(c->path, GORO_FOREVER);
	case SLEEP:
		return goro_sleep(3600 * GORO_SECOND);
	default:
		return goro_sleep_until(GORO_FOREVER);
	}
}

static void in_scope(struct call *c)
{
	struct goro_context *former = goro_context_enter(c->ctx);

	t_check(former == goro_context_background() && goro_context_current() == c->ctx);
	__atomic_store_n(&c->started, gettid(), __ATOMIC_SEQ_CST);
	c->ret = do_call(c);
	goro_context_leave(former);
	t_check(goro_context_current() == goro_context_background());
	goro_waitgroup_done(&c->done);
}

static void *in_scope_thread(void *arg)
{
	in_scope(arg);
	return NULL;
}

static int waits(struct call *c)
{
	pid_t tid = __atomic_load_n(&c->started, __ATOMIC_SEQ_CST);

	if (c->in_thread)
		return tid && api_asleep(tid);
	return api_waiting(c->kind == SLEEP || c->kind == SLEEP_UNTIL ? "sleep" : "IO wait") == 1;
}

static void *canceller(void *arg)
{
	struct call *c = arg;

	t_eventually(waits(c), API_PATIENCE);
	goro_context_cancel(c->ctx);
	return NULL;
}

/* A TCP listener, or a UNIX one, whose queue is full, so that a connect waits; the fillers are closed with it. */
static int fillers[64], nfillers;

static int full_listener(struct call *c)
{
	socklen_t len = sizeof c->a;
	int l = socket(c->kind == CONNECT ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	c->a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (c->kind == UNIX_DIAL) {
		close(l);
		snprintf(c->path, sizeof c->path, "@goro-%d-%p", (int)getpid(), (void *)c);
		l = goro_unix_listen(c->path, 1);
	} else {
		t_check(bind(l, (struct sockaddr *)&c->a, sizeof c->a) == 0 && listen(l, 0) == 0);
		t_check(getsockname(l, (struct sockaddr *)&c->a, &len) == 0);
	}
	for (nfillers = 0; nfillers < 64; nfillers++) {
		int64_t d = goro_after(30 * GORO_MILLISECOND);

		fd = c->kind == CONNECT ? goro_tcp_dial("127.0.0.1", ntohs(c->a.sin_port), d) : goro_unix_dial(c->path, d);
		if (fd < 0)
			break;
		fillers[nfillers] = fd;
	}
	t_check_int(fd, ==, -ETIMEDOUT);
	return l;
}

static void set_up(struct call *c, int fd[2])
{
	fd[1] = -1;
	if (c->kind == CONNECT || c->kind == UNIX_DIAL) {
		fd[1] = full_listener(c);
		fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	} else if (c->kind == ACCEPT) {
		fd[0] = goro_tcp_listen("127.0.0.1", 0, 0);
	} else {
		t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==, 0);
	}
	c->fd = fd[0];
}

static void tear_down(struct call *c, int fd[2])
{
	if (c->kind == CONNECT || c->kind == UNIX_DIAL)
		while (nfillers > 0)
			t_check_int(goro_close(fillers[--nfillers]), ==, 0);
	t_check_int(goro_close(fd[0]), ==, 0);
	if (fd[1] >= 0)
		t_check_int(goro_close(fd[1]), ==, 0);
}

/* How it is cancelled: before the call; while it waits, by a goroutine or a thread; by the context's deadline. */
enum { BEFORE, BY_GOROUTINE, BY_THREAD, BY_TIME, WAYS };

static void one_cancel(int kind, int way, int in_thread)
{
	struct call c = { .kind = kind, .in_thread = in_thread };
	pthread_t t = { 0 }, killer = { 0 };
	int fd[2];

	set_up(&c, fd);
	if (way == BY_TIME)
		c.ctx = goro_context_with_timeout(goro_context_background(), 3 * GORO_MILLISECOND);
	else
		c.ctx = goro_context_with_cancel(goro_context_background());
	if (way == BEFORE)
		goro_context_cancel(c.ctx);
	goro_waitgroup_add(&c.done, 1);
	if (in_thread)
		t = api_thread(in_scope_thread, &c);
	else
		t_check_int(GORO_GO(in_scope, &c), ==, 0);
	if (way == BY_THREAD)
		killer = api_thread(canceller, &c);
	if (way == BY_GOROUTINE) {
		t_eventually(waits(&c), API_PATIENCE);
		goro_context_cancel(c.ctx);
	}
	t_check_int(goro_waitgroup_wait(&c.done, GORO_FOREVER), ==, 0);
	t_check_int(c.ret, ==, way == BY_TIME ? -ETIMEDOUT : -ECANCELED);
	t_check_int(c.ret, ==, goro_context_err(c.ctx));
	if (kind == WRITE)
		t_check(way == BEFORE ? c.written == 0 : c.written < sizeof huge);
	if (in_thread)
		api_join(t);
	if (way == BY_THREAD)
		api_join(killer);
	goro_context_unref(c.ctx);
	tear_down(&c, fd);
}

static int cancels_main(void *arg)
{
	int kind = *(int *)arg;

	for (int way = 0; way < WAYS; way++)
		for (int in_thread = 0; in_thread < 2; in_thread++)
			for (int i = 0; i < (kind == CONNECT || kind == UNIX_DIAL ? 1 : 8); i++)
				one_cancel(kind, way, in_thread);
	return 0;
}

START_TEST(every_call_that_waits_ends_when_its_context_is_cancelled)
{
	static const unsigned procs[] = { 1, 8 };
	int kind = _i / 2;

	api_run_procs(procs[_i % 2], cancels_main, &kind);
}
END_TEST

/* ---- what is not ended, and nesting ---------------------------------------------------------------------------- */

static void leaves(void)
{
	struct goro_context *bg = goro_context_background();
	struct goro_context *a = goro_context_with_cancel(bg), *b = goro_context_with_cancel(bg);
	char buf[8];
	int fd[2];

	t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==, 0);
	t_check(goro_context_enter(a) == bg);
	t_check(goro_context_enter(b) == a);
	goro_context_cancel(a);
	/* Only the innermost counts. */
	t_check_int(goro_write(fd[1], "abc", 3, GORO_FOREVER), ==, 3);
	t_check_int(goro_read(fd[0], buf, 2, GORO_FOREVER), ==, 2);
	t_check_int(goro_sleep(1000), ==, 0);
	goro_context_leave(a);
	/* Cancelled already: nothing is done, whether it would have to wait or not. */
	t_check_int(goro_read(fd[0], buf, 2, GORO_FOREVER), ==, -ECANCELED);
	t_check_int(goro_read(fd[0], buf, 2, GORO_NOW), ==, -ECANCELED);
	t_check_int(goro_write(fd[1], "d", 1, GORO_FOREVER), ==, -ECANCELED);
	t_check_int(goro_sleep(0), ==, -ECANCELED);
	/* The background shields. */
	t_check(goro_context_enter(NULL) == a);
	t_check(goro_context_current() == bg);
	t_check_int(goro_read(fd[0], buf, 8, GORO_FOREVER), ==, 1);
	goro_context_leave(a);
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
	goro_context_leave(bg);
	t_check_int(goro_sleep(0), ==, 0);
	goro_context_unref(a);
	goro_context_unref(b);
}

START_TEST(scopes_nest_shield_and_do_nothing_once_cancelled)
{
	api_everywhere(leaves);
}
END_TEST

static int key;

static void values(void)
{
	struct goro_context *v = goro_context_with_value(goro_context_background(), &key, &key, NULL);
	struct goro_context *c = goro_context_with_cancel(v), *w = goro_context_with_value(c, &key + 1, NULL, NULL);
	char buf[4];
	int fd[2];

	t_check_int(pipe2(fd, O_CLOEXEC), ==, 0);
	/* One that cannot be cancelled itself, and one that takes it from above. */
	goro_context_enter(v);
	t_check(goro_context_value(goro_context_current(), &key) == &key);
	t_check_int(goro_read(fd[0], buf, 1, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check_int(goro_sleep(GORO_MICROSECOND), ==, 0);
	goro_context_enter(w);
	t_check_int(goro_read(fd[0], buf, 1, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	goro_context_cancel(c);
	t_check_int(goro_read(fd[0], buf, 1, goro_after(GORO_SECOND)), ==, -ECANCELED);
	goro_context_leave(goro_context_background());
	goro_context_unref(w);
	goro_context_unref(c);
	goro_context_unref(v);
	t_check_int(goro_close(fd[0]), ==, 0);
	t_check_int(goro_close(fd[1]), ==, 0);
}

START_TEST(a_context_of_values_ends_what_the_one_above_it_ends)
{
	api_everywhere(values);
}
END_TEST

static void spawned(struct goro_chan *told)
{
	int is_background = goro_context_current() == goro_context_background();

	goro_chan_send(told, &is_background, GORO_FOREVER);
}

static int panics(struct goro_context *ctx)
{
	GORO_DEFER(goro_context_leave, goro_context_enter(ctx), 0);
	goro_panic("in a scope");
	return 1;
}

static void recovers(int *recovered)
{
	*recovered = GORO_RECOVER() != NULL;
}

static int guarded(struct goro_context *ctx, int *recovered)
{
	GORO_DEFER(recovers, recovered, 0);
	return panics(ctx);
}

static int inherits_main(void *arg)
{
	struct goro_context *ctx = goro_context_with_cancel(goro_context_background());
	struct goro_chan *told = goro_chan_new(sizeof(int), 0);
	int is_background = 0, recovered = 0;

	(void)arg;
	goro_context_enter(ctx);
	t_check_int(GORO_GO(spawned, told), ==, 0);
	t_check_int(goro_chan_recv(told, &is_background, GORO_FOREVER), ==, 1);
	t_check(is_background);
	goro_context_leave(NULL);
	guarded(ctx, &recovered);
	t_check(recovered && goro_context_current() == goro_context_background());
	goro_context_unref(ctx);
	goro_chan_free(told);
	return 0;
}

START_TEST(a_new_goroutine_has_none_and_a_deferred_leave_survives_a_panic)
{
	api_run(inherits_main, NULL);
}
END_TEST

/* ---- files -------------------------------------------------------------------------------------------------------- */

static void files(void)
{
	struct goro_context *ctx = goro_context_with_cancel(goro_context_background());
	char dir[64], path[96], buf[4];
	int fd;

	api_temp_dir(dir, sizeof dir);
	snprintf(path, sizeof path, "%s/f", dir);
	goro_context_enter(ctx);
	fd = goro_file_open(path, O_RDWR | O_CREAT, 0600, GORO_FOREVER);
	t_check(fd >= 0, "%d", fd);
	t_check_int(goro_file_write(fd, "abcd", 4, 0, GORO_FOREVER), ==, 4);
	t_check_int(goro_file_sync(fd, 1, GORO_FOREVER), ==, 0);
	goro_context_cancel(ctx);
	t_check_int(goro_file_write(fd, "xxxx", 4, 0, GORO_FOREVER), ==, -ECANCELED);
	t_check_int(goro_file_read(fd, buf, 4, 0, GORO_FOREVER), ==, -ECANCELED);
	t_check_int(goro_file_sync(fd, 0, GORO_FOREVER), ==, -ECANCELED);
	t_check_int(goro_file_open(path, O_RDWR, 0, GORO_FOREVER), ==, -ECANCELED);
	t_check_int(goro_file_open(path, O_RDWR | O_CREAT, 0600, GORO_FOREVER), ==, -ECANCELED);
	goro_context_leave(NULL);
	t_check_int(goro_file_read(fd, buf, 4, 0, GORO_FOREVER), ==, 4);
	t_check(memcmp(buf, "abcd", 4) == 0);
	t_check_int(goro_close(fd), ==, 0);
	unlink(path);
	rmdir(dir);
	goro_context_unref(ctx);
}

START_TEST(files_too)
{
	api_everywhere(files);
}
END_TEST

/* ---- how much has gone out, and the end of the run ------------------------------------------------------------------ */

static int counted_main(void *arg)
{
	static char sink[65536];
	struct call c = { .kind = WRITE };
	size_t got = 0;
	ssize_t n;
	int fd[2];

	(void)arg;
	set_up(&c, fd);
	c.ctx = goro_context_with_cancel(goro_context_background());
	goro_waitgroup_add(&c.done, 1);
	t_check_int(GORO_GO(in_scope, &c), ==, 0);
	while (got < sizeof huge / 4) {
		n = goro_read(fd[1], sink, sizeof sink, GORO_FOREVER);
		t_check(n > 0);
		got += (size_t)n;
	}
	goro_context_cancel(c.ctx);
	t_check_int(goro_waitgroup_wait(&c.done, GORO_FOREVER), ==, 0);
	t_check_int(c.ret, ==, -ECANCELED);
	t_check_int(goro_shutdown(fd[0], SHUT_WR), ==, 0);
	while ((n = goro_read(fd[1], sink, sizeof sink, GORO_FOREVER)) > 0)
		got += (size_t)n;
	t_check_int(got, ==, c.written);
	goro_context_unref(c.ctx);
	tear_down(&c, fd);
	return 0;
}

START_TEST(a_write_that_is_cancelled_tells_how_much_has_gone_out)
{
	api_run_procs(_i ? 8 : 1, counted_main, NULL);
}
END_TEST

static struct call left[4];

static int leaving_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 4; i++) {
		goro_waitgroup_add(&left[i].done, 1);
		t_check_int(GORO_GO(in_scope, &left[i]), ==, 0);
		t_eventually(__atomic_load_n(&left[i].started, __ATOMIC_SEQ_CST), API_PATIENCE);
	}
	for (int i = 0; i < 50; i++)
		goro_yield();
	return 0;
}

START_TEST(calls_that_the_end_of_the_run_stops_are_forgotten_by_their_context)
{
	struct goro_context *ctx = goro_context_with_cancel(goro_context_background());
	int fd[2];

	t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==, 0);
	for (int i = 0; i < 4; i++)
		left[i] = (struct call){ .kind = i % 2 ? SLEEP : READ, .fd = fd[0], .ctx = ctx };
	api_run_procs(2, leaving_main, NULL);
	goro_context_cancel(ctx);
	goro_context_unref(ctx);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("context and I/O");
	TCase *tc = tcase_create("scope");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_call_that_waits_ends_when_its_context_is_cancelled, 0, 2 * KINDS);
	tcase_add_test(tc, scopes_nest_shield_and_do_nothing_once_cancelled);
	tcase_add_test(tc, a_context_of_values_ends_what_the_one_above_it_ends);
	tcase_add_test(tc, a_new_goroutine_has_none_and_a_deferred_leave_survives_a_panic);
	tcase_add_test(tc, files_too);
	tcase_add_loop_test(tc, a_write_that_is_cancelled_tells_how_much_has_gone_out, 0, 2);
	tcase_add_test(tc, calls_that_the_end_of_the_run_stops_are_forgotten_by_their_context);
	suite_add_tcase(s, tc);
	return t_main(s);
}
