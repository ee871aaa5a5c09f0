/* SPDX-License-Identifier: MIT */
/*
 * file.c: regular files. Layer 9.
 *
 * What the page cache can answer is done by a system call that may not wait (RWF_NOWAIT). What has to wait for a disk must not
 * happen on a worker's thread: the thread would sleep uninterruptibly, and the completions of everything that it has submitted
 * would be held up with it (60 ms behind an fsync, measured). So it goes through the ring, which gives it to a thread of the kernel's, or, with
 * epoll, is made in a blocking region.
 *
 * open(2) is the exception: without O_CREAT the ring would make it with O_NONBLOCK first, which means something else for a
 * FIFO; so that is made in a blocking region with both backends.
 *
 * Kernel-notes: io-uring-ops.
 */
#include <goro/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include <goro/time.h>

#include "blocking.h"
#include "fd.h"
#include "op.h"
#include "sys.h"

#define MAX_RW 0x7ffff000u /* what Linux moves at most in one call */

static int open_blocking(struct m **mp, const struct op *op)
{
	long r = goro__op_cancelled(*mp);

	if (r < 0)
		return (int)r;
	goro__block_begin(*mp, WAIT_IO_FILE);
	do {
		r = SYS4(SYS_openat, op->fd, op->addr, op->flags, op->len);
	} while (r == -EINTR);
	*mp = goro__block_end();
	return (int)r;
}

int goro_file_open(const char *path, int flags, mode_t mode, int64_t deadline)
{
	struct op op = { .code = OP_OPEN, .fd = AT_FDCWD, .addr = (void *)(uintptr_t)path, .flags = (unsigned)flags | O_CLOEXEC,
			 .len = mode };
	struct m *m;
	int r, err;

	if (!path)
		return -EFAULT;
	m = rt_enter();
	if (flags & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))
		r = goro__op_run(&m, NULL, &op, WAIT_IO_FILE, deadline == GORO_NOW ? GORO_FOREVER : deadline);
	else
		r = open_blocking(&m, &op);
	if (r >= 0) {
		err = goro__fd_adopt(&m, r, FD_UNKNOWN, 0);
		if (err)
			r = err;
	}
	rt_exit(m);
	return r;
}

static int run(int fd, struct op *op, bool try_first, int64_t deadline)
{
	struct m *m = rt_enter();
	struct fdent *e;
	int r = goro__fd_enter(&m, fd, &e);

	if (r == 0) {
		op->fd = fd;
		r = goro__op_transfer(&m, e, op, try_first, WAIT_IO_FILE, deadline);
		goro__fd_leave(m, e);
	}
	rt_exit(m);
	return r;
}

static ssize_t transfer(int fd, enum op_code code, void *buf, size_t n, uint64_t offset, int64_t deadline)
{
	struct op op = { .code = code, .addr = buf, .len = n < MAX_RW ? (uint32_t)n : MAX_RW, .off = offset };

	if (n > SSIZE_MAX || offset > INT64_MAX)
		return -EINVAL;
	if (n > 0 && !buf)
		return -EFAULT;
	return run(fd, &op, true, deadline);
}

ssize_t goro_file_read(int fd, void *buf, size_t n, uint64_t offset, int64_t deadline)
{
	return transfer(fd, OP_PREAD, buf, n, offset, deadline);
}

ssize_t goro_file_write(int fd, const void *buf, size_t n, uint64_t offset, int64_t deadline)
{
	return transfer(fd, OP_PWRITE, (void *)(uintptr_t)buf, n, offset, deadline);
}

int goro_file_sync(int fd, int data_only, int64_t deadline)
{
	struct op op = { .code = OP_FSYNC, .flags = data_only != 0 };

	return run(fd, &op, false, deadline);
}
