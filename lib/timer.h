/* SPDX-License-Identifier: MIT */
/*
 * timer.h: timers of the runtime. Layer 6. See timer.c for the protocol.
 *
 * A struct timer lives in its user's memory (a goroutine's stack, a connection) and is in the heap of one P from
 * goro__timer_start() until it fires or is stopped. Its callback runs on a scheduler stack, with no lock held; it must be
 * short and must not park: it readies goroutines.
 */
#ifndef LIB_TIMER_H
#define LIB_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"

struct m;
struct p;

struct timer {
	int64_t when;				   /* CLOCK_MONOTONIC ns; under the lock of home while it is in a heap */
	void (*fn)(struct m *m, struct timer *t);  /* set by the user before the start */
	void *arg;				   /* the user's */
	struct p *home;				   /* P whose heap has it, set by start; atomic */
	uint32_t idx;				   /* its number in home's table, 0: not in the heap; under home's lock */
	uint32_t gen;				   /* the user's */
};

/* An entry of the heap. */
struct timer_slot {
	int64_t when;
	uint32_t idx;	/* of the timer: its number in the table */
};

/* An entry of the table; the number of a timer does not change while it is in the heap. */
struct timer_ref {
	struct timer *t;
	uint32_t at;	/* its place in the heap; of a free entry: the number of the next free one, 0: none */
};

/* A P's heap. */
struct timers {
	struct lock lock;
	uint32_t n, cap;	  /* of the heap; the table has one more, for number 0 */
	uint32_t free, used;	  /* free list of the table, and how much of it was ever in use */
	struct timer_slot *heap;  /* 4-ary; own mapping, the table behind it */
	struct timer_ref *table;
	int64_t first;		  /* atomic: when the earliest fires, INT64_MAX if none */
	struct timer *running;	  /* atomic: whose callback is running */
};

/*
 * Starts t on m's P; it must not be in a heap. Returns 0 or -ENOMEM. The deadline may lie in the past. m must have a P. Who starts it
 * on a P that is not his wakes that one if *t is the first of its heap now: see goro__timer_add() in park.h.
 */
int goro__timer_start(struct m *m, struct timer *t, int64_t when);
int goro__timer_start_at(struct p *p, struct timer *t, int64_t when);

/*
 * Takes t out of its heap: true if it had not fired. On false its callback has run to its end, on another thread too;
 * so t's memory may be reused after either. Not from t's own callback, and with no lock held that the callback takes.
 */
bool goro__timer_stop(struct timer *t);

/*
 * The same without waiting: on false its callback is about to run, runs or has run. For users whose callback takes a lock that they hold
 * here, too, and that tells them which (utimer.c).
 */
bool goro__timer_cancel(struct timer *t);

/* Counts the runs of the runtime; a timer that was started in an earlier one is in no heap any more, whatever it says. */
extern uint32_t goro__timers_run_no;

/* Runs the callbacks of p's timers that are due at now; on g0 of any M. Whom they wake goes to m's queue. How many ran. */
int goro__timers_run(struct m *m, struct p *p, int64_t now);

void goro__timers_init(struct timers *ts);
void goro__timers_fini(struct timers *ts);

#endif
