/* SPDX-License-Identifier: MIT */
/*
 * rwmutex.c: Go's sync.RWMutex on a mutex for writers and the table of sema.c for the rest.
 *
 * Concepts. Writers exclude each other by rw->w, Go's mutex with its starvation mode. The word, rw->state:
 *	WRITER	one who has rw->w has the lock, or waits for the readers to leave: nobody else may begin to read
 *	WAITING	readers may be in the queue of READERS(rw): they wait for WRITER to go
 *	DRAIN	the writer is in the queue of DRAINED(rw): it waits for the last reader to leave
 *	the rest, in units of READER: those who read, and those who have just tried
 * To read is to add READER. Who finds WRITER in the sum has only tried: he takes his READER back, as one who leaves, and goes to sleep if WRITER
 * is still there. So the way without a wait is one locked addition, which never has to be repeated however many readers come at once.
 *
 * Protocols. "R" and "D" are the locks of the two buckets; nobody holds both.
 *	rlock:	 1 add READER; no WRITER: done	2 leave	3 under R: no WRITER: add READER, done; else set WAITING, sleep; woken, it reads
 *	leave:	 1 subtract READER	2 nobody left and DRAIN: under D, if the writer is in its queue and still nobody is left: clear DRAIN, wake it
 *	lock:	 1 lock w	2 set WRITER; nobody reads: done	3 under D: nobody reads: done; else set DRAIN, sleep; woken, it has the lock
 *	unlock:	 1 no WAITING: clear WRITER; else under R: clear WRITER and WAITING and add READER for each sleeper, in one step	2 wake them	3 unlock w
 *	lock's deadline, in step 3: under D it takes the writer off and clears DRAIN; then the writer does what unlock does.
 *
 * Invariants:
 *   I1 WRITER is set and cleared by who has w only.
 *   I2 while WRITER is set only those who try add READER, and they take it back. So if with WRITER set the number is seen to be 0 once, then nobody
 *      reads until WRITER is cleared: the lock is the writer's, whatever number is seen later.
 *   I3 DRAIN is set and cleared under D. Set => the writer is in its queue, and somebody is about to subtract: whoever brings the number to 0 with
 *      DRAIN set comes to D. There he may meet another writer than the one whose DRAIN he saw (that one may have given up), so he looks at
 *      the number again: 0 with DRAIN set under D is I2 for this writer; if it is not 0, then somebody else is about to come.
 *   I4 WAITING is set and cleared under R; readers in the queue => WAITING and WRITER. Both are set in one step with the look at WRITER, so
 *      an unlock either sees WAITING, or the reader sees that WRITER is gone.
 *   I5 the readers that an unlock finds asleep are in before any later writer, and a writer that has set WRITER is in before any later reader: neither side
 *      starves the other.
 *   I6 who leaves touches the word in step 2 only while the writer is in its queue under D: its call keeps the memory alive. unlock's last access is to w.
 *
 * Rejected: the lock in one word with writers in a queue of ours (a second copy of the starvation mode); readers by compare-and-swap (each
 * failure is another transfer of the cache line); Go's count of readers that a writer waits for, beside that of those who are there (a
 * deadline would have to take back part of it); a counter per processor (64 bytes each; the object is 8).
 */
#include <goro/sync.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <goro/time.h>

#include "atomic.h"
#include "attr.h"
#include "clock.h"
#include "context.h"
#include "fatal.h"
#include "m.h"
#include "sema.h"

enum { WRITER = 1, WAITING = 2, DRAIN = 4, READER = 8 };

/* Addresses to sleep at, and for TSan: what writers have written for readers, and readers for the next writer. */
#define READERS(rw) ((const void *)&(rw)->state)
#define DRAINED(rw) ((const void *)((const char *)&(rw)->state + 1))

static inline bool nobody_reads(uint32_t state)
{
	return state < READER;
}

/* Somebody brought the number of readers to 0 while a writer waited for that: I3. */
static NOINLINE void wake_writer(struct goro_rwmutex *rw)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(DRAINED(rw));
	struct sleeper *w = goro__sema_first(b, DRAINED(rw));

	if (w) {
		uint32_t old = load_rlx(&rw->state);
		bool its_turn;

		do
			its_turn = (old & DRAIN) && nobody_reads(old);
		while (its_turn && !cas_ar(&rw->state, &old, old & ~(uint32_t)DRAIN));
		w = its_turn ? goro__sema_take(b, DRAINED(rw)) : NULL;
	}
	sema_unlock(b);
	if (w)
		sema_wake(m, w, 0);
	rt_exit(m);
}

/* Returns what is left of the word. */
static inline uint32_t leave(struct goro_rwmutex *rw)
{
	/* [RW-3] release: pairs with [RW-4]. Without it a writer may see what the reader did after it, or change what he still reads. */
	uint32_t state = add_seq(&rw->state, -(uint32_t)READER);

	if (unlikely((state & DRAIN) && nobody_reads(state)))
		wake_writer(rw);
	return state;
}

/* The deadline has taken a reader off (R is locked): I4. */
static void reader_gives_up(struct sleeper *w, bool more)
{
	if (!more)
		and_seq((uint32_t *)w->addr, ~(uint32_t)WAITING);
}

/* The caller's READER is in the word beside a WRITER. */
static NOINLINE GORO_PARKS int rlock_slow(struct goro_rwmutex *rw, int64_t deadline)
{
	struct sleeper w = { .addr = READERS(rw), .expired = reader_gives_up, .result = 0 };
	bool late;
	struct bucket *b;
	uint32_t old;
	struct m *m;

	leave(rw);
	if (deadline == GORO_NOW)
		return -EAGAIN;
	late = deadline > 0 && deadline <= goro__now();
	m = rt_enter();
	b = goro__sema_lock(READERS(rw));
	old = load_rlx(&rw->state);
	while (!((old & WRITER) && late) && !cas_ar(&rw->state, &old, old & WRITER ? old | WAITING : old + READER)) /* [RW-1] */
		;
	if (!(old & WRITER) || late) {
		sema_unlock(b);
		rt_exit(m);
		return old & WRITER ? -ETIMEDOUT : 0;
	}
	m = goro__sema_wait(m, b, &w, WAIT_RWMUTEX_RLOCK, deadline, false);
	rt_exit(m);
	return w.result;
}

int goro_rwmutex_rlock_until(struct goro_rwmutex *rw, int64_t deadline)
{
	/* [RW-1] acquire: pairs with [RW-2]. Without it what the last writer wrote may be read stale. */
	if (unlikely(add_seq(&rw->state, READER) & WRITER)) {
		int ret = rlock_slow(rw, deadline);

		if (ret != 0)
			return ret;
	}
	san_acquire(READERS(rw));
	return 0;
}

void goro_rwmutex_rlock(struct goro_rwmutex *rw)
{
	if (unlikely(add_seq(&rw->state, READER) & WRITER)) /* [RW-1] */
		rlock_slow(rw, GORO_FOREVER);
	san_acquire(READERS(rw));
}

int goro_rwmutex_tryrlock(struct goro_rwmutex *rw)
{
	uint32_t old = load_rlx(&rw->state);

	do {
		if (old & WRITER)
			return 0;
	} while (!cas_acq(&rw->state, &old, old + READER)); /* [RW-1] */
	san_acquire(READERS(rw));
	return 1;
}

void goro_rwmutex_runlock(struct goro_rwmutex *rw)
{
	san_release(DRAINED(rw));
	if (unlikely((int32_t)leave(rw) < 0))
		goro__throw("sync: RUnlock of unlocked RWMutex");
}

/* The deadline has taken the writer off (D is locked): I3. */
static void writer_gives_up(struct sleeper *w, bool more)
{
	(void)more; /* there is one writer */
	and_seq((uint32_t *)((char *)w->addr - 1), ~(uint32_t)DRAIN);
}

/* Waits for the readers to leave; WRITER is set. */
static NOINLINE GORO_PARKS int drain(struct goro_rwmutex *rw, int64_t deadline)
{
	struct sleeper w = { .addr = DRAINED(rw), .expired = writer_gives_up, .result = 0 };
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(DRAINED(rw));
	uint32_t old = load_rlx(&rw->state);

	while (!nobody_reads(old) && !cas_ar(&rw->state, &old, old | DRAIN))
		;
	if (nobody_reads(old)) {
		(void)load_acq(&rw->state); /* [RW-4] */
		sema_unlock(b);
	} else {
		m = goro__sema_wait(m, b, &w, WAIT_RWMUTEX_LOCK, deadline, false);
	}
	rt_exit(m);
	return w.result;
}

/* Clears WRITER and lets the readers in that wait. */
static NOINLINE void let_in(struct goro_rwmutex *rw)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(READERS(rw));
	struct sleeper *w = goro__sema_take_all(b, READERS(rw)), *next;
	uint32_t old = load_rlx(&rw->state), in = 0;

	for (next = w; next; next = next->after)
		in += READER;
	while (!cas_ar(&rw->state, &old, (old & ~(uint32_t)(WRITER | WAITING)) + in)) /* [RW-2] */
		;
	sema_unlock(b);
	for (; w; w = next) {
		next = w->after;
		sema_wake(m, w, 0);
	}
	rt_exit(m);
}

/* The end of writing, or of waiting for it. */
static void clear_writer(struct goro_rwmutex *rw)
{
	uint32_t old = load_rlx(&rw->state);

	do {
		if (unlikely(!(old & WRITER)))
			goro__throw("sync: Unlock of unlocked RWMutex");
		if (unlikely(old & WAITING)) {
			let_in(rw);
			return;
		}
		/* [RW-2] release: pairs with [RW-1]. Without it a reader may see old values of what was written under the lock. */
	} while (!cas_rel(&rw->state, &old, old & ~(uint32_t)WRITER));
}

int goro_rwmutex_lock_until(struct goro_rwmutex *rw, int64_t deadline)
{
	int ret;

	if (deadline >= 0 && (deadline == GORO_NOW || deadline <= goro__now())) {
		if (goro_rwmutex_trylock(rw))
			return 0;
		return deadline == GORO_NOW ? -EAGAIN : -ETIMEDOUT;
	}
	ret = goro_mutex_lock_until(&rw->w, deadline);
	if (ret != 0)
		return ret;
	/* [RW-4] acquire: pairs with [RW-3]. */
	if (unlikely(!nobody_reads(or_seq(&rw->state, WRITER)))) {
		ret = drain(rw, deadline);
		if (ret != 0) {
			clear_writer(rw);
			goro_mutex_unlock(&rw->w);
			return ret;
		}
	}
	san_acquire(READERS(rw));
	san_acquire(DRAINED(rw));
	return 0;
}

void goro_rwmutex_lock(struct goro_rwmutex *rw)
{
	goro_rwmutex_lock_until(rw, GORO_FOREVER);
}

int goro_rwmutex_trylock(struct goro_rwmutex *rw)
{
	uint32_t old = load_rlx(&rw->state);

	if (!nobody_reads(old) || (old & WRITER) || !goro_mutex_trylock(&rw->w))
		return 0;
	old = load_rlx(&rw->state);
	do {
		if (!nobody_reads(old)) {
			goro_mutex_unlock(&rw->w);
			return 0;
		}
	} while (!cas_acq(&rw->state, &old, old | WRITER)); /* [RW-4] */
	san_acquire(READERS(rw));
	san_acquire(DRAINED(rw));
	return 1;
}

void goro_rwmutex_unlock(struct goro_rwmutex *rw)
{
	san_release(READERS(rw));
	clear_writer(rw);
	goro_mutex_unlock(&rw->w);
}
