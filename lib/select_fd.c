/* SPDX-License-Identifier: MIT */
/*
 * select_fd.c: a select that has descriptors among its cases.
 *
 * Concepts. A channel's case is done by whoever comes last to the channel, under its lock. A descriptor is the kernel's: it can only be asked whether it
 * is ready (poll(2), without waiting), and to say so later: one operation OP_POLL per case (op.h), which is begun on the P's backend like that of
 * any call that waits, counts as in flight like it, and is listed at the descriptor, so that goro_close() finds it. Readiness is a level and not an
 * event, so that what nobody takes is still there: the end of such an operation decides nothing. It wakes the select's goroutine, which asks poll(2) what is
 * ready, chooses, and then takes the select for that case by the same word that channels' wakers take, sel->fired. If one of them was
 * faster, nothing is lost.
 *
 * The passes:
 *   1 enter all descriptors (goro__fd_enter(): from now on the numbers mean the same files), list an operation on each.
 *   2 ask all channels without a lock, and all descriptors by one poll(2); take one of what is ready by chance. A descriptor: done. A
 *     channel: lock it and try; if another one was faster, again from the beginning of this pass.
 *   3 nothing is ready, and the caller does not wait: lock all channels, look once more, say so.
 *   4 begin the operations. Lock all channels and look again; list waiters, unlock (I1 and I2 of select.c).
 *   5 park by token until sel->done (a channel), or an operation has ended and poll(2) says that something is ready, or the deadline has
 *     passed. An operation that ended for nothing (epoll.c says when) is begun again.
 *   6 unlist the waiters; ask for the end of all operations that have not ended; wait for all of them; leave the descriptors.
 *
 * Invariants:
 *   D1 nobody returns while the kernel or the backend may still touch an operation: pass 6 waits for the end of each, which a cancel makes come soon (O1 of
 *	op.c). So the operations lie on the stack, or in the memory of the select.
 *   D2 no readiness is lost: an operation that is begun on a ready descriptor ends at once, so whatever becomes ready after pass 2 ends one that is begun, or
 *	is found by the next poll(2). The end notifies after its state is OP_DONE, and pass 5 looks at the states before it parks.
 *   D3 a case fires only if poll(2) said that the descriptor is ready, or with an error. So goro_close(), an operation that the backend refuses, and a bad number
 *	are cases that are ready too, with their error as result: a program that waits for a descriptor that is gone learns it.
 *   D4 an operation is listed on its descriptor whenever its goroutine may park inside of it: the end of a run counts those who never come out by
 *	what is listed (goro__fds_reset()).
 *   D5 "none is ready" is true of one moment for all channels (I1 of select.c), and for each descriptor of a moment before that. The kernel knows no
 *	answer about several that is of one moment.
 *
 * A plain thread has no backend: it sleeps in ppoll(2) on the descriptors and an eventfd. sel->wakefd names it, and who fires the select writes to it
 * before he sets done, while the select cannot go on without him; so it is closed when nobody knows it any more. goro_close() writes to it, too, under the
 * lock of an entry that lists an operation. A token could not end ppoll(2), and an eventfd that is written after done could be another file by then.
 *
 * Fairness: in each look every ready case has the same chance, whatever it is of.
 *
 * Cost: one system call for the look, whatever the number of cases; if it waits, one operation per descriptor, and a cancel for each that did
 * not fire. Up to SELECT_ON_STACK cases nothing is allocated. A select of channels alone does not come here.
 *
 * Rejected. An operation that fires the select from its completion (the backend would take the select for a case that may not be ready any
 * more when its goroutine runs, and a completion would need the protocol of wakers). Leaving operations behind to end alone, in memory of a pool: saves the
 * wait of pass 6, which is a turn of the scheduler, and needs a count of all that may be left behind, and a descriptor that cannot be
 * closed while they are there. A registration that lasts from select to select: see epoll.c. multishot polls: the same.
 */
#include "select.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <goro/time.h>

#include "clock.h"
#include "fd.h"
#include "mem.h"
#include "op.h"
#include "sys.h"

#define NOTHING INT_MIN /* in the place of an index: no case is ready */
#define LOOK_MANY 256 /* descriptors that poll(2) is asked for at once: it refuses more than RLIMIT_NOFILE */

/* What a case of a descriptor has beside its operation. */
struct watch {
	struct fdent *e; /* entered and, but in a plain thread that does not wait, listed; NULL: not */
	unsigned index;	 /* of its case */
	int err;	 /* negative: it could not be entered, or begun; or it was closed */
};

/* A select with nfds descriptors. The arrays of the channels have n places, those of the descriptors nfds. */
struct mixed {
	struct selection s;    /* of the channels: s.cases are copies, in which descriptors' cases never fire */
	struct goro_case *cases;
	unsigned n, nfds;
	struct op *ops;	       /* IDLE: not begun, or ended for nothing */
	struct watch *watches;
	struct pollfd *pfds;   /* and one more, for the eventfd of a plain thread */
	struct place *places;
	struct goro_case *copies;
};

void goro__sel_poke(struct sel *sel)
{
	uint64_t one = 1;

	sys_write(sel->wakefd, &one, sizeof(one));
}

static inline bool is_fd(const struct goro_case *k)
{
	return k->op == GORO_READABLE || k->op == GORO_WRITABLE;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Entering and leaving the descriptors */

static void link_op(struct mixed *x, unsigned i)
{
	struct fdent *e = x->watches[i].e;

	goro__lock(&e->lock);
	goro__fd_link(e, &x->ops[i]);
	goro__unlock(&e->lock);
}

static void unlink_op(struct mixed *x, unsigned i)
{
	struct fdent *e = x->watches[i].e;

	goro__lock(&e->lock);
	goro__fd_unlink(&x->ops[i]);
	goro__unlock(&e->lock);
}

/* The copies, and pass 1. A plain thread lists its operations later, when it has its eventfd. */
static GORO_PARKS struct m *enter_all(struct m *m, struct mixed *x)
{
	unsigned f = 0;

	for (unsigned i = 0; i < x->n; i++)
		x->places[i].w.listed = false;
	x->s.undo.fn = goro__select_forget;
	goro__undoes(goro__self(m), &x->s.undo);
	for (unsigned i = 0; i < x->n; i++) {
		struct goro_case *k = &x->cases[i];
		uint16_t mask = k->op == GORO_READABLE ? POLLIN : POLLOUT;

		if (!is_fd(k)) {
			x->copies[i] = *k;
			continue;
		}
		x->copies[i] = (struct goro_case){ .op = 0 };
		x->ops[f] = (struct op){ .code = OP_POLL, .fd = k->fd, .mask = mask, .wakefd = -1, .g = goro__self(m) };
		x->pfds[f] = (struct pollfd){ .fd = k->fd, .events = (short)mask };
		x->watches[f] = (struct watch){ .index = i };
		x->watches[f].err = goro__fd_enter(&m, k->fd, &x->watches[f].e);
		if (x->watches[f].err == 0 && !m->foreign)
			link_op(x, f);
		f++;
	}
	return m;
}

/* Pass 6, but for the waiters. linked: the operations are listed. */
static GORO_PARKS struct m *leave_all(struct m *m, struct mixed *x, bool linked)
{
	for (unsigned i = 0; i < x->nfds; i++) {
		struct fdent *e = x->watches[i].e;

		if (!e || load_rlx(&x->ops[i].state) != OP_PENDING)
			continue;
		goro__lock(&e->lock);
		goro__op_cancel(m, e, &x->ops[i], OP_BY_SELECT);
		goro__unlock(&e->lock);
	}
	for (unsigned i = 0; i < x->nfds; i++) {
		if (!x->watches[i].e)
			continue;
		while (load_rlx(&x->ops[i].state) != OP_IDLE && !op_is_done(&x->ops[i]))
			m = goro__park_token(m, WAIT_SELECT);
		if (linked)
			unlink_op(x, i);
		goro__fd_leave(m, x->watches[i].e);
	}
	return m;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Looking */

/* Asks poll(2) for all descriptors that have no error yet. */
static void ask(struct mixed *x)
{
	static const struct timespec now = { 0, 0 };
	unsigned n;

	for (unsigned i = 0; i < x->nfds; i += n) {
		n = x->nfds - i < LOOK_MANY ? x->nfds - i : LOOK_MANY;
		if (SYS5(SYS_ppoll, &x->pfds[i], n, &now, NULL, 0) < 0)
			for (unsigned k = i; k < i + n; k++)
				x->pfds[k].revents = 0;
	}
}

static inline bool fd_is_ready(const struct mixed *x, unsigned i)
{
	return x->watches[i].err || x->pfds[i].revents;
}

/* One of the descriptors that are ready by chance, where `ready` channels are, too: -1 if there is none, or a channel is to be taken. */
static int look_fds(struct m *m, const struct mixed *x, uint32_t ready)
{
	int pick = -1;

	for (unsigned i = 0; i < x->nfds; i++)
		if (fd_is_ready(x, i))
			if (++ready == 1 || rand_below(&m->rand, ready) == 0)
				pick = (int)i;
	return pick;
}

/* What case i of the descriptors, which is ready, has as its result. */
static int fd_result(const struct mixed *x, unsigned i)
{
	if (x->watches[i].err)
		return x->watches[i].err;
	return x->pfds[i].revents & POLLNVAL ? -EBADF : x->pfds[i].revents;
}

/* Pass 2. The index of the case that is done, with its result; or NOTHING. */
static int look_and_take(struct m *m, struct mixed *x, int *ret_result)
{
	for (;;) {
		uint32_t ready;
		int i = look(m, x->copies, x->n, &ready), f;

		ask(x);
		f = look_fds(m, x, ready);
		if (f >= 0) {
			*ret_result = fd_result(x, (unsigned)f);
			return (int)x->watches[f].index;
		}
		if (i < 0)
			return NOTHING;
		goro__lock(&x->copies[i].chan->lock);
		*ret_result = step(m, &x->copies[i]);
		if (*ret_result != -EAGAIN)
			return i;
		goro__unlock(&x->copies[i].chan->lock);
	}
}

/* All channels are locked: takes one of those that are ready, and unlocks; or NOTHING, and they are still locked. */
static int take_locked(struct m *m, struct mixed *x, int *ret_result)
{
	uint32_t ready;
	int i;

	while ((i = look(m, x->copies, x->n, &ready)) >= 0) {
		goro__select_unlock(&x->s, x->copies[i].chan);
		*ret_result = step(m, &x->copies[i]);
		if (*ret_result != -EAGAIN)
			return i;
		goro__unlock(&x->copies[i].chan->lock);
		goro__select_lock(&x->s);
	}
	return NOTHING;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Waiting */

/* Has operation i ended, or been told to? Then whether the descriptor is being closed is known, and it may be begun again. */
static bool has_ended(struct mixed *x, unsigned i)
{
	struct op *op = &x->ops[i];
	struct fdent *e = x->watches[i].e;

	if (!e || x->watches[i].err)
		return true;
	if (load_rlx(&op->state) == OP_IDLE)
		return true;
	if (!op_is_done(op))
		return false;
	goro__lock(&e->lock);
	if (op->cancelled & OP_BY_CLOSE)
		x->watches[i].err = -ECANCELED;
	goro__unlock(&e->lock);
	/* -ECANCELED that nobody asked for, and -EINTR: as op.c does, once more. */
	if (op->res < 0 && op->res != -ECANCELED && op->res != -EINTR && !x->watches[i].err)
		x->watches[i].err = op->res;
	store_rlx(&op->state, OP_IDLE);
	return true;
}

/* Begins what is not begun or has ended for nothing. */
static GORO_PARKS struct m *begin_all(struct m *m, struct mixed *x)
{
	for (unsigned i = 0; i < x->nfds; i++)
		if (!x->watches[i].err && load_rlx(&x->ops[i].state) == OP_IDLE)
			x->watches[i].err = goro__op_begin(&m, x->watches[i].e, &x->ops[i]);
	return m;
}

/* Takes the select, away from channels and expiry, for one of the descriptors that are ready: true. */
static bool take_fd(struct m *m, struct mixed *x)
{
	uint32_t none = 0;
	int f = look_fds(m, x, 0);

	/* [SELECT-2], as the expiry: a waker and we cannot both win. */
	return f >= 0 && cas_ar(&x->s.sel.fired, &none, x->watches[f].index + 1);
}

/* Pass 5 of a goroutine. The waiters are listed, the operations begun. sel.fired tells how it ended, and if by a waker he is through. */
static GORO_PARKS struct m *await(struct m *m, struct mixed *x)
{
	int64_t deadline = x->s.deadline;
	struct sel *sel = &x->s.sel;

	while (load_acq(&sel->done) == 0) { /* [SELECT-4] */
		bool ended = false;
		uint32_t none = 0;

		for (unsigned i = 0; i < x->nfds && load_rlx(&sel->fired) == 0; i++)
			ended |= has_ended(x, i);
		if (ended) {
			ask(x);
			if (take_fd(m, x))
				return m;
			m = begin_all(m, x);
			continue;
		}
		if (deadline < 0) {
			m = goro__park_token(m, WAIT_SELECT);
		} else if (goro__now() < deadline) {
			m = goro__park_token_until(m, WAIT_SELECT, deadline);
		} else {
			if (cas_ar(&sel->fired, &none, SEL_EXPIRED)) /* [SELECT-2] */
				return m;
			deadline = GORO_FOREVER;
		}
	}
	return m;
}

/* One ppoll(2) of a plain thread. If there are too many descriptors for that it asks every millisecond. */
static void sleep_in_poll(struct m *m, struct mixed *x, int64_t deadline)
{
	struct timespec ts = { 0, 0 };
	int64_t left = deadline - goro__now();
	long r;

	if (left > 0) {
		ts.tv_sec = left / GORO_SECOND;
		ts.tv_nsec = left % GORO_SECOND;
	}
	x->pfds[x->nfds] = (struct pollfd){ .fd = x->s.sel.wakefd, .events = POLLIN };
	r = SYS5(SYS_ppoll, x->pfds, x->nfds + 1, deadline < 0 ? NULL : &ts, NULL, 0);
	if (likely(r >= 0))
		return;
	if (r != -EINTR)
		goro__park_token_until(m, WAIT_SELECT, goro__now() + GORO_MILLISECOND);
	ask(x);
}

/* Pass 5 of a plain thread. */
static void await_foreign(struct m *m, struct mixed *x)
{
	struct sel *sel = &x->s.sel;

	while (load_acq(&sel->done) == 0) { /* [SELECT-4] */
		uint32_t none = 0;

		if (load_rlx(&sel->fired) != 0) {
			goro__park_token(m, WAIT_SELECT); /* a waker is at work */
			continue;
		}
		for (unsigned i = 0; i < x->nfds; i++) {
			struct fdent *e = x->watches[i].e;

			if (!e)
				continue;
			goro__lock(&e->lock);
			if (x->ops[i].cancelled)
				x->watches[i].err = -ECANCELED;
			goro__unlock(&e->lock);
		}
		if (take_fd(m, x))
			return;
		if (x->s.deadline >= 0 && goro__now() >= x->s.deadline && cas_ar(&sel->fired, &none, SEL_EXPIRED)) /* [SELECT-2] */
			return;
		sleep_in_poll(m, x, x->s.deadline);
	}
}

/* A plain thread gets its eventfd, and lists its operations with it. 0 or negative errno. */
static int prepare_foreign(struct mixed *x)
{
	int fd = (int)SYS2(SYS_eventfd2, 0, EFD_CLOEXEC);

	if (fd < 0)
		return fd;
	x->s.sel.wakefd = fd;
	for (unsigned i = 0; i < x->nfds; i++) {
		struct fdent *e = x->watches[i].e;

		x->ops[i].wakefd = fd;
		if (!e)
			continue;
		link_op(x, i);
		/* Whoever has begun to close it before we were listed has not told us. */
		if (load_seq(&e->word) & FD_CLOSING)
			x->watches[i].err = -ECANCELED;
	}
	return 0;
}

/* What the select has come to: the index of the case that was done, and its result; or -ETIMEDOUT. */
static int outcome(struct mixed *x, int *ret_result)
{
	uint32_t fired = load_rlx(&x->s.sel.fired);

	if (fired == SEL_EXPIRED)
		return -ETIMEDOUT;
	for (unsigned i = 0; i < x->nfds; i++)
		if (x->watches[i].index == fired - 1) {
			*ret_result = fd_result(x, i);
			return (int)fired - 1;
		}
	san_acquire(&x->places[fired - 1].w);
	*ret_result = x->places[fired - 1].w.result;
	return (int)fired - 1;
}

/* Passes 4 to 6. */
static GORO_PARKS int wait_mixed(struct m **mp, struct mixed *x, int *ret_result)
{
	struct m *m = *mp;
	bool foreign = m->foreign;
	int i = 0;

	if (foreign)
		i = prepare_foreign(x);
	else
		m = begin_all(m, x);
	if (i == 0) {
		goro__select_lock(&x->s);
		i = take_locked(m, x, ret_result);
	} else {
		foreign = false;
	}
	if (i == NOTHING) {
		goro__select_list(m, &x->s);
		goro__select_unlock(&x->s, NULL);
		if (foreign)
			await_foreign(m, x);
		else
			m = await(m, x);
		goro__select_unlist(m, &x->s);
		goro__undoes(goro__self(m), &x->s.undo);
		i = outcome(x, ret_result);
	}
	m = leave_all(m, x, foreign || !m->foreign);
	if (foreign)
		sys_close(x->s.sel.wakefd);
	*mp = m;
	return i;
}

/* All of it, in the runtime: the index of the case that was done, with its result, or negative errno. */
static GORO_PARKS int run(struct m **mp, struct mixed *x, int *ret_result)
{
	struct m *m = enter_all(*mp, x);
	int64_t deadline = x->s.deadline;
	int i;

	goro__select_order(&x->s);
	i = look_and_take(m, x, ret_result);
	if (i == NOTHING && deadline >= 0 && (deadline == GORO_NOW || deadline <= goro__now())) {
		goro__select_lock(&x->s);
		i = take_locked(m, x, ret_result);
		if (i == NOTHING) {
			goro__select_unlock(&x->s, NULL);
			i = deadline == GORO_NOW ? -EAGAIN : -ETIMEDOUT;
		}
		m = leave_all(m, x, !m->foreign);
	} else if (i == NOTHING) {
		i = wait_mixed(&m, x, ret_result);
	} else {
		m = leave_all(m, x, !m->foreign);
	}
	goro__undoes(goro__self(m), NULL);
	*mp = m;
	return i;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Memory */

static int done(struct goro_case *cases, int i, int result)
{
	if (i < 0)
		return i;
	if (!is_fd(&cases[i]))
		return finish(&cases[i], i, result);
	cases[i].ret = result;
	return i;
}

static void set_up(struct mixed *x, struct goro_case *cases, unsigned n, int64_t deadline)
{
	x->s = (struct selection){ .cases = x->copies, .n = n, .deadline = deadline, .places = x->places, .sel.wakefd = -1 };
	x->cases = cases;
	x->n = n;
}

static NOINLINE int select_small(struct goro_case *cases, unsigned n, unsigned nfds, int64_t deadline)
{
	struct op ops[SELECT_ON_STACK];
	struct watch watches[SELECT_ON_STACK];
	struct pollfd pfds[SELECT_ON_STACK + 1];
	struct place places[SELECT_ON_STACK];
	struct goro_case copies[SELECT_ON_STACK];
	struct mixed x = { .nfds = nfds, .ops = ops, .watches = watches, .pfds = pfds, .places = places, .copies = copies };
	struct m *m = rt_enter();
	int i, result = 0;

	set_up(&x, cases, n, deadline);
	i = run(&m, &x, &result);
	rt_exit(m);
	return done(cases, i, result);
}

/* In user context. */
static COLD int select_large(struct goro_case *cases, unsigned n, unsigned nfds, int64_t deadline)
{
	size_t size = nfds * (sizeof(struct op) + sizeof(struct watch) + sizeof(struct pollfd)) + sizeof(struct pollfd) +
		      n * (sizeof(struct place) + sizeof(struct goro_case));
	struct op *ops = goro__mem_alloc(size); /* on a cache line; all the other parts want less */
	struct mixed x = { .nfds = nfds, .ops = ops };
	int i, result = 0;
	struct m *m;

	if (!ops)
		return -ENOMEM;
	x.places = (struct place *)(ops + nfds);
	x.copies = (struct goro_case *)(x.places + n);
	x.watches = (struct watch *)(x.copies + n);
	x.pfds = (struct pollfd *)(x.watches + nfds);
	set_up(&x, cases, n, deadline);
	x.s.heap = ops;
	m = rt_enter();
	i = run(&m, &x, &result);
	rt_exit(m);
	goro__mem_free(ops);
	return done(cases, i, result);
}

int goro__select_mixed(struct goro_case *cases, unsigned n, int64_t deadline)
{
	unsigned nfds = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct goro_case *k = &cases[i];

		if (k->op > GORO_WRITABLE)
			return -EINVAL;
		if (is_fd(k))
			nfds++;
		else if (k->op == GORO_SEND && k->chan && !k->elem && k->chan->elem_size != 0)
			return -EINVAL;
	}
	if (n <= SELECT_ON_STACK)
		return select_small(cases, n, nfds, deadline);
	return select_large(cases, n, nfds, deadline);
}
