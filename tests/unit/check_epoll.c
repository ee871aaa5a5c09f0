/* SPDX-License-Identifier: MIT */
/* check_epoll: the epoll backend alone; see backend.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include "epoll.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "op.h"
#include "probe.h"
#include "sys.h"

#define BACKEND goro__epoll
#include "backend.h"

static struct p q;

static void begin_with(const char *off)
{
	if (*off)
		setenv("GORO_DISABLE_FEATURES", off, 1);
	goro__probe_reset();
	t_check_int(goro__epoll.p_init(&p), ==, 0);
	t_check_int(goro__epoll.p_init(&q), ==, 0);
	m = rt_enter();
	m->p = &p;
}

static void end(void)
{
	m->p = NULL;
	rt_exit(m);
	goro__epoll.p_fini(&p);
	goro__epoll.p_fini(&q);
}

/* A wait on m's P. The entry keeps listing it. */
static void start(struct op *op, int fd, uint16_t mask)
{
	struct fdent *e = goro__fd_entry(fd);

	*op = (struct op){ .code = OP_POLL, .fd = fd, .mask = mask, .wakefd = -1, .state = OP_PENDING };
	op->g = goro__self(m);
	op->p = m->p;
	goro__lock(&e->lock);
	goro__fd_link(e, op);
	t_check_int(goro__epoll.start(m, e, op), ==, 0);
	goro__unlock(&e->lock);
}

static void forget(struct op *op)
{
	struct fdent *e = goro__fd_entry(op->fd);

	goro__lock(&e->lock);
	goro__fd_unlink(op);
	goro__unlock(&e->lock);
}

START_TEST(a_wait_ends_when_the_descriptor_is_ready)
{
	struct op op;
	int s[2];

	begin_with(_i ? "epoll-pwait2" : "");
	pair(s);
	t_check(!goro__epoll.pending(&p));
	start(&op, s[0], POLLIN);
	t_check(goro__epoll.pending(&p));
	t_check_int(goro__epoll.poll(m, &p, 0), ==, 0);
	put(s[1], 'x');
	t_check_int(goro__epoll.poll(m, &p, GORO_FOREVER), ==, 1);
	t_check_int(op.state, ==, OP_DONE);
	t_check(!goro__epoll.pending(&p));
	end();
}
END_TEST

START_TEST(what_is_ready_already_ends_the_wait_at_once)
{
	struct op op;
	int s[2];

	begin_with("");
	pair(s);
	put(s[1], 'x');
	for (int i = 0; i < 3; i++) {
		start(&op, s[0], POLLIN);
		t_check_int(goro__epoll.poll(m, &p, GORO_FOREVER), ==, 1);
		forget(&op);
	}
	end();
}
END_TEST

START_TEST(a_reader_and_a_writer_of_one_descriptor_are_told_apart)
{
	static char fill[4096];
	struct op in, out;
	int s[2];

	begin_with("");
	pair(s);
	while (send(s[0], fill, sizeof fill, MSG_DONTWAIT) > 0)
		;
	start(&in, s[0], POLLIN);
	start(&out, s[0], POLLOUT);
	put(s[1], 'x');
	t_check_int(goro__epoll.poll(m, &p, GORO_FOREVER), ==, 1);
	t_check_int(in.state, ==, OP_DONE);
	t_check_int(out.state, ==, OP_PENDING);
	while (recv(s[1], fill, sizeof fill, MSG_DONTWAIT) > 0)
		;
	t_check_int(goro__epoll.poll(m, &p, GORO_FOREVER), ==, 1);
	t_check_int(out.state, ==, OP_DONE);
	end();
}
END_TEST

START_TEST(each_processor_is_told_of_its_own_waits)
{
	struct op a, b;
	int s[2];

	begin_with("");
	pair(s);
	start(&a, s[0], POLLIN);
	m->p = &q;
	start(&b, s[0], POLLIN);
	put(s[1], 'x');
	t_check_int(goro__epoll.poll(m, &q, GORO_FOREVER), ==, 1);
	t_check_int(b.state, ==, OP_DONE);
	t_check_int(a.state, ==, OP_PENDING);
	t_check_int(goro__epoll.poll(m, &p, GORO_FOREVER), ==, 1);
	t_check_int(a.state, ==, OP_DONE);
	end();
}
END_TEST

START_TEST(a_number_that_was_closed_and_opened_anew_is_armed_anew)
{
	struct op op;
	int s[2], t[2];

	begin_with("");
	pair(s);
	start(&op, s[0], POLLIN);
	goro__lock(&goro__fd_entry(s[0])->lock);
	goro__epoll.cancel(m, goro__fd_entry(s[0]), &op);
	goro__unlock(&goro__fd_entry(s[0])->lock);
	t_check_int(op.state, ==, OP_DONE);
	t_check_int(op.res, ==, -ECANCELED);
	forget(&op);
	t_check_int(p.io_inflight, ==, 0);
	close(s[0]);
	pair(t);
	t_check_int(t[0], ==, s[0]);
	start(&op, t[0], POLLIN);
	put(t[1], 'x');
	t_check_int(goro__epoll.poll(m, &p, GORO_FOREVER), ==, 1);
	end();
}
END_TEST

START_TEST(a_wake_before_the_wait_ends_the_wait)
{
	begin_with(_i ? "epoll-pwait2" : "");
	wake_then_wait();
	end();
}
END_TEST

START_TEST(a_wake_from_another_thread_is_never_lost)
{
	begin_with("");
	wait_for_a_thread();
	end();
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline_and_not_before)
{
	begin_with(_i ? "epoll-pwait2" : "");
	wait_until_deadlines();
	end();
}
END_TEST

START_TEST(an_instance_that_cannot_be_made_leaves_nothing_behind)
{
	static const char *const faults[] = { "epoll_create1:1:24", "eventfd2:1:24", "epoll_ctl:1:24", "mmap:1:24" };
	int fd = dup(0), again;

	close(fd);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		setenv("GORO_FAULT", faults[i], 1);
		goro__sys_faults_init();
		t_check_int(goro__epoll.p_init(&p), ==, -EMFILE);
		again = dup(0);
		close(again);
		t_check_int(again, ==, fd);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("epoll");
	TCase *tc = tcase_create("waits");

	tcase_add_loop_test(tc, a_wait_ends_when_the_descriptor_is_ready, 0, 2);
	tcase_add_test(tc, what_is_ready_already_ends_the_wait_at_once);
	tcase_add_test(tc, a_reader_and_a_writer_of_one_descriptor_are_told_apart);
	tcase_add_test(tc, each_processor_is_told_of_its_own_waits);
	tcase_add_test(tc, a_number_that_was_closed_and_opened_anew_is_armed_anew);
	suite_add_tcase(s, tc);
	tc = tcase_create("sleeping");
	tcase_add_loop_test(tc, a_wake_before_the_wait_ends_the_wait, 0, 2);
	tcase_add_test(tc, a_wake_from_another_thread_is_never_lost);
	tcase_add_loop_test(tc, a_wait_ends_at_its_deadline_and_not_before, 0, 2);
	suite_add_tcase(s, tc);
	tc = tcase_create("setting up");
	tcase_add_test(tc, an_instance_that_cannot_be_made_leaves_nothing_behind);
	suite_add_tcase(s, tc);
	return t_main(s);
}
