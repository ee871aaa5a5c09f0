/* SPDX-License-Identifier: MIT */
/*
 * sema.c: the table of those who wait on an address.
 *
 * A bucket holds, for each address with sleepers that hashes to it, a queue in order of arrival. The oldest sleeper of a queue stands
 * for it in the bucket's list of addresses, so finding an address costs the number of addresses in the bucket,
 * however many sleep on each, and everything else is constant. The table is one for the process and works without goro_run().
 *
 * Invariants, whenever the bucket's lock is free:
 *   I1 a sleeper is in a queue if and only if its `listed` is set, and then it is parked, or its park has not been left yet.
 *   I2 the word of an address says "somebody may wait" if its queue is not empty: sleepers set it under the lock before
 *      they enqueue; who empties the queue, waker or deadline, clears it under the lock. So wakers that find
 *      the word clear need not come here, which is all fast paths.
 *   I3 who takes a sleeper off owes it one sema_wake() (protocol A of park.c).
 *   I4 nobody touches a word here except while a sleeper of its address is in the queue, or while he owns the object that the word
 *      belongs to. So an object may be freed by whoever knows that no call on it is under way.
 *
 * Why not counting semaphores, as in Go, where a release is remembered in the word and the sleeper counts are kept by the users'
 * own words? With deadlines that has a gap: a sleeper that times out finds that a release has been counted for it but not arrived, and
 * must wait for it and pass it on. Here a deadline, like a waker, acts on word and queue under one lock, so a sleeper is
 * either woken or timed out and the word is right in both cases (WTF's ParkingLot, and Linux's futexes, have this form).
 *
 * Rejected: a treap of addresses in each bucket (Go; it helps from thousands of contended addresses a bucket on); a queue inside of each mutex
 * (24 bytes more in each); a table per runtime (plain threads may use a mutex before goro_run() and after it).
 */
#include "sema.h"

#include <errno.h>
#include <stddef.h>

#define BUCKETS_LOG 9
#define BUCKETS (1u << BUCKETS_LOG)

static struct bucket table[BUCKETS] = { [0 ... BUCKETS - 1] = { .lock = LOCK_INIT(RANK_SEMA) } };

static struct bucket *bucket_of(const void *addr)
{
	/* Fibonacci hashing: the high bits of the product depend on all bits of the address. */
	return &table[(uint64_t)(uintptr_t)addr * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BUCKETS_LOG)];
}

struct bucket *goro__sema_lock(const void *addr)
{
	struct bucket *b = bucket_of(addr);

	goro__lock(&b->lock);
	return b;
}

static struct sleeper *find(struct bucket *b, const void *addr)
{
	struct sleeper *h = b->first;

	while (h && h->addr != addr)
		h = h->next;
	return h;
}

/* Puts h, first of its queue, into the bucket's list: in the place of old, or as a new address if old is NULL. */
static void stand_for(struct bucket *b, struct sleeper *h, struct sleeper *old)
{
	h->before = NULL;
	h->prev = old ? old->prev : NULL;
	h->next = old ? old->next : b->first;
	if (h->prev)
		h->prev->next = h;
	else
		b->first = h;
	if (h->next)
		h->next->prev = h;
}

static void drop_address(struct bucket *b, struct sleeper *h)
{
	if (h->prev)
		h->prev->next = h->next;
	else
		b->first = h->next;
	if (h->next)
		h->next->prev = h->prev;
}

static void enqueue(struct bucket *b, struct sleeper *w, bool first)
{
	struct sleeper *h = find(b, w->addr);

	w->listed = true;
	if (h && !first) {
		w->before = h->last;
		w->after = NULL;
		h->last->after = w;
		h->last = w;
		return;
	}
	w->after = h;
	w->last = h ? h->last : w;
	stand_for(b, w, h);
	if (h)
		h->before = w;
}

static void dequeue(struct bucket *b, struct sleeper *w)
{
	struct sleeper *next = w->after;

	w->listed = false;
	if (w->before) {
		w->before->after = next;
		if (next)
			next->before = w->before;
		else
			find(b, w->addr)->last = w->before;
		w->more = true;
		return;
	}
	w->more = next != NULL;
	if (next) {
		next->last = w->last;
		stand_for(b, next, w);
	} else {
		drop_address(b, w);
	}
}

struct sleeper *goro__sema_first(struct bucket *b, const void *addr)
{
	return find(b, addr);
}

struct sleeper *goro__sema_take(struct bucket *b, const void *addr)
{
	struct sleeper *w = find(b, addr);

	if (w)
		dequeue(b, w);
	return w;
}

struct sleeper *goro__sema_take_all(struct bucket *b, const void *addr)
{
	struct sleeper *h = find(b, addr);

	if (h)
		drop_address(b, h);
	for (struct sleeper *w = h; w; w = w->after)
		w->listed = false;
	return h;
}

/* The deadline, like a waker: only if w is still listed. */
static void expire(struct m *m, void *arg)
{
	struct sleeper *w = arg;
	struct bucket *b = goro__sema_lock(w->addr);

	if (!w->listed) {
		sema_unlock(b);
		return;
	}
	dequeue(b, w);
	w->expired(w, w->more);
	sema_unlock(b);
	sema_wake(m, w, -ETIMEDOUT);
}

void goro__sema_list(struct m *m, struct bucket *b, struct sleeper *w, bool first)
{
	w->g = goro__self(m);
	enqueue(b, w, first);
}

struct m *goro__sema_park(struct m *m, struct bucket *b, struct sleeper *w, enum wait_reason why, int64_t deadline)
{
	if (deadline < 0)
		return goro__park(m, &b->lock, why);
	return goro__park_until(m, &b->lock, why, deadline, expire, w);
}

struct m *goro__sema_wait(struct m *m, struct bucket *b, struct sleeper *w, enum wait_reason why, int64_t deadline,
			  bool first)
{
	goro__sema_list(m, b, w, first);
	return goro__sema_park(m, b, w, why, deadline);
}

/*
 * The runtime has ended: its goroutines' stacks, on which their sleepers lie, are about to be unmapped. Plain threads stay in their queues;
 * an object that a goroutine still waited for must not be used any more, so its word is left as it is.
 */
void goro__sema_forget(void)
{
	for (uint32_t i = 0; i < BUCKETS; i++) {
		struct bucket *b = &table[i];
		struct sleeper *h, *h_next, *w, *w_next;

		goro__lock(&b->lock);
		for (h = b->first; h; h = h_next) {
			h_next = h->next;
			for (w = h; w; w = w_next) {
				w_next = w->after;
				if (!(w->g->flags & G_FOREIGN))
					dequeue(b, w);
			}
		}
		goro__unlock(&b->lock);
	}
}
