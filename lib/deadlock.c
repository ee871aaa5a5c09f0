/* SPDX-License-Identifier: MIT */
/*
 * deadlock.c: every goroutine is asleep, and nothing is left that could wake one: Go's "all goroutines are asleep - deadlock!".
 *
 * Who could wake a goroutine, when all Ps are idle?
 *	a runnable goroutine, on any queue
 *	a timer in some P's heap, an operation in flight on some P's backend
 *	an M without a P that is in the code of a goroutine: a blocking call, a thread that was stopped, a change of maxprocs
 *	a plain thread, unless it sleeps itself until somebody wakes it, in a channel for instance, without a deadline
 *	what nobody can see: a signal handler, another process by shared memory. It is declared by goro_hold()
 *
 * sysmon asks when all Ps have been idle for some ticks and it goes to sleep itself. So nothing is paid for where goroutines run; and whatever ends the
 * idleness of a P pokes sysmon, which asks anew when all is quiet again. First it looks without stopping anybody, which finds
 * the reason why the program lives, nearly always. Only when it finds none it stops the world, and looks once more. Then it is exact:
 *
 *   I1 in a stopped world no P runs anything: each one's M has come to goro__world_ack() with no goroutine in hand, no timer's callback begun, no completion
 *	taken that it has not made a goroutine runnable for. So what the Ps have is on their queues, in their heaps, or counted in io_inflight.
 *   I2 an M without a P that is seen on the list of spare ones, or waiting in bound.c, stays there: only who has a P gives one away, and sysmon. What it
 *	has done before, a goroutine that it put on the global queue, is visible to who has seen it there.
 *   I3 a plain thread that is seen asleep twice, in the same sleep (m->waits counts them), slept all the time in between. What it has
 *	done before its first sighting is visible after it.
 *
 * Plain threads and waking:		sysmon, the world stopped:
 *	1 wakes: a goroutine goes to		1 are all listed plain threads asleep? [DEAD-2]
 *	  the global queue, or a thread's	2 goro_hold()? do we stop? are all Ms asleep? [DEAD-6]
 *	  word is written			3 are there threads that are not ours and not listed? (asleep.c)
 *	2 [DEAD-1] sleeps, or ends		4 are queues, heaps, backends empty?
 *						5 are all plain threads asleep in the same sleep? [DEAD-2], [DEAD-4]
 *   By I3 all listed threads slept from the end of 1 to the beginning of 5, and what they did before shows in 4. A thread that is not listed shows in 3, or has
 *   ended before, and what it did shows in 4 too. Nobody who sleeps makes a thread or declares a hold. So at 4 nobody was awake and nothing on its way: nor
 *   will be. In any other order a thread could wake another one behind the look, and sleep before the look at itself.
 *
 * Which threads count. By default each that is not ours, for nobody can tell what a thread has pointers to; so a program whose main thread waits in
 * pthread_join() for the one that called goro_run() is never said to be dead. Nobody pokes sysmon when such a thread ends: as long as it is the only
 * reason it asks again every THREADS_NS. GORO_DEADLOCK=declared, or GORO_THREADS_DECLARED: only goro_hold() counts, as with a
 * reference count. GORO_DEADLOCK=off, GORO_NO_DEADLOCK: nothing is looked at.
 *
 * A timer counts even if it delivers to a channel at which nobody waits, a ticker for ever: the alarm comes late then, or never, but never without cause.
 *
 * With no goroutine left, the main one has called goro_exit(): Go has a message of its own for that.
 *
 * Rejected: a count of what runs, changed at each park (Go counts Ms for this; ours keep their Ps while idle), and a decision by the last M that goes idle: it
 * cannot see that the last foreign thread ends; looking twice in a while without stopping the world: an M may lose its CPU for longer between
 * taking a completion and making its goroutine runnable.
 */
#include <goro/debug.h>
#include <goro/go.h>
#include <goro/time.h>

#include "asleep.h"
#include "context.h"
#include "fatal.h"
#include "netpoll.h"
#include "report.h"
#include "sched.h"

#define THREADS_NS (250 * GORO_MILLISECOND) /* until the next look at threads that nobody knows */
#define SOON_NS (10 * GORO_MILLISECOND)	    /* an M is on its way to or from somewhere */
#define PATIENCE_NS (50 * GORO_MILLISECOND) /* for the world to stop */
#define POKED (-1)			    /* whatever changes this pokes sysmon */
#define DEAD 0

static uint32_t holds; /* atomic */

void goro_hold(void)
{
	add_seq(&holds, 1);
}

void goro_unhold(void)
{
	uint32_t left = add_seq(&holds, -1u); /* [DEAD-7] seq_cst: pairs with [DEAD-8]: sysmon sees it, or is poked */

	if (left == UINT32_MAX)
		goro__throw("goro_unhold without goro_hold");
	if (left == 0 && load_seq(&goro__sysmon_asleep))
		goro__sysmon_poke();
}

/* ---------------------------------------------------------------------------------------------------- */
/* Plain threads */

bool goro__deadlock_parked(struct m *m)
{
	/*
	 * The word first. [DEAD-4] acquire: pairs with [DEAD-3]: if it was reset for a later sleep, waits is not that of the one before. Tokens do without
	 * a store like [DEAD-3]: the compare-and-swap of [TOKEN-1] is one.
	 */
	uint32_t futex = load_acq(&m->futex), token = load_acq(&m->proxy.token);
	uint32_t waits = load_acq(&m->waits); /* [DEAD-2] acquire: pairs with [DEAD-1] */

	switch (waits % WAITS_KINDS) {
	case WAITS_WORD:
		return futex == 0;
	case WAITS_TOKEN:
		return token == TOKEN_ASLEEP;
	default:
		return waits % WAITS_KINDS == WAITS_AWAY;
	}
}

struct sighting {
	bool again; /* the second look */
	bool awake;
};

static void look_at_thread(struct m *m, void *arg)
{
	struct sighting *s = arg;
	bool parked = goro__deadlock_parked(m);
	uint32_t waits = load_acq(&m->waits); /* [DEAD-2] */

	if (!parked || (s->again && waits != m->waits_seen))
		s->awake = true;
	m->waits_seen = waits;
}

static bool threads_asleep(bool again)
{
	struct sighting s = { again, false };

	goro__foreign_each(look_at_thread, &s);
	return !s.awake;
}

static void compare_tid(struct m *m, void *arg)
{
	int *tid = arg;

	if (load_rlx(&m->tid) == *tid)
		*tid = 0;
}

/* Is this a thread of ours, or a plain one that is listed? On the thread of asleep.c. */
static bool is_known(int tid)
{
	bool known = false;
	int left = tid;

	for (int i = 0; i < HELPERS; i++)
		known = known || load_rlx(&goro__helper_tid[i]) == tid;
	goro__lock(&sched->lock);
	for (struct m *m = sched->allm; m && !known; m = m->all_link)
		known = load_rlx(&m->tid) == tid;
	goro__unlock(&sched->lock);
	if (!known)
		goro__foreign_each(compare_tid, &left);
	return known || left == 0;
}

static bool unknown_threads(void)
{
	return goro__threads_unknown(is_known, goro__san & SAN_TSAN) != 0;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Ms and Ps */

/* DEAD: no M without a P is awake. */
static int64_t look_at_ms(void)
{
	static uint32_t round;
	int64_t r = DEAD;

	if (load_seq(&sched->nstarting) != 0) /* [DEAD-6] pairs with [DEAD-5]: an M that is not in allm yet may have been given a P, and lost it again */
		return SOON_NS;
	goro__lock(&sched->lock);
	round++;
	for (struct m *m = sched->spare; m; m = m->link)
		m->spare_seen = round;
	for (struct m *m = sched->allm; m && r == DEAD; m = m->all_link) {
		if (load_rlx(&m->p) || m->spare_seen == round || load_acq(&m->waits) % WAITS_KINDS != WAITS_NOT) /* [DEAD-2] */
			continue;
		r = load_rlx(&m->curg) ? POKED : SOON_NS;
	}
	goro__unlock(&sched->lock);
	return r;
}

static bool ps_asleep(void)
{
	uint32_t n = load_acq(&sched->nps); /* [NPS-1] */

	if (load_seq(&sched->nglobal) != 0 || load_seq(&sched->nhogs) != 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct p *p = sched->ps[i];

		if (load_rlx(&p->timers.first) != INT64_MAX || load_rlx(&p->io_inflight) != 0 || runqs_any(&p->q))
			return false;
	}
	return true;
}

/* DEAD, or how long until it should be looked at again. */
static int64_t look(void)
{
	bool all = goro__deadlock == DEADLOCK_THREADS;
	int64_t r;

	if (all && !threads_asleep(false))
		return THREADS_NS;
	if (load_seq(&holds) != 0 || load_seq(&sched->stopping)) /* [DEAD-8] seq_cst: pairs with [DEAD-7]; sysmon has said before that it sleeps */
		return POKED;
	r = look_at_ms();
	if (r != DEAD)
		return r;
	if (all && unknown_threads())
		return THREADS_NS;
	if (!ps_asleep())
		return POKED;
	return !all || threads_asleep(true) ? DEAD : THREADS_NS;
}

int64_t goro__deadlock_check(void)
{
	bool none;
	int64_t r;

	/* Cheap, and the answer for nearly every program that does not compute for a moment. */
	if (goro__deadlock == DEADLOCK_OFF || load_seq(&holds) != 0 || !ps_asleep())
		return POKED;
	r = look();
	if (r != DEAD)
		return r;
	r = goro__world_stop(NULL, PATIENCE_NS) ? look() : SOON_NS;
	none = goro_count() == 0;
	goro__world_start(NULL);
	if (r == DEAD)
		goro__throw_asleep(none ? "no goroutines (main called runtime.Goexit) - deadlock!" : "all goroutines are asleep - deadlock!");
	return r;
}
