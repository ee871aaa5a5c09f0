/* SPDX-License-Identifier: MIT */
/*
 * preempt.c: taking the P from a goroutine that does not give it up.
 *
 * Concepts. A goroutine that computes is stopped by a signal whose handler waits on a futex: the thread stops with its goroutine, which is pinned to
 * it, and the P goes to an heir (spare.c). To run the goroutine again is to give a P to its thread, which then returns from
 * the handler. Two goroutines never share an interrupted thread, so whatever hangs on the thread stays true: errno, addresses of thread-local
 * variables in registers, malloc's and stdio's locks and who owns them. A goroutine whose thread is blocked in the kernel is left
 * there; only its P is taken. When it comes back and enters the runtime, it waits for a P in the same way.
 *
 * Three ways to stop, one procedure (queue_stopped(), then goro__m_wait(), then goro__resumed()):
 *   - in the signal handler, with or without a P;
 *   - at the end of a call of ours (rt_exit()), when the signal came while it was inside;
 *   - at the beginning of one (rt_enter()), when the P was taken meanwhile.
 *   In all three m->in_runtime is not 0 and the thread holds none of the runtime's locks but what this file takes: a handler that interrupts the
 *   runtime leaves a mark, M_RESCHED, and returns. So the handler may take the runtime's locks; it takes no other, but for the report of a debug
 *   mode (report.c), which prints.
 *
 * Taking a P silently. sysmon cannot stop the thread and must not send a signal: system calls would fail with EINTR.
 *	sysmon: 1 sched->lock	2 look |= TAKEN	3 [RETAKE-2] membarrier()	4 in_runtime is 0? then m->p = NULL, and the P is its own;
 *		else look &= ~TAKEN	5 unlocks, gives the P to an heir
 *	thread:	1 in_runtime = 1	2 [RETAKE-1] compiler barrier	3 look is 0? then the P is still its own; else takes sched->lock and reads m->p
 *   This is Dekker's exclusion, as in bias.c; the membarrier() of one side is a fence on both.
 *   I1 a thread that read look as 0 in step 3 keeps its P until in_runtime is 0 again: sysmon sees in_runtime in step 4.
 *   I2 m->p changes under sched->lock if anybody but the thread itself changes it, and then in_runtime is 0 or the thread waits for that lock.
 *      So the test of m->p in step 3 is under the lock too: sysmon may have undone step 2 meanwhile.
 *   I3 the handler is an entry like any other: first in_runtime = 1, then look. The other order crashes.
 *   I4 without membarrier() nothing is taken silently; the signal does it, at the price of EINTR where SA_RESTART does not help.
 *
 * Who goes first. What was preempted goes on sched->hogs, behind all that wait and wake; find_runnable() takes from there when nothing else is to be
 * done, or when it is its turn (hogs_due): they get at least a fifth of each P. sysmon cuts the stint of one
 * that was preempted before after stint_ns if others wait, else after a whole slice. So a server's goroutines wait for a hog a
 * millisecond or so, and never for several hogs in a row. What comes back from the kernel goes to the head of the global queue.
 *
 * A cap. Each goroutine that was preempted, or is blocked in the kernel, costs a thread. When there are max_stopped such threads no goroutine starts for
 * the first time as long as one of those that were preempted can run instead; those that have started share the Ps.
 *
 * Shutdown: leave.c. A thread that is bound to its goroutine: bound.c. What sysmon measures before it does any of this: sysmon.c.
 *
 * Rejected: switching in the handler or by an injected call (Go's way, one thread for all): corrupts malloc, stdio, errno, whatever the interrupted
 * code had read of its thread. A signal for a thread that is blocked: it returns to the system call when it gets a P and burns a slice there each time.
 *
 * Kernel-notes: signals-and-preemption, membarrier.
 */
#include <goro/preempt.h>

#include <errno.h>
#include <goro/runtime.h>
#include <goro/time.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fatal.h"
#include "futex.h"
#include "leave.h"
#include "netpoll.h"
#include "park.h"
#include "report.h"
#include "restart.h"
#include "switch.h"
#include "sys.h"

/* The value that our signals carry, so that they cannot be mistaken for anybody else's. */
#define MAGIC ((void *)&goro__preempting)
#define MAGIC_REPORT ((void *)&preempt_signal)
#define RESEND_NS (20 * GORO_MILLISECOND) /* a signal was lost: its handler was replaced, or one of the program's was merged with it */

uint32_t goro__preempting;
static int preempt_signal;

/* ---------------------------------------------------------------------------------------------------- */
/* Stopping and going on */

bool goro__others_wait(struct p *p)
{
	int64_t first = load_rlx(&p->timers.first);

	return runqs_any(&p->q) || load_rlx(&sched->nglobal) != 0 || (load_rlx(&p->attention) & (ATT_WORLD | ATT_PROCS | ATT_STOP)) != 0 ||
	       (first != INT64_MAX && first <= goro__now()) || goro__netpoll->overdue(p);
}

/* find_runnable() is to choose whom to start: no shortcuts. */
static void note_full(void)
{
	if (goro__full())
		for (uint32_t i = 0; i < load_acq(&sched->nps); i++)
			or_seq(&sched->ps[i]->attention, ATT_FULL);
}

/*
 * m's goroutine stops with its thread, which calls goro__m_wait() next. Its P, if it has one, goes to heir. A hog, which computes, is behind all
 * others then; else it comes from the kernel and goes before them. sched->lock is held, and dropped.
 */
static void queue_stopped(struct m *m, bool hog, struct m *heir)
{
	struct g *g = m->curg;
	struct p *p = m->p;
	struct glist *l = hog ? &sched->hogs : &sched->global;

	store_rlx(&m->futex, 0); /* I1 of spare.c */
	m->hog = hog;
	g->flags |= G_PINNED;
	g->sp = NULL;
	g->m = m;
	store_rlx(&g->status, G_RUNNABLE);
	store_rlx(&m->p, NULL);
	if (hog) {
		g->next = NULL;
		if (l->n)
			l->last->next = g;
		else
			l->first = g;
		l->last = g;
		store_rlx(&sched->nhogs, ++l->n);
	} else {
		g->next = l->n ? l->first : NULL;
		l->first = g;
		if (l->n++ == 0)
			l->last = g;
		store_rlx(&sched->nglobal, load_rlx(&sched->nglobal) + 1);
	}
	add_seq(&sched->nstopped, 1);
	note_full();
	goro__unlock(&sched->lock);
	if (p) {
		int64_t now = goro__now(), stint = now - p->stint_since;

		/* What ran had its stint; four times as long it is the others' turn, if there are any. */
		if (load_rlx(&p->hog_tick) != load_rlx(&p->slice_tick) || stint < sched->stint_ns)
			stint = sched->stint_ns;
		p->hogs_due = now + 4 * (stint < sched->slice_ns ? stint : sched->slice_ns);
		goro__report_stint(m, g, stint);
		add_seq(&sched->preemptions, 1);
		goro__p_give(p, heir);
	}
	fence_seq(); /* [IDLE-2] */
	goro__wake_one();
}

/* m has been given a P for its goroutine: what dispatch() does for others. */
void goro__resumed(struct m *m)
{
	struct p *p = m->p;
	struct g *g = m->curg ? m->curg : m->boundg;

	g->flags &= (uint8_t)~G_PINNED;
	set_running(m, p, g);
	bump(&p->slice_tick);
	and_seq(&p->attention, ~(uint32_t)ATT_SLICE);
	if (m->hog) {
		store_rlx(&p->hog_tick, p->slice_tick);
		p->stint_since = goro__now();
	}
	m->hog = false;
	if (unlikely(m->boundg))
		or_seq(&p->attention, ATT_BOUND);
	store_rlx(&m->look, 0);
}

/* Stops, if somebody can take the P, and goes on. Inside of the runtime. uc: the context of a signal handler, NULL on the goroutine's stack. */
static void stop(struct m *m, bool hog, void *uc)
{
	struct m *heir = NULL;

	goro__lock(&sched->lock);
	if (m->p && !(heir = goro__p_heir(m->p))) {
		goro__unlock(&sched->lock);
		return;
	}
	queue_stopped(m, hog, heir);
	if (!goro__m_wait(m)) {
		goro__leave(m, uc);
		return;
	}
	add_seq(&sched->nstopped, -1u);
	goro__resumed(m);
}

void goro__stop_here(struct m *m)
{
	stop(m, false, NULL);
}

/* Has sysmon taken our P? Inside of the runtime. */
static bool lost_p(struct m *m)
{
	bool lost;

	if (load_rlx(&m->look) == 0)
		return false;
	goro__lock(&sched->lock);
	lost = m->p == NULL;
	goro__unlock(&sched->lock);
	return lost;
}

/* The first entry into the runtime after it. */
bool goro__end_announced(struct m *m)
{
	if (lost_p(m))
		return false; /* who took it has counted */
	if (load_rlx(&m->look) & LOOK_ANNOUNCED) {
		and_seq(&m->look, ~(uint32_t)LOOK_ANNOUNCED);
		add_seq(&sched->nkept, -1u);
		store_rlx(&m->curg->status, G_RUNNING);
	}
	return true;
}

COLD void goro__rt_enter_slow(struct m *m)
{
	/* Without the mark: a signal may have come between the entry and the look, when the P was gone already. */
	if ((load_rlx(&m->in_runtime) & ~M_RESCHED) != 1 || m->foreign)
		return; /* sysmon tried while we were inside: it will see that */
	if (load_acq(&sched->stopping))
		goro__leave(m, NULL);
	if (goro__end_announced(m))
		return;
	if (!(load_rlx(&m->look) & LOOK_ANNOUNCED))
		add_seq(&sched->nout, -1u);
	stop(m, false, NULL);
}

/* Others want the P of m, whose goroutine has used up its slice, or was told to make room. Inside of the runtime. */
static void preempted(struct m *m, void *uc)
{
	struct g *g = m->curg;

	if (unlikely(load_acq(&sched->stopping))) {
		goro__leave(m, uc);
		return;
	}
	if (lost_p(m)) {
		if (load_rlx(&m->look) & LOOK_ANNOUNCED)
			return; /* it said that it does without */
		add_seq(&sched->nout, -1u);
		stop(m, true, uc);
		return;
	}
	if (!(load_rlx(&m->p->attention) & (ATT_SLICE | ATT_WORLD | ATT_PROCS)))
		return; /* the signal was for another, who ran here a moment ago */
	if (g->nopreempt || !(goro__others_wait(m->p) || load_rlx(&sched->nhogs)))
		return;
	stop(m, true, uc);
}

COLD void goro__rt_exit_slow(struct m *m)
{
	uint32_t depth = load_rlx(&m->in_runtime);

	if (!(depth & M_RESCHED))
		return;
	depth &= ~M_RESCHED;
	store_exit(&m->in_runtime, depth);
	if (depth != 0 || m->foreign)
		return;
	store_rlx(&m->in_runtime, 1);
	compiler_barrier();
	preempted(m, NULL);
	compiler_barrier();
	store_exit(&m->in_runtime, 0);
}

/* ---------------------------------------------------------------------------------------------------- */
/* The signal */

/* As the kernel knows it: installed without the C library, whose sigaction() a sanitizer may have replaced by one that delays signals. */
struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static struct kernel_sigaction theirs; /* what the program has installed; written before ours is, or by sysmon */

static void forward(int sig, siginfo_t *si, void *uc)
{
	void *h = load_rlx(&theirs.handler);

	if (h == (void *)SIG_DFL || h == (void *)SIG_IGN)
		return; /* the default action of SIGURG is to ignore it */
	if (theirs.flags & SA_SIGINFO)
		((void (*)(int, siginfo_t *, void *))h)(sig, si, uc);
	else
		((void (*)(int))h)(sig);
}

/*
 * Is the thread inside of ThreadSanitizer, or in what that has called? Then it may hold locks there, which the hooks that the runtime calls with a P
 * in hand want, and so does whatever is instrumented or intercepted, in this handler too: it must not stop there, nor do anything
 * here. sysmon asks again with its next tick. A compute loop is in there for half of its time or more.
 */
static NO_TSAN bool inside_tsan(void *uc)
{
	struct m *m = (struct m *)ARCH_TLS_LOAD(goro__tls_m_slot);
	void *pc = goro__uc_pc(uc);

	if (!(goro__san & SAN_TSAN) || !(goro__san_inside(pc) || goro__in_library(pc)))
		return false;
	if (m)
		*(volatile uint32_t *)&m->sig_pending = 0;
	/* At the end of the runtime sysmon asks so often that a call with a timeout, which begins anew, would never be over; nobody will see its EINTR. */
	if (!*(volatile uint32_t *)&sched->stopping)
		goro__restart_syscall(uc);
	return true;
}

static NO_SANITIZE void answer(int sig, siginfo_t *si, void *uc)
{
	struct m *m = goro__tls_m();

	if (si->si_code == SI_QUEUE && si->si_value.sival_ptr == MAGIC_REPORT) {
		if (m && m->in_runtime == 0)
			goro__report_run();
		goro__restart_syscall(uc);
		return;
	}
	if (si->si_code != SI_QUEUE || si->si_value.sival_ptr != MAGIC) {
		forward(sig, si, uc);
		/* Ours was dropped if it came while this one was pending: signals of one number do not queue. */
		if (!m || !load_rlx(&m->sig_pending))
			return;
	}
	if (!m || m->foreign)
		return;
	store_rlx(&m->sig_pending, 0);
	if (load_rlx(&m->in_runtime) != 0) {
		store_rlx(&m->in_runtime, load_rlx(&m->in_runtime) | M_RESCHED);
		return;
	}
	store_rlx(&m->in_runtime, 1);
	compiler_barrier(); /* I3 */
	preempted(m, uc);
	compiler_barrier();
	store_exit(&m->in_runtime, 0); /* [RETAKE-3]: sysmon may take the P at once, and with it what goro__resumed() has written */
	goro__restart_syscall(uc);
}

static NO_TSAN void on_signal(int sig, siginfo_t *si, void *uc)
{
	bool ours = si->si_code == SI_QUEUE && (si->si_value.sival_ptr == MAGIC || si->si_value.sival_ptr == MAGIC_REPORT);

	if (!(ours && inside_tsan(uc)))
		answer(sig, si, uc);
}

static long send(struct m *m, void *value)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = preempt_signal;
	si.si_code = SI_QUEUE;
	si.si_pid = sys_getpid();
	si.si_value.sival_ptr = value;
	return SYS4(SYS_rt_tgsigqueueinfo, si.si_pid, load_rlx(&m->tid), preempt_signal, &si);
}

void goro__preempt(struct m *m, int64_t now)
{
	if (!goro__preempting || load_rlx(&m->tid) == 0 || load_rlx(&m->left) || (load_rlx(&m->sig_pending) && now - load_rlx(&m->sig_at) < RESEND_NS))
		return;
	store_rlx(&m->sig_at, now);
	store_rlx(&m->sig_pending, 1);
	if (send(m, MAGIC) != 0)
		store_rlx(&m->sig_pending, 0); /* out of queued signals: at the next tick */
}

void goro__preempt_report(struct m *m)
{
	if (goro__preempting)
		send(m, MAGIC_REPORT);
}

static long raw_sigaction(const struct kernel_sigaction *new, struct kernel_sigaction *old)
{
	return SYS4(SYS_rt_sigaction, preempt_signal, new, old, sizeof(uint64_t));
}

static struct kernel_sigaction ours;
static struct sigaction before; /* what the C library said there was: under ThreadSanitizer not what the kernel says */

/* sysmon asks for it when a signal was not answered: the program has installed a handler of its own after us. */
void goro__preempt_check(void)
{
	struct kernel_sigaction now;

	if (!goro__preempting || raw_sigaction(NULL, &now) != 0 || now.handler == ours.handler)
		return;
	theirs = now;
	raw_sigaction(&ours, NULL);
}

static int install(void)
{
	struct sigaction sa;
	struct kernel_sigaction k;
	int r;

	/* The C library's way first, for its restorer, and for the program's sigaction() to report what was there. */
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigfillset(&sa.sa_mask); /* not the two that the C library keeps for itself: setuid() must get through to stopped threads */
	r = (int)raw_sigaction(NULL, &theirs);
	if (r != 0 || sigaction(preempt_signal, &sa, &before) != 0)
		return r ? r : -EINVAL;
	raw_sigaction(NULL, &k);
	k.handler = (void *)on_signal;
	ours = k;
	return (int)raw_sigaction(&ours, NULL);
}

int goro__preempt_init(const void *config)
{
	const struct goro_config *c = config;
	const char *s = getenv("GORO_PREEMPT");
	int r;

	goro__preempting = 0;
	preempt_signal = c->preempt_signal ? (int)c->preempt_signal : SIGURG;
	if ((c->flags & GORO_NO_PREEMPT) || (s && strcmp(s, "off") == 0))
		return 0;
	r = install();
	goro__preempting = r == 0;
	return r;
}

void goro__preempt_fini(void)
{
	struct kernel_sigaction now;
	struct sigaction said;

	if (!goro__preempting)
		return;
	goro__preempting = 0;
	if (raw_sigaction(NULL, &now) != 0 || now.handler != ours.handler)
		return;
	/* Unless the program has installed another one during the run, which ThreadSanitizer knows of, and which is `theirs` then. */
	if (sigaction(preempt_signal, NULL, &said) == 0 && said.sa_sigaction == on_signal)
		sigaction(preempt_signal, &before, NULL);
	raw_sigaction(&theirs, NULL);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Taking a P back */

bool goro__retake(struct p *p, struct m *m)
{
	struct m *heir = NULL;

	if (!load_rlx(&goro__have_membarrier))
		return false;
	goro__lock(&sched->lock);
	if (load_rlx(&p->m) != m || load_rlx(&m->p) != p || !load_rlx(&m->curg)) {
		goro__unlock(&sched->lock);
		return false;
	}
	or_seq(&m->look, LOOK_TAKEN);
	goro__membarrier(); /* [RETAKE-2] store-load, on m's CPU too: pairs with [RETAKE-1] and [RETAKE-3] */
	fence_seq();
	if (load_acq(&m->in_runtime) == 0)
		heir = goro__p_heir(p);
	if (!heir) {
		and_seq(&m->look, ~(uint32_t)LOOK_TAKEN);
		goro__unlock(&sched->lock);
		return false;
	}
	store_rlx(&m->p, NULL);
	if (load_rlx(&m->look) & LOOK_ANNOUNCED) {
		add_seq(&sched->nkept, -1u);
	} else {
		m->curg->wait_reason = WAIT_SYSCALL;
		m->curg->wait_since = load_rlx(&sched->coarse_now);
		store_rlx(&m->curg->status, G_BLOCKED);
		add_seq(&sched->nout, 1);
		note_full();
	}
	add_seq(&sched->retakes, 1);
	goro__unlock(&sched->lock);
	goro__p_give(p, heir);
	return true;
}

/* ---------------------------------------------------------------------------------------------------- */
/* The public calls */

static struct g *user_g(void)
{
	struct m *m = goro__tls_m();

	return m && !m->foreign ? m->curg : NULL;
}

void goro_preempt_off(void)
{
	struct g *g = user_g();

	if (g && g->nopreempt < NOPREEMPT_EVER - 1)
		bump(&g->nopreempt);
}

void goro_preempt_on(void)
{
	struct g *g = user_g();
	struct m *m;

	if (!g || g->nopreempt == NOPREEMPT_EVER)
		return;
	if (g->nopreempt == 0)
		goro__throw("goro_preempt_on without goro_preempt_off");
	store_rlx(&g->nopreempt, g->nopreempt - 1);
	if (g->nopreempt == 0) {
		m = rt_enter();
		preempted(m, NULL);
		rt_exit(m);
	}
}

void goro_poll(void)
{
	struct m *m = goro__tls_m();
	struct p *p;

	if (!m || m->foreign || !(p = m->p) || (load_rlx(&p->attention) & (ATT_SLICE | ATT_WORLD | ATT_PROCS | ATT_STOP)) == 0)
		return;
	m = rt_enter();
	m = goro__yield(m);
	rt_exit(m);
}
