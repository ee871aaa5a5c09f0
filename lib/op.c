/* SPDX-License-Identifier: MIT */
/*
 * op.c: an operation on a descriptor, from its begin to its end. Layer 7.
 *
 * An operation lies on the stack of its goroutine, and so does, as a rule, the buffer that the kernel writes to. From this follows the one rule
 * that everything here serves:
 *
 *   O1 goro__op_run() returns only after the operation's own end: the completion of the ring, or, with epoll, the system call
 *	that we made ourselves. A deadline or goro_close() ask for an early end and then wait for that same end.
 *   O2 if the operation won against its cancel, its success is returned, even after the deadline: the bytes have been taken
 *	from the socket and would be lost otherwise.
 *   O3 who cancels vouches that the operation is alive: the goroutine itself, or somebody who holds the lock of the entry that lists it.
 *
 * States: OP_IDLE -> OP_PENDING, by start() under the entry's lock; OP_PENDING -> OP_DONE, once, by the completion on g0 of the P it was begun on
 * (ring), or under the entry's lock by whoever finds it ready or ends it (epoll). The goroutine parks by token and looks at
 * the state whenever it wakes, so early and stray notifications do no harm:
 *
 *	completion				goroutine
 *	1 res, more				1 [OP-2] state == OP_DONE? return
 *	2 [OP-1] state = OP_DONE		2 park by token (a notification that came since 1 ends it at once)
 *	3 notify op->g, read before step 2	3 again from 1
 *
 * The goroutine's current context is one more who may ask for an early end; scope.c.
 *
 * The goroutine may be resumed on another P; then a cancel goes to the P that has the operation (netpoll.cancel()).
 *
 * Three kinds of callers, one table of operations:
 *   - a goroutine with a ring: the kernel carries the operation out.
 *   - a goroutine with epoll: wait until the descriptor is ready, make the system call, again on EAGAIN. Files, which are always
 *	"ready", are done in a blocking region.
 *   - a plain thread: the same with poll(2) instead of epoll, and an eventfd in the poll set by which goro_close() ends the wait.
 *
 * -ECANCELED that nobody asked for (ring.c, R2) and -EINTR: begun again if that cannot do anything twice. A request on a socket or pipe that was
 * cancelled while it waited has moved nothing; a file's write may have, so it is not repeated.
 *
 * Kernel-notes: io-uring-ops, io-uring-cancel, epoll.
 */
#include "op.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <goro/time.h>

#include "atomic.h"
#include "blocking.h"
#include "cancel.h"
#include "clock.h"
#include "netpoll.h"
#include "p.h"
#include "sys.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

#define BATCH_GRAIN_US 50 /* mean length of a dispatch up to which operations are gathered */
#define POS_CURRENT UINT64_MAX

/* ---------------------------------------------------------------------------------------------------- */
/* System calls */

void goro__op_nonblock(struct fdent *e, int fd)
{
	long fl;

	if (load_rlx(&e->hint) & FD_NONBLOCK)
		return;
	fl = SYS2(SYS_fcntl, fd, F_GETFL);
	if (fl < 0)
		return;
	if (!(fl & O_NONBLOCK))
		SYS3(SYS_fcntl, fd, F_SETFL, fl | O_NONBLOCK);
	__atomic_fetch_or(&e->hint, FD_NONBLOCK, __ATOMIC_RELAXED);
}

/*
 * A vectored read or write that does not wait, at pos (-1: the file's own position). RWF_NOWAIT leaves the descriptor as the program set it
 * up; where the file does not know it (terminals, pipes of old kernels), O_NONBLOCK is set, for good. A regular file has no such thing:
 * -EOPNOTSUPP.
 */
static long rw_nowait(struct fdent *e, const struct op *op, bool out, const struct iovec *iov, unsigned n, uint64_t pos)
{
	long r = SYS6(out ? SYS_pwritev2 : SYS_preadv2, op->fd, iov, n, pos, (long)(pos >> 63 ? -1 : 0), RWF_NOWAIT);

	if (r == -ENOSYS)
		r = -EOPNOTSUPP;
	if (r != -EOPNOTSUPP || op->mask == 0)
		return r;
	goro__op_nonblock(e, op->fd);
	return SYS3(out ? SYS_writev : SYS_readv, op->fd, iov, n);
}

/*
 * connect() that goes on in the background, and then once more: it tells how the first one ended, and takes the socket out of
 * its connecting state, without which a later connect() would say 0 instead of EISCONN. op->more: it is going on.
 */
static long try_connect(struct fdent *e, struct op *op)
{
	long r;

	goro__op_nonblock(e, op->fd);
	r = SYS3(SYS_connect, op->fd, op->addr, op->off);
	if (r == -EINPROGRESS || r == -EINTR || (r == -EALREADY && op->more)) {
		op->more = 1;
		return -EAGAIN;
	}
	return r == -EISCONN && op->more ? 0 : r;
}

/* The system call of an operation that is never waited for, as long as it takes. */
static int block_on(const struct op *op)
{
	switch ((enum op_code)op->code) {
	case OP_READ:
		return (int)SYS3(SYS_read, op->fd, op->addr, op->len);
	case OP_WRITE:
		return (int)SYS3(SYS_write, op->fd, op->addr, op->len);
	case OP_READV:
		return (int)SYS3(SYS_readv, op->fd, op->addr, op->len);
	case OP_WRITEV:
		return (int)SYS3(SYS_writev, op->fd, op->addr, op->len);
	case OP_PREAD:
		return (int)SYS4(SYS_pread64, op->fd, op->addr, op->len, op->off);
	case OP_PWRITE:
		return (int)SYS4(SYS_pwrite64, op->fd, op->addr, op->len, op->off);
	case OP_FSYNC:
		return (int)(op->flags ? SYS1(SYS_fdatasync, op->fd) : SYS1(SYS_fsync, op->fd));
	case OP_OPEN:
		return (int)SYS4(SYS_openat, op->fd, op->addr, op->flags, op->len);
	default:
		return -EINVAL;
	}
}

int goro__op_try(struct fdent *e, struct op *op)
{
	struct iovec one = { op->addr, op->len };

	switch ((enum op_code)op->code) {
	case OP_POLL:
		return 0;
	case OP_RECV:
		return (int)SYS6(SYS_recvfrom, op->fd, op->addr, op->len, MSG_DONTWAIT, NULL, NULL);
	case OP_SEND:
		return (int)SYS6(SYS_sendto, op->fd, op->addr, op->len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	case OP_RECVMSG:
		return (int)SYS3(SYS_recvmsg, op->fd, op->addr, MSG_DONTWAIT);
	case OP_SENDMSG:
		return (int)SYS3(SYS_sendmsg, op->fd, op->addr, MSG_DONTWAIT | MSG_NOSIGNAL);
	case OP_READ:
	case OP_WRITE:
		return (int)rw_nowait(e, op, op->code == OP_WRITE, &one, 1, POS_CURRENT);
	case OP_READV:
	case OP_WRITEV:
		return (int)rw_nowait(e, op, op->code == OP_WRITEV, op->addr, op->len, POS_CURRENT);
	case OP_PREAD:
	case OP_PWRITE:
		return (int)rw_nowait(e, op, op->code == OP_PWRITE, &one, 1, op->off);
	case OP_ACCEPT:
		goro__op_nonblock(e, op->fd);
		return (int)SYS4(SYS_accept4, op->fd, op->addr, op->off, SOCK_CLOEXEC | SOCK_NONBLOCK);
	case OP_CONNECT:
		return (int)try_connect(e, op);
	default:
		return -EOPNOTSUPP;
	}
}

/* ---------------------------------------------------------------------------------------------------- */
/* Waiting for the end */

void goro__op_done(struct m *m, struct op *op, int32_t res, uint32_t more)
{
	struct g *g = op->g;

	op->res = res;
	op->more = more;
	/* [OP-1] release: pairs with [OP-2]. Without it the goroutine may read a stale result, or a stale buffer. */
	store_rel(&op->state, OP_DONE);
	goro__notify(m, g);
}

void goro__op_cancel(struct m *m, struct fdent *e, struct op *op, uint32_t bit)
{
	uint32_t before = op->cancelled;
	uint64_t one = 1;

	op->cancelled = before | bit;
	if (op->wakefd >= 0)
		sys_write(op->wakefd, &one, sizeof(one));
	else if (before == 0 && op->p && load_rlx(&op->state) == OP_PENDING)
		goro__netpoll->cancel(m, e, op);
}

/* The deadline has passed, or the context is cancelled: our own operation, so it is alive whatever its state. */
static void end_early(struct m *m, struct fdent *e, struct op *op, uint32_t bit)
{
	if (e)
		goro__lock(&e->lock);
	goro__op_cancel(m, e, op, bit);
	if (e)
		goro__unlock(&e->lock);
}

/* Steps 1 to 3 of the goroutine. */
static struct m *await(struct m *m, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline)
{
	struct cancel_watch *watch = op->watch;

	while (!op_is_done(op)) {
		if (unlikely(watch) && cancel_fired(watch)) {
			end_early(m, e, op, OP_BY_CONTEXT);
			watch = NULL;
			continue;
		}
		if (deadline < 0) {
			m = goro__park_token(m, why);
			continue;
		}
		m = goro__park_token_until(m, why, deadline);
		if (!op_is_done(op) && goro__now() >= deadline) {
			end_early(m, e, op, OP_BY_DEADLINE);
			deadline = GORO_FOREVER;
		}
	}
	return m;
}

/*
 * Lets others run while the backend has no room, or sleeps until the deadline if it is not 0. Listed meanwhile, so that fds_reset() knows
 * of a call that never comes back.
 */
static struct m *step_aside(struct m *m, struct fdent *e, struct op *op, int64_t deadline)
{
	op->g = goro__self(m);
	op->p = NULL;
	if (e) {
		goro__lock(&e->lock);
		goro__fd_link(e, op);
		goro__unlock(&e->lock);
	}
	m = deadline ? goro__park_token_until(m, WAIT_IO_CONNECT, deadline) : goro__yield(m);
	if (e) {
		goro__lock(&e->lock);
		goro__fd_unlink(op);
		goro__unlock(&e->lock);
	}
	return m;
}

/* Begins op on m's P; e, if not NULL, is locked and lists it. 0, or negative errno and it is not begun. */
static int start(struct m *m, struct fdent *e, struct op *op)
{
	int r;

	if (e && (load_rlx(&e->word) & FD_CLOSING)) {
		op->cancelled = OP_BY_CLOSE;
		return -ECANCELED;
	}
	op->g = goro__self(m);
	op->p = m->p;
	store_rlx(&op->state, OP_PENDING);
	r = goro__netpoll->start(m, e, op);
	if (r) {
		store_rlx(&op->state, OP_IDLE);
		op->p = NULL;
	}
	return r;
}

/* The same, and lists it. */
static int list_and_start(struct m *m, struct fdent *e, struct op *op)
{
	int r;

	if (!e)
		return start(m, NULL, op);
	goro__lock(&e->lock);
	goro__fd_link(e, op);
	r = start(m, e, op);
	if (r)
		goro__fd_unlink(op);
	goro__unlock(&e->lock);
	return r;
}

/* With room for it: -EAGAIN, there is none. */
static int begin(struct m *m, struct fdent *e, struct op *op, bool listed)
{
	struct bias *section = &m->p->io_bias;
	int r;

	bias_enter(section);
	r = goro__netpoll->reserve(m, m->p);
	if (r == 0 && listed) {
		goro__lock(&e->lock);
		r = start(m, e, op);
		goro__unlock(&e->lock);
	} else if (r == 0) {
		r = list_and_start(m, e, op);
	}
	bias_leave(section);
	return r;
}

int goro__op_begin(struct m **mp, struct fdent *e, struct op *op)
{
	int r;

	while ((r = begin(*mp, e, op, true)) == -EAGAIN)
		*mp = goro__yield(*mp);
	return r;
}

/* Begins op, waits for its end: its result. */
static int run_once(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline)
{
	struct m *m = *mp;
	int r;

	while ((r = begin(m, e, op, false)) == -EAGAIN)
		m = step_aside(m, e, op, 0);
	if (r == 0) {
		m = await(m, e, op, why, deadline);
		if (e) {
			goro__lock(&e->lock);
			goro__fd_unlink(op);
			goro__unlock(&e->lock);
		}
		r = op->res;
	}
	*mp = m;
	return r;
}

/* What the caller is told when op ended early: 0 if nobody had asked for that. */
static int early(const struct op *op)
{
	if (op->cancelled & OP_BY_CLOSE)
		return -ECANCELED;
	if (op->cancelled & OP_BY_CONTEXT)
		return goro__cancel_err(op->watch->ctx);
	return op->cancelled & OP_BY_DEADLINE ? -ETIMEDOUT : 0;
}

/* Waits until the descriptor of `of` is ready for it: 0, or negative errno. */
static int run_poll(struct m **mp, struct fdent *e, const struct op *of, enum wait_reason why, int64_t deadline)
{
	for (;;) {
		struct op op = { .code = OP_POLL, .fd = of->fd, .mask = of->mask, .wakefd = -1, .watch = of->watch };
		int r = run_once(mp, e, &op, why, deadline);

		if (r >= 0)
			return 0;
		if (r != -ECANCELED && r != -EINTR)
			return r;
		r = early(&op);
		if (r)
			return r;
	}
}

/* ---------------------------------------------------------------------------------------------------- */
/* The three kinds of callers */

static int run_ring(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline)
{
	for (;;) {
		int r = run_once(mp, e, op, why, deadline), w;

		if (r == -EAGAIN && op->mask != 0) {
			/* O_NONBLOCK is set, and this kernel takes that for the wish not to wait. */
			r = run_poll(mp, e, op, why, deadline);
			if (r < 0)
				return r;
			continue;
		}
		if (r != -ECANCELED && r != -EINTR)
			return r;
		w = early(op);
		if (w)
			return w;
		if (op->mask == 0)
			return r;
	}
}

static int run_ready(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline)
{
	for (;;) {
		int r = run_poll(mp, e, op, why, deadline);

		if (r < 0)
			return r;
		r = goro__op_try(e, op);
		if (r != -EAGAIN && r != -EINTR)
			return r;
	}
}

/* A call that blocks, without the P. Listed, but nobody can end it early. */
static int run_blocking(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why)
{
	int r;

	if (e) {
		goro__lock(&e->lock);
		goro__fd_link(e, op);
		goro__unlock(&e->lock);
	}
	goro__block_begin(*mp, why);
	do {
		r = block_on(op);
	} while (r == -EINTR);
	*mp = goro__block_end();
	if (e) {
		goro__lock(&e->lock);
		goro__fd_unlink(op);
		goro__unlock(&e->lock);
	}
	return r;
}

/* One wait of a plain thread: 0 when fd may be ready, or negative errno. */
static int foreign_wait(struct fdent *e, struct op *op, int64_t deadline)
{
	struct pollfd pfd[2] = { { .fd = op->fd, .events = (short)op->mask }, { .fd = op->wakefd, .events = POLLIN } };
	struct timespec ts = { 0, 0 };
	bool closing;
	int64_t left;
	long r;

	goro__lock(&e->lock);
	closing = load_rlx(&e->word) & FD_CLOSING;
	if (!closing)
		goro__fd_link(e, op);
	goro__unlock(&e->lock);
	/* Not op->cancelled: it may be set by now, and op is listed. */
	if (closing)
		return -ECANCELED;
	if (deadline >= 0) {
		left = deadline - goro__now();
		left = left > 0 ? left : 0;
		ts.tv_sec = left / GORO_SECOND;
		ts.tv_nsec = left % GORO_SECOND;
	}
	r = SYS5(SYS_ppoll, pfd, 2, deadline >= 0 ? &ts : NULL, NULL, 0);
	goro__lock(&e->lock);
	goro__fd_unlink(op);
	goro__unlock(&e->lock);
	if (op->cancelled)
		return -ECANCELED;
	/* [SELECT-1]: whoever fired it had closed the context before. */
	if (unlikely(op->watch) && load_acq(&op->watch->sel.fired))
		return goro__cancel_err(op->watch->ctx);
	if (r == 0)
		return -ETIMEDOUT;
	return r < 0 && r != -EINTR ? (int)r : 0;
}

/* A plain thread that waits for a descriptor. */
static int run_foreign(struct m *m, struct fdent *e, struct op *op, int64_t deadline)
{
	struct goro_context *ctx = goro__self(m)->run.context;
	struct cancel_watch w;
	int r = 0;

	op->g = goro__self(m);
	op->wakefd = (int)SYS2(SYS_eventfd2, 0, EFD_CLOEXEC);
	if (op->wakefd < 0)
		return op->wakefd;
	if (unlikely(ctx)) {
		r = goro__cancel_watch(m, ctx, &w, op->wakefd);
		op->watch = r == 0 ? &w : NULL;
	}
	while (r == 0) {
		r = foreign_wait(e, op, deadline);
		if (r != 0)
			break;
		r = goro__op_try(e, op);
		if (r != -EAGAIN && r != -EINTR)
			break;
		r = 0;
	}
	if (unlikely(op->watch))
		goro__cancel_unwatch(m, &w);
	op->watch = NULL;
	sys_close(op->wakefd);
	return r;
}

/* Blocks for a file: as long as it takes. */
static int block_foreign(const struct op *op)
{
	int r;

	do {
		r = block_on(op);
	} while (r == -EINTR);
	return r;
}

/* A goroutine. */
static int run(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline)
{
	if (goro__netpoll->completes)
		return run_ring(mp, e, op, why, deadline);
	if (op->mask == 0)
		return run_blocking(mp, e, op, why);
	return run_ready(mp, e, op, why, deadline);
}

/* A goroutine that is in a context's scope. */
static NOINLINE int run_in_scope(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline)
{
	struct cancel_watch w;
	int r = goro__cancel_watch(*mp, goro__self(*mp)->run.context, &w, -1);

	if (r < 0)
		return r;
	op->watch = &w;
	r = run(mp, e, op, why, deadline);
	op->watch = NULL;
	*mp = goro__cancel_unwatch(*mp, &w);
	return r;
}

int goro__op_cancelled(struct m *m)
{
	struct goro_context *ctx = goro__self(m)->run.context;

	return unlikely(ctx) ? goro__cancel_err(ctx) : 0;
}

int goro__op_run(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline)
{
	int r = goro__op_cancelled(*mp);

	op->wakefd = -1;
	if (unlikely(r))
		return r;
	if (!(*mp)->p)
		return op->mask ? run_foreign(*mp, e, op, deadline) : block_foreign(op);
	if (unlikely(goro__self(*mp)->run.context))
		return run_in_scope(mp, e, op, why, deadline);
	return run(mp, e, op, why, deadline);
}

int goro__op_transfer(struct m **mp, struct fdent *e, struct op *op, bool try_first, enum wait_reason why, int64_t deadline)
{
	int r = goro__op_cancelled(*mp);

	if (unlikely(r))
		return r;
	if (try_first || deadline == GORO_NOW) {
		do {
			r = goro__op_try(e, op);
		} while (r == -EINTR);
		if (r != -EAGAIN && !(r == -EOPNOTSUPP && op->mask == 0))
			return r;
		if (r == -EAGAIN && deadline == GORO_NOW)
			return r;
		if (deadline == GORO_NOW)
			deadline = GORO_FOREVER; /* a file that cannot be asked without waiting */
	}
	return goro__op_run(mp, e, op, why, deadline);
}

int goro__op_pause(struct m **mp, struct fdent *e, int64_t deadline)
{
	struct op op = { .wakefd = -1 };

	*mp = step_aside(*mp, e, &op, deadline);
	return load_rlx(&e->word) & FD_CLOSING ? -ECANCELED : 0;
}

/*
 * Only where dispatches are short: behind a goroutine that computes a queued operation would wait for a whole slice, on behalf of a peer that
 * could have its bytes at once.
 */
bool goro__op_batches(struct m *m)
{
	struct p *p = m->p;

	return p && goro__netpoll->completes && load_rlx(&p->grain) < BATCH_GRAIN_US * goro__ticks_per_us &&
	       (runq_len(&p->q.woken) > 0 || goro__netpoll->queued(p));
}
