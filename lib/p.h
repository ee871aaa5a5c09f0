/* SPDX-License-Identifier: MIT */
/*
 * p.h: the processor: what a thread must hold to run goroutines. Layer 4.
 *
 * Ps live from goro_run() to its end; ps[0 .. maxprocs) run goroutines. A P above maxprocs (after it was lowered) is
 * offline: its M still waits for its timers and its I/O, and injects whom they wake into the global queue. So
 * nothing in flight is ever lost by a change of maxprocs.
 */
#ifndef LIB_P_H
#define LIB_P_H

#include <stdbool.h>
#include <stdint.h>

#include "runq.h"
#include "stack.h"
#include "timer.h"

struct m;
struct ring;

#define P_MAX 256

/* Values of p->idle, the word that tells wakers where the M of this P sleeps. */
enum {
	P_RUNNING,	/* not asleep */
	P_PARKED_FUTEX, /* in futex_wait on p->idle */
	P_PARKED_POLL,	/* in the backend's poll with a deadline */
	P_NOTIFIED,	/* someone woke it: it will look at everything before it sleeps */
};

/* Bits of p->attention: reasons to leave the fast path at the next switch; atomic. */
enum {
	ATT_SLICE = 1,	/* the slice is used up: runnext loses its privilege once */
	ATT_STOP = 2,	/* goro_run() is ending */
	ATT_WORLD = 4,	/* somebody stops the world */
	ATT_PROCS = 8,	/* maxprocs changed */
	ATT_TRIM = 16,	/* give surplus stacks back */
	ATT_LOOK = 32,	/* timers or I/O have waited for a millisecond */
	ATT_BOUND = 64,	/* the goroutine that runs is bound to its thread: nobody may follow it there */
	ATT_FULL = 128,	/* as many threads are stopped as may be: find_runnable() chooses whom to start */
};

struct p {
	/* Owner only, hot. */
	struct m *m;
	uint32_t id;
	uint32_t tick;		/* dispatches */
	uint32_t until_look;	/* dispatches left until it looks further than the local queues */
	uint32_t attention;	/* atomic: others set bits */
	bool offline;
	bool drained;		/* at the end of the runtime: nothing is in flight any more */
	bool stole;		/* what runs here was stolen since the last look */
	struct g *gfree;	/* free records */
	uint32_t ngfree;
	uint32_t slice_tick;	/* atomic: sysmon compares it; advanced when a slice begins */
	uint64_t next_id, end_id; /* block of goroutine ids */
	uint64_t backlog_since; /* arch_ticks() since when more waits than this P runs; 0: not */
	uint64_t look_ticks;	/* atomic: arch_ticks() of the last look */
	uint32_t grain;		/* atomic: ticks per dispatch between the last two looks; UINT32_MAX: not known */
	uint64_t steal_after;	/* arch_ticks() before which this P does not steal: what it stole was too fine */
	uint64_t last_oldest;	/* arch_ticks() when the oldest new goroutine was last taken out of turn */
	uint64_t last_poll;	/* arch_ticks() of the last look at the backend */
	uint32_t spawn_note;	/* spawns; every 32nd looks at the backlog */
	uint32_t hog_tick;	/* atomic: slice_tick of the stint of a goroutine that was preempted before */
	int64_t stint_since;	/* when what runs here got the P, if it was given to its thread; owner */
	int64_t hogs_due;	/* when the next of those that were preempted must have its turn; owner */
	uint32_t claimed;	/* atomic: a waker took our idle bit and is about to wake us */

	/* Written by the owner, read by others (relaxed). */
	uint64_t spawned, exited, switches, steals, wakeups, sleeps, io_ops, handoffs;

	struct stkcache stk;
	struct timers timers;

	/* The I/O backend's. */
	void *io;
	struct bias io_bias;	/* its section: submitting and polling on this P */
	uint32_t io_inflight;	/* atomic: operations whose completion has not been taken */

	uint32_t idle CACHE_ALIGNED; /* atomic futex word */

	struct runqs q CACHE_ALIGNED;
};

#endif
