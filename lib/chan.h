/* SPDX-License-Identifier: MIT */
/*
 * chan.h: the inside of a channel, for chan.c and select.c. Layer 8. See chan.c for the protocol and its invariants.
 */
#ifndef LIB_CHAN_H
#define LIB_CHAN_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <goro/chan.h>

#include "atomic.h"
#include "attr.h"
#include "context.h"
#include "fatal.h"
#include "lock.h"
#include "park.h"
#include "waiter.h"

/* First in, first out. */
struct waitq {
	struct waiter *first; /* atomic: read without the lock by those who only look */
	struct waiter *last;
};

/* Bits of a channel's state. CHAN_CLOSED comes once; the others are constant, of channels that lie in an object of ours. */
enum {
	CHAN_CLOSED = 1,
	CHAN_RECV_ONLY = 2, /* a timer's or a context's: users receive from it, no more */
	CHAN_HIDES = 4,	    /* a timer's: its buffer does not show in len and cap */
	CHAN_OWNS = 8,	    /* whoever frees it means the timer that it lies in */
};

struct goro_chan {
	struct lock lock;   /* RANK_CHAN: all that follows */
	uint16_t state;	    /* atomic, CHAN_...; see chan_full() and chan_empty() */
	uint16_t user;	    /* which M used it last, and how often it has changed hands in a row; see "Turns" in chan.c */
	uint32_t since;	    /* arch_ticks() when it changed hands, low half */
	uint32_t count;	    /* atomic: elements in the buffer */
	uint32_t cap;	    /* constant */
	uint32_t sendx;	    /* slot that the next element goes into */
	uint32_t recvx;	    /* slot that holds the oldest one */
	uint32_t elem_size; /* constant */
	struct waitq recvq, sendq;
	char buf[] CACHE_ALIGNED;
};

#ifndef GORO_DEBUG
_Static_assert(sizeof(struct goro_chan) == 64, "lock, counters and lists share one cache line");
#endif

/* Copies an element. The sizes of scalars and small structures without a call. */
static inline void elem_copy(void *dst, const void *src, uint32_t n)
{
	if (likely(n == 8))
		memcpy(dst, src, 8);
	else if (n == 4)
		memcpy(dst, src, 4);
	else if (n == 16)
		memcpy(dst, src, 16);
	else if (n == 1)
		memcpy(dst, src, 1);
	else if (n == 2)
		memcpy(dst, src, 2);
	else if (n != 0)
		memcpy(dst, src, n);
}

static inline void *chan_slot(struct goro_chan *c, uint32_t i)
{
	return c->buf + (size_t)i * c->elem_size;
}

static inline uint32_t chan_next(const struct goro_chan *c, uint32_t i)
{
	return i + 1 == c->cap ? 0 : i + 1;
}

static inline void waitq_append(struct waitq *q, struct waiter *w)
{
	w->next = NULL;
	w->prev = q->last;
	w->listed = true;
	if (q->last)
		q->last->next = w;
	else
		store_rlx(&q->first, w);
	q->last = w;
}

static inline void waitq_remove(struct waitq *q, struct waiter *w)
{
	w->listed = false;
	if (w->prev)
		w->prev->next = w->next;
	else
		store_rlx(&q->first, w->next);
	if (w->next)
		w->next->prev = w->prev;
	else
		q->last = w->prev;
}

/* The case of a select is taken by whoever moves its word away from 0. */
static inline bool sel_take(struct sel *sel, uint32_t index)
{
	uint32_t none = 0;

	/* [SELECT-1] acq_rel: pairs with [SELECT-2], the expiry. Of all who try one wins; [SELECT-3] publishes what he did. */
	return cas_ar(&sel->fired, &none, index);
}

/* The run has ended, and w's goroutine with it: nobody may meet w any more, not the next run and not goro_chan_free(). */
static inline void goro__waiter_forget(struct waiter *w)
{
	struct goro_chan *c = w->c;

	if (!w->listed)
		return;
	goro__lock(&c->lock);
	if (w->listed)
		waitq_remove(w->sends ? &c->sendq : &c->recvq, w);
	goro__unlock(&c->lock);
}

/* Takes the first waiter that may still be served off the list: who gets one must finish it and wake its goroutine. */
static inline struct waiter *waitq_take(struct waitq *q)
{
	struct waiter *w;

	while ((w = q->first) != NULL) {
		store_rlx(&q->first, w->next);
		if (w->next)
			w->next->prev = NULL;
		else
			q->last = NULL;
		w->listed = false;
		if (likely(!w->sel) || sel_take(w->sel, w->index))
			return w;
	}
	return NULL;
}

/* Wakes waiter w, which was taken off its list and has its result; the lock has been dropped. w is dead afterwards. */
static inline void waiter_wake(struct m *m, struct waiter *w)
{
	struct g *g = w->g;

	if (likely(!w->sel)) {
		goro__ready(m, g);
		return;
	}
	if (unlikely(w->sel->wakefd >= 0))
		goro__sel_poke(w->sel);
	/* [SELECT-3] release: pairs with [SELECT-4]. Without it the select may go on before its element is there. */
	store_rel(&w->sel->done, 1);
	goro__notify(m, g);
}

static inline void waiter_finish(struct m *m, struct goro_chan *c, struct waiter *w, int result)
{
	w->result = result;
	goro__unlock(&c->lock);
	waiter_wake(m, w);
}

/*
 * Puts an element of n bytes, its elem_size, into c, whose lock is held and which is open: 0, and the lock has been dropped; -EAGAIN: there is no room, and it
 * is still held.
 */
static inline int chan_put_step(struct m *m, struct goro_chan *c, const void *elem, uint32_t n)
{
	struct waiter *w;
	void *slot;

	if (c->recvq.first && (w = waitq_take(&c->recvq)) != NULL) {
		san_acquire(w);
		if (likely(w->elem))
			elem_copy(w->elem, elem, n);
		san_release(w);
		waiter_finish(m, c, w, 1);
		return 0;
	}
	if (c->count == c->cap)
		return -EAGAIN;
	slot = chan_slot(c, c->sendx);
	san_acquire(slot);
	elem_copy(slot, elem, n);
	san_release(slot);
	c->sendx = chan_next(c, c->sendx);
	store_rlx(&c->count, c->count + 1);
	goro__unlock(&c->lock);
	return 0;
}

/*
 * One step of a send, with c's lock held: 0, sent; -EPIPE, closed or not for users to send on: the lock has been dropped. -EAGAIN: it would have to
 * wait, and the lock is still held. May be called with locks of other channels held.
 */
static inline int chan_send_step(struct m *m, struct goro_chan *c, const void *elem)
{
	if (unlikely(c->state)) {
		goro__unlock(&c->lock);
		return -EPIPE;
	}
	return chan_put_step(m, c, elem, c->elem_size);
}

/*
 * One step of a receive, with c's lock held: 1, received; 0, closed and drained: the lock has been dropped, elem is not
 * written. -EAGAIN: it would have to wait, and the lock is still held.
 */
static inline int chan_recv_step(struct m *m, struct goro_chan *c, void *elem)
{
	struct waiter *w;
	void *slot;

	if (c->count != 0) {
		slot = chan_slot(c, c->recvx);
		san_acquire(slot);
		if (likely(elem))
			elem_copy(elem, slot, c->elem_size);
		san_release(slot);
		c->recvx = chan_next(c, c->recvx);
		if (unlikely(c->sendq.first) && (w = waitq_take(&c->sendq)) != NULL) {
			/* The buffer was full: the oldest sender's element takes the slot that came free. */
			san_acquire(w);
			elem_copy(slot, w->elem, c->elem_size);
			san_release(slot);
			san_release(w);
			c->sendx = c->recvx;
			waiter_finish(m, c, w, 0);
			return 1;
		}
		store_rlx(&c->count, c->count - 1);
		goro__unlock(&c->lock);
		return 1;
	}
	if (c->sendq.first && (w = waitq_take(&c->sendq)) != NULL) {
		san_acquire(w);
		if (likely(elem))
			elem_copy(elem, w->elem, c->elem_size);
		san_release(w);
		waiter_finish(m, c, w, 0);
		return 1;
	}
	if (likely(!(c->state & CHAN_CLOSED)))
		return -EAGAIN;
	goro__unlock(&c->lock);
	return 0;
}

/* A receive from a closed channel gives the zero value. */
static inline void chan_recv_zero(struct goro_chan *c, void *elem)
{
	san_acquire(c);
	if (elem)
		memset(elem, 0, c->elem_size);
}

/* What those who may not wait find without the lock; see "Looking" in chan.c. */
static inline bool chan_full(struct goro_chan *c)
{
	return c->cap == 0 ? load_rlx(&c->recvq.first) == NULL : load_rlx(&c->count) == c->cap;
}

static inline bool chan_empty(struct goro_chan *c)
{
	return c->cap == 0 ? load_acq(&c->sendq.first) == NULL : load_acq(&c->count) == 0;
}

/* At the end of a run: the waiters of all goroutines are taken off their channels. */
void goro__chan_forget(void);

/* Waits for what never comes: -ETIMEDOUT, or -EAGAIN for GORO_NOW. */
GORO_PARKS int goro__wait_in_vain(enum wait_reason why, int64_t deadline);

/* The panic of a send that got -EPIPE; the caller holds no lock and has left the runtime. */
_Noreturn void goro__send_on_closed(struct goro_chan *c);

/* Makes a channel of memory of ours, with these bits of state. */
void goro__chan_init(struct goro_chan *c, size_t elem_size, size_t capacity, unsigned state);

/* Closes c, which is open and whose lock is held, and drops the lock. In the runtime. */
void goro__chan_close(struct m *m, struct goro_chan *c);

/* utimer.c: frees the timer that c, CHAN_OWNS, lies in. User context. */
void goro__timer_free_by_chan(struct goro_chan *c);

#endif
