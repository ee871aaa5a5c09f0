/* SPDX-License-Identifier: MIT */
/*
 * park.c: going to sleep and being woken.
 *
 * Concepts. A goroutine parks by saving its context and letting its M go on with another one. A waker makes it runnable by putting
 * it on a queue. The danger in between: a waker that finds the goroutine before its context is saved would start it on
 * another M with registers that are not there yet. Two protocols exclude that; each wait uses one of them.
 *
 * Protocol A, parking under a lock (channels, semaphores):
 *	parker: 1 takes l	2 lists itself where l guards	3 saves its context	4 [SWITCH-1] releases l, from the next context
 *	waker:  1 takes l	2 takes the parker off the list	3 releases l		4 goro__ready()
 *   I1 a waker finds the parker only under l, hence after step 4, hence with its context saved.
 *   I2 whoever takes the parker off the list owes it exactly one goro__ready(); nobody else may.
 *
 * Protocol B, parking by token (I/O, sleep, select), for wakers that hold no common lock. g->token is NONE, PARKED, NOTIFIED, or ASLEEP.
 *	parker: 1 takes a NOTIFIED back to NONE and returns, else
 *		2 saves its context	3 from the next context: [TOKEN-1] NONE -> PARKED, or if it is NOTIFIED: NONE, and ready
 *	waker:	1 makes the parker's condition true	2 [TOKEN-2] PARKED -> NONE and ready; NONE -> NOTIFIED; NOTIFIED stays
 *   I3 only the transition PARKED -> NONE readies, and it is a compare-and-swap: one waker wins.
 *   I4 a notification is never lost: it either finds PARKED, or leaves NOTIFIED, which the parker sees in step 1 or 3.
 *   I5 it may be late (for a wait that is over), so a parker loops on its condition; it may come for a record that was
 *      recycled, which costs the new goroutine one turn of its loop. So after step 1, which may end the wait, a waker knows nothing about whose
 *      record it is, and touches the token alone, until I3 has made him the one who readies. That a plain thread's proxy
 *      wants a system call in place of a queue he learns from the token too: it waits ASLEEP where others wait PARKED.
 *
 * With a deadline, protocol A has a second waker: expire(), called by the timer, takes l like any other, and only if the waiter is
 * still listed does it owe the ready. goro__timer_stop() after the park makes sure that the callback is over before the
 * waiter's memory goes.
 *
 * A plain thread's proxy sleeps on a futex word of its m in protocol A, on its token in protocol B: same invariants, with "context
 * saved" being nothing to wait for.
 *
 * Rejected: Go's way over g0 for each park (one more switch, 3 to 7 ns, on a 25 ns operation); a state word with a compare-and-swap per
 * park in protocol A too (two locked instructions that the lock makes superfluous); an "on cpu" flag that
 * the next runner spins on, as Linux does (the spinner may lose its virtual CPU).
 */
#include "park.h"

#include <errno.h>
#include <stdint.h>

#include "fatal.h"
#include "futex.h"
#include "switch.h"
#include "sys.h"
#include "timer.h"

void goro__post_slow(struct m *m, enum post post, struct g *g)
{
	uint32_t none = TOKEN_NONE;

	switch (post) {
	case POST_TOKEN:
		/* [TOKEN-1] acq_rel: pairs with [TOKEN-2]. Without it the waker may start a context that is not saved yet. */
		if (cas_ar(&g->token, &none, TOKEN_PARKED))
			return;
		/* [TOKEN-4], as in goro__park_token(). */
		(void)xchg_acq(&g->token, TOKEN_NONE);
		store_rlx(&g->status, G_RUNNABLE);
		push_tail(m->p, g);
		return;
	case POST_INJECT:
		goro__inject(g);
		return;
	case POST_DEAD:
		if (unlikely(goro__san & SAN_TOOLS))
			goro__san_detach(g);
		if (g->stk.w)
			stk_put(&m->p->stk, g->stk);
		goro__g_free(m->p, g);
		return;
	default:
		goro__throw("bad post action");
	}
}

/* A queue that is full gives its older half to the global one. */
COLD void goro__push_overflow(struct p *p, struct runq *q, struct g *g)
{
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t n;

	bias_enter(&p->q.bias);
	n = goro__runq_take_half(q, batch, RUNQ_SIZE / 2);
	runq_push(q, g);
	bias_leave(&p->q.bias);
	goro__inject_surplus(p, batch, n);
}

static NOINLINE void foreign_sleep(struct m *m, struct lock *l, enum wait_reason why, int64_t deadline,
				   void (*expire)(struct m *, void *), void *arg)
{
	m->curg->wait_reason = (uint8_t)why;
	store_rel(&m->futex, 0); /* [DEAD-3] release: pairs with [DEAD-4]. Without it this sleep might be taken for the one before */
	if (deadline < 0)
		m_waits(m, WAITS_WORD);
	if (l)
		goro__unlock(l);
	goro__fork_check();
	/* [FOREIGN-1] acquire: pairs with [FOREIGN-2]. Without it what the waker wrote may be read stale. */
	while (load_acq(&m->futex) == 0) {
		if (goro__futex_wait(&m->futex, 0, deadline) == -ETIMEDOUT) {
			deadline = -1;
			if (load_acq(&m->futex) == 0)
				expire(m, arg);
		}
	}
	m_goes_on(m);
}

static inline void set_waiting(struct g *g, enum wait_reason why)
{
	g->wait_reason = (uint8_t)why;
	g->wait_since = load_rlx(&sched->coarse_now);
	store_rlx(&g->status, G_WAITING);
}

struct m *goro__park(struct m *m, struct lock *l, enum wait_reason why)
{
	struct g *g = m->curg;

	if (unlikely(m->foreign)) {
		foreign_sleep(m, l, why, -1, NULL, NULL);
		san_acquire(g);
		return m;
	}
	set_waiting(g, why);
	m->post_lock = l;
	m->post = l ? POST_UNLOCK : POST_NONE;
	m = switch_to(m, g, pick_local(m->p));
	san_acquire(g);
	return m;
}

struct expiry {
	struct timer t;
	void (*expire)(struct m *m, void *arg);
	void *arg;
};

static void run_expiry(struct m *m, struct timer *t)
{
	struct expiry *e = container_of(t, struct expiry, t);

	e->expire(m, e->arg);
}

struct m *goro__park_until(struct m *m, struct lock *l, enum wait_reason why, int64_t deadline,
			   void (*expire)(struct m *m, void *arg), void *arg)
{
	struct expiry e;

	if (deadline < 0)
		return goro__park(m, l, why);
	if (unlikely(m->foreign)) {
		foreign_sleep(m, l, why, deadline, expire, arg);
		san_acquire(m->curg);
		return m;
	}
	e.t.fn = run_expiry;
	e.expire = expire;
	e.arg = arg;
	if (unlikely(goro__timer_start(m, &e.t, deadline) != 0))
		goro__throw("out of memory for timers");
	m = goro__park(m, l, why);
	goro__timer_stop(&e.t);
	return m;
}

void goro__ready(struct m *m, struct g *g)
{
	struct p *p = m->p;
	struct g *old;

	san_release(g);
	if (unlikely(g->flags & G_FOREIGN)) {
		struct m *fm = g->m;

		/* [FOREIGN-2] release: pairs with [FOREIGN-1]. */
		store_rel(&fm->futex, 1);
		goro__futex_wake(&fm->futex, 1);
		return;
	}
	store_rlx(&g->status, G_RUNNABLE);
	if (unlikely(!p || p->offline)) {
		/*
		 * [EXT-1] seq_cst: pairs with [EXT-2]. g may be what the end of the run waits for, and a plain thread may still be about to
		 * wake a P then: goro_run() lets it finish before the Ps and their rings go.
		 */
		add_seq(&sched->ext_users, 1);
		goro__inject(g);
		add_seq(&sched->ext_users, -1u);
		return;
	}
	if (unlikely(!m->curg)) {
		push_tail(p, g);
		return;
	}
	bias_enter(&p->q.bias);
	old = p->q.next;
	store_rlx(&p->q.next, g);
	bias_leave(&p->q.bias);
	if (old) {
		push_tail(p, old);
		goro__backlog_note(p);
	}
}

struct m *goro__park_token(struct m *m, enum wait_reason why)
{
	struct g *g = m->curg;

	/* [TOKEN-3] acquire: pairs with [TOKEN-2]. Without it the condition that the waker made true may be read stale. */
	if (load_acq(&g->token) == TOKEN_NOTIFIED) {
		/*
		 * [TOKEN-4] store-load: pairs with [TOKEN-2]. Not a plain store: it could wait in the store buffer while our caller reads
		 * his condition, and then overwrite the NOTIFIED of a waker that made it true meanwhile: a lost wake-up (model_park.c).
		 */
		(void)xchg_acq(&g->token, TOKEN_NONE);
		return m;
	}
	if (unlikely(m->foreign)) {
		goro__park_token_until(m, why, -1);
		return m;
	}
	set_waiting(g, why);
	m->post = POST_TOKEN;
	return switch_to(m, g, pick_local(m->p));
}

static void notify_expiry(struct m *m, struct timer *t)
{
	goro__notify(m, t->arg);
}

static void foreign_token(struct m *m, enum wait_reason why, int64_t deadline)
{
	struct g *g = m->curg;
	uint32_t none = TOKEN_NONE;

	goro__fork_check();
	if (cas_ar(&g->token, &none, TOKEN_ASLEEP)) { /* [TOKEN-1] */
		g->wait_reason = (uint8_t)why;
		if (deadline < 0)
			m_waits(m, WAITS_TOKEN);
		while (load_acq(&g->token) == TOKEN_ASLEEP)
			if (goro__futex_wait(&g->token, TOKEN_ASLEEP, deadline) == -ETIMEDOUT)
				break;
		m_goes_on(m);
	}
	/* [TOKEN-3], by the exchange: a notification that comes with the timeout is taken along. */
	(void)xchg_acq(&g->token, TOKEN_NONE);
}

struct m *goro__park_token_until(struct m *m, enum wait_reason why, int64_t deadline)
{
	struct timer t;

	if (unlikely(m->foreign)) {
		foreign_token(m, why, deadline);
		san_acquire(m->curg);
		return m;
	}
	if (deadline < 0)
		return goro__park_token(m, why);
	t.fn = notify_expiry;
	t.arg = m->curg;
	if (unlikely(goro__timer_start(m, &t, deadline) != 0))
		goro__throw("out of memory for timers");
	m = goro__park_token(m, why);
	goro__timer_stop(&t);
	return m;
}

void goro__notify(struct m *m, struct g *g)
{
	uint32_t old = load_rlx(&g->token), new;

	san_release(g);
	do {
		/* A NOTIFIED is written again all the same: the parker's acquire must see this condition too. */
		new = old == TOKEN_PARKED ? TOKEN_NONE : TOKEN_NOTIFIED;
		/* [TOKEN-2] acq_rel: pairs with [TOKEN-1] and [TOKEN-3]. */
	} while (!cas_ar(&g->token, &old, new));
	if (old == TOKEN_PARKED)
		goro__ready(m, g);
	else if (unlikely(old == TOKEN_ASLEEP))
		goro__futex_wake(&g->token, 1);
}

struct m *goro__yield(struct m *m)
{
	struct g *g = m->curg, *next;
	struct p *p = m->p;

	if (unlikely(m->foreign)) {
		goro__fork_check();
		sys_sched_yield();
		return m;
	}
	next = pick_local(p);
	if (!next && p->until_look != 0 && load_rlx(&p->attention) == 0)
		return m;
	store_rlx(&g->status, G_RUNNABLE);
	m->post = POST_YIELD;
	return switch_to(m, g, next);
}
