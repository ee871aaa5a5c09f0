/* SPDX-License-Identifier: MIT */
/*
 * op.h: an operation on a descriptor: begin it, park, cancel it. Layer 7. See op.c for the protocol.
 */
#ifndef LIB_OP_H
#define LIB_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "attr.h"
#include "fd.h"
#include "park.h"

struct cancel_watch;

enum op_code {
	OP_POLL,     /* mask; the result is 0 */
	OP_RECV,     /* addr, len: recv(2) */
	OP_SEND,     /* addr, len: send(2) with MSG_NOSIGNAL */
	OP_RECVMSG,  /* addr: struct msghdr */
	OP_SENDMSG,
	OP_READ,     /* addr, len: read(2) at the file's own position */
	OP_WRITE,
	OP_READV,    /* addr: struct iovec, len of them */
	OP_WRITEV,
	OP_ACCEPT,   /* addr: struct sockaddr or NULL, off: socklen_t * */
	OP_CONNECT,  /* addr: struct sockaddr, off: its length */
	OP_PREAD,    /* addr, len, off */
	OP_PWRITE,
	OP_FSYNC,    /* flags: not 0 for fdatasync() */
	OP_OPEN,     /* addr: path, flags, len: mode; fd is AT_FDCWD */
	OP_NCODES
};

enum op_state {
	OP_IDLE,
	OP_PENDING, /* begun; the kernel may write to the buffer */
	OP_DONE,    /* res is valid, nobody but its goroutine touches the operation any more */
};

/* Bits of op->cancelled: who asked for an early end. */
enum { OP_BY_DEADLINE = 1, OP_BY_CLOSE = 2, OP_BY_CONTEXT = 4, OP_BY_SELECT = 8 };

/*
 * On the stack of the goroutine, which returns only when the operation is done. All that a completion touches is in one
 * cache line.
 */
struct op {
	/* Its life. */
	uint32_t state CACHE_ALIGNED; /* enum op_state; atomic: the completion writes it, see [OP-1]; with epoll under the entry's lock */
	int32_t res;	   /* result or negative errno; by the completion, before the state */
	uint32_t more;	   /* what else the completion said: OP_SOCK_NONEMPTY */
	uint32_t cancelled; /* bits; under the entry's lock, or its goroutine's alone without an entry */
	struct g *g;	   /* its goroutine; constant while it is begun */
	struct p *p;	   /* P on which it was begun, NULL: a call that blocks; constant while it is begun */
	struct op *next, **link; /* the entry's list; under its lock */
	uint32_t slot, gen; /* the backend's; constant while it is begun */
	int wakefd;	   /* of a foreign thread: the eventfd in its poll set; -1 of a goroutine */

	/* What is wanted; set by the caller with the rest zero, constant then. */
	uint8_t code;	   /* enum op_code */
	bool poll_first;   /* do not try before the descriptor says that it is ready */
	uint16_t mask;	   /* POLLIN or POLLOUT: what it waits for. 0: a file, which is never waited for */
	int fd;
	uint32_t len;
	void *addr;
	uint64_t off;
	uint32_t flags;
	struct cancel_watch *watch; /* the library's: on the context that may end it early, or NULL; its goroutine's alone */
};

enum { OP_SOCK_NONEMPTY = 1 };

/*
 * Carries op out on e's descriptor (NULL: it needs none), parking as long as it takes: the result, or -ETIMEDOUT, -ECANCELED
 * when the descriptor is being closed, or the error of the system call. The caller is inside e (goro__fd_enter()). If the goroutine's current
 * context is cancelled before or meanwhile, the error that this gives (scope.c).
 * *mp is the current m before and after.
 */
GORO_PARKS int goro__op_run(struct m **mp, struct fdent *e, struct op *op, enum wait_reason why, int64_t deadline);

/* The same, but with try_first the system call is tried before; with GORO_NOW it is all that is done, and -EAGAIN if it would wait. */
GORO_PARKS int goro__op_transfer(struct m **mp, struct fdent *e, struct op *op, bool try_first, enum wait_reason why,
				 int64_t deadline);

/*
 * The system call of op without waiting: the result or negative errno; -EAGAIN it would wait, -EOPNOTSUPP it is a file's and
 * cannot be made without waiting.
 */
int goro__op_try(struct fdent *e, struct op *op);

/* Why the caller's current context is cancelled; 0: it is not, or there is none. For calls that do not come through the two above. */
int goro__op_cancelled(struct m *m);

/* Sleeps inside e until the deadline, or less: 0, or -ECANCELED when it is being closed. */
GORO_PARKS int goro__op_pause(struct m **mp, struct fdent *e, int64_t deadline);

/*
 * For those who wait for several operations at once (select_fd.c): begins op, which its caller has listed on e, on the current P; or again, when it is done. 0:
 * its state is OP_DONE some time later, and its goroutine has been notified. Or negative errno: -ECANCELED if e is being closed.
 */
GORO_PARKS int goro__op_begin(struct m **mp, struct fdent *e, struct op *op);
static inline bool op_is_done(struct op *op)
{
	return load_acq(&op->state) == OP_DONE; /* [OP-2] acquire: pairs with [OP-1] */
}

/* Ends op early for the reason `bit`, if it is begun. e is locked. Any thread. */
void goro__op_cancel(struct m *m, struct fdent *e, struct op *op, uint32_t bit);

/* For backends: op ended with res; its goroutine may return as soon as this is called. */
void goro__op_done(struct m *m, struct op *op, int32_t res, uint32_t more);

/* Makes sure that system calls on a descriptor which is no socket do not block: sets O_NONBLOCK, once. */
void goro__op_nonblock(struct fdent *e, int fd);

/* Lets others batch with it: is another operation queued on m's P, or another goroutine about to run there? */
bool goro__op_batches(struct m *m);

#endif
