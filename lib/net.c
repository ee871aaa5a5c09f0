/* SPDX-License-Identifier: MIT */
/*
 * net.c: reading, writing and closing descriptors. Layer 9. Making them is in sock.c.
 *
 * A read tries the system call first unless the last read took all that there was: after a reply the next request is almost never
 * there yet, and a recv() that fails costs 370 ns. Then it parks in a request that waits for data before it tries
 * (POLL_FIRST) and fills the caller's buffer.
 *
 * A write goes to the kernel directly if nothing else is going on on this P. If others are about to run, their writes will go with the same
 * io_uring_enter(), and a share of that is cheaper than a system call of one's own; so then it is queued and parks.
 *
 * What a descriptor is (socket, something else one waits for, file) is asked once and kept as a hint; ENOTSOCK corrects a stale one.
 *
 * A socket that is not of our making is used with MSG_DONTWAIT, its flags stay as they are. Pipes, terminals and the like get O_NONBLOCK only where
 * the kernel knows no other way (op.c, rw_nowait()).
 */
#include <goro/net.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "atomic.h"
#include "fd.h"
#include "op.h"
#include "sys.h"

#define MAX_RW 0x7ffff000u /* what Linux moves at most in one call */
#define IOV_WINDOW 16
#define QUEUED_SEND_MAX 16384 /* a larger write fills the socket's buffer: it is better begun at once */

/* ---------------------------------------------------------------------------------------------------- */
/* What all transfers share */

/* The kind of the file behind fd: enum fd_kind, or negative errno. */
static int kind_of(struct fdent *e, int fd)
{
	int k = load_rlx(&e->kind);

	if (likely(k != FD_UNKNOWN))
		return k;
	k = goro__fd_classify(fd);
	if (k > 0)
		store_rlx(&e->kind, (uint8_t)k);
	return k;
}

/* Nothing is to be moved: is fd open at all? */
static int is_open(int fd)
{
	long r = SYS2(SYS_fcntl, fd, F_GETFD);

	return r < 0 ? (int)r : 0;
}

/* The bytes of iov, or negative errno. */
static ssize_t iov_bytes(const struct iovec *iov, int n)
{
	size_t sum = 0;

	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	if (n > 0 && !iov)
		return -EFAULT;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > SSIZE_MAX - sum)
			return -EINVAL;
		if (iov[i].iov_len > 0 && !iov[i].iov_base)
			return -EFAULT;
		sum += iov[i].iov_len;
	}
	return (ssize_t)sum;
}

static int check_buffer(const void *buf, size_t n)
{
	if (n > SSIZE_MAX)
		return -EINVAL;
	return n > 0 && !buf ? -EFAULT : 0;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Reading */

/* One read of op, which asks for n bytes; kind is right, or -ENOTSOCK tells that it is not. */
static int read_once(struct m **mp, struct fdent *e, struct op *op, size_t n, int64_t deadline)
{
	bool dry = load_rlx(&e->hint) & FD_DRY;
	int r;

	op->more = OP_SOCK_NONEMPTY; /* stays if no completion says otherwise */
	op->poll_first = dry;
	r = goro__op_transfer(mp, e, op, !dry, WAIT_IO_READ, deadline);
	if (r > 0)
		goro__fd_hint(e, FD_DRY, (size_t)r < n || !(op->more & OP_SOCK_NONEMPTY));
	return r;
}

static int read_buf(struct m **mp, struct fdent *e, int fd, void *buf, size_t n, int64_t deadline)
{
	struct op op = { .fd = fd, .addr = buf, .len = n < MAX_RW ? (uint32_t)n : MAX_RW, .mask = POLLIN };
	int kind = kind_of(e, fd);

	if (kind < 0)
		return kind;
	op.code = kind == FD_SOCKET ? OP_RECV : OP_READ;
	if (kind == FD_FILE)
		op.mask = 0;
	return read_once(mp, e, &op, op.len, deadline);
}

static int read_iov(struct m **mp, struct fdent *e, int fd, const struct iovec *iov, int cnt, size_t n, int64_t deadline)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)cnt };
	struct op op = { .fd = fd, .mask = POLLIN };
	int kind = kind_of(e, fd);

	if (kind < 0)
		return kind;
	op.code = kind == FD_SOCKET ? OP_RECVMSG : OP_READV;
	op.addr = kind == FD_SOCKET ? (void *)&msg : (void *)msg.msg_iov;
	op.len = (uint32_t)cnt;
	if (kind == FD_FILE)
		op.mask = 0;
	return read_once(mp, e, &op, n, deadline);
}

/* buf, or iov if that is not NULL. */
static ssize_t do_read(int fd, void *buf, size_t n, const struct iovec *iov, int cnt, int64_t deadline)
{
	struct m *m = rt_enter();
	struct fdent *e;
	int r = goro__fd_enter(&m, fd, &e);

	if (r == 0) {
		do {
			if (n == 0)
				r = is_open(fd);
			else
				r = iov ? read_iov(&m, e, fd, iov, cnt, n, deadline) : read_buf(&m, e, fd, buf, n, deadline);
			if (r == -ENOTSOCK)
				store_rlx(&e->kind, FD_UNKNOWN);
		} while (r == -ENOTSOCK);
		goro__fd_leave(m, e);
	}
	rt_exit(m);
	return r;
}

ssize_t goro_read(int fd, void *buf, size_t n, int64_t deadline)
{
	int r = check_buffer(buf, n);

	return r ? r : do_read(fd, buf, n, NULL, 0, deadline);
}

ssize_t goro_readv(int fd, const struct iovec *iov, int iovcnt, int64_t deadline)
{
	ssize_t n = iov_bytes(iov, iovcnt);

	return n < 0 ? n : do_read(fd, NULL, (size_t)n, iov, iovcnt, deadline);
}

ssize_t goro_read_full(int fd, void *buf, size_t n, int64_t deadline)
{
	size_t done = 0;
	ssize_t r = check_buffer(buf, n);

	if (r)
		return r;
	do {
		r = do_read(fd, (char *)buf + done, n - done, NULL, 0, deadline);
		if (r < 0)
			return r;
		done += (size_t)r;
	} while (r > 0 && done < n);
	return (ssize_t)done;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Writing */

/* A position in what is to be written: a buffer, or the rest of a vector. */
struct source {
	const char *buf; /* NULL: iov */
	const struct iovec *iov;
	int cnt;
	size_t at; /* bytes of iov[0], or of buf, that are gone */
};

static void advance(struct source *s, size_t n)
{
	s->at += n;
	while (!s->buf && s->cnt > 0 && s->at >= s->iov->iov_len) {
		s->at -= s->iov->iov_len;
		s->iov++;
		s->cnt--;
	}
}

/* The next window of a vector; how many of win are filled, and the bytes in them. */
static int window(const struct source *s, struct iovec *win, size_t *ret_bytes)
{
	int n = 0;

	*ret_bytes = 0;
	for (; n < IOV_WINDOW && n < s->cnt; n++) {
		size_t skip = n == 0 ? s->at : 0;

		win[n].iov_base = (char *)s->iov[n].iov_base + skip;
		win[n].iov_len = s->iov[n].iov_len - skip;
		*ret_bytes += win[n].iov_len;
	}
	return n;
}

/* Writes some of the `left` bytes that are left: how many, or negative errno. full: the last write found no more room. */
static int write_once(struct m **mp, struct fdent *e, int fd, const struct source *s, size_t left, bool full, int64_t deadline)
{
	struct iovec win[IOV_WINDOW];
	struct msghdr msg = { .msg_iov = win };
	struct op op = { .fd = fd, .mask = POLLOUT };
	int kind = kind_of(e, fd);
	bool queue;

	if (kind < 0)
		return kind;
	if (s->buf) {
		op.code = kind == FD_SOCKET ? OP_SEND : OP_WRITE;
		op.addr = (char *)(uintptr_t)s->buf + s->at;
		op.len = left < MAX_RW ? (uint32_t)left : MAX_RW;
	} else {
		op.code = kind == FD_SOCKET ? OP_SENDMSG : OP_WRITEV;
		msg.msg_iovlen = (size_t)window(s, win, &left);
		op.addr = kind == FD_SOCKET ? (void *)&msg : (void *)win;
		op.len = (uint32_t)msg.msg_iovlen;
	}
	if (kind == FD_FILE)
		op.mask = 0;
	queue = kind == FD_SOCKET && left <= QUEUED_SEND_MAX && goro__op_batches(*mp);
	return goro__op_transfer(mp, e, &op, !full && !queue, WAIT_IO_WRITE, deadline);
}

static int write_all(struct m **mp, struct fdent *e, int fd, struct source *s, size_t n, int64_t deadline, size_t *done)
{
	bool full = false;
	int r;

	if (n == 0)
		return is_open(fd);
	while (*done < n) {
		r = write_once(mp, e, fd, s, n - *done, full, deadline);
		if (r == -ENOTSOCK) {
			store_rlx(&e->kind, FD_UNKNOWN);
			continue;
		}
		if (r <= 0)
			return r < 0 ? r : -EIO;
		*done += (size_t)r;
		advance(s, (size_t)r);
		full = true;
	}
	return 0;
}

static ssize_t do_write(int fd, struct source s, size_t n, int64_t deadline, size_t *ret_written)
{
	struct m *m = rt_enter();
	size_t done = 0;
	struct fdent *e;
	int r = goro__fd_enter(&m, fd, &e);

	if (r == 0) {
		advance(&s, 0); /* over leading empty elements */
		r = write_all(&m, e, fd, &s, n, deadline, &done);
		goro__fd_leave(m, e);
	}
	rt_exit(m);
	if (ret_written)
		*ret_written = done;
	return r < 0 ? r : (ssize_t)done;
}

ssize_t goro_write_n(int fd, const void *buf, size_t n, int64_t deadline, size_t *ret_written)
{
	struct source s = { .buf = buf };
	int r = check_buffer(buf, n);

	if (r) {
		if (ret_written)
			*ret_written = 0;
		return r;
	}
	return do_write(fd, s, n, deadline, ret_written);
}

ssize_t goro_write(int fd, const void *buf, size_t n, int64_t deadline)
{
	return goro_write_n(fd, buf, n, deadline, NULL);
}

ssize_t goro_writev(int fd, const struct iovec *iov, int iovcnt, int64_t deadline)
{
	struct source s = { .iov = iov, .cnt = iovcnt };
	ssize_t n = iov_bytes(iov, iovcnt);

	return n < 0 ? n : do_write(fd, s, (size_t)n, deadline, NULL);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Ending */

int goro_shutdown(int fd, int how)
{
	struct m *m = rt_enter();
	struct fdent *e;
	int r = goro__fd_enter(&m, fd, &e);

	if (r == 0) {
		r = (int)SYS2(SYS_shutdown, fd, how);
		goro__fd_leave(m, e);
	}
	rt_exit(m);
	return r;
}

int goro_close(int fd)
{
	struct m *m = rt_enter();
	int r = goro__fd_close(&m, fd);

	rt_exit(m);
	return r;
}
