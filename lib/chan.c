/* SPDX-License-Identifier: MIT */
/*
 * chan.c: channels.
 *
 * Concepts. A channel is a lock, a ring of `cap` slots, and two first-in-first-out lists of waiters: those who want to receive and
 * those who want to send. A waiter lies on its goroutine's stack and says where its element is, so that who serves it copies straight
 * between the two stacks (or the stack and the ring) and nothing is allocated. Plain threads have a goroutine record too (their
 * proxy, see m.h), so there is one kind of waiter. A waiter may stand for one case of a select (w->sel): then the
 * same goroutine is listed elsewhere too, and who takes it off the list must win it first (select.c).
 *
 * Invariants, whenever the lock is free ("live" means: not a case of a select that has been fired elsewhere):
 *   I1 one of the two lists has no live waiter, unless one select stands in both.
 *   I2 a live receiver waits only while the ring is empty; a live sender only while it is full (for cap 0 it is both).
 *   I3 on a closed channel nobody waits: close() takes all waiters off, and later ones find it closed.
 *   I4 count elements lie in the slots from recvx on; sendx is the slot behind the last one.
 *   I5 who takes a waiter off a list finishes it: copies, sets its result, drops the lock, wakes its goroutine, once.
 *
 * A send: 1 closed: panic. 2 a receiver waits: hand the element to the oldest. 3 room: into the ring. 4 else wait. A receive:
 * 1 an element in the ring: take it, and if a sender waits, put its element into the slot that came free, which by I2 is also the
 * last of the queue. 2 a sender waits: take it from its stack. 3 closed: the zero value. 4 else wait.
 *
 * Waiting (protocol A of park.c): the waiter is listed under the lock, and goro__park() releases the lock when the context is saved.
 * The waker drops the lock before goro__ready(), and that is the last time it touches the channel. So the
 * goroutine that was woken may free the channel at once, if it knows that no other call is under way: the pattern
 * "the receiver of the last element frees the channel" is sound. For the same reason goro_chan_free() takes the lock:
 * who learned of the close without the lock (below) waits there for the closer to leave.
 *
 * Deadlines: expire() takes the lock like any waker and owes the wake-up only if the waiter is still listed. So an element is
 * either handed over or not, and the result says which: a timeout loses no message.
 *
 * Looking. A call with GORO_NOW first looks without the lock, because polling a channel is common and must not slow down those who
 * use it. It may answer "would block" only if there was a moment during the call at which that was so:
 *	send: finds it open, then full. Nobody fills a closed channel, so it was full when it was last open; and if it
 *	      was closed in between, that moment lies within the call.
 *	receive: finds it empty, then loads the state [CHAN-1]. If it is open now, it was open when it was empty. If it is closed,
 *	      elements may have come between the two loads, so it looks again: nothing comes after the close.
 *
 * close() sets CHAN_CLOSED, which stops new waiters (I3), takes all waiters off under one hold of the lock, chains them by their own
 * links, and wakes them when it has dropped the lock; a waiter's memory is good until it is woken. Rejected: batches, with
 * the lock free in between: a waiter that times out then may free the channel before close() comes back to it.
 *
 * Cost: one locked instruction for an operation that does not wait (taking the lock; its release is a plain store), two for
 * one that waits for a select. Lock, counters and lists are one cache line. The index wraps by comparison.
 *
 * Turns. Two processors that use one channel all the time do not find its lock taken: the cache line, with all that the lock covers, goes back
 * and forth, and the wait for it, over 100 ns, hides in each operation. So the channel knows which M used it last. When it has changed hands
 * TURN_CHANGES times in a row, each time within TURN_DENSE, who comes next does his operation, leaves the channel to the other one and stays away
 * for TURN_WAIT; then he starts anew, and it is the other one's turn to stay away. So the lines (ring, waiters, stacks) move once
 * in a thousand operations, and two processors are as fast as one and not five times slower. Where operations come less often
 * than once in TURN_DENSE nobody ever waits. A goroutine that stays away spins: its P could run others, but if these use
 * the same channel, nothing is won.
 *
 * Rejected: a lock-free ring (FIFO among waiters, close and select then need a second structure and the same number of locked
 * instructions; Go tried and dropped it); a futex mutex (see lock.h); waiters from a pool, as Go has them because
 * its stacks move (ours do not); a switch straight to the receiver in send (it would jump the run queue: one ping-pong
 * pair would starve the rest; runnext has the same speed and the scheduler's rule for slices).
 */
#include "chan.h"

#include <goro/time.h>

#include "arch.h"
#include "clock.h"
#include "mem.h"

#define ELEM_MAX 65536

/* In tenths of a microsecond. With 4 as TURN_DENSE a slow spell of the host hides the changes; below 20 us of TURN_WAIT the lines move too often. */
#define TURN_DENSE 10
#define TURN_WAIT 400
#define TURN_CHANGES 7 /* fits in the four low bits of c->user */

void goro__chan_init(struct goro_chan *c, size_t elem_size, size_t capacity, unsigned state)
{
	memset(c, 0, sizeof(*c));
	lock_init(&c->lock, RANK_CHAN);
	c->state = (uint16_t)state;
	c->cap = (uint32_t)capacity;
	c->elem_size = (uint32_t)elem_size;
}

struct goro_chan *goro_chan_new(size_t elem_size, size_t capacity)
{
	struct goro_chan *c;

	if (elem_size > ELEM_MAX || capacity > UINT32_MAX)
		return NULL;
	/* 2^16 * 2^32 + 64 does not overflow; malloc refuses what is too much. */
	c = goro__mem_alloc(sizeof(*c) + elem_size * capacity);
	if (!c)
		return NULL;
	goro__chan_init(c, elem_size, capacity, 0);
	return c;
}

void goro_chan_free(struct goro_chan *c)
{
	struct m *m;
	bool used;

	if (!c)
		return;
	if (unlikely(c->state & CHAN_RECV_ONLY)) {
		if (!(c->state & CHAN_OWNS))
			goro__panic("free of receive-only channel");
		goro__timer_free_by_chan(c);
		return;
	}
	m = rt_enter();
	goro__lock(&c->lock);
	used = c->recvq.first || c->sendq.first;
	goro__unlock(&c->lock);
	rt_exit(m);
	if (used)
		goro__panic("free of a channel in use");
	goro__mem_free(c);
}

COLD int goro__wait_in_vain(enum wait_reason why, int64_t deadline)
{
	struct m *m;

	if (deadline == GORO_NOW)
		return -EAGAIN;
	m = rt_enter();
	while (deadline < 0)
		m = goro__park(m, NULL, why);
	while (goro__now() < deadline)
		m = goro__park_token_until(m, why, deadline);
	rt_exit(m);
	return -ETIMEDOUT;
}

COLD void goro__send_on_closed(struct goro_chan *c)
{
	goro__panic(c->state & CHAN_RECV_ONLY ? "send on receive-only channel" : "send on closed channel");
}

static void expire(struct m *m, void *arg)
{
	struct waiter *w = arg;
	struct goro_chan *c = w->c;

	goro__lock(&c->lock);
	if (!w->listed) {
		goro__unlock(&c->lock);
		return;
	}
	waitq_remove(w->sends ? &c->sendq : &c->recvq, w);
	waiter_finish(m, c, w, -ETIMEDOUT);
}

/* Waits in a list of c, whose lock is held, and leaves the runtime. Returns what the waker said. */
static NOINLINE int wait_listed(struct m *m, struct goro_chan *c, void *elem, bool sends, int64_t deadline)
{
	struct waiter w;

	if (unlikely(deadline >= 0) && (deadline == GORO_NOW || deadline <= goro__now())) {
		goro__unlock(&c->lock);
		rt_exit(m);
		return deadline == GORO_NOW ? -EAGAIN : -ETIMEDOUT;
	}
	w.elem = elem;
	w.g = goro__self(m);
	w.sel = NULL;
	w.c = c;
	w.sends = sends;
	goro__waits_at(w.g, &w);
	san_release(&w);
	waitq_append(sends ? &c->sendq : &c->recvq, &w);
	if (likely(deadline < 0))
		m = goro__park(m, &c->lock, sends ? WAIT_CHAN_SEND : WAIT_CHAN_RECV);
	else
		m = goro__park_until(m, &c->lock, sends ? WAIT_CHAN_SEND : WAIT_CHAN_RECV, deadline, expire, &w);
	san_acquire(&w);
	rt_exit(m);
	return w.result;
}

/* Two Ms that look alike (plain threads all have number 0) only never stay away from each other. */
static inline uint16_t m_tag(const struct m *m)
{
	return (uint16_t)(m->id << 4);
}

static inline bool same_user(const struct goro_chan *c, const struct m *m)
{
	return (c->user & 0xfff0) == m_tag(m);
}

/* Under the lock, another M used the channel last: whether to stay away for a while after this operation. */
static NOINLINE bool change_hands(struct goro_chan *c, const struct m *m)
{
	uint32_t now = (uint32_t)arch_ticks(), dense = (uint32_t)ticks_per_us() * TURN_DENSE / 10;
	uint16_t changes = now - c->since < dense ? c->user & 15 : 0;

	if (changes == TURN_CHANGES)
		return true;
	c->user = m_tag(m) | (changes + 1);
	c->since = now;
	return false;
}

/* In user context. */
static NOINLINE void stay_away(void)
{
	uint32_t start = (uint32_t)arch_ticks(), span = (uint32_t)ticks_per_us() * TURN_WAIT / 10;

	while ((uint32_t)arch_ticks() - start < span)
		arch_pause();
}

int goro_chan_send(struct goro_chan *c, const void *elem, int64_t deadline)
{
	bool crowded = false;
	struct m *m;
	int ret;

	if (unlikely(!c))
		return goro__wait_in_vain(WAIT_CHAN_SEND_NIL, deadline);
	if (unlikely(!elem) && c->elem_size != 0)
		return -EINVAL;
	if (deadline == GORO_NOW && load_rlx(&c->state) == 0 && chan_full(c))
		return -EAGAIN;
	m = rt_enter();
	goro__lock(&c->lock);
	if (unlikely(!same_user(c, m)))
		crowded = change_hands(c, m);
	ret = chan_send_step(m, c, elem);
	if (likely(ret == 0)) {
		rt_exit(m);
		if (unlikely(crowded))
			stay_away();
		return 0;
	}
	if (ret == -EAGAIN)
		ret = wait_listed(m, c, (void *)elem, true, deadline);
	else
		rt_exit(m);
	if (unlikely(ret == -EPIPE))
		goro__send_on_closed(c);
	return ret;
}

int goro_chan_recv(struct goro_chan *c, void *ret_elem, int64_t deadline)
{
	bool crowded = false;
	struct m *m;
	int ret;

	if (unlikely(!c))
		return goro__wait_in_vain(WAIT_CHAN_RECV_NIL, deadline);
	if (deadline == GORO_NOW && chan_empty(c)) {
		/* [CHAN-1] acquire: pairs with [CHAN-2]. Without it the buffer may be found empty although it was filled before the close. */
		if (!(load_acq(&c->state) & CHAN_CLOSED))
			return -EAGAIN;
		if (chan_empty(c)) {
			chan_recv_zero(c, ret_elem);
			return 0;
		}
	}
	m = rt_enter();
	goro__lock(&c->lock);
	if (unlikely(!same_user(c, m)))
		crowded = change_hands(c, m);
	ret = chan_recv_step(m, c, ret_elem);
	if (likely(ret >= 0)) {
		rt_exit(m);
		if (unlikely(crowded))
			stay_away();
	} else
		ret = wait_listed(m, c, ret_elem, false, deadline);
	if (unlikely(ret == 0))
		chan_recv_zero(c, ret_elem);
	return ret;
}

/* Takes all waiters of a channel that is being closed off one list, and chains them behind *tail. Returns the new tail. */
static struct waiter **take_all(struct waitq *q, int result, struct waiter **tail)
{
	struct waiter *w;

	while ((w = waitq_take(q)) != NULL) {
		w->result = result;
		*tail = w;
		tail = &w->next;
	}
	*tail = NULL;
	return tail;
}

void goro__chan_close(struct m *m, struct goro_chan *c)
{
	struct waiter *chain, *next;

	san_release(c);
	/* [CHAN-2] release: pairs with [CHAN-1]. Without it a receiver may find the channel closed before it sees the last elements. */
	store_rel(&c->state, c->state | CHAN_CLOSED);
	take_all(&c->sendq, -EPIPE, take_all(&c->recvq, 0, &chain));
	goro__unlock(&c->lock);
	for (; chain; chain = next) {
		next = chain->next;
		waiter_wake(m, chain);
	}
}

void goro_chan_close(struct goro_chan *c)
{
	struct m *m;

	if (unlikely(!c))
		goro__panic("close of nil channel");
	if (unlikely(load_rlx(&c->state) & CHAN_RECV_ONLY))
		goro__panic("close of receive-only channel");
	m = rt_enter();
	goro__lock(&c->lock);
	if (unlikely(c->state & CHAN_CLOSED)) {
		goro__unlock(&c->lock);
		rt_exit(m);
		goro__panic("close of closed channel");
	}
	goro__chan_close(m, c);
	rt_exit(m);
}

size_t goro_chan_len(struct goro_chan *c)
{
	return c && !(load_rlx(&c->state) & CHAN_HIDES) ? load_rlx(&c->count) : 0;
}

size_t goro_chan_cap(struct goro_chan *c)
{
	return c && !(load_rlx(&c->state) & CHAN_HIDES) ? c->cap : 0;
}
