/* SPDX-License-Identifier: MIT */
/*
 * ring_setup.c: making a ring, filling in an SQE, and waking who sleeps in a ring: what ring.c needs of io_uring's interface that
 * is no protocol of its own. Layer 7.
 *
 * Three ways to wake a sleeper, the best that works. All post a completion with RING_WAKE_DATA to his ring:
 *   1 REGISTER_SEND_MSG_RING (Linux 6.13): from any thread, without a ring of its own.
 *   2 MSG_RING (5.18) from one small ring that all threads share under a lock. That it needs a lock does not hurt: it is only
 *     called to end a sleep, which costs ten times as much anyway.
 *   3 an eventfd on which the sleeper's ring holds a multishot poll (5.13). Its weakness: the completion is posted by the thread
 *     that armed the poll, which may be another one than the sleeper by now.
 *
 * Kernel-notes: io-uring-setup, io-uring-ops, io-uring-msg-ring.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <goro/time.h>

#include "atomic.h"
#include "clock.h"
#include "context.h"
#include "lock.h"
#include "netpoll.h"
#include "op.h"
#include "probe.h"
#include "ring.h"
#include "ring_abi.h"
#include "sys.h"

bool goro__ring_poll_first, goro__ring_abs_timer;
static bool have_coop; /* the same */

static enum { WAKE_SEND, WAKE_MSG, WAKE_EVENTFD } wake_how = WAKE_EVENTFD; /* constant while there are rings */
static struct io_uring waker; /* under waker_lock: the ring that MSG_RING is sent from */
static struct lock waker_lock = LOCK_INIT(RANK_LEAF);

/* ---------------------------------------------------------------------------------------------------- */
/* Making a ring */

/*
 * io_uring_setup() with the flags that we want, dropped one by one as older kernels refuse them; smaller when memory is short. *params is what
 * came out. Returns the descriptor or negative errno.
 */
static int setup_ladder(unsigned sq, unsigned cq, struct io_uring_params *params)
{
	/* In the order of dropping: TASKRUN_FLAG is refused without COOP_TASKRUN or its like. */
	static const unsigned drop[] = { IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, IORING_SETUP_SUBMIT_ALL };
	unsigned flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL, next = 0;
	long fd;

	if (have_coop)
		flags |= IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
	for (;;) {
		*params = (struct io_uring_params){ .flags = flags, .cq_entries = cq };
		fd = SYS2(SYS_io_uring_setup, sq, params);
		if (fd == -EINVAL && next < sizeof(drop) / sizeof(drop[0]))
			flags &= ~drop[next++];
		else if (fd == -ENOMEM && cq > 2 * sq)
			cq /= 2;
		else
			return (int)fd;
	}
}

/* Maps the queues of a descriptor that setup_ladder() gave. On an error the descriptor is closed. */
static int map_ring(int fd, struct io_uring_params *params, struct io_uring *u)
{
	unsigned need = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
			IORING_FEAT_NATIVE_WORKERS;
	int err;

	/* liburing leaves u->features alone here. */
	err = (params->features & need) == need ? io_uring_queue_mmap(fd, params, u) : -ENOSYS;
	if (err < 0) {
		sys_close(fd);
		return err;
	}
	u->features = params->features;
	/* A child of fork() must not write to our queues. */
	io_uring_ring_dontfork(u);
	/* The indirection is the identity for ever: an SQE's place is its number. */
	for (unsigned i = 0; i < u->sq.ring_entries; i++)
		u->sq.array[i] = i;
	return 0;
}

int goro__ring_open(struct io_uring *u, unsigned sq, unsigned cq)
{
	struct io_uring_params params;
	int fd = setup_ladder(sq, cq, &params);

	return fd < 0 ? fd : map_ring(fd, &params, u);
}

void goro__ring_prep(struct io_uring_sqe *sqe, const struct op *op)
{
	switch ((enum op_code)op->code) {
	case OP_POLL:
		io_uring_prep_poll_add(sqe, op->fd, op->mask);
		break;
	case OP_RECV:
		io_uring_prep_recv(sqe, op->fd, op->addr, op->len, 0);
		break;
	case OP_SEND:
		io_uring_prep_send(sqe, op->fd, op->addr, op->len, MSG_NOSIGNAL);
		break;
	case OP_RECVMSG:
		io_uring_prep_recvmsg(sqe, op->fd, op->addr, 0);
		break;
	case OP_SENDMSG:
		io_uring_prep_sendmsg(sqe, op->fd, op->addr, MSG_NOSIGNAL);
		break;
	case OP_READ:
		io_uring_prep_read(sqe, op->fd, op->addr, op->len, (uint64_t)-1);
		break;
	case OP_WRITE:
		io_uring_prep_write(sqe, op->fd, op->addr, op->len, (uint64_t)-1);
		break;
	case OP_READV:
		io_uring_prep_readv(sqe, op->fd, op->addr, op->len, (uint64_t)-1);
		break;
	case OP_WRITEV:
		io_uring_prep_writev(sqe, op->fd, op->addr, op->len, (uint64_t)-1);
		break;
	case OP_ACCEPT:
		io_uring_prep_accept(sqe, op->fd, op->addr, (socklen_t *)(uintptr_t)op->off, SOCK_CLOEXEC | SOCK_NONBLOCK);
		break;
	case OP_CONNECT:
		io_uring_prep_connect(sqe, op->fd, op->addr, (socklen_t)op->off);
		break;
	case OP_PREAD:
		io_uring_prep_read(sqe, op->fd, op->addr, op->len, op->off);
		break;
	case OP_PWRITE:
		io_uring_prep_write(sqe, op->fd, op->addr, op->len, op->off);
		break;
	case OP_FSYNC:
		io_uring_prep_fsync(sqe, op->fd, op->flags ? IORING_FSYNC_DATASYNC : 0);
		break;
	case OP_OPEN:
		io_uring_prep_openat(sqe, op->fd, op->addr, (int)op->flags, op->len);
		break;
	case OP_NCODES:
		break;
	}
}

/* ---------------------------------------------------------------------------------------------------- */
/* For Valgrind */

static void wrote_iov(const struct iovec *iov, size_t n, size_t len)
{
	for (size_t i = 0; i < n && len > 0; i++) {
		size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;

		goro__san_wrote(iov[i].iov_base, part);
		len -= part;
	}
}

void goro__ring_wrote(const struct op *op, int32_t res)
{
	struct msghdr *msg = op->addr;
	socklen_t *len = (socklen_t *)(uintptr_t)op->off;

	if (res < 0)
		return;
	switch ((enum op_code)op->code) {
	case OP_RECV:
	case OP_READ:
	case OP_PREAD:
		goro__san_wrote(op->addr, (size_t)res);
		break;
	case OP_READV:
		wrote_iov(op->addr, op->len, (size_t)res);
		break;
	case OP_RECVMSG:
		goro__san_wrote(msg, sizeof(*msg));
		wrote_iov(msg->msg_iov, msg->msg_iovlen, (size_t)res);
		goro__san_wrote(msg->msg_name, msg->msg_namelen);
		goro__san_wrote(msg->msg_control, msg->msg_controllen);
		break;
	case OP_ACCEPT:
		if (op->addr) {
			goro__san_wrote(len, sizeof(*len));
			goro__san_wrote(op->addr, *len);
		}
		break;
	default:
		break;
	}
}

/* ---------------------------------------------------------------------------------------------------- */
/* Waking */

int goro__ring_begin(void)
{
	int err;

	have_coop = goro__probe(FEAT_URING_COOP);
	goro__ring_poll_first = goro__probe(FEAT_URING_POLL_FIRST);
	goro__ring_abs_timer = goro__probe(FEAT_URING_ABS_TIMER);
	wake_how = WAKE_EVENTFD;
	if (goro__probe(FEAT_URING_SEND_MSG_RING)) {
		wake_how = WAKE_SEND;
		return 0;
	}
	if (!goro__probe(FEAT_URING_MSG_RING))
		return 0;
	err = goro__ring_open(&waker, 4, 8);
	if (err == 0)
		wake_how = WAKE_MSG;
	return err;
}

void goro__ring_end(void)
{
	if (wake_how == WAKE_MSG)
		io_uring_queue_exit(&waker);
	wake_how = WAKE_EVENTFD;
}

bool goro__ring_needs_wakefd(void)
{
	return wake_how == WAKE_EVENTFD;
}

const char *goro__ring_wake_name(void)
{
	static const char *const names[] = { [WAKE_SEND] = "send-msg-ring", [WAKE_MSG] = "msg-ring", [WAKE_EVENTFD] = "eventfd" };

	return names[wake_how];
}

static void prep_msg(struct io_uring_sqe *sqe, int fd)
{
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_MSG_RING, .fd = fd, .off = RING_WAKE_DATA };
}

/* From the ring that all share. Its own completions tell nothing; they are thrown away here. */
static void wake_by_msg(int fd)
{
	struct io_uring_sqe *sqe;

	goro__lock(&waker_lock);
	sqe = io_uring_get_sqe(&waker);
	if (sqe)
		prep_msg(sqe, fd);
	/* Until the kernel has taken it: without memory it does not at the first try. */
	do {
		store_rel(waker.sq.ktail, waker.sq.sqe_tail); /* [RING-1] */
		SYS6(SYS_io_uring_enter, waker.ring_fd, waker.sq.sqe_tail - *waker.sq.khead, 0, IORING_ENTER_GETEVENTS, NULL, 0);
		store_rel(waker.cq.khead, load_acq(waker.cq.ktail)); /* [RING-2] [RING-3] */
	} while (load_acq(waker.sq.khead) != waker.sq.sqe_tail); /* [RING-4] */
	goro__unlock(&waker_lock);
}

void goro__ring_wake(int ring_fd, int wakefd)
{
	struct io_uring_sqe sqe;
	uint64_t one = 1;

	switch (wake_how) {
	case WAKE_SEND:
		prep_msg(&sqe, ring_fd);
		SYS4(SYS_io_uring_register, -1, URING_REGISTER_SEND_MSG_RING, &sqe, 1);
		break;
	case WAKE_MSG:
		wake_by_msg(ring_fd);
		break;
	case WAKE_EVENTFD:
		sys_write(wakefd, &one, sizeof(one));
		break;
	}
}

void goro__ring_wait(int ring_fd, int64_t deadline)
{
	struct pollfd pfd = { .fd = ring_fd, .events = POLLIN };
	struct __kernel_timespec ts;
	int64_t left = deadline < 0 ? 0 : deadline - goro__now();

	if (left < 0)
		left = 0;
	ts.tv_sec = left / GORO_SECOND;
	ts.tv_nsec = left % GORO_SECOND;
	SYS5(SYS_ppoll, &pfd, 1, deadline < 0 ? NULL : &ts, NULL, 0);
}
