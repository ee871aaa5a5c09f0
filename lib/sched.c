/* SPDX-License-Identifier: MIT */
/*
 * sched.c: the scheduler: what an M does between two goroutines.
 *
 * Concepts, as in Go: a G is a goroutine, an M a thread, a P the right to run goroutines; there are maxprocs Ps. An M that holds a P
 * takes a G from the P's queues and runs it until it parks, yields or ends. Most of that never comes here: the goroutine that leaves
 * switches straight to the next one of the local queues (switch.h). This file is the slow path, on the M's own stack (g0): the
 * local queues are empty, or LOOK_EVERY dispatches have passed, or somebody wants attention.
 *
 * The order in which an M looks for work (find_runnable), and why:
 *	1 attention: the runtime stops, the world stops, maxprocs changed, the slice is used up
 *	2 timers that are due; every LOOK_EVERY dispatches also the backend (at most each poll_ticks) and one goroutine of the global
 *	  queue: so a busy local queue starves neither of them
 *	3 the local queues	4 a share of the global queue	5 the backend, without waiting	6 half of another P's queue, while spinning
 *	7 sleep (idle.c), then all of it again
 *
 * Fairness. runnext lets a woken goroutine go first, within its waker's time slice. A pair that wake each other for ever would keep all others
 * waiting: so at each look, if others wait, and when sysmon finds that slice_tick has stood still for a slice, runnext goes to the end of
 * the queue. (Go waits for the slice, 10 ms; ours is LOOK_EVERY dispatches, some microseconds.) Woken and new goroutines take turns
 * (pick_local). Once a millisecond the oldest new goroutine is taken, since newq is last in, first out: so it waits at most
 * a bounded multiple of what a queue would let it wait. More often is dear: each may be the root of a tree, and then it is breadth, not
 * depth, that grows: at every second look, 122 dispatches, a tree of a million kept 5,000 stacks alive instead of 300.
 *
 * A look comes by count, and a dispatch may be long. So sysmon asks for one (ATT_LOOK) at the next switch of a P that has not looked for a
 * millisecond while its timers are due or I/O waits.
 *
 * Invariants:
 *   I1 a goroutine is on at most one queue, or running, or owned by its waiter's list.
 *   I2 only the M that holds a P pushes to its local queues, pops its newq, or touches its timers' callbacks and its backend.
 *   I3 on g0, m->curg is NULL and m->post is POST_NONE but for the instant of a switch.
 *
 * Rejected: one global queue (the lock is the bottleneck at 8 Ps); LIFO for woken goroutines too (starves the oldest); a search of all Ps
 * before sleeping without spinning count (thundering herds at each wake-up).
 */
#include "sched.h"

#include <goro/time.h>

#include "clock.h"
#include "fatal.h"
#include "netpoll.h"
#include "switch.h"

struct scheduler goro__sched;

/* On g0: goes to g and comes back when some goroutine of this M leaves for g0. */
static void dispatch(struct m *m, struct g *g)
{
	struct p *p = m->p;

	if (unlikely(g->flags & G_PINNED)) {
		if (g != m->boundg) {
			/* Its thread waits for a P: goro__schedule() goes on without. */
			store_rlx(&m->p, NULL);
			goro__p_give(p, g->m);
			return;
		}
		goro__resumed(m);
		san_leave(m, NULL, g);
		goro__switch(&m->g0_sp, m->bound_sp, m);
	} else if (!g->sp) {
		if (g->stk.w == 0 && stk_get(&p->stk, g->stk_cls, &g->stk) != 0)
			goro__throw_errtext("no memory for a goroutine's stack: ", goro__stack_error());
		if (unlikely(goro__san & SAN_TOOLS))
			goro__san_attach(g);
		set_running(m, p, g);
		san_leave(m, NULL, g);
		goro__switch_fresh(&m->g0_sp, goro__g_top(g), goro__g_main, m);
	} else {
		set_running(m, p, g);
		san_leave(m, NULL, g);
		goro__switch(&m->g0_sp, g->sp, m);
	}
	finish_switch(m, NULL);
}

/* Moves what is on p's local queues to the global one. Owner only. */
static void flush_queues(struct p *p)
{
	struct glist l = { NULL, NULL, 0 };
	struct g *g;

	for (;;) {
		bias_enter(&p->q.bias);
		g = runqs_pop_next(&p->q);
		if (!g)
			g = runq_pop_oldest(&p->q.woken);
		if (!g)
			g = runq_pop_oldest(&p->q.fresh);
		bias_leave(&p->q.bias);
		if (!g)
			break;
		g->next = NULL;
		if (l.last)
			l.last->next = g;
		else
			l.first = g;
		l.last = g;
		l.n++;
	}
	if (l.n)
		goro__inject_list(&l);
}

/* Whom the last goroutine woke waits his turn like all others. */
static void end_slice(struct p *p)
{
	struct g *g;

	bias_enter(&p->q.bias);
	g = runqs_pop_next(&p->q);
	bias_leave(&p->q.bias);
	if (g)
		push_tail(p, g);
	bump(&p->slice_tick);
}

/* Submits and takes completions on m's own P, waiting or not. */
int goro__poll_own(struct m *m, struct p *p, int64_t deadline)
{
	int n;

	bias_enter(&p->io_bias);
	n = goro__netpoll->poll(m, p, deadline);
	bias_leave(&p->io_bias);
	return n;
}

/* Reacts to what others asked of p; sets *look if it is to look further. Returns false if the M must stop running goroutines. */
static bool attend(struct m *m, struct p *p, bool *look)
{
	uint32_t att = __atomic_exchange_n(&p->attention, 0, __ATOMIC_SEQ_CST);

	if (att & ATT_WORLD)
		goro__world_ack(m, p);
	if ((att & ATT_STOP) || load_acq(&sched->stopping)) {
		store_seq(&p->attention, ATT_STOP);
		return false;
	}
	if (att & ATT_SLICE)
		end_slice(p);
	if (att & (ATT_SLICE | ATT_LOOK))
		*look = true;
	if ((att & ATT_LOOK) && goro__netpoll->pending(p))
		goro__poll_own(m, p, GORO_NOW);
	if (att & ATT_TRIM)
		goro__stack_cache_trim(&p->stk);
	if (att & ATT_PROCS) {
		p->offline = p->id >= load_rlx(&sched->nprocs);
		if (p->offline)
			flush_queues(p);
	}
	return true;
}

/* The next of the local queues, without the limits of pick_local(). */
static struct g *take_local(struct p *p)
{
	struct g *g;

	bias_enter(&p->q.bias);
	g = runqs_pop_next(&p->q);
	if (!g) {
		bump(&p->slice_tick);
		g = take_turns(p);
	}
	bias_leave(&p->q.bias);
	return g;
}

/* Every LOOK_EVERY dispatches, and when somebody asks for it: what the fast path never looks at. */
static struct g *look_further(struct m *m, struct p *p, uint32_t dispatches)
{
	uint64_t t = arch_ticks(), since = t - load_rlx(&p->look_ticks);
	struct g *g;
	bool old;

	if (dispatches)
		store_rlx(&p->grain, since / dispatches < UINT32_MAX ? (uint32_t)(since / dispatches) : UINT32_MAX);
	store_rlx(&p->look_ticks, t);
	p->until_look = LOOK_EVERY;
	if (p->stole) {
		p->stole = false;
		p->steal_after = p->grain < 2 * sched->fine_ticks ? t + 1000 * goro__ticks_per_us : 0;
	}
	goro__backlog(p);
	if (runqs_len(&p->q) != 0)
		end_slice(p);
	if (t - p->last_poll > sched->poll_ticks && goro__netpoll->pending(p)) {
		p->last_poll = t;
		goro__poll_own(m, p, GORO_NOW);
	}
	/*
	 * New ones out of turn, the oldest of the local queue and of the packs by turns, but only now and then: each may be a tree, whose
	 * stacks then live beside the others'. Packs come as they are wanted when the local queue has no new ones.
	 */
	old = t - p->last_oldest > sched->oldest_ticks;
	if (old) {
		store_rlx(&p->last_oldest, t);
		if ((++p->tick & 1) || load_rlx(&sched->packs.n) == 0) {
			bias_enter(&p->q.bias);
			g = runq_pop_oldest(&p->q.fresh);
			bias_leave(&p->q.bias);
			if (g)
				return g;
		}
	}
	return goro__inject_take(p, 1, runq_len(&p->q.fresh) == 0 ? RUNQ_SIZE / 2 : old);
}

/* Takes half of q's work for p, the new goroutines first; last: the one that would run next there, too. */
static struct g *steal_from(struct p *p, struct p *q, bool last)
{
	struct g *batch[RUNQ_SIZE / 2], *g = NULL;
	bool fresh = false;
	uint32_t n = 0;

	if (runqs_len(&q->q) == 0 && !(last && load_rlx(&q->q.next)))
		return NULL;
	if (!goro__bias_claim(&q->q.bias))
		return NULL;
	n = goro__runq_take_half(&q->q.fresh, batch, RUNQ_SIZE / 2);
	fresh = n != 0;
	if (n == 0)
		n = goro__runq_take_half(&q->q.woken, batch, RUNQ_SIZE / 2);
	if (n == 0 && last)
		g = runqs_pop_next(&q->q);
	goro__bias_release(&q->q.bias);
	if (n != 0) {
		/* Of the new ones the newest goes first, as on its own P; of the woken ones the oldest. */
		g = fresh ? batch[n - 1] : batch[0];
		for (uint32_t i = fresh ? 0 : 1; i < (fresh ? n - 1 : n); i++)
			push_to(p, fresh ? &p->q.fresh : &p->q.woken, batch[i]);
	}
	if (g)
		bump(&p->steals);
	return g;
}

static uint32_t rand32(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/*
 * What q has overlooked for stuck_ticks because its own M computes: its timers and its I/O. True if that made something runnable here.
 */
static bool look_after(struct m *m, struct p *q, uint64_t now_ticks)
{
	int64_t first = load_rlx(&q->timers.first);
	int n = 0;

	if (now_ticks - load_rlx(&q->look_ticks) < sched->stuck_ticks || load_rlx(&q->idle) != P_RUNNING)
		return false;
	if (first != INT64_MAX && first <= goro__now())
		n = goro__timers_run(m, q, goro__now());
	if (goro__netpoll->overdue(q) && goro__bias_claim(&q->io_bias)) {
		n += goro__netpoll->poll(m, q, GORO_NOW);
		goro__bias_release(&q->io_bias);
	}
	return n > 0;
}

/* Before one that was preempted goes on: does somebody who was not wait at another P? */
static struct g *steal_once(struct m *m, struct p *p)
{
	uint32_t n = load_acq(&sched->nps), at = n < 2 ? 0 : rand32(&m->rand) % n;
	struct g *g = NULL;

	for (uint32_t i = 0; i < n && !g; i++) {
		struct p *q = sched->ps[(at + i) % n];

		if (q != p && goro__worth_stealing(p, q, arch_ticks()))
			g = steal_from(p, q, false);
	}
	return g;
}

/* Looks at the other Ps in a random order until it finds something or spin_ticks are over. */
static struct g *spin(struct m *m, struct p *p)
{
	uint64_t t0 = arch_ticks();
	uint32_t n = load_acq(&sched->nps);
	bool last = false;
	struct g *g;

	if (n < 2 || !goro__spin_begin(m))
		return NULL;
	for (;;) {
		uint32_t at = rand32(&m->rand) % n;

		for (uint32_t i = 0; i < n; i++) {
			struct p *q = sched->ps[(at + i) % n];
			uint64_t t = arch_ticks();

			if (q == p)
				continue;
			if (goro__worth_stealing(p, q, t) && (g = steal_from(p, q, last))) {
				p->stole = true;
				return g;
			}
			if (last && look_after(m, q, t) && (g = take_local(p)))
				return g;
		}
		if (load_rlx(&p->attention) || load_rlx(&sched->nglobal) || load_rlx(&sched->nhogs))
			return NULL;
		if (last)
			return NULL;
		last = arch_ticks() - t0 > sched->spin_ticks;
		for (int i = 0; i < 16; i++)
			arch_pause();
	}
}

static void run_timers(struct m *m, struct p *p)
{
	int64_t first = load_rlx(&p->timers.first), now;

	if (first == INT64_MAX)
		return;
	now = goro__now();
	store_rlx(&sched->coarse_now, now);
	if (first <= now)
		goro__timers_run(m, p, now);
}

/* Until when p may sleep. To be asked last of all: whoever looks after another P may run a ticker's callback there, which starts it again on ours. */
static int64_t next_timer(struct p *p)
{
	int64_t first = load_rlx(&p->timers.first);

	return first == INT64_MAX ? GORO_FOREVER : first;
}

/* As many threads have a goroutine and no P as may: one that has started instead of g, which has not, if there is one. */
static struct g *instead_of_new(struct p *p, struct g *g)
{
	struct g *h;

	if (!goro__full())
		return g;
	or_seq(&p->attention, ATT_FULL); /* so that we come here for the next one, too */
	if (g->sp || (g->flags & G_PINNED))
		return g;
	bias_enter(&p->q.bias);
	h = runq_pop_oldest(&p->q.woken);
	bias_leave(&p->q.bias);
	if (!h && !(h = goro__hog_take()))
		return g;
	push_to(p, &p->q.fresh, g);
	return h;
}

/* One that was preempted: when it is their turn, or when there is nothing else to do. */
static struct g *take_hog(struct p *p, bool turn)
{
	if (load_rlx(&sched->nhogs) == 0 || (turn && goro__now() < p->hogs_due))
		return NULL;
	return goro__hog_take();
}

/* The next goroutine for m to run; NULL when the runtime stops. */
struct g *goro__find_runnable(struct m *m)
{
	struct p *p = m->p;
	bool called = p->until_look != 0 && load_rlx(&p->attention) != 0, look;
	uint32_t dispatches = LOOK_EVERY - p->until_look;
	struct g *g;

	/* Who comes here at every switch, because somebody wants attention all the time, must look further as often as others. */
	if (called)
		p->until_look--;
	look = p->until_look == 0;
	if (look || !called)
		p->until_look = LOOK_EVERY;
	for (;;) {
		if (unlikely(load_rlx(&p->attention)) && !attend(m, p, &look))
			return NULL;
		run_timers(m, p);
		if (likely(!p->offline)) {
			if ((g = take_hog(p, true)))
				break;
			if (look && (g = look_further(m, p, dispatches)))
				break;
			if ((g = take_local(p)) || (g = goro__inject_take(p, RUNQ_SIZE / 2, RUNQ_SIZE / 2)))
				break;
		}
		p->backlog_since = 0;
		look = false;
		if (goro__netpoll->pending(p) && goro__poll_own(m, p, GORO_NOW) > 0) {
			p->last_poll = arch_ticks();
			continue;
		}
		if (!p->offline && ((load_rlx(&sched->nhogs) != 0 && (g = steal_once(m, p))) || (g = take_hog(p, false)) || (g = spin(m, p))))
			break;
		goro__idle(m, p, next_timer(p));
	}
	if (!look && !called)
		store_rlx(&p->look_ticks, arch_ticks());
	goro__spin_end(m, true);
	if (unlikely(goro__full()))
		g = instead_of_new(p, g);
	return g;
}

void goro__schedule(struct m *m)
{
	for (;;) {
		struct g *g;

		while (!m->p && likely(!m->boundg)) {
			goro__m_spare(m);
			if (!m->p)
				return;
		}
		g = m->fresh;
		m->fresh = NULL;
		if (!g && !(g = unlikely(m->boundg != NULL) ? goro__bound_next(m) : goro__find_runnable(m)))
			return;
		dispatch(m, g);
	}
}
