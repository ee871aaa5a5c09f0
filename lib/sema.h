/* SPDX-License-Identifier: MIT */
/*
 * sema.h: waiting on an address. Layer 8.
 *
 * A mutex or a WaitGroup is one word in the user's memory. Those who wait for one are in a table of queues that is keyed
 * by its address, as in Go's semaphore table and Linux's futexes. Who holds the lock of the address's bucket decides, by the word, whether to
 * sleep, and whom to wake; so the word and the queue never disagree. See sema.c for the invariants, mutex.c for a user.
 *
 *	b = goro__sema_lock(addr);
 *	if (the word says wait) {
 *		note in the word that somebody waits;
 *		m = goro__sema_wait(m, b, &w, WAIT_MUTEX, deadline);	(drops the lock)
 *		... w.result is what the waker passed, or -ETIMEDOUT ...
 *	}
 */
#ifndef LIB_SEMA_H
#define LIB_SEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "lock.h"
#include "park.h"

/* Somebody who waits, on his own stack. Under the bucket's lock while it is listed, but for the constant fields. */
struct sleeper {
	const void *addr;	       /* constant */
	struct g *g;		       /* constant */
	void (*expired)(struct sleeper *w, bool more); /* constant: see goro__sema_wait() */
	int64_t since;		       /* the user's */
	struct sleeper *after, *before; /* of the same address, oldest first; the first one stands for the address */
	struct sleeper *last;	       /* of a first one: the last of its queue */
	struct sleeper *next, *prev;   /* of a first one: the other addresses of the bucket */
	int result;		       /* written by who took it off */
	bool listed;
	bool more;		       /* of one taken off: others still wait for its address */
};

struct bucket {
	struct lock lock CACHE_ALIGNED; /* RANK_SEMA: the queues */
	struct sleeper *first;		/* of each address the oldest sleeper */
};

/* Locks and returns the bucket of an address. In the runtime. */
struct bucket *goro__sema_lock(const void *addr);

static inline void sema_unlock(struct bucket *b)
{
	goro__unlock(&b->lock);
}

/*
 * Sleeps in the queue of w->addr, as its last or its first; b is its bucket, locked, and is unlocked. w->addr is set, and with a deadline
 * w->expired, which is called, with the bucket locked, if the deadline takes w off; more says whether others
 * still wait for the address. Afterwards w->result is what goro__sema_wake() was given, or -ETIMEDOUT.
 */
GORO_PARKS struct m *goro__sema_wait(struct m *m, struct bucket *b, struct sleeper *w, enum wait_reason why,
				     int64_t deadline, bool first);

/*
 * The two halves of goro__sema_wait(), for who has something to do between them that may park: list() under the bucket's lock, which it leaves
 * locked; park() when the bucket has been locked again and w was found still listed. Who takes a sleeper off that does not park yet
 * must not wake it: how he knows is the caller's business (cond.c).
 */
void goro__sema_list(struct m *m, struct bucket *b, struct sleeper *w, bool first);
GORO_PARKS struct m *goro__sema_park(struct m *m, struct bucket *b, struct sleeper *w, enum wait_reason why, int64_t deadline);

/* The first sleeper of addr, which stays in its queue, or NULL. b is locked. */
struct sleeper *goro__sema_first(struct bucket *b, const void *addr);

/* Takes the first sleeper of addr off its queue, NULL if there is none. b is locked; who gets one must wake it. */
struct sleeper *goro__sema_take(struct bucket *b, const void *addr);

/* Takes every goroutine off every queue: the runtime has ended. Also declared in sched.h, for layer 6. */
void goro__sema_forget(void);

/* Takes all off, chained by ->after. */
struct sleeper *goro__sema_take_all(struct bucket *b, const void *addr);

/* Wakes a sleeper that was taken off; the bucket should be unlocked. w is dead afterwards. */
static inline void sema_wake(struct m *m, struct sleeper *w, int result)
{
	struct g *g = w->g;

	w->result = result;
	goro__ready(m, g);
}

#endif
