/* SPDX-License-Identifier: MIT */
/*
 * utimer.h: a timer in memory of the user's, which may be stopped, started again and freed at any time, by anybody. Layer 8. See utimer.c
 * for the protocol; timers, tickers and contexts are made of it.
 */
#ifndef LIB_UTIMER_H
#define LIB_UTIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"
#include "park.h"
#include "timer.h"

struct utimer {
	struct timer t;	   /* its fn is the user's: see utimer_fired() */
	struct lock *lock; /* constant, of RANK_CHAN: the fields below, and each start */
	bool armed;	   /* started, neither stopped nor fired */
	uint32_t run_no;   /* the run in which it was started */
};

static inline void utimer_init(struct utimer *u, void (*fire)(struct m *m, struct timer *t), struct lock *lock)
{
	u->t.fn = fire;
	u->lock = lock;
	u->armed = false;
}

/*
 * Starts u, which is not armed; u->lock is held. guest: goro__guest_enter() said so. 0, -ENOMEM, -EPERM, -ECANCELED. Afterwards, without the lock,
 * the caller calls goro__wake_p(*ret_wake) if that is not NULL.
 */
int goro__utimer_start(struct m *m, bool guest, struct utimer *u, int64_t when, struct p **ret_wake);

/*
 * Stops u: true if it was armed and its callback now never does anything; false if it was not, and then no callback is under way that would
 * still touch u. u->lock is held, and may be dropped in between.
 */
bool goro__utimer_stop(bool guest, struct utimer *u);

#endif
