/* SPDX-License-Identifier: MIT */
/*
 * bound.c: goroutines that are bound to their thread (Go's LockOSThread).
 *
 * m->boundg names the goroutine that m is kept for. While it runs, its P has ATT_BOUND set, so whenever it leaves nobody follows it directly
 * (pick_local() gives none) and it switches to g0. There m gives its P away and waits for one. The goroutine's context is saved in
 * m->bound_sp and not in g->sp, and it is marked as pinned, before anybody can wake it: so whoever takes it off a queue gives his P
 * to its thread, as with a goroutine that was preempted (dispatch() in sched.c).
 */
#include <goro/preempt.h>

#include "clock.h"
#include "futex.h"
#include "sched.h"
#include "switch.h"

#define RETRY_NS 1000000

/* On g0 of m. */
struct g *goro__bound_next(struct m *m)
{
	bool given;

	/* Without an heir the P must wait too; a thread is being made. */
	while (m->p && !load_acq(&sched->stopping) && !goro__p_release(m)) {
		uint32_t w = 0;

		goro__futex_wait(&w, 0, goro__now() + RETRY_NS);
	}
	if (m->p)
		return NULL;
	m_waits(m, WAITS_WORD);
	given = goro__m_wait(m);
	m_goes_on(m);
	return given ? m->boundg : NULL;
}

void goro_thread_lock(void)
{
	struct m *m = rt_enter();
	struct g *g = m->curg;

	if (!m->foreign && g->bound < UINT8_MAX && g->bound++ == 0) {
		g->flags |= G_BOUND;
		m->boundg = g;
		or_seq(&m->p->attention, ATT_BOUND);
	}
	rt_exit(m);
}

void goro_thread_unlock(void)
{
	struct m *m = rt_enter();
	struct g *g = m->curg;

	if (!m->foreign && g->bound && --g->bound == 0) {
		g->flags &= (uint8_t)~G_BOUND;
		m->boundg = NULL;
		and_seq(&m->p->attention, ~(uint32_t)ATT_BOUND);
	}
	rt_exit(m);
}
