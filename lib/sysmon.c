/* SPDX-License-Identifier: MIT */
/*
 * sysmon.c: a thread without a P that looks after the others.
 *
 * At each tick, for each P that is not idle:
 *   - is its thread blocked in the kernel, by its CPU clock, which stands still, while others wait? Then the P is taken from it (preempt.c). If nobody
 *     waits, it is taken all the same after STILL_LONG ticks, for its timers and I/O are then nobody's.
 *   - has the same goroutine run for a whole slice while others wait? Then its thread is sent the preemption signal. One that was preempted before gets
 *     less, stint_ns, if others than those wait.
 *   - has its slice_tick stood still for a whole slice? Then ATT_SLICE: the pair that keeps waking each other waits its turn.
 *   - does somebody wait there although another P is idle, and has it not switched since the last tick? Then an idle P is woken: its
 *     goroutine computes, and the others need not wait for it.
 *   - are its timers due, or is there I/O to submit or take, and has it not looked for a millisecond? Or has its oldest new goroutine waited for
 *     that long? Then it is asked to look at its next switch.
 * And for each thread that lost its P in the kernel: does it compute again? Then it is stopped, until it gets a P. One that only goes from one blocking
 * call to the next is left alone: a signal would end its call with EINTR, and a P would be wasted on it.
 *
 * The tick is half a slice while all that have a P compute and only such wait that were preempted: they change places at the end of slices. It is HOG while preempted goroutines wait and others have I/O in flight, FAST while anybody waits, some Ps are busy and some
 * idle, or a thread is without its P, and for a while after; else SLOW; and there is none after QUIET ticks during which all
 * were idle: sysmon then sleeps until an M that stops being idle pokes it [SYSMON-1], [SYSMON-2]. On the way it looks whether that can happen at all (deadlock.c), and has
 * the surplus stacks trimmed. So an idle process costs nothing.
 *
 * While the runtime stops, it sends the signal to every thread that is still in a goroutine (leave.c).
 *
 * It also writes the dump that SIGQUIT asks for: the signal handler only sets a word and wakes it.
 *
 * Its thread blocks all signals and runs no user code. Of locks it takes the runtime's only, none that ordinary code holds.
 */
#include <goro/debug.h>
#include <goro/time.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "clock.h"
#include "futex.h"
#include "helper.h"
#include "netpoll.h"
#include "print.h"
#include "report.h"
#include "restart.h"
#include "sched.h"
#include "stack.h"
#include "sys.h"

#define STACK ((size_t)256 << 10)
#define HOG (GORO_MILLISECOND / 2)
#define FAST (GORO_MILLISECOND)
#define SLOW (10 * GORO_MILLISECOND)
#define FETCH (GORO_MILLISECOND / 10) /* when the runtime ends: threads that run do so for a moment only, on a busy machine */
#define HURRY 100		/* FAST ticks after a P was found that had overlooked something */
#define STARVED (10 * GORO_MILLISECOND)
#define STILL_LONG 5		/* ticks that a thread is blocked until its P is taken although nobody waits */
#define QUIET 5			/* all-idle ticks before it sleeps */
#define TRIM_AFTER (2 * GORO_SECOND) /* of idleness */

uint32_t goro__sysmon_asleep, goro__sysmon_calm;

static struct {
	pthread_t thread;
	uint32_t word;	/* atomic futex word: bumped to wake it */
	uint32_t stop;	/* atomic */
	uint32_t dump;	/* atomic: SIGQUIT came */
	bool running;
	int hurry;	/* FAST ticks to come: a P was found that had overlooked something */
	bool io;	/* this tick: somebody has I/O in flight */
	int64_t timer;	/* this tick: when the first timer is due of a P that is not idle */
	bool calm;	/* this tick: those who have a P compute all the time, and only others of their kind wait */
	struct {
		uint32_t slice_tick;
		uint64_t switches;
		int64_t since;	  /* when slice_tick was first seen */
		int64_t slice_at; /* when this slice began: since, or the last time that it was used up */
	} seen[P_MAX];
} mon;

void goro__sysmon_poke(void)
{
	store_rlx(&goro__sysmon_asleep, 0);
	add_seq(&mon.word, 1); /* [SYSMON-1] seq_cst: pairs with [SYSMON-2] */
	goro__futex_wake(&mon.word, 1);
}

void goro__sysmon_dump(void)
{
	store_seq(&mon.dump, 1);
	goro__sysmon_poke();
}

/* CPU time of a thread of ours, in ns; -1: it is gone. */
static int64_t cpu_time(int tid)
{
	struct timespec ts;

	/* The clock's number as the kernel defines it: CPUCLOCK_SCHED of one thread. */
	if (SYS2(SYS_clock_gettime, (~(unsigned)tid << 3) | 6, &ts) != 0)
		return -1;
	return (int64_t)ts.tv_sec * GORO_SECOND + ts.tv_nsec;
}

/*
 * What has the thread of m, which has p (NULL: no P), done since the last look? BLOCKED: it sleeps now and has used less than a quarter of the time, as
 * m->still looks in a row. RUNS: it has used more, and is not asleep now, so a signal will hardly meet it in a system call; COMPUTES: nearly all of it, so
 * one need not even ask. NEW: this is the first look at this stint. NO_IDEA: it has run and
 * sleeps, or it waits for a CPU of an overloaded machine.
 */
enum life { NEW, NO_IDEA, RUNS, COMPUTES, BLOCKED };

/* sure: it may be sent a signal. */
static enum life what_it_does(struct m *m, struct p *p, int64_t now, bool sure)
{
	int64_t cpu = cpu_time(load_rlx(&m->tid)), used = cpu - m->cpu_seen, passed = now - m->seen_at;
	uint32_t stint = p ? load_rlx(&p->slice_tick) : 0;
	bool first = p != m->p_seen || stint != m->stint_seen || cpu < 0, lazy = 4 * used <= passed, asleep;

	m->cpu_seen = cpu;
	m->seen_at = now;
	m->p_seen = p;
	m->stint_seen = stint;
	if (first || 10 * used > 9 * passed) {
		m->still = 0;
		return first ? NEW : COMPUTES;
	}
	/* Without an answer in time nobody loses his P; and gets no signal where that could end a call with EINTR: it asks again at the next tick. */
	asleep = (lazy || sure) && goro__thread_sleeps(load_rlx(&m->tid), lazy, !lazy && !CAN_RESTART);
	if (lazy && asleep) {
		m->still++;
		return BLOCKED;
	}
	m->still = 0;
	return lazy || asleep ? NO_IDEA : RUNS;
}

static bool preemption_is_off(struct m *m)
{
	struct g *g = load_rlx(&m->curg);

	return !goro__preempting || !g || load_rlx(&g->nopreempt) != 0;
}

/* The goroutine that has p is in its own code, and has been for age ns since sysmon noticed it. */
static void look_at_user(struct p *p, struct m *m, int64_t age, bool others, int64_t now)
{
	bool wanted = others || load_rlx(&sched->nhogs) != 0;
	bool announced = load_rlx(&m->look) & LOOK_ANNOUNCED;
	bool hog = load_rlx(&p->hog_tick) == load_rlx(&p->slice_tick);
	bool over = wanted && age >= (hog && others ? sched->stint_ns : sched->slice_ns);
	enum life life = wanted && announced ? BLOCKED : what_it_does(m, p, now, over);

	/* That it waits for a CPU for so long is no reason to keep a P; without a signal nothing is lost if it is blocked after all. */
	mon.calm = mon.calm && (life == COMPUTES || (life == NEW && hog)) && !others;
	if (life <= NO_IDEA && wanted && age >= 3 * sched->slice_ns + STARVED && !preemption_is_off(m))
		life = BLOCKED;
	if (life == BLOCKED && (wanted || m->still >= STILL_LONG)) {
		if (!goro__retake(p, m) && !load_rlx(&goro__have_membarrier) && wanted)
			goro__preempt(m, now);
		mon.hurry = HURRY;
	} else if (over) {
		or_seq(&p->attention, ATT_SLICE);
		if (life == RUNS || life == COMPUTES)
			goro__preempt(m, now);
	}
}

/* Looks at P i, which is busy. */
static void look_at(uint32_t i, struct p *p, int64_t now, bool idle_ps)
{
	uint32_t tick = load_rlx(&p->slice_tick);
	uint64_t sw = load_rlx(&p->switches);
	bool overdue = load_rlx(&p->timers.first) <= now || goro__netpoll->overdue(p);
	bool others = overdue || goro__others_wait(p);
	struct m *m = load_acq(&p->m); /* [MSTART-2] acquire: pairs with [MSTART-1] */

	mon.io = mon.io || load_rlx(&p->io_inflight) != 0;
	if (load_rlx(&p->timers.first) < mon.timer)
		mon.timer = load_rlx(&p->timers.first);
	if (others && mon.hurry == 0)
		mon.hurry = 1;
	if ((overdue && arch_ticks() - load_rlx(&p->look_ticks) > 1000 * goro__ticks_per_us) ||
	    (runq_len(&p->q.fresh) != 0 && arch_ticks() - load_rlx(&p->last_oldest) > sched->oldest_ticks)) {
		or_seq(&p->attention, ATT_LOOK);
		mon.hurry = HURRY;
	}
	if (idle_ps && others && sw == mon.seen[i].switches)
		goro__wake_one();
	mon.seen[i].switches = sw;
	if (tick != mon.seen[i].slice_tick || mon.seen[i].since == 0) {
		mon.seen[i].slice_tick = tick;
		mon.seen[i].since = mon.seen[i].slice_at = now;
	}
	if (m && load_acq(&m->in_runtime) == 0 && (load_rlx(&p->attention) & (ATT_WORLD | ATT_PROCS)))
		goro__preempt(m, now);
	else if (m && load_acq(&m->in_runtime) == 0 && goro__report_due(m, now - mon.seen[i].since))
		goro__preempt_report(m);
	else if (m && load_acq(&m->in_runtime) == 0)
		look_at_user(p, m, now - mon.seen[i].since, others, now);
	else
		mon.calm = false;
	if (now - mon.seen[i].slice_at >= sched->slice_ns) {
		or_seq(&p->attention, ATT_SLICE);
		/* It calls us all the time, and was inside just now. */
		if (m && load_acq(&m->in_runtime) != 0 && (others || load_rlx(&sched->nhogs)))
			goro__preempt(m, now);
		mon.seen[i].slice_at = now;
	}
	if (m && load_rlx(&m->sig_pending) && now - load_rlx(&m->sig_at) > 2 * FAST)
		goro__preempt_check();
}

static bool computes_without_p(struct m *m, int64_t now)
{
	enum life life = what_it_does(m, NULL, now, true);

	return life == RUNS || life == COMPUTES;
}

/* Threads without a P, in the code of a goroutine: one that runs is stopped. */
static void look_at_threads(int64_t now, bool stopping)
{
	struct m *m;

	goro__lock(&sched->lock);
	m = sched->allm;
	goro__unlock(&sched->lock);
	for (; m; m = m->all_link) {
		if (load_rlx(&m->left) || load_acq(&m->in_runtime) != 0)
			continue;
		if (stopping && load_rlx(&m->blocked_tries) && now - m->sig_at < FAST)
			continue;
		if (stopping || (!load_rlx(&m->p) && !(load_rlx(&m->look) & LOOK_ANNOUNCED) && computes_without_p(m, now)))
			goro__preempt(m, now);
	}
}

/* One round: whether all Ps were idle. */
static bool tick(int64_t now)
{
	uint32_t n = load_acq(&sched->nps), nidle = load_rlx(&sched->nidle);
	bool quiet = true;

	store_rlx(&sched->coarse_now, now);
	mon.io = false;
	mon.calm = true;
	mon.timer = INT64_MAX;
	for (uint32_t i = 0; i < n; i++) {
		struct p *p = sched->ps[i];
		uint32_t idle = load_rlx(&p->idle);

		if (idle == P_PARKED_FUTEX || idle == P_PARKED_POLL) {
			mon.seen[i].since = 0;
			continue;
		}
		quiet = false;
		look_at(i, p, now, nidle != 0);
	}
	if (load_rlx(&sched->nout) != 0)
		look_at_threads(now, false);
	return quiet;
}

static void write_dump(void)
{
	store_seq(&mon.dump, 0);
	print_start();
	print_str("SIGQUIT: quit\n\n");
	print_end(2);
	goro__dump_all(2, true);
	_exit(2);
}

/* Sleeps without ticks until poked. Asks whether anybody can still wake a goroutine, and trims stacks once after a while. */
static void sleep_deep(uint32_t w)
{
	int64_t now = goro__now(), trim_at = now + TRIM_AFTER, check_at = now;

	while (load_seq(&mon.word) == w && !load_seq(&mon.stop)) {
		now = goro__now();
		if (now >= check_at) {
			int64_t ns = goro__deadlock_check();

			check_at = ns < 0 ? INT64_MAX : now + ns;
		} else if (now >= trim_at) {
			trim_at = goro__stack_trim() ? now + GORO_MILLISECOND : INT64_MAX;
		} else {
			int64_t end = check_at < trim_at ? check_at : trim_at;

			goro__futex_wait(&mon.word, w, end == INT64_MAX ? -1 : end);
		}
	}
}

/* How long until the next tick, if no timer is due before? */
static int64_t pause_ns(bool calm)
{
	uint32_t nidle = load_rlx(&sched->nidle);
	int64_t ns = SLOW;

	if (calm)
		return sched->slice_ns / 2;
	if (mon.io && load_rlx(&sched->nhogs) != 0)
		ns = HOG;
	else if ((nidle && nidle < load_rlx(&sched->nprocs)) || mon.hurry > 0 || load_rlx(&sched->nhogs) || load_rlx(&sched->nout))
		ns = FAST;
	return ns < sched->slice_ns ? ns : sched->slice_ns;
}

/* Sleeps until the next tick. */
static void sleep_a_tick(uint32_t w, int64_t now)
{
	bool calm = mon.calm && !mon.io && load_rlx(&sched->nhogs) && !load_rlx(&sched->nout);
	int64_t end = now + pause_ns(calm);

	/* Who queues something meanwhile for which nobody is idle wakes us: goro__wake_one(). */
	store_seq(&goro__sysmon_calm, calm);
	if (mon.timer > now && mon.timer < end)
		end = mon.timer;
	goro__futex_wait(&mon.word, w, end);
	store_rlx(&goro__sysmon_calm, 0);
}

static void *main_loop(void *arg)
{
	int quiet = 0;

	(void)arg;
	store_rlx(&goro__helper_tid[HELPER_SYSMON], sys_gettid());
	while (!load_seq(&mon.stop)) {
		uint32_t w = load_seq(&mon.word);
		int64_t now = goro__now();

		if (load_seq(&mon.dump))
			write_dump();
		if (load_seq(&sched->stopping)) {
			look_at_threads(now, true);
			goro__futex_wait(&mon.word, w, now + FETCH);
			continue;
		}
		quiet = tick(now) ? quiet + 1 : 0;
		if (quiet >= QUIET) {
			store_seq(&goro__sysmon_asleep, 1); /* [SYSMON-2] seq_cst: then the Ps are looked at once more */
			if (tick(now))
				sleep_deep(w);
			store_rlx(&goro__sysmon_asleep, 0);
			quiet = 0;
			continue;
		}
		mon.hurry -= mon.hurry > 0;
		sleep_a_tick(w, now);
	}
	return NULL;
}

int goro__sysmon_start(void)
{
	int r;

	mon.stop = mon.dump = 0;
	store_rlx(&goro__sysmon_asleep, 0);
	for (uint32_t i = 0; i < P_MAX; i++)
		mon.seen[i].since = 0;
	r = goro__helper_start(&mon.thread, STACK, main_loop);
	mon.running = r == 0;
	return r;
}

void goro__sysmon_stop(void)
{
	if (!mon.running)
		return;
	store_seq(&mon.stop, 1);
	goro__sysmon_poke();
	pthread_join(mon.thread, NULL);
	mon.running = false;
}
