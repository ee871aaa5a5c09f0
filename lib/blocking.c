/* SPDX-License-Identifier: MIT */
/*
 * blocking.c: calls that block the thread in the kernel, announced.
 *
 * A goroutine that is about to block gives its P away at once if anybody waits for it, or if there is I/O or a timer that somebody must look
 * after. Else it keeps the P, and says so: LOOK_ANNOUNCED in m->look. Then sysmon takes it as soon as somebody wants it, without asking
 * whether the thread is really blocked; whoever queues work and finds no idle P wakes sysmon for it. So a short call that nobody waits
 * for costs no switch of threads.
 *
 * In between the thread counts as outside of the runtime. The next entry, usually the end of the call, finds out what became of the P (preempt.c). If
 * it is gone, goro_blocking() and the library's own calls put the goroutine on the global queue, from where any P takes it, and
 * their M joins the spare ones. goro_block_exit() must not move to another thread: it waits for a P where it is.
 */
#include "blocking.h"

#include <goro/preempt.h>
#include <goro/runtime.h>

#include "leave.h"
#include "netpoll.h"
#include "switch.h"

static bool p_is_wanted(struct p *p)
{
	return goro__others_wait(p) || load_rlx(&sched->nhogs) != 0 || goro__netpoll->pending(p) ||
	       load_rlx(&p->timers.first) != INT64_MAX;
}

/* Ends the caller's stay in the runtime. */
void goro__block_begin(struct m *m, enum wait_reason why)
{
	struct p *p = m->p;
	struct g *g = m->curg;

	if (!m->foreign && !(load_rlx(&m->look) & LOOK_ANNOUNCED)) {
		g->wait_reason = (uint8_t)why;
		g->wait_since = load_rlx(&sched->coarse_now);
		store_rlx(&g->status, G_BLOCKED);
		or_seq(&m->look, LOOK_ANNOUNCED);
		if (p_is_wanted(p) && goro__p_release(m))
			add_rlx(&p->handoffs, 1);
		else
			add_seq(&sched->nkept, 1);
	}
	rt_exit(m);
}

struct m *goro__p_regain(struct m *m)
{
	struct g *g = m->curg;

	if (m->foreign || m->p)
		return m;
	if (m->boundg) {
		goro__stop_here(m);
		return m;
	}
	store_rlx(&m->look, 0);
	store_rlx(&g->status, G_RUNNABLE);
	m->post = POST_INJECT;
	m->post_g = g;
	store_rlx(&m->curg, NULL);
	cxx_leave(m, g);
	san_leave(m, g, NULL);
	m = goro__switch(&g->sp, m->g0_sp, m);
	finish_switch(m, g);
	cxx_arrive(m, g);
	return m;
}

/* Back in the runtime, with a P, on whatever thread. */
struct m *goro__block_end(void)
{
	struct m *m = goro__tls_m();

	if (!m || m->foreign || !(load_rlx(&m->look) & LOOK_ANNOUNCED) || m->boundg || load_acq(&sched->stopping))
		return rt_enter();
	store_rlx(&m->in_runtime, m->in_runtime + 1);
	compiler_barrier(); /* [RETAKE-1] */
	return goro__end_announced(m) ? m : goro__p_regain(m);
}

void *goro_blocking(void *(*fn)(void *arg), void *arg)
{
	struct m *m = rt_enter();
	void *r;

	goro__block_begin(m, WAIT_BLOCKING);
	r = fn(arg);
	m = goro__block_end();
	rt_exit(m);
	return r;
}

void goro_block_enter(void)
{
	struct m *m = goro__tls_m();

	if (!m || m->foreign || (load_rlx(&m->look) & LOOK_ANNOUNCED))
		return;
	goro__block_begin(rt_enter(), WAIT_BLOCKING);
}

void goro_block_exit(void)
{
	struct m *m = goro__tls_m();

	if (!m || m->foreign || !(load_rlx(&m->look) & LOOK_ANNOUNCED))
		return;
	m = rt_enter(); /* does it all */
	rt_exit(m);
}
