/* SPDX-License-Identifier: MIT */
/*
 * inject.c: the global queue, for goroutines that no P's local queue can take: made or woken by plain threads, by offline Ps and by
 * Ms that came back from the kernel, and the surplus of full local queues. Every P looks here once in LOOK_EVERY
 * dispatches and whenever its own queues are empty; an M that is about to sleep looks here after it has said so (idle.c).
 */
#include "sched.h"

/* Appends l; wakes nobody. */
void goro__inject_quiet(struct glist *l)
{
	goro__lock(&sched->lock);
	if (sched->global.n)
		sched->global.last->next = l->first;
	else
		sched->global.first = l->first;
	sched->global.last = l->last;
	sched->global.n += l->n;
	store_rlx(&sched->nglobal, sched->global.n);
	goro__unlock(&sched->lock);
}

void goro__inject_list(struct glist *l)
{
	goro__inject_quiet(l);
	/* [IDLE-2], see idle.c: the queue is written before we look for idle Ps. */
	fence_seq();
	goro__wake_one();
}

void goro__inject(struct g *g)
{
	struct glist l = { g, g, 1 };

	g->next = NULL;
	goro__inject_list(&l);
}

struct g *goro__inject_take(struct p *p, uint32_t max)
{
	struct g *first, *g;
	uint32_t n;

	if (load_rlx(&sched->nglobal) == 0)
		return NULL;
	goro__lock(&sched->lock);
	n = sched->global.n / load_rlx(&sched->nprocs) + 1;
	if (n > sched->global.n)
		n = sched->global.n;
	if (n > max)
		n = max;
	if (n == 0) {
		goro__unlock(&sched->lock);
		return NULL;
	}
	first = g = sched->global.first;
	for (uint32_t i = 1; i < n; i++)
		g = g->next;
	sched->global.first = g->next;
	sched->global.n -= n;
	store_rlx(&sched->nglobal, sched->global.n);
	goro__unlock(&sched->lock);
	for (g = first->next; --n > 0;) {
		struct g *next = g->next;

		push_tail(p, g);
		g = next;
	}
	return first;
}
