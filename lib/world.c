/* SPDX-License-Identifier: MIT */
/*
 * world.c: making all Ps stand still, for a dump.
 *
 *	stopper: 1 takes the turn (world from even to odd)	2 sets ATT_WORLD on each P and wakes those that sleep	3 waits until each has
 *		 acknowledged, for a limited time	4 does its work	5 world to even, wakes all
 *	P's M:	 at its next switch, on g0: acknowledges and sleeps while world is odd
 *
 * A P whose goroutine computes is sent the preemption signal. One that may not be preempted acknowledges late, or not before the patience is over; then the stopper must not look at what a running M
 * could change. The stopper's own P counts as standing still. Two stoppers: the second waits until the first is done.
 */
#include "clock.h"
#include "futex.h"
#include "sched.h"
#include "sys.h"

void goro__world_ack(struct m *m, struct p *p)
{
	uint32_t w = load_seq(&sched->world);

	(void)m;
	(void)p;
	if (!(w & 1))
		return;
	add_seq(&sched->world_acks, 1);
	goro__futex_wake(&sched->world_acks, 1);
	while (load_seq(&sched->world) == w)
		goro__futex_wait(&sched->world, w, -1);
}

bool goro__world_stop(struct m *m, int64_t patience_ns)
{
	uint32_t n = load_acq(&sched->nps), want = n, acks, w;
	int64_t deadline = goro__now() + patience_ns;
	struct m *holder;

	for (;;) {
		w = load_seq(&sched->world);
		if (!(w & 1)) {
			store_seq(&sched->world_acks, 0);
			if (cas_seq(&sched->world, &w, w + 1))
				break;
		}
		sys_sched_yield();
	}
	for (uint32_t i = 0; i < n; i++) {
		struct p *p = sched->ps[i];

		if (m && m->p == p) {
			want--;
			continue;
		}
		or_seq(&p->attention, ATT_WORLD);
		goro__wake_p(p);
		holder = load_rlx(&p->m);
		if (holder && load_acq(&holder->in_runtime) == 0)
			goro__preempt(holder, goro__now());
	}
	while ((acks = load_seq(&sched->world_acks)) < want)
		if (goro__futex_wait(&sched->world_acks, acks, deadline) != 0)
			return false;
	return true;
}

void goro__world_start(struct m *m)
{
	uint32_t n = load_acq(&sched->nps);

	(void)m;
	for (uint32_t i = 0; i < n; i++)
		and_seq(&sched->ps[i]->attention, ~(uint32_t)ATT_WORLD);
	add_seq(&sched->world, 1);
	goro__futex_wake(&sched->world, INT32_MAX);
}
