/* SPDX-License-Identifier: MIT */
/*
 * epoll.c: the backend for kernels and containers that refuse io_uring: an epoll instance per P. Layer 7.
 *
 * epoll only tells that a system call is worth trying; op.c makes the call. So an "operation" here is one wait for readiness (OP_POLL), and its
 * end means "try now". The kernel never touches a buffer, so ending a wait early is a matter of our own memory.
 *
 *   E1 an operation is PENDING -> DONE under its entry's lock, once: by the P's poll(), by a cancel (any thread), never by both.
 *   E2 a descriptor is armed in the instance of the P on which its goroutine waits, with EPOLLONESHOT, anew for each wait. The mask is the union of
 *	what all operations wait for that are listed on the entry and belong to this P: one instance has one registration per file.
 *   E3 an event disarms the registration; poll() completes those that it suits and arms the rest again.
 *   E4 an idle P with operations pending sleeps in its instance, so whatever its goroutines wait for ends its sleep; wake() writes
 *	to an eventfd that is registered there edge-triggered and is never read: each write is one event.
 *
 * Events carry the number of the descriptor. A stale one (the number was closed and names another file now, or the wait is over) finds
 * no operation that it suits, or ends a wait too early, after which the system call says EAGAIN and the wait begins anew.
 *
 * Rejected. A registration that lasts, edge-triggered: it saves the epoll_ctl (about 300 ns) of each wait, but a descriptor that was closed
 * behind our back and opened anew has no registration while the table says that it has, and its reader would sleep for ever. One
 * instance for all Ps: a P that sleeps would take the events of a P that runs, and one eventfd would wake anybody.
 *
 * Kernel-notes: epoll.
 */
#include "epoll.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <goro/time.h>

#include "atomic.h"
#include "clock.h"
#include "netpoll.h"
#include "op.h"
#include "p.h"
#include "park.h"
#include "probe.h"
#include "sys.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

#define WAKE_FD UINT64_MAX /* the data of the eventfd's events */

/* Who is in an event batch is decided under locks, so its goroutines are notified right there. */
struct ep {
	int epfd, wakefd;      /* constant */
	bool drained;	       /* nobody is readied any more; owner of the P */
	bool ns_timeout;       /* epoll_pwait2() works; constant */
	struct epoll_event ev[POLL_BATCH]; /* owner of the P */
};

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP, "masks are the same");

static void ep_free(struct ep *ep)
{
	if (ep->wakefd >= 0)
		sys_close(ep->wakefd);
	if (ep->epfd >= 0)
		sys_close(ep->epfd);
	sys_munmap(ep, sizeof(*ep));
}

static int ep_p_init(struct p *p)
{
	long mem = sys_mmap(NULL, sizeof(struct ep), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = WAKE_FD };
	struct ep *ep;
	long err;

	if (sys_is_err(mem))
		return (int)mem;
	ep = (struct ep *)mem;
	ep->wakefd = -1;
	err = ep->epfd = (int)SYS1(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (err >= 0)
		err = ep->wakefd = (int)SYS2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (err >= 0)
		err = SYS4(SYS_epoll_ctl, ep->epfd, EPOLL_CTL_ADD, ep->wakefd, &ev);
	if (err < 0) {
		ep_free(ep);
		return (int)err;
	}
	ep->ns_timeout = goro__probe(FEAT_EPOLL_PWAIT2);
	p->io = ep;
	store_rlx(&p->io_inflight, 0);
	return 0;
}

static void ep_p_fini(struct p *p)
{
	struct ep *ep = p->io;

	p->io = NULL;
	ep_free(ep);
}

static bool ep_pending(struct p *p)
{
	return load_rlx(&p->io_inflight) > 0;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Waits */

/* Arms fd for all that waits on p; e is locked. 0 or negative errno. */
static int arm(struct p *p, struct fdent *e, int fd)
{
	struct ep *ep = p->io;
	struct epoll_event ev = { .events = EPOLLONESHOT, .data.u64 = (uint64_t)fd };
	long r;

	for (const struct op *op = e->ops; op; op = op->next)
		if (op->p == p && load_rlx(&op->state) == OP_PENDING)
			ev.events |= op->mask;
	if (ev.events == EPOLLONESHOT)
		return 0;
	r = SYS4(SYS_epoll_ctl, ep->epfd, EPOLL_CTL_MOD, fd, &ev);
	if (r == -ENOENT)
		r = SYS4(SYS_epoll_ctl, ep->epfd, EPOLL_CTL_ADD, fd, &ev);
	return (int)r;
}

static int ep_reserve(struct m *m, struct p *p)
{
	(void)m;
	(void)p;
	return 0;
}

static int ep_start(struct m *m, struct fdent *e, struct op *op)
{
	struct p *p = m->p;
	int r = arm(p, e, op->fd);

	if (r == 0) {
		add_rlx(&p->io_inflight, 1);
		bump(&p->io_ops);
	}
	return r;
}

/* Ends op's wait; the entry is locked, so its goroutine cannot return before we are through. */
static void finish(struct m *m, struct op *op, int32_t res)
{
	add_rlx(&op->p->io_inflight, -1u);
	goro__op_done(m, op, res, 0);
}

static void ep_cancel(struct m *m, struct fdent *e, struct op *op)
{
	(void)e;
	finish(m, op, -ECANCELED);
}

/* An event on fd: ends the waits on p that it suits, arms it again for the others. How many it ended. */
static int deliver(struct m *m, struct p *p, int fd, uint32_t events)
{
	struct fdent *e = goro__fd_entry(fd);
	bool rest = false;
	int n = 0;

	if (!e)
		return 0;
	goro__lock(&e->lock);
	for (struct op *op = e->ops; op; op = op->next) {
		if (op->p != p || load_rlx(&op->state) != OP_PENDING)
			continue;
		if (events & (op->mask | EPOLLERR | EPOLLHUP)) {
			finish(m, op, 0);
			n++;
		} else {
			rest = true;
		}
	}
	/* An error here shows again, and is reported, at their next wait or try. */
	if (rest && arm(p, e, fd) < 0)
		for (struct op *op = e->ops; op; op = op->next)
			if (op->p == p && load_rlx(&op->state) == OP_PENDING)
				finish(m, op, 0);
	goro__unlock(&e->lock);
	return n;
}

/* epoll_wait() until the deadline. */
static long wait_events(struct ep *ep, int64_t deadline)
{
	struct timespec ts = { 0, 0 };
	int64_t left = 0;

	if (deadline > 0) {
		left = deadline - goro__now();
		left = left > 0 ? left : 0;
		ts.tv_sec = left / GORO_SECOND;
		ts.tv_nsec = left % GORO_SECOND;
	}
	if (ep->ns_timeout)
		return SYS6(SYS_epoll_pwait2, ep->epfd, ep->ev, POLL_BATCH, deadline < 0 ? NULL : &ts, NULL, 0);
	left = (left + GORO_MILLISECOND - 1) / GORO_MILLISECOND;
	if (deadline < 0)
		left = -1;
	return SYS6(SYS_epoll_pwait, ep->epfd, ep->ev, POLL_BATCH, left < INT_MAX ? left : INT_MAX, NULL, 0);
}

static int ep_poll(struct m *m, struct p *p, int64_t deadline)
{
	struct ep *ep = p->io;
	int readied = 0;
	long n;

	if (deadline == 0 && load_rlx(&p->io_inflight) == 0)
		return 0;
	n = wait_events(ep, deadline);
	for (long i = 0; i < n && !ep->drained; i++)
		if (ep->ev[i].data.u64 != WAKE_FD)
			readied += deliver(m, p, (int)ep->ev[i].data.u64, ep->ev[i].events);
	return readied;
}

/* An epoll instance is a descriptor like others: it is readable when it has events. */
static bool ep_overdue(struct p *p)
{
	struct ep *ep = p->io;
	struct pollfd pfd = { .fd = ep->epfd, .events = POLLIN };
	static const struct timespec now = { 0, 0 };

	return load_rlx(&p->io_inflight) > 0 && SYS5(SYS_ppoll, &pfd, 1, &now, NULL, 0) > 0;
}

static void ep_wake(struct p *p)
{
	struct ep *ep = p->io;
	uint64_t one = 1;

	sys_write(ep->wakefd, &one, sizeof(one));
}

static void ep_drain(struct m *m, struct p *p)
{
	struct ep *ep = p->io;

	(void)m;
	ep->drained = true;
	store_rlx(&p->io_inflight, 0);
}

const struct netpoll goro__epoll = {
	.name = "epoll",
	.p_init = ep_p_init,
	.p_fini = ep_p_fini,
	.pending = ep_pending,
	.poll = ep_poll,
	.wake = ep_wake,
	.overdue = ep_overdue,
	.drain = ep_drain,
	.reserve = ep_reserve,
	.start = ep_start,
	.cancel = ep_cancel,
};

int goro__probe_epoll_pwait2(void)
{
	struct timespec ts = { 0, 0 };
	struct epoll_event ev;
	long fd = SYS1(SYS_epoll_create1, EPOLL_CLOEXEC), r;

	if (fd < 0)
		return (int)fd;
	r = SYS6(SYS_epoll_pwait2, fd, &ev, 1, &ts, NULL, 0);
	sys_close((int)fd);
	return r < 0 ? (int)r : 1;
}
