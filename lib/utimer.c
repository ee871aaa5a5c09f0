/* SPDX-License-Identifier: MIT */
/*
 * utimer.c: timers that anybody may stop, reset and free while they fire; Go's Timer and Ticker on them.
 *
 * Concepts. timer.c has heaps, one per P, and a rule: whoever frees or restarts a timer must know that its callback is over. That suits a
 * sleeper, which has one owner. A Timer has any number of users, on all Ps and on plain threads. So it has a lock, which each of its users
 * takes, and its callback too: for a Timer that of its channel, so that the value and the stop are ordered as well; and one bit, armed.
 *
 * Invariants, whenever u->lock is free:
 *   I1 armed: u is in one heap, or has been taken out by a runner whose callback has not had the lock yet. Not armed: neither.
 *   I2 only who holds u->lock starts u, so u->t.home and u->t.when do not change under somebody who holds it.
 *   I3 the callback touches u under the lock only, and not after it has dropped it.
 *
 *	stopper:	lock; not armed? nothing to stop
 *			else in the heap? take it out; not armed; stopped
 *			else a callback is on its way: unlock, let it have the lock, lock, look again
 *	runner:		(timer.c: takes it out) lock; not armed, or started again (a ticker); deliver; unlock
 *
 *   So by I1 a stopper ends with armed false and no callback that has still to come; by I3 one that is still there touches u no more; and
 *   u may be started again or freed. The wait in the third line is for a callback that has begun and does nothing before it takes the lock: it is as
 *   short as the wait for the lock would be. Nobody stops a timer on g0, so the callback is never below its stopper on one thread.
 *
 * No stale value: deliver, receive, stop and reset are ordered by the channel's lock. A stop takes a value that has not been received out of the
 * buffer: then the timer counts as not having fired, as in Go 1.23, which does not even put it there. The buffer of one is what lets a timer fire
 * while nobody waits, and a tick wait for a receiver that is late. Users do not see it: CHAN_HIDES.
 *
 * The end of a run takes the heaps away under the timers. The run's number says that a timer was in one of those. A plain thread is a guest of the
 * run (foreign.c) while it looks into a heap; without a run, or in another one, an armed timer is in no heap and has no callback, and
 * whoever stops it only writes that down.
 *
 * Rejected: a lock-free state word, as Go had until 1.23 (ten states; the cost here is one uncontended lock of 20 cycles); a sequence number
 * that the callback compares (tells it that it is late, but not the one who frees that it is gone); callbacks in the order of Stop's return
 * by a global lock; channels of timers that fill when looked at, as Go has now, since nobody may look at one that is not referenced (there is
 * no garbage collector to give it back).
 */
#include "utimer.h"

#include <errno.h>
#include <goro/time.h>
#include <goro/timer.h>

#include "chan.h"
#include "clock.h"
#include "mem.h"
#include "spawn.h"
#include "sys.h"

#define PATIENCE 100 /* looks before the CPU is offered to the one that is waited for */

int goro__utimer_start(struct m *m, bool guest, struct utimer *u, int64_t when, struct p **ret_wake)
{
	int r;

	*ret_wake = NULL;
	if (unlikely(!guest))
		return -EPERM;
	r = goro__timer_add(m, &u->t, when, ret_wake);
	if (r == 0) {
		u->armed = true;
		u->run_no = load_rlx(&goro__timers_run_no);
	}
	return r;
}

bool goro__utimer_stop(bool guest, struct utimer *u)
{
	unsigned looks = 0;

	while (u->armed) {
		if (!guest || u->run_no != load_rlx(&goro__timers_run_no) || goro__timer_cancel(&u->t)) {
			u->armed = false;
			return true;
		}
		goro__unlock(u->lock);
		if (++looks > PATIENCE)
			sys_sched_yield();
		else
			arch_pause();
		goro__lock(u->lock);
	}
	return false;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Timer, Ticker */

struct goro_timer {
	struct utimer u;
	int64_t period;		/* 0: fires once; under the channel's lock */
	void (*fn)(void *arg);	/* constant; NULL: it delivers on the channel */
	void *arg;		/* constant */
	const void *made_at;	/* constant: shown as the creator of fn's goroutine */
	struct goro_chan c CACHE_ALIGNED; /* of all timers, for its lock; its buffer of one value behind it */
};

struct goro_ticker {
	struct goro_timer t;
};

/* When the tick is due that follows one of `when`, of which some may have been missed. */
static int64_t next_tick(int64_t when, int64_t period, int64_t now)
{
	int64_t missed = now > when ? (now - when) / period : 0, next;

	return __builtin_mul_overflow(missed + 1, period, &next) || __builtin_add_overflow(next, when, &next) ? INT64_MAX : next;
}

/* On g0. */
static void fire(struct m *m, struct timer *at)
{
	struct goro_timer *t = container_of(at, struct goro_timer, u.t);
	void (*fn)(void *) = t->fn;
	const void *made_at = t->made_at;
	void *arg = t->arg;
	int64_t now = goro__now();

	goro__lock(&t->c.lock);
	ASSERT(t->u.armed);
	san_acquire(t);
	t->u.armed = false;
	if (fn) {
		goro__unlock(&t->c.lock);
		if (unlikely(goro__spawn_in(m, fn, arg, made_at) != 0))
			goro__throw("out of memory for a timer's goroutine");
		return;
	}
	if (t->period) {
		if (unlikely(goro__timer_start(m, &t->u.t, next_tick(at->when, t->period, now)) != 0))
			goro__throw("out of memory for timers");
		t->u.armed = true;
	}
	if (chan_put_step(m, &t->c, &now, sizeof(now)) == -EAGAIN)
		goro__unlock(&t->c.lock); /* the last tick is still there: this one is dropped */
}

static int64_t when(int64_t ns)
{
	int64_t now = goro__now();

	if (ns <= 0)
		return now;
	return ns > INT64_MAX - now ? INT64_MAX : now + ns;
}

/* Stops it, takes back what has not been received, and starts it again unless ns is negative: 1, 0, or the error of the start. */
static int set(struct goro_timer *t, int64_t ns, int64_t period)
{
	struct m *m = rt_enter();
	bool guest = goro__guest_enter(m), was;
	struct p *wake = NULL;
	int r = 0;

	goro__lock(&t->c.lock);
	was = goro__utimer_stop(guest, &t->u);
	if (t->c.count) {
		store_rlx(&t->c.count, 0);
		was = true;
	}
	t->period = period;
	if (ns >= 0) {
		san_release(t);
		r = goro__utimer_start(m, guest, &t->u, when(ns), &wake);
	}
	goro__unlock(&t->c.lock);
	if (unlikely(wake))
		goro__wake_p(wake);
	if (guest)
		goro__guest_leave(m);
	rt_exit(m);
	return r < 0 ? r : was;
}

/* A timer that is started; NULL if it cannot be. */
static struct goro_timer *make(int64_t ns, int64_t period, void (*fn)(void *), void *arg, unsigned state, const void *pc)
{
	struct goro_timer *t = goro__mem_alloc(sizeof(*t) + sizeof(int64_t));

	if (!t)
		return NULL;
	goro__chan_init(&t->c, sizeof(int64_t), 1, state | CHAN_RECV_ONLY | CHAN_HIDES);
	utimer_init(&t->u, fire, &t->c.lock);
	t->fn = fn;
	t->arg = arg;
	t->made_at = pc;
	if (set(t, ns > 0 ? ns : 0, period) < 0) {
		goro__mem_free(t);
		return NULL;
	}
	return t;
}

static void destroy(struct goro_timer *t)
{
	struct m *m;
	bool used;

	set(t, -1, 0);
	m = rt_enter();
	goro__lock(&t->c.lock);
	used = t->c.recvq.first != NULL;
	goro__unlock(&t->c.lock);
	rt_exit(m);
	if (used)
		goro__panic("free of a channel in use");
	goro__mem_free(t);
}

void goro__timer_free_by_chan(struct goro_chan *c)
{
	destroy(container_of(c, struct goro_timer, c));
}

struct goro_timer *goro_timer_new(int64_t ns)
{
	return make(ns, 0, NULL, NULL, 0, NULL);
}

struct goro_timer *goro_timer_func(int64_t ns, void (*fn)(void *), void *arg)
{
	return fn ? make(ns, 0, fn, arg, 0, __builtin_return_address(0)) : NULL;
}

struct goro_chan *goro_timer_chan(struct goro_timer *t)
{
	return t && !t->fn ? &t->c : NULL;
}

int goro_timer_stop(struct goro_timer *t)
{
	if (unlikely(!t))
		goro__panic("time: Stop called on uninitialized Timer");
	return set(t, -1, 0);
}

int goro_timer_reset(struct goro_timer *t, int64_t ns)
{
	if (unlikely(!t))
		goro__panic("time: Reset called on uninitialized Timer");
	return set(t, ns > 0 ? ns : 0, 0);
}

void goro_timer_free(struct goro_timer *t)
{
	if (t)
		destroy(t);
}

struct goro_ticker *goro_ticker_new(int64_t ns)
{
	struct goro_timer *t;

	if (unlikely(ns <= 0))
		goro__panic("non-positive interval for NewTicker");
	t = make(ns, ns, NULL, NULL, 0, NULL);
	return t ? container_of(t, struct goro_ticker, t) : NULL;
}

struct goro_chan *goro_ticker_chan(struct goro_ticker *t)
{
	return t ? &t->t.c : NULL;
}

void goro_ticker_stop(struct goro_ticker *t)
{
	if (t)
		set(&t->t, -1, 0);
}

int goro_ticker_reset(struct goro_ticker *t, int64_t ns)
{
	int r;

	if (unlikely(ns <= 0))
		goro__panic("non-positive interval for Ticker.Reset");
	if (unlikely(!t))
		goro__panic("time: Reset called on uninitialized Ticker");
	r = set(&t->t, ns, ns);
	return r < 0 ? r : 0;
}

void goro_ticker_free(struct goro_ticker *t)
{
	if (t)
		destroy(&t->t);
}

struct goro_chan *goro_time_after(int64_t ns)
{
	struct goro_timer *t = make(ns, 0, NULL, NULL, CHAN_OWNS, NULL);

	return t ? &t->c : NULL;
}

struct goro_chan *goro_time_tick(int64_t ns)
{
	struct goro_timer *t = ns > 0 ? make(ns, ns, NULL, NULL, CHAN_OWNS, NULL) : NULL;

	return t ? &t->c : NULL;
}
