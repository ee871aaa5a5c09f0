/* SPDX-License-Identifier: MIT */
/* check_ring: the io_uring backend alone; see backend.h. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include "ring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"
#include "probe.h"
#include "sys.h"

#define BACKEND goro__uring
#include "backend.h"

#define SETUP_COOP_TASKRUN (1u << 8)
#define MANY 600 /* more than the submission queue holds */

/* What each way to wake needs to be switched off before it is the best, and the feature that it is itself; the last one is always there. */
static const struct {
	const char *off, *name;
	enum feature needs;
} ways[] = {
	{ "", "send-msg-ring", FEAT_URING_SEND_MSG_RING },
	{ "io-uring-send-msg-ring", "msg-ring", FEAT_URING_MSG_RING },
	{ "io-uring-send-msg-ring,io-uring-msg-ring", "eventfd", FEAT_URING },
};

/* What is taken with those off: the next one where the kernel lacks it. */
static const char *best(int way)
{
	while (!goro__probe(ways[way].needs))
		way++;
	return ways[way].name;
}

static void begin_with(const char *off)
{
	if (*off)
		setenv("GORO_DISABLE_FEATURES", off, 1);
	goro__probe_reset();
	t_check_int(goro__ring_begin(), ==, 0);
	memset(&p, 0, sizeof p);
	t_check_int(goro__uring.p_init(&p), ==, 0);
	m = rt_enter();
	m->p = &p;
}

static void end(void)
{
	goro__uring.drain(m, &p);
	m->p = NULL;
	rt_exit(m);
	goro__uring.p_fini(&p);
	goro__ring_end();
}

static void start(struct op *op)
{
	t_check_int(goro__uring.reserve(m, &p), ==, 0);
	op->g = goro__self(m);
	op->p = &p;
	op->wakefd = -1;
	op->state = OP_PENDING;
	t_check_int(goro__uring.start(m, NULL, op), ==, 0);
}

static void start_recv(struct op *op, int fd, char *buf)
{
	*op = (struct op){ .code = OP_RECV, .fd = fd, .addr = buf, .len = 1, .mask = POLLIN };
	start(op);
}

/* Polls until op is done: its result. */
static int finish(struct op *op)
{
	int64_t until = goro__now() + 10 * GORO_SECOND;

	while (load_acq(&op->state) != OP_DONE && goro__now() < until)
		goro__uring.poll(m, &p, goro__now() + GORO_SECOND);
	t_check_int(op->state, ==, OP_DONE);
	return op->res;
}

START_TEST(an_operation_completes_when_its_descriptor_is_ready)
{
	struct op op;
	char c = 0;
	int s[2];

	begin_with("");
	pair(s);
	t_check(!goro__uring.pending(&p));
	start_recv(&op, s[0], &c);
	t_check(goro__uring.queued(&p));
	t_check(goro__uring.pending(&p));
	t_check_int(goro__uring.poll(m, &p, 0), ==, 0);
	t_check(!goro__uring.queued(&p));
	t_check(goro__uring.pending(&p));
	t_check_int(op.state, ==, OP_PENDING);
	put(s[1], 'x');
	t_check_int(finish(&op), ==, 1);
	t_check_int(c, ==, 'x');
	t_check(!goro__uring.pending(&p));
	end();
}
END_TEST

START_TEST(more_operations_than_the_queue_holds_are_all_carried_out)
{
	static struct op op[MANY];
	static char c[MANY];
	static int s[MANY][2];

	begin_with("");
	for (int i = 0; i < MANY; i++) {
		pair(s[i]);
		start_recv(&op[i], s[i][0], &c[i]);
	}
	t_check_int(p.io_inflight, ==, MANY);
	for (int i = 0; i < MANY; i++)
		put(s[i][1], (char)i);
	for (int i = 0; i < MANY; i++) {
		t_check_int(finish(&op[i]), ==, 1);
		t_check_int(c[i], ==, (char)i);
	}
	t_check_int(p.io_inflight, ==, 0);
	end();
}
END_TEST

/* They complete as soon as they are submitted, and nobody looks. */
START_TEST(an_overflow_of_the_completion_queue_loses_nothing)
{
	static struct op op[6000];
	struct ring_info info;
	int s[2];

	begin_with("");
	goro__ring_info(&p, &info);
	t_check_int(info.cq, <, 6000 - info.sq);
	pair(s);
	put(s[1], 'x');
	for (int i = 0; i < 6000; i++) {
		op[i] = (struct op){ .code = OP_POLL, .fd = s[0], .mask = POLLIN };
		start(&op[i]);
	}
	for (int i = 0; i < 6000; i++)
		t_check_int(finish(&op[i]), ==, POLLIN);
	end();
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

START_TEST(a_wake_before_the_wait_ends_the_wait)
{
	struct ring_info info;
	struct op op;
	char c;
	int s[2];

	begin_with(ways[_i].off);
	goro__ring_info(&p, &info);
	t_check(strcmp(info.wake, best(_i)) == 0, "%s", info.wake);
	pair(s);
	start_recv(&op, s[0], &c);
	goro__uring.poll(m, &p, goro__now() + GORO_MILLISECOND); /* with an eventfd: arms its poll */
	wake_then_wait();
	end();
}
END_TEST

START_TEST(a_wake_from_another_thread_is_never_lost)
{
	struct op op;
	char c;
	int s[2];

	begin_with(ways[_i].off);
	pair(s);
	start_recv(&op, s[0], &c);
	wait_for_a_thread();
	end();
}
END_TEST

START_TEST(a_wait_ends_at_its_deadline_and_not_before)
{
	struct op op;
	char c;
	int s[2];

	begin_with(_i ? "io-uring-abs-timer" : "");
	pair(s);
	start_recv(&op, s[0], &c);
	wait_until_deadlines();
	end();
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

START_TEST(a_cancelled_operation_ends_with_its_own_completion)
{
	struct op op;
	char c;
	int s[2];

	begin_with("");
	pair(s);
	start_recv(&op, s[0], &c);
	goro__uring.cancel(m, NULL, &op);
	t_check_int(op.state, ==, OP_PENDING);
	t_check_int(finish(&op), ==, -ECANCELED);
	end();
}
END_TEST

static struct op *target;

static void *canceller(void *arg)
{
	struct m *me = rt_enter();

	(void)arg;
	goro__uring.cancel(me, NULL, target);
	rt_exit(me);
	return NULL;
}

static void cancel_elsewhere(struct op *op)
{
	pthread_t t;

	target = op;
	t_check_int(pthread_create(&t, NULL, canceller, NULL), ==, 0);
	pthread_join(t, NULL);
}

START_TEST(a_cancel_from_another_thread_goes_through_the_inbox)
{
	struct op op[3];
	char c[3];
	int s[2];

	begin_with("");
	pair(s);
	for (int i = 0; i < 3; i++)
		start_recv(&op[i], s[0], &c[i]);
	goro__uring.poll(m, &p, 0);
	cancel_elsewhere(&op[1]);
	cancel_elsewhere(&op[0]);
	t_check(goro__uring.pending(&p));
	t_check_int(finish(&op[0]), ==, -ECANCELED);
	t_check_int(finish(&op[1]), ==, -ECANCELED);
	t_check_int(op[2].state, ==, OP_PENDING);
	put(s[1], 'y');
	t_check_int(finish(&op[2]), ==, 1);
	end();
}
END_TEST

START_TEST(a_late_cancel_does_not_touch_the_next_operation_of_the_slot)
{
	struct op a, b, old;
	char c;
	int s[2];

	begin_with("");
	pair(s);
	start_recv(&a, s[0], &c);
	old = a;
	put(s[1], '1');
	t_check_int(finish(&a), ==, 1);
	start_recv(&b, s[0], &c);
	t_check_int(b.slot, ==, old.slot);
	t_check_int(b.gen, !=, old.gen);
	goro__uring.cancel(m, NULL, &old);
	cancel_elsewhere(&old);
	goro__uring.poll(m, &p, 0);
	goro__uring.poll(m, &p, goro__now() + 5 * GORO_MILLISECOND);
	t_check_int(b.state, ==, OP_PENDING);
	put(s[1], '2');
	t_check_int(finish(&b), ==, 1);
	t_check_int(c, ==, '2');
	end();
}
END_TEST

START_TEST(after_a_drain_the_kernel_writes_nowhere)
{
	static struct op op[MANY];
	static char c[MANY];
	static int s[MANY][2];

	begin_with("");
	for (int i = 0; i < MANY; i++) {
		pair(s[i]);
		start_recv(&op[i], s[i][0], &c[i]);
	}
	goro__uring.poll(m, &p, 0);
	goro__uring.drain(m, &p);
	t_check_int(p.io_inflight, ==, 0);
	for (int i = 0; i < MANY; i++)
		put(s[i][1], 'z');
	for (int i = 0; i < MANY; i++) {
		t_check_int(c[i], ==, 0);
		t_check_int(op[i].state, ==, OP_PENDING);
	}
	end();
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

START_TEST(flags_that_the_kernel_lacks_are_dropped)
{
	struct ring_info info;

	begin_with("");
	goro__ring_info(&p, &info);
	t_check_int(info.sq, ==, 256);
	t_check_int(info.cq, ==, 4096);
	if (goro__probe(FEAT_URING_COOP))
		t_check(info.flags & SETUP_COOP_TASKRUN);
	end();
	begin_with("io-uring-coop-taskrun");
	goro__ring_info(&p, &info);
	t_check(!(info.flags & SETUP_COOP_TASKRUN));
	end();
}
END_TEST

START_TEST(a_ring_that_cannot_be_made_leaves_nothing_behind)
{
	static const struct {
		const char *fault;
		int err;
	} rows[] = {
		{ "io_uring_setup:1:12*", -ENOMEM }, { "io_uring_setup:1:24", -EMFILE }, { "io_uring_setup:1:1", -EPERM },
		{ "mmap:1:12", -ENOMEM },	     { "mmap:2:12", -ENOMEM },
	};
	int before = lowest_fd(), fd;

	t_check_int(goro__ring_begin(), ==, 0);
	fd = lowest_fd(); /* where a message needs a ring to be sent from, that stays until goro__ring_end() */
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		setenv("GORO_FAULT", rows[i].fault, 1);
		goro__sys_faults_init();
		t_check_int(goro__uring.p_init(&p), ==, rows[i].err);
		t_check_int(lowest_fd(), ==, fd);
	}
	unsetenv("GORO_FAULT");
	goro__sys_faults_init();
	t_check_int(goro__uring.p_init(&p), ==, 0);
	goro__uring.p_fini(&p);
	t_check_int(lowest_fd(), ==, fd);
	goro__ring_end();
	t_check_int(lowest_fd(), ==, before);
}
END_TEST

START_TEST(short_of_memory_the_completion_queue_is_smaller)
{
	struct ring_info info;

	t_check_int(goro__ring_begin(), ==, 0);
	setenv("GORO_FAULT", "io_uring_setup:1:12,io_uring_setup:2:12", 1);
	goro__sys_faults_init();
	t_check_int(goro__uring.p_init(&p), ==, 0);
	goro__ring_info(&p, &info);
	t_check_int(info.cq, <=, 2048);
	goro__uring.p_fini(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring");
	TCase *tc;
	int r = goro__probe_result(FEAT_URING);

	t_skip_unless(r == 1, "no io_uring here: %s", strerror(-r));
	tc = tcase_create("operations");
	tcase_add_test(tc, an_operation_completes_when_its_descriptor_is_ready);
	tcase_add_test(tc, more_operations_than_the_queue_holds_are_all_carried_out);
	tcase_add_test(tc, an_overflow_of_the_completion_queue_loses_nothing);
	suite_add_tcase(s, tc);
	tc = tcase_create("waiting");
	tcase_add_loop_test(tc, a_wake_before_the_wait_ends_the_wait, 0, 3);
	tcase_add_loop_test(tc, a_wake_from_another_thread_is_never_lost, 0, 3);
	tcase_add_loop_test(tc, a_wait_ends_at_its_deadline_and_not_before, 0, 2);
	suite_add_tcase(s, tc);
	tc = tcase_create("cancelling");
	tcase_add_test(tc, a_cancelled_operation_ends_with_its_own_completion);
	tcase_add_test(tc, a_cancel_from_another_thread_goes_through_the_inbox);
	tcase_add_test(tc, a_late_cancel_does_not_touch_the_next_operation_of_the_slot);
	tcase_add_test(tc, after_a_drain_the_kernel_writes_nowhere);
	suite_add_tcase(s, tc);
	tc = tcase_create("setting up");
	tcase_add_test(tc, flags_that_the_kernel_lacks_are_dropped);
	tcase_add_test(tc, a_ring_that_cannot_be_made_leaves_nothing_behind);
	tcase_add_test(tc, short_of_memory_the_completion_queue_is_smaller);
	suite_add_tcase(s, tc);
	return t_main(s);
}
