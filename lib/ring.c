/* SPDX-License-Identifier: MIT */
/*
 * ring.c: the io_uring backend: a ring per P. Layer 7.
 *
 * Concepts. A P's ring is two queues of memory shared with the kernel. A goroutine that wants something done writes an SQE to the submission
 * queue and parks; nothing enters the kernel then. When the scheduler runs out of goroutines, or has run for a while, it
 * calls poll(): one io_uring_enter() submits all that has gathered and, if the P is idle, waits. Completions are read from memory.
 *
 * Who touches what:
 *   R1 the submission queue's tail, the completion queue's head and the slot table are used inside of the section of p->io_bias: by the holder of
 *	the P, in the runtime or on g0, or, while his goroutine computes, by an idle M that polls for him without waiting. The holder never enters it
 *	with an entry of the descriptor table locked: completions lock those inside.
 *   R2 a request is tied to the thread that submitted it: what is left of it when its descriptor becomes ready runs on that thread's
 *	way out of the kernel (COOP_TASKRUN). So an M does not exit while the runtime runs, and a request that ends with -ECANCELED although
 *	nobody cancelled it (its thread did exit) is begun again by op.c.
 *   R3 user_data never is a pointer. It is the number of a slot and the slot's generation, so a completion that comes late, or a
 *	cancel that comes late, can never meet another operation than its own.
 *   R4 what another thread wants (a cancel) goes to the P's inbox, and the P is woken. The inbox is a list through the slots, whose
 *	memory lasts as long as the P; the operation itself lies on a stack that may be gone before the inbox is read. The entry holds
 *	the generation, so reading it late is harmless. An entry that is still listed when a second request comes is overwritten: the
 *	second requester vouches for the operation that is in the slot now, the first one's is over.
 *
 * An operation from begin to end (P's holder on the left, the kernel on the right):
 *	1 reserve(): room for two SQEs and a slot; may submit, may map memory; no lock held
 *	2 start(): slot, SQE
 *	3 poll(): the tail is published [RING-1]		4 reads the SQE
 *								5 writes a CQE, publishes the tail
 *	6 poll(): reads the CQE [RING-2], frees the slot, goro__op_done(): the goroutine may return from here on
 *	7 publishes the head [RING-3]				8 reuses the CQE
 *
 * Sleeping and being woken. poll() with a deadline waits for one completion. wake() posts a completion to the ring from outside (ring_setup.c), so it is never lost,
 * whether it comes before or during the wait; a poll() that finds it among the first completions does not wait.
 *
 * Cancelling. ASYNC_CANCEL by user_data is queued behind the operation, in its own ring. Its own completion tells nothing that we need: the operation is over when
 * ITS completion comes, and not before. If it won, it is a success.
 *
 * In small rounds. poll() readies at most POLL_BATCH goroutines and leaves the rest in the completion queue, in its order; their operations go out with the next
 * poll(), when the kernel's and our memory of these few connections is still in the cache. All at once, a thousand connections would overflow the P's queue into the
 * global one, which takes locks and mixes up their order.
 *
 * Overflow. A full submission queue is submitted at once. When the completion queue is full the kernel keeps what does not fit and sets a flag (FEAT_NODROP,
 * required); poll() then enters with GETEVENTS, which flushes. -EBUSY from enter means the same.
 *
 * Rejected. A ring per M with DEFER_TASKRUN: kernel-notes/io-uring-topology.md. IORING_OP_FUTEX_WAIT for
 * sleeping: its traps are in kernel-notes/futex.md. A linked timeout per operation: 1.2 us against a tenth of that for a timer. Registered ring descriptors: per thread, and a ring visits many. NO_SQARRAY: no gain measured.
 *
 * Kernel-notes: io-uring-setup, io-uring-ops, io-uring-cancel, io-uring-msg-ring, io-uring-topology, multishot.
 */
#include "ring.h"

#include <limits.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <goro/time.h>

#include "atomic.h"
#include "clock.h"
#include "context.h"
#include "fatal.h"
#include "g.h"
#include "netpoll.h"
#include "op.h"
#include "p.h"
#include "park.h"
#include "ring_abi.h"
#include "sys.h"

#define SQ_ENTRIES 256
#define CQ_ENTRIES 4096
#define CQ_ENTRIES_MANY 1024 /* for a P whose number is CQ_MANY and up: 256 Ps then take 10 MiB */
#define CQ_MANY 8
#define REAP_MIN 16
#define AHEAD 16	 /* completions whose memory is fetched together */
#define FRAME_LINES 8 /* of a parked goroutine's stack: what it touches on its way back to its caller */
#define CHUNK_SLOTS 512
#define DRAIN_TURN_NS (100 * GORO_MILLISECOND)
#define MAX_CHUNKS 2048 /* a million operations in flight on a P */

/* user_data: the tag in the top byte, the slot in 24 bits, its generation in 32. */
#define TAG_OP UINT64_C(0)
#define TAG_WAKE RING_WAKE_DATA
#define TAG_IGNORE (UINT64_C(2) << 56)
#define TAG_MASK (UINT64_C(0xff) << 56)

struct slot {
	struct op *op;	      /* NULL: free; owner */
	uint32_t gen;	      /* of op, or of the next one; owner */
	uint32_t next;	      /* free list; owner */
	uint32_t cancel_gen;  /* what to cancel; under inbox_lock */
	uint32_t cancel_next; /* inbox; under inbox_lock */
	bool cancel_listed;   /* under inbox_lock */
};

struct ring {
	struct io_uring u;    /* owner of the P; constant fields: anybody */
	struct p *p;
	uint32_t free_slot;   /* owner; 0: none */
	uint32_t nslots;      /* slots mapped, slot 0 included; owner */
	bool drained;	      /* nobody is readied any more; owner */
	bool wake_armed;      /* the poll on wakefd; owner */
	bool woken;	      /* wake()'s completion was taken: the next poll() must not wait; owner */
	int wakefd;	      /* constant; -1: not needed */
	struct lock inbox_lock CACHE_ALIGNED; /* RANK_LEAF */
	uint32_t inbox;	      /* atomic; slot, 0: empty; written under inbox_lock */
	struct slot *chunk[MAX_CHUNKS]; /* owner appends before a slot of it is used; then constant */
};

static inline struct ring *ring_of(struct p *p)
{
	return p->io;
}

static inline struct slot *slot_at(struct ring *r, uint32_t i)
{
	return &r->chunk[i / CHUNK_SLOTS][i % CHUNK_SLOTS];
}

static inline uint64_t user_data(uint32_t slot, uint32_t gen)
{
	return TAG_OP | (uint64_t)slot << 32 | gen;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Setting up */

static int grow_slots(struct ring *r)
{
	uint32_t c = r->nslots / CHUNK_SLOTS, first = c == 0;
	long mem;

	if (c == MAX_CHUNKS)
		return -ENOMEM;
	mem = sys_mmap(NULL, CHUNK_SLOTS * sizeof(struct slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_is_err(mem))
		return (int)mem;
	r->chunk[c] = (struct slot *)mem;
	for (uint32_t i = CHUNK_SLOTS; i-- > first;) {
		r->chunk[c][i].next = r->free_slot;
		r->free_slot = c * CHUNK_SLOTS + i; /* slot 0 stays out: it ends the lists */
	}
	r->nslots += CHUNK_SLOTS;
	return 0;
}

static void ring_free(struct ring *r)
{
	if (r->wakefd >= 0)
		sys_close(r->wakefd);
	for (uint32_t c = 0; c < r->nslots / CHUNK_SLOTS; c++)
		sys_munmap(r->chunk[c], CHUNK_SLOTS * sizeof(struct slot));
	sys_munmap(r, sizeof(*r));
}

static int ring_p_init(struct p *p)
{
	long mem = sys_mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ring *r;
	int err;

	if (sys_is_err(mem))
		return (int)mem;
	r = (struct ring *)mem;
	r->p = p;
	r->wakefd = -1;
	lock_init(&r->inbox_lock, RANK_LEAF);
	err = grow_slots(r);
	if (err == 0 && goro__ring_needs_wakefd()) {
		r->wakefd = (int)SYS2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = r->wakefd < 0 ? r->wakefd : 0;
	}
	if (err == 0)
		err = goro__ring_open(&r->u, SQ_ENTRIES, p->id < CQ_MANY ? CQ_ENTRIES : CQ_ENTRIES_MANY);
	if (err < 0) {
		ring_free(r);
		return err;
	}
	p->io = r;
	store_rlx(&p->io_inflight, 0);
	return 0;
}

static void ring_p_fini(struct p *p)
{
	struct ring *r = ring_of(p);

	p->io = NULL;
	io_uring_queue_exit(&r->u);
	ring_free(r);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Submitting */

static inline unsigned sq_room(struct ring *r)
{
	struct io_uring_sq *sq = &r->u.sq;

	/* [RING-4] acquire: the kernel's head; it has read the SQE before it moves on. Without it we may overwrite one. */
	return sq->ring_entries - (sq->sqe_tail - load_acq(sq->khead));
}

static inline unsigned sq_queued(struct ring *r)
{
	return load_rlx(&r->u.sq.sqe_tail) - load_acq(r->u.sq.khead); /* [RING-4] */
}

static inline unsigned sq_flags(struct ring *r)
{
	return load_rlx(r->u.sq.kflags);
}

static inline unsigned cq_ready(struct ring *r)
{
	/* [RING-2] acquire: pairs with the kernel's publication. Without it a CQE may be read before it is written. */
	return load_acq(r->u.cq.ktail) - load_rlx(r->u.cq.khead);
}

/*
 * Submits all that is queued; waits for `want` completions until the deadline. The errors that come back need no more than another
 * turn: -EINTR, -ETIME; -EBUSY and -EAGAIN, where SQEs stay queued.
 */
static void enter(struct ring *r, unsigned want, int64_t deadline)
{
	struct __kernel_timespec ts;
	struct io_uring_getevents_arg arg = { 0 };
	unsigned flags = 0;
	long err;

	/* [RING-1] release: pairs with the kernel's read of the tail. Without it it may read an SQE that is half written. */
	store_rel(r->u.sq.ktail, r->u.sq.sqe_tail);
	if (want || (sq_flags(r) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)))
		flags |= IORING_ENTER_GETEVENTS;
	if (want && deadline >= 0) {
		int64_t t = deadline;

		if (goro__ring_abs_timer) {
			flags |= URING_ENTER_ABS_TIMER;
		} else {
			t -= goro__now();
			if (t < 0)
				t = 0;
		}
		ts.tv_sec = t / GORO_SECOND;
		ts.tv_nsec = t % GORO_SECOND;
		arg.ts = (uintptr_t)&ts;
	}
	if (want) {
		flags |= IORING_ENTER_EXT_ARG;
		if (r->u.features & URING_FEAT_NO_IOWAIT)
			flags |= URING_ENTER_NO_IOWAIT;
	}
	err = SYS6(SYS_io_uring_enter, r->u.ring_fd, sq_queued(r), want, flags, want ? &arg : NULL, want ? sizeof(arg) : 0);
	if (unlikely(err == -EBADF || err == -ENXIO || err == -EOPNOTSUPP))
		goro__throw("io_uring: the runtime's descriptor was closed by somebody else");
}

static int ring_reserve(struct m *m, struct p *p)
{
	struct ring *r = ring_of(p);

	(void)m;
	if (unlikely(r->free_slot == 0)) {
		int err = grow_slots(r);

		if (err)
			return err;
	}
	if (unlikely(sq_room(r) < 2)) {
		enter(r, 0, 0);
		if (sq_room(r) < 2)
			return -EAGAIN;
	}
	return 0;
}

static int ring_start(struct m *m, struct fdent *e, struct op *op)
{
	struct p *p = m->p;
	struct ring *r = ring_of(p);
	struct io_uring_sqe *sqe = ring_next_sqe(&r->u.sq);
	struct slot *s;

	(void)e;
	op->slot = r->free_slot;
	s = slot_at(r, op->slot);
	r->free_slot = s->next;
	s->op = op;
	op->gen = s->gen;
	goro__ring_prep(sqe, op);
	/* In a READ the same bits are an I/O priority. */
	if (op->poll_first && goro__ring_poll_first && (op->code == OP_RECV || op->code == OP_RECVMSG))
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->user_data = user_data(op->slot, op->gen);
	store_rlx(&p->io_inflight, p->io_inflight + 1);
	bump(&p->io_ops);
	return 0;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Cancelling */

static void queue_cancel(struct ring *r, uint64_t target)
{
	struct io_uring_sqe *sqe = ring_next_sqe(&r->u.sq);

	io_uring_prep_cancel64(sqe, target, 0);
	sqe->user_data = TAG_IGNORE;
}

/* Takes one request out of the inbox: false if it is empty. */
static bool inbox_take(struct ring *r, uint32_t *ret_slot, uint32_t *ret_gen)
{
	struct slot *s;

	goro__lock(&r->inbox_lock);
	*ret_slot = r->inbox;
	if (*ret_slot) {
		s = slot_at(r, *ret_slot);
		*ret_gen = s->cancel_gen;
		s->cancel_listed = false;
		store_rlx(&r->inbox, s->cancel_next);
	}
	goro__unlock(&r->inbox_lock);
	return *ret_slot != 0;
}

/* Queues the cancels that others asked for. What does not fit stays in the inbox. */
static void read_inbox(struct ring *r)
{
	uint32_t i, gen;

	/* Relaxed: whoever wrote it has woken us after that, and p->idle orders the two. */
	while (load_rlx(&r->inbox) != 0) {
		if (sq_room(r) == 0)
			enter(r, 0, 0);
		if (sq_room(r) == 0)
			return;
		if (inbox_take(r, &i, &gen) && slot_at(r, i)->op && slot_at(r, i)->gen == gen)
			queue_cancel(r, user_data(i, gen));
	}
}

static void ring_cancel(struct m *m, struct fdent *e, struct op *op)
{
	struct ring *r = ring_of(op->p);
	struct slot *s = slot_at(r, op->slot);

	(void)e;
	/* Ours, unless another M polls for us at this moment: it may want the entry that our caller has locked, so we must not wait. */
	if (m->p == op->p && bias_try_enter(&op->p->io_bias)) {
		bool room = sq_room(r) > 0;

		/* Its slot can have been freed already, but not yet used again by anybody whom we must not cancel. */
		if (room && s->op == op && s->gen == op->gen)
			queue_cancel(r, user_data(op->slot, op->gen));
		bias_leave(&op->p->io_bias);
		if (room)
			return;
	}
	goro__lock(&r->inbox_lock);
	s->cancel_gen = op->gen;
	if (!s->cancel_listed) {
		s->cancel_listed = true;
		s->cancel_next = r->inbox;
		store_rlx(&r->inbox, op->slot);
	}
	goro__unlock(&r->inbox_lock);
	goro__wake_p(op->p);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Completions */

static void complete(struct m *m, struct ring *r, const struct io_uring_cqe *cqe)
{
	uint32_t i = (uint32_t)(cqe->user_data >> 32);
	struct slot *s = slot_at(r, i);
	struct op *op = s->op;

	if (unlikely(!op || s->gen != (uint32_t)cqe->user_data))
		goro__throw("io_uring: a completion of no operation");
	s->op = NULL;
	s->gen++;
	s->next = r->free_slot;
	r->free_slot = i;
	store_rlx(&r->p->io_inflight, r->p->io_inflight - 1);
	if (unlikely(goro__san & SAN_VALGRIND) && !r->drained)
		goro__ring_wrote(op, cqe->res);
	if (!r->drained)
		goro__op_done(m, op, cqe->res, cqe->flags & IORING_CQE_F_SOCK_NONEMPTY ? OP_SOCK_NONEMPTY : 0);
}

/*
 * A completion leads to a slot, that to an operation on a stack, that to a goroutine's record, and that to the frames it will go on with: four cache
 * misses one after another, with a thousand connections. So n of them are led along together, a step at a time. Only
 * hints: nothing is decided here.
 */
static void fetch_ahead(struct ring *r, unsigned head, unsigned n)
{
	const struct io_uring_cq *cq = &r->u.cq;
	struct op *op[AHEAD];
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t data = cq->cqes[(head + i) & cq->ring_mask].user_data;

		if ((data & TAG_MASK) == TAG_OP)
			__builtin_prefetch(slot_at(r, (uint32_t)(data >> 32)), 1);
	}
	for (unsigned i = 0; i < n; i++) {
		uint64_t data = cq->cqes[(head + i) & cq->ring_mask].user_data;

		if ((data & TAG_MASK) == TAG_OP && slot_at(r, (uint32_t)(data >> 32))->op) {
			op[k] = slot_at(r, (uint32_t)(data >> 32))->op;
			__builtin_prefetch(op[k++], 1);
		}
	}
	for (unsigned i = 0; i < k; i++)
		__builtin_prefetch(op[i]->g, 1);
	for (unsigned i = 0; i < k; i++) {
		const char *sp = load_rlx(&op[i]->g->sp);

		for (int line = 0; line < FRAME_LINES; line++)
			__builtin_prefetch(sp + line * 64, 1, 2);
	}
}

/* Never none, or a P with many goroutines that only yield would take no completion. */
static inline int reap_limit(struct p *p)
{
	int room = POLL_BATCH - (int)runq_len(&p->q.woken);

	return room > REAP_MIN ? room : REAP_MIN;
}

/* Takes completions until `limit` goroutines are readied; how many were. */
static int reap(struct m *m, struct ring *r, int limit)
{
	struct io_uring_cq *cq = &r->u.cq;
	unsigned head = *cq->khead, n;
	int readied = 0;

	while (readied < limit && (n = cq_ready(r)) != 0) {
		if (n > AHEAD)
			n = AHEAD;
		if (n > 2)
			fetch_ahead(r, head, n);
		for (; n > 0 && readied < limit; n--, head++) {
			const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];

			if (likely((cqe->user_data & TAG_MASK) == TAG_OP)) {
				complete(m, r, cqe);
				readied++;
			} else if ((cqe->user_data & TAG_MASK) == TAG_WAKE) {
				r->woken = true;
				if (!(cqe->flags & IORING_CQE_F_MORE))
					r->wake_armed = false;
			}
		}
		/* [RING-3] release: pairs with the kernel's read of the head: the CQEs are read before it may reuse them. */
		store_rel(cq->khead, head);
	}
	return r->drained ? 0 : readied;
}

static bool ring_pending(struct p *p)
{
	struct ring *r = ring_of(p);

	return load_rlx(&p->io_inflight) > 0 || sq_queued(r) > 0 || cq_ready(r) > 0 || load_rlx(&r->inbox) != 0;
}

static bool ring_queued(struct p *p)
{
	return sq_queued(ring_of(p)) > 0;
}

static bool ring_overdue(struct p *p)
{
	struct ring *r = ring_of(p);

	return load_acq(r->u.cq.ktail) != load_rlx(r->u.cq.khead) /* [RING-2] */ || (sq_flags(r) & IORING_SQ_TASKRUN) ||
	       load_rlx(&r->u.sq.sqe_tail) != load_rlx(r->u.sq.ktail);
}

static void arm_wake(struct ring *r)
{
	struct io_uring_sqe *sqe;

	if (sq_room(r) == 0)
		enter(r, 0, 0);
	if (sq_room(r) == 0)
		return;
	sqe = ring_next_sqe(&r->u.sq);
	io_uring_prep_poll_multishot(sqe, r->wakefd, POLLIN);
	sqe->user_data = TAG_WAKE;
	r->wake_armed = true;
}

static int ring_poll(struct m *m, struct p *p, int64_t deadline)
{
	struct ring *r = ring_of(p);
	int limit = reap_limit(p), n;

	if (unlikely(load_rlx(&r->inbox) != 0))
		read_inbox(r);
	n = reap(m, r, limit);
	/* The completion of a wake() that came before we began may be among those: then we must not wait either. */
	if (n > 0 || deadline == 0 || r->woken) {
		if (sq_queued(r) != 0 || (sq_flags(r) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))) {
			enter(r, 0, 0);
			n += reap(m, r, limit - n);
		}
	} else {
		if (r->wakefd >= 0 && !r->wake_armed)
			arm_wake(r);
		if (unlikely(goro__san & SAN_VALGRIND)) {
			enter(r, 0, 0);
			goro__ring_wait(r->u.ring_fd, deadline);
		}
		enter(r, !(goro__san & SAN_VALGRIND), deadline);
		n = reap(m, r, limit);
	}
	/* A look on behalf of another M must leave it to the owner, who may be about to wait. */
	r->woken &= deadline == 0;
	return n;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Waking, ending */

static void ring_wake(struct p *p)
{
	goro__ring_wake(ring_of(p)->u.ring_fd, ring_of(p)->wakefd);
}

/* Queues a cancel for every operation in flight; completions that come meanwhile are taken. */
static void cancel_all(struct m *m, struct ring *r)
{
	for (uint32_t i = 1; i < r->nslots; i++) {
		struct slot *s = slot_at(r, i);

		while (s->op && sq_room(r) == 0) {
			enter(r, 0, 0);
			reap(m, r, INT_MAX);
		}
		if (s->op)
			queue_cancel(r, user_data(i, s->gen));
	}
}

static void ring_drain(struct m *m, struct p *p)
{
	struct ring *r = ring_of(p);

	r->drained = true;
	reap(m, r, INT_MAX);
	/* Once is enough but for a request that io-wq was just about to begin: so again if it takes long. */
	while (p->io_inflight > 0) {
		int64_t until = goro__now() + DRAIN_TURN_NS;

		cancel_all(m, r);
		while (p->io_inflight > 0 && goro__now() < until) {
			enter(r, 1, until);
			reap(m, r, INT_MAX);
		}
	}
}

void goro__ring_info(struct p *p, struct ring_info *ret)
{
	struct ring *r = ring_of(p);

	*ret = (struct ring_info){
		.flags = r->u.flags,
		.sq = r->u.sq.ring_entries, .cq = r->u.cq.ring_entries,
		.wake = goro__ring_wake_name(),
		.slots = r->nslots - 1,
		.inflight = load_rlx(&p->io_inflight),
	};
}

const struct netpoll goro__uring = {
	.name = "uring",
	.completes = true,
	.p_init = ring_p_init,
	.p_fini = ring_p_fini,
	.pending = ring_pending,
	.poll = ring_poll,
	.wake = ring_wake,
	.overdue = ring_overdue,
	.drain = ring_drain,
	.queued = ring_queued,
	.reserve = ring_reserve,
	.start = ring_start,
	.cancel = ring_cancel,
};
