/* SPDX-License-Identifier: MIT */
/*
 * switch.h: leaving one goroutine and going on with another. Layer 6, private to it.
 *
 * A goroutine that leaves sets m->post, what is to be done for it once its context is saved, and switches, straight to the next
 * goroutine if the local queues have one, else to g0. The context that comes next does it, first of all. So no other M can
 * find a goroutine whose registers are still being saved, and no lock is needed beyond the one the caller holds anyway.
 */
#ifndef LIB_SWITCH_H
#define LIB_SWITCH_H

#include "context.h"
#include "sched.h"
#include "spawn.h"

void goro__post_slow(struct m *m, enum post post, struct g *g);

/* What the goroutine that was left asked for. In the context that goes on; NULL is g0. */
static inline void finish_switch(struct m *m, struct g *self)
{
	enum post post = m->post;

	san_arrive(m, self);
	m->post = POST_NONE;
	if (post == POST_UNLOCK)
		goro__unlock(m->post_lock); /* [SWITCH-1] release: the saved context is seen by who takes the lock next */
	else if (post == POST_YIELD)
		push_tail(m->p, m->post_g);
	else if (post != POST_NONE)
		goro__post_slow(m, post, m->post_g);
}

/* Marks g as running on m. */
static inline void set_running(struct m *m, struct p *p, struct g *g)
{
	store_rlx(&m->curg, g);
	g->m = m;
	store_rlx(&g->status, G_RUNNING);
	bump(&p->switches);
}

/*
 * From the goroutine g to next, or to g0 if next is NULL, with m->post set. Returns the m on which g goes on.
 * A next that has no stack yet and gets none goes to the global queue, and one that is pinned to another thread is run from there: g0
 * sorts it out.
 */
static inline struct m *switch_to(struct m *m, struct g *g, struct g *next)
{
	struct p *p = m->p;
	void **save = &g->sp;

	m->post_g = g;
	cxx_leave(m, g);
	if (likely(next != NULL)) {
		if (likely(next->sp != NULL)) {
			set_running(m, p, next);
			san_leave(m, g, next);
			m = arch_switch(&g->sp, next->sp, m);
			goto resumed;
		}
		/*
		 * A new stack costs page faults, and now and then the carving of more. Not with a lock held that the next context
		 * is to release: g0 does that first.
		 */
		if (m->post == POST_UNLOCK || (next->flags & G_PINNED)) {
			m->fresh = next;
		} else if (next->stk.w != 0 || likely(stk_get(&p->stk, next->stk_cls, &next->stk) == 0)) {
			if (unlikely(goro__san & SAN_TOOLS))
				goro__san_attach(next);
			set_running(m, p, next);
			san_leave(m, g, next);
			m = arch_switch_fresh(&g->sp, goro__g_top(next), goro__g_main, m);
			goto resumed;
		} else {
			push_tail(p, next);
		}
	}
	if (unlikely(m->boundg)) {
		/* Before m->post lets anybody find g: see bound.c. */
		store_rlx(&m->futex, 0);
		g->flags |= G_PINNED;
		g->sp = NULL;
		save = &m->bound_sp;
	}
	store_rlx(&m->curg, NULL);
	san_leave(m, g, NULL);
	m = arch_switch(save, m->g0_sp, m);
resumed:
	finish_switch(m, g);
	cxx_arrive(m, g);
	return m;
}

/* Woken ones and new ones take turns, so neither starves the other. In the section of the queues. */
static inline struct g *take_turns(struct p *p)
{
	struct g *g;

	if (p->until_look & 1) {
		g = runq_pop_oldest(&p->q.woken);
		if (!g)
			g = runq_pop_newest(&p->q.fresh);
	} else {
		g = runq_pop_newest(&p->q.fresh);
		if (!g)
			g = runq_pop_oldest(&p->q.woken);
	}
	return g;
}

/*
 * The next goroutine of the local queues; NULL when they are empty or when it is time to look further. The caller is about
 * to leave its goroutine.
 */
static inline struct g *pick_local(struct p *p)
{
	struct g *g;

	if (unlikely(--p->until_look == 0 || load_rlx(&p->attention) != 0))
		return NULL;
	bias_enter(&p->q.bias);
	g = runqs_pop_next(&p->q);
	if (!g) {
		bump(&p->slice_tick);
		g = take_turns(p);
	}
	bias_leave(&p->q.bias);
	return g;
}

#endif
