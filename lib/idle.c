/* SPDX-License-Identifier: MIT */
/*
 * idle.c: going idle, and waking those who are.
 *
 * An M without work keeps its P and sleeps in one of two places, which p->idle tells: on p->idle itself as a futex, or, when the P has
 * I/O in flight, in the backend's poll. Either ends at the P's first timer. So timers and completions of a P need no one else.
 *
 * What can wake an idle P: an injection into the global queue by somebody who cannot run it himself; a P whose local queues hold more
 * than it gets done (backlog); its own timers and I/O; a change of the runtime's state (attention).
 *
 * The rules, and why no wake-up is lost:
 *   I1 work on a local queue belongs to a P that is running: it will get there without any wake-up. Waking others for it
 *	is about parallelism only, never about correctness.
 *   I2 work on the global queue: whoever put it there fences and then looks for an idle P; whoever goes idle publishes that, fences,
 *	and then looks at the global queue. One of the two sees the other:
 *	injector: 1 enqueue	2 [IDLE-2] fence	3 if nobody spins and a P is idle, claim and wake one
 *	sleeper:  1 set the bit in idle_mask	2 [IDLE-1] fence	3 stop spinning	4 look at the global queue and at attention	5 sleep
 *   I3 an M that spins (looks for work, nspinning > 0) is as good as one that was woken: injectors leave it to him. So he
 *	must look again after he has stopped spinning: step 3 comes before step 4. [IDLE-3]
 *   I4 who finds work while he was the last to spin, and sees that more is queued globally, wakes the next one.
 *   I5 a waker claims a P by clearing its bit; only who cleared it wakes. The claim carries a spinning M's count. A sleeper that
 *	wakes for another reason and finds its bit gone waits for its claimer's notification: a few instructions away.
 *   I6 an M that was woken to look, and finds that its P went offline meanwhile, runs nothing. Injectors have left it to him (I3), so he
 *	passes the task on: after he has stopped spinning, if the global queue is not empty, he wakes another.
 *
 * Backlog. Waking a thread on another CPU costs its waker 6 to 8 us and takes 25 to 60 us here, a hundred times what a short goroutine
 * runs. So a spawn or a ready wakes nobody at once; when work has waited on a P for backlog_ticks (50 us), or sysmon finds a
 * P that computes while others wait for it (1 ms), one idle P is woken. A burst that its own P finishes within 50 us costs no wake-up:
 * ping-pong, batches of short goroutines and request-response stay on one P, which is why two Ps are not slower than one.
 *
 * Grain. A goroutine that runs for 40 ns where it is takes 200 ns and more where its record, its channel and its counter have to travel to.
 * So a P measures how long its dispatches take (p->grain, from one look to the next), and neither wakes others for work that is finer
 * than fine_ticks (300 ns) nor has it stolen, unless it has not looked for stuck_ticks (200 us): then it computes. A thief that finds out
 * that what it stole was fine keeps off for a millisecond.
 *
 * Rejected: a wake-up for every ready when a P is idle (Go): 25 % slower on two Ps than on one here, with its thieves spinning;
 * giving up the P when idle: someone else would have to watch its ring and its timers.
 */
#include <goro/time.h>

#include "clock.h"
#include "futex.h"
#include "netpoll.h"
#include "sched.h"

static inline uint64_t *mask_of(struct p *p, uint64_t *bit)
{
	*bit = UINT64_C(1) << (p->id % 64);
	return &sched->idle_mask[p->id / 64];
}

/* Clears p's bit: true if it was set, then p is the caller's to wake. */
bool goro__claim_idle(struct p *p)
{
	uint64_t bit, *mask = mask_of(p, &bit);

	if ((and_seq(mask, ~bit) & bit) == 0)
		return false;
	add_seq(&sched->nidle, -1u);
	return true;
}

/* Ends p's sleep, or makes its next one return at once. Any thread. */
void goro__wake_p(struct p *p)
{
	uint32_t old = xchg_seq(&p->idle, P_NOTIFIED);

	if (old == P_PARKED_FUTEX)
		goro__futex_wake(&p->idle, 1);
	else if (old == P_PARKED_POLL)
		goro__netpoll->wake(p);
}

static bool any_bit(void)
{
	uint32_t n = load_acq(&sched->nps);

	for (uint32_t w = 0; w * 64 < n; w++)
		if (load_seq(&sched->idle_mask[w]) != 0)
			return true;
	return false;
}

static struct p *claim_any(void)
{
	uint32_t n = load_acq(&sched->nps);

	for (uint32_t w = 0; w * 64 < n; w++) {
		uint64_t bits = load_seq(&sched->idle_mask[w]);

		while (bits) {
			struct p *p = sched->ps[w * 64 + (uint32_t)__builtin_ctzll(bits)];

			if (goro__claim_idle(p))
				return p;
			bits &= bits - 1;
		}
	}
	return NULL;
}

/* Is there anything that a woken P would look at first? */
static inline bool global_work(void)
{
	return load_seq(&sched->nglobal) != 0 || load_seq(&sched->nhogs) != 0;
}

/*
 * Wakes an idle P unless someone looks for work already. After a fence_seq() that follows the enqueueing. A waker that finds nobody counted as
 * spinning for a moment, and another may have left his work to him (I3): so he looks again, as long as some bit is set. (nidle is no
 * measure for that: it is counted down a moment after the bit is cleared, and the claimer may lose his CPU in between.)
 */
void goro__wake_one(void)
{
	struct p *p;

	if (load_seq(&sched->nidle) == 0) {
		/* A P is kept by somebody who does not need it; or all compute, and sysmon has thought that nobody else wants to run. */
		if (load_seq(&sched->nkept) != 0 || (load_rlx(&goro__sysmon_calm) && xchg_seq(&goro__sysmon_calm, 0)))
			goro__sysmon_poke();
		return;
	}
	do {
		uint32_t none = 0;

		if (load_seq(&sched->nspinning) != 0 || !cas_seq(&sched->nspinning, &none, 1))
			return;
		p = claim_any();
		if (p) {
			/* [CLAIM-1] release: pairs with [CLAIM-2]. Without it the sleeper would miss that it counts as spinning. */
			store_rel(&p->claimed, 1);
			goro__wake_p(p);
			return;
		}
	} while (add_seq(&sched->nspinning, -1u) == 0 && global_work() && any_bit());
}

/* m starts to spin, if fewer than half of the busy Ps' Ms do. */
bool goro__spin_begin(struct m *m)
{
	uint32_t procs, idle;

	if (m->spinning)
		return true;
	procs = load_rlx(&sched->nprocs);
	idle = load_rlx(&sched->nidle);
	if (procs < 2 || 2 * load_rlx(&sched->nspinning) >= procs - (idle < procs ? idle : procs))
		return false;
	m->spinning = true;
	add_seq(&sched->nspinning, 1);
	return true;
}

/* m counts as spinning no longer: whether it did. */
bool goro__spin_end(struct m *m, bool found)
{
	uint32_t left;

	if (!m->spinning)
		return false;
	m->spinning = false;
	left = add_seq(&sched->nspinning, -1u); /* [IDLE-3] seq_cst: before the look at the queues that follows */
	if (left == 0 && found && global_work())
		goro__wake_one();
	return true;
}

/* May p take from q? Not what q itself gets done sooner than the cache lines of it would travel. Any thread; a hint. */
bool goro__worth_stealing(struct p *p, struct p *q, uint64_t now)
{
	if (now - load_rlx(&q->look_ticks) > sched->stuck_ticks)
		return now > p->steal_after;
	return load_rlx(&q->grain) >= sched->fine_ticks;
}

/* More waits here than this P runs: since when? Owner of p only. */
COLD void goro__backlog(struct p *p)
{
	uint64_t t;

	if (load_rlx(&sched->nidle) == 0 || runqs_len(&p->q) < 2) {
		p->backlog_since = 0;
		return;
	}
	t = arch_ticks();
	if (load_rlx(&p->grain) < sched->fine_ticks && t - load_rlx(&p->look_ticks) < sched->stuck_ticks) {
		p->backlog_since = 0;
		return;
	}
	if (p->backlog_since == 0) {
		p->backlog_since = t;
	} else if (t - p->backlog_since > sched->backlog_ticks) {
		p->backlog_since = t;
		bump(&p->wakeups);
		goro__wake_one();
	}
}

/* Is there anything that this M should look at instead of sleeping? After the bit is set and the fence. */
static bool must_stay(struct p *p)
{
	uint32_t n = load_acq(&sched->nps);

	if (load_seq(&p->attention) != 0)
		return true;
	if (p->offline)
		return false;
	if (global_work())
		return true;
	for (uint32_t i = 0; i < n; i++) {
		struct p *q = sched->ps[i];

		if (q != p && runqs_len(&q->q) > 2 && goro__worth_stealing(p, q, arch_ticks()))
			return true;
	}
	return false;
}

/*
 * Sleeps in the backend's poll. The look at p->idle is under the bias: somebody else who polled p before us may have taken the event
 * that goro__wake_p() sent, and then p->idle says so; one that is sent after this look is still there for us.
 */
static void sleep_in_poll(struct m *m, struct p *p, int64_t deadline)
{
	bias_enter(&p->io_bias);
	goro__netpoll->poll(m, p, load_acq(&p->idle) == P_PARKED_POLL ? deadline : GORO_NOW);
	bias_leave(&p->io_bias);
}

/* m sleeps until the deadline (ns, negative: none) or until something wakes p; the caller then looks at everything again. */
void goro__idle(struct m *m, struct p *p, int64_t deadline)
{
	bool poll = goro__netpoll->pending(p), claimed = false;
	uint32_t parked = poll ? P_PARKED_POLL : P_PARKED_FUTEX, old = P_RUNNING;
	uint64_t bit, *mask = mask_of(p, &bit);

	if (!cas_seq(&p->idle, &old, parked)) {
		store_seq(&p->idle, P_RUNNING); /* it was NOTIFIED: look again */
		return;
	}
	if (!p->offline) {
		add_seq(&sched->nidle, 1);
		or_seq(mask, bit);
	}
	fence_seq(); /* [IDLE-1] pairs with [IDLE-2] in inject.c. Without it both sides may miss each other */
	if (goro__spin_end(m, false) && p->offline && global_work())
		goro__wake_one(); /* I6 */
	if (!must_stay(p)) {
		bump(&p->sleeps);
		if (poll)
			sleep_in_poll(m, p, deadline);
		else
			while (load_acq(&p->idle) == P_PARKED_FUTEX)
				if (goro__futex_wait(&p->idle, P_PARKED_FUTEX, deadline) != 0)
					break;
	}
	if (!p->offline && !goro__claim_idle(p))
		claimed = true;
	while (claimed && load_acq(&p->claimed) == 0) /* [CLAIM-2] acquire: pairs with [CLAIM-1] */
		arch_pause();
	if (claimed) {
		/* The claimer's exchange of p->idle may still come: it makes the next sleep short, no more. */
		store_rlx(&p->claimed, 0);
		m->spinning = true;
	}
	xchg_seq(&p->idle, P_RUNNING);
	if (load_rlx(&goro__sysmon_asleep))
		goro__sysmon_poke();
}
