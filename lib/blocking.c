/* SPDX-License-Identifier: MIT */
/*
 * blocking.c: Ms without a P.
 *
 * A goroutine that is about to block in the kernel keeps its M and gives the P to another: a spare M, or a new thread. When it comes
 * back it has no P. It puts itself on the global queue, from where any P takes it, and its M joins the spare ones. A P
 * always has an M, so what is in flight on its ring and in its timer heap is looked after.
 *
 * Protocol of the spare list: an M enters it under sched.lock and sleeps on its futex word; who takes it off the list sets nextp
 * [SPARE-1] and wakes it; it is its P's owner from then on. A spare M that sees the runtime stop leaves.
 *
 * An M never exits while the runtime runs: requests that its thread submitted to a ring would fail with -ECANCELED (rule R1).
 */
#include "blocking.h"

#include <errno.h>
#include <goro/runtime.h>

#include "fatal.h"
#include "futex.h"
#include "switch.h"

/* Gives the ownerless p to a spare M, or to a new one. User context: may call malloc by pthread_create(). */
void goro__p_handoff(struct p *p)
{
	struct m *m;

	goro__lock(&sched->lock);
	m = sched->spare;
	if (m)
		sched->spare = m->link;
	goro__unlock(&sched->lock);
	if (!m) {
		if (goro__m_start(p) != 0)
			goro__throw("cannot make a thread");
		return;
	}
	/* [SPARE-1] release: pairs with [SPARE-2]. Without it the M may see the P before its last owner's writes. */
	store_rel(&m->nextp, p);
	store_rel(&m->futex, 1);
	goro__futex_wake(&m->futex, 1);
}

/* On g0 of an M without a P: waits for one. Returns with m->p set, or without when the runtime stops. */
void goro__m_spare(struct m *m)
{
	struct p *p;

	goro__lock(&sched->lock);
	store_rlx(&m->futex, 0);
	m->link = sched->spare;
	sched->spare = m;
	goro__unlock(&sched->lock);
	while (load_acq(&m->futex) == 0) {
		if (load_acq(&sched->stopping))
			return;
		goro__futex_wait(&m->futex, 0, -1);
	}
	p = load_acq(&m->nextp); /* [SPARE-2] acquire */
	store_rlx(&m->nextp, NULL);
	if (p) {
		m->p = p;
		p->m = m;
	}
}

void goro__block_begin(struct m *m, enum wait_reason why)
{
	struct p *p = m->p;
	struct g *g = m->curg;

	if (m->foreign)
		return;
	g->wait_reason = (uint8_t)why;
	g->wait_since = load_rlx(&sched->coarse_now);
	store_rlx(&g->status, G_BLOCKED);
	bump(&p->handoffs);
	m->p = NULL;
	p->m = NULL;
	goro__p_handoff(p);
}

struct m *goro__block_end(struct m *m)
{
	struct g *g = m->curg;

	if (m->foreign)
		return m;
	store_rlx(&g->status, G_RUNNABLE);
	m->post = POST_INJECT;
	m->post_g = g;
	m->curg = NULL;
	san_leave(m, g, NULL);
	m = goro__switch(&g->sp, m->g0_sp, m);
	finish_switch(m, g);
	return m;
}

void *goro_blocking(void *(*fn)(void *arg), void *arg)
{
	struct m *m = rt_enter();
	void *r;

	goro__block_begin(m, WAIT_BLOCKING);
	r = fn(arg);
	m = goro__block_end(m);
	rt_exit(m);
	return r;
}
