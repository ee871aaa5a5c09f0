/* SPDX-License-Identifier: MIT */
/*
 * spare.c: Ms without a P, and how a P finds a new one.
 *
 * A P always has an M, so what is in flight on its ring and in its timer heap is looked after. Whoever leaves a P behind, because its thread is
 * about to block, is blocked, or is stopped, names an heir first: a spare M, or, if there is none, the M of a goroutine that was
 * preempted. Without an heir the P stays where it is and the attempt is repeated later: nothing here waits.
 *
 * Making a thread takes locks of the C library and of malloc, which a stopped thread may hold. So no M that holds a P makes one, and no signal handler;
 * a thread of its own does it ahead of time, and keeps `reserve` of them in store. If it blocks on a lock of a stopped thread, then that
 * thread's goroutine is in line for a P like all others (preempt.c), and will release it.
 *
 * How an M waits for a P, wherever it does (spare, with a preempted goroutine, with one that is bound to it):
 *	M:	1 futex = 0	2 lists itself, or its goroutine, under sched->lock	3 [SPARE-2] sleeps until futex is not 0	4 takes nextp
 *	giver:	1 takes it, or the goroutine, off the list	2 nextp = p	3 [SPARE-1] futex = 1, wakes
 *   I1 step 1 comes before step 2, so a gift between 2 and 3 is not lost.
 *   I2 whoever takes it off the list owes it a P. The end of the runtime is the exception: then an M leaves without one, and goro_run()'s
 *	thread looks after the Ps that are left.
 *
 * An M never exits while the runtime runs: requests that its thread submitted to a ring would fail with -ECANCELED (rule R2 of ring.c).
 */
#include <errno.h>
#include <pthread.h>

#include "asleep.h"
#include "clock.h"
#include "futex.h"
#include "helper.h"
#include "sched.h"
#include "sys.h"

#define RESERVE_MIN 2u
#define RESERVE_MAX 8u
#define MAKER_STACK ((size_t)256 << 10)
#define RETRY_NS 10000000 /* when no thread could be made */

static struct {
	pthread_t thread;
	uint32_t word; /* atomic futex word: bumped to have it look */
	uint32_t stop; /* atomic */
	uint32_t reserve; /* atomic: so many should be in store */
	bool running;
} maker;

/* ---------------------------------------------------------------------------------------------------- */
/* Giving and waiting */

void goro__p_give(struct p *p, struct m *to)
{
	store_rlx(&p->m, to);
	/* [SPARE-1] release: pairs with [SPARE-2]. Without it the M may see the P before its last owner's writes. */
	store_rel(&to->nextp, p);
	store_rel(&to->futex, 1);
	goro__futex_wake(&to->futex, 1);
}

bool goro__m_wait(struct m *m)
{
	struct p *p;

	while (load_acq(&m->futex) == 0) {
		if (load_acq(&sched->stopping))
			return false;
		goro__futex_wait(&m->futex, 0, -1);
	}
	p = load_acq(&m->nextp); /* [SPARE-2] acquire */
	store_rlx(&m->nextp, NULL);
	if (!p)
		return false;
	store_rlx(&m->p, p);
	store_rlx(&p->m, m);
	return true;
}

/* On g0 of an M without a P. Returns with m->p set, or without when the runtime stops. */
void goro__m_spare(struct m *m)
{
	goro__lock(&sched->lock);
	store_rlx(&m->futex, 0);
	m->link = sched->spare;
	sched->spare = m;
	store_rlx(&sched->nspare, sched->nspare + 1);
	goro__unlock(&sched->lock);
	goro__m_wait(m);
}

static struct m *take_spare(void)
{
	struct m *m = sched->spare;

	if (!m)
		return NULL;
	sched->spare = m->link;
	store_rlx(&sched->nspare, sched->nspare - 1);
	if (sched->nspare == 0)
		goro__spares_want();
	return m;
}

/* The one that has waited longest of the preempted ones is off the list. Under sched->lock. */
static struct g *unlink_hog(void)
{
	struct g *g = sched->hogs.first;

	if (!g)
		return NULL;
	sched->hogs.first = g->next;
	store_rlx(&sched->nhogs, --sched->hogs.n);
	return g;
}

struct g *goro__hog_take(void)
{
	struct g *g;

	goro__lock(&sched->lock);
	g = unlink_hog();
	goro__unlock(&sched->lock);
	return g;
}

/*
 * If only preempted ones wait, one of them gets p straight away; else a spare M does, which will look for the best. A P that is offline
 * needs somebody who only looks after it.
 */
struct m *goro__p_heir(struct p *p)
{
	struct m *m = NULL;
	struct g *g;

	if (p->offline)
		return take_spare();
	if (sched->hogs.n == 0 || goro__others_wait(p))
		m = take_spare();
	if (m)
		return m;
	g = unlink_hog();
	if (g)
		return g->m;
	goro__spares_want();
	return NULL;
}

bool goro__p_release(struct m *m)
{
	struct p *p = m->p;
	struct m *to;

	goro__lock(&sched->lock);
	to = goro__p_heir(p);
	if (to)
		store_rlx(&m->p, NULL);
	goro__unlock(&sched->lock);
	if (!to)
		return false;
	goro__p_give(p, to);
	return true;
}

/* ---------------------------------------------------------------------------------------------------- */
/* The thread that makes threads */

void goro__spares_want(void)
{
	uint32_t n = load_rlx(&maker.reserve);

	if (load_rlx(&sched->nspare) == 0 && n < RESERVE_MAX)
		store_rlx(&maker.reserve, n + 1);
	add_seq(&maker.word, 1); /* [MAKER-1] pairs with [MAKER-2]: it looks at the store after it has read the word */
	goro__futex_wake(&maker.word, 1);
}

static void *make_spares(void *arg)
{
	(void)arg;
	store_rlx(&goro__helper_tid[HELPER_MAKER], sys_gettid());
	while (!load_seq(&maker.stop)) {
		uint32_t w = load_seq(&maker.word); /* [MAKER-2] pairs with [MAKER-1] */
		int r = 0;

		while (r == 0 && !load_seq(&maker.stop) && load_seq(&sched->nspare) < load_rlx(&maker.reserve)) {
			uint32_t n = load_seq(&sched->nspare);

			r = goro__m_start(NULL);
			/* Until the new one is in store, its number would be made again and again. */
			for (int i = 0; r == 0 && i < 100 && load_seq(&sched->nspare) <= n && !load_seq(&maker.stop); i++)
				goro__futex_wait(&maker.word, load_seq(&maker.word), goro__now() + 50000);
			goro__sysmon_poke(); /* somebody may have waited for it */
		}
		if (load_seq(&maker.stop))
			break;
		goro__futex_wait(&maker.word, w, r ? goro__now() + RETRY_NS : -1);
	}
	return NULL;
}

int goro__spares_start(void)
{
	int r;

	maker.stop = 0;
	maker.reserve = RESERVE_MIN;
	r = goro__helper_start(&maker.thread, MAKER_STACK, make_spares);
	maker.running = r == 0;
	return r;
}

void goro__spares_stop(void)
{
	if (!maker.running)
		return;
	store_seq(&maker.stop, 1);
	add_seq(&maker.word, 1);
	goro__futex_wake(&maker.word, 1);
	pthread_join(maker.thread, NULL);
	maker.running = false;
}
