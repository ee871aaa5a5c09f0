/* SPDX-License-Identifier: MIT */
/*
 * ring_probe.c: the rows of probe.c that concern io_uring: each makes small rings and tries the very thing. Layer 7.
 *
 * A feature counts as working when its completion has come with the result that it should have; that the kernel accepts a flag or
 * an opcode is not enough for a seccomp filter or a back-ported half of a feature.
 */
#include "ring_probe.h"

#include <errno.h>
#include <liburing.h>
#include <sys/socket.h>

#include <goro/time.h>

#include "atomic.h"
#include "ring_abi.h"
#include "sys.h"

#define MARK UINT64_C(0x676f726f)

/* A small ring with these setup flags: 0 or negative errno. */
static int open_ring(struct io_uring *u, unsigned flags)
{
	struct io_uring_params params = { .flags = flags };
	long fd = SYS2(SYS_io_uring_setup, 4, &params);
	int err;

	if (fd < 0)
		return (int)fd;
	err = io_uring_queue_mmap((int)fd, &params, u);
	if (err)
		sys_close((int)fd);
	return err;
}

/* Submits what was prepared and waits for up to a second: the result of the first completion, or negative errno. */
static int result(struct io_uring *u)
{
	struct __kernel_timespec ts = { .tv_sec = 1 };
	struct io_uring_cqe *cqe;
	int r = io_uring_submit_and_wait_timeout(u, &cqe, 1, &ts, NULL);

	if (r >= 0)
		r = io_uring_peek_cqe(u, &cqe);
	if (r < 0)
		return r;
	r = cqe->user_data == MARK ? cqe->res : -EBADMSG;
	io_uring_cqe_seen(u, cqe);
	return r;
}

/* The ladder's first rung: set up, map, a NOP through the ring, and what a runtime cannot do without. */
int goro__probe_uring(void)
{
	unsigned need = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
			IORING_FEAT_NATIVE_WORKERS;
	struct io_uring_params params = { 0 };
	struct io_uring_sqe *sqe;
	struct io_uring u;
	long fd = SYS2(SYS_io_uring_setup, 4, &params);
	int r;

	if (fd < 0)
		return (int)fd;
	if ((params.features & need) != need) {
		sys_close((int)fd);
		return -ENOSYS;
	}
	r = io_uring_queue_mmap((int)fd, &params, &u);
	if (r) {
		sys_close((int)fd);
		return r;
	}
	u.features = params.features;
	sqe = io_uring_get_sqe(&u);
	io_uring_prep_nop(sqe);
	sqe->user_data = MARK;
	r = result(&u);
	io_uring_queue_exit(&u);
	return r < 0 ? r : 1;
}

int goro__probe_uring_coop(void)
{
	struct io_uring u;
	int r = open_ring(&u, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);

	if (r)
		return r;
	io_uring_queue_exit(&u);
	return 1;
}

int goro__probe_uring_poll_first(void)
{
	struct io_uring_sqe *sqe;
	struct io_uring u;
	int pair[2], r = open_ring(&u, 0);
	char c = 1;

	if (r)
		return r;
	r = (int)SYS4(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (r == 0) {
		sys_write(pair[0], &c, 1);
		sqe = io_uring_get_sqe(&u);
		io_uring_prep_recv(sqe, pair[1], &c, 1, 0);
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
		sqe->user_data = MARK;
		u.features |= IORING_FEAT_EXT_ARG;
		r = result(&u);
		sys_close(pair[0]);
		sys_close(pair[1]);
	}
	io_uring_queue_exit(&u);
	return r;
}

/* A message to `to`: from the ring `from`, or from nowhere if that is NULL. */
static int send_msg(struct io_uring *from, struct io_uring *to)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_MSG_RING, .fd = to->ring_fd, .off = MARK }, *p;

	if (!from)
		return (int)SYS4(SYS_io_uring_register, -1, URING_REGISTER_SEND_MSG_RING, &sqe, 1);
	p = io_uring_get_sqe(from);
	*p = sqe;
	p->user_data = MARK;
	from->features |= IORING_FEAT_EXT_ARG;
	return result(from);
}

static int probe_msg(bool own)
{
	struct io_uring_cqe *cqe;
	struct io_uring a, b;
	int r = open_ring(&a, 0);

	if (r)
		return r;
	r = open_ring(&b, 0);
	if (r == 0) {
		r = send_msg(own ? &b : NULL, &a);
		if (r >= 0)
			r = io_uring_peek_cqe(&a, &cqe);
		if (r == 0)
			r = cqe->user_data == MARK;
		io_uring_queue_exit(&b);
	}
	io_uring_queue_exit(&a);
	return r;
}

int goro__probe_uring_msg_ring(void)
{
	return probe_msg(true);
}

int goro__probe_uring_send_msg_ring(void)
{
	return probe_msg(false);
}

/* A wait until an absolute time that has passed: -ETIME says that the kernel understood it. */
int goro__probe_uring_abs_timer(void)
{
	struct __kernel_timespec ts = { .tv_nsec = 1 };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };
	struct io_uring u;
	int r = open_ring(&u, 0);

	if (r)
		return r;
	r = (int)SYS6(SYS_io_uring_enter, u.ring_fd, 0, 1,
		      IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | URING_ENTER_ABS_TIMER, &arg, sizeof(arg));
	io_uring_queue_exit(&u);
	return r == -ETIME ? 1 : r;
}
