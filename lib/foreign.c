/* SPDX-License-Identifier: MIT */
/*
 * foreign.c: plain threads that call the runtime. The m of one is made at its first call, and given back when the thread ends.
 *
 * All of them are listed: deadlock.c asks which of them sleep, and dump.c writes those.
 *
 * A thread that touches what goes with the run (records, heaps of timers, Ps) is a guest meanwhile, counted in sched->ext_users: goro_run() waits
 * at its end until there are none [EXT-1], [EXT-2].
 */
#include <errno.h>
#include <sys/mman.h>

#include "context.h"
#include "fatal.h"
#include "m.h"
#include "park.h"
#include "rand.h"
#include "sched.h"
#include "spawn.h"
#include "sys.h"

static struct lock list_lock = LOCK_INIT(RANK_LEAF); /* over the list and its links */
static struct m *list;

static void enlist(struct m *m)
{
	goro__lock(&list_lock);
	m->foreign_link = list;
	m->foreign_at = &list;
	if (list)
		list->foreign_at = &m->foreign_link;
	list = m;
	goro__unlock(&list_lock);
}

static void unlist(struct m *m)
{
	goro__lock(&list_lock);
	*m->foreign_at = m->foreign_link;
	if (m->foreign_link)
		m->foreign_link->foreign_at = m->foreign_at;
	goro__unlock(&list_lock);
}

void goro__foreign_each(void (*f)(struct m *m, void *arg), void *arg)
{
	goro__lock(&list_lock);
	for (struct m *m = list; m; m = m->foreign_link)
		f(m, arg);
	goro__unlock(&list_lock);
}

/* Somebody may have held the lock when the process was forked. */
void goro__foreign_forked(void)
{
	struct m *m = goro__tls_m();

	lock_init(&list_lock, RANK_LEAF);
	list = NULL;
	if (m && m->foreign)
		enlist(m);
}

static void fini(void *arg)
{
	struct g *g = &((struct m *)arg)->proxy;

	if (g->run.locals)
		goro__locals_end(g);
	unlist(arg);
	goro__tls_set_m(NULL);
	/* A waker may still be about to wake our futex word: the system call then fails with -EFAULT, no more (futex.h). */
	sys_munmap(arg, sizeof(struct m));
}

COLD struct m *goro__foreign_m(void)
{
	long r = sys_mmap(NULL, sizeof(struct m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct m *m = (struct m *)r;

	if (sys_is_err(r) || goro__tls_at_exit(m, fini) != 0)
		goro__throw("no memory for a plain thread's descriptor");
	goro__san_init();
	goro__fork_init();
	m->foreign = true;
	m->cxx = goro__cxx_of_thread();
	store_rlx(&m->curg, &m->proxy);
	m->proxy.m = m;
	m->proxy.flags = G_FOREIGN;
	store_rlx(&m->tid, sys_gettid());
	m->rand = (uint32_t)m->tid * 2654435761u | 1;
	enlist(m);
	goro__tls_set_m(m);
	return m;
}

bool goro__guest_enter(struct m *m)
{
	if (likely(!m->foreign))
		return true;
	/* [EXT-1] seq_cst: pairs with [EXT-2]: either goro_run() sees us and waits, or we see that it has ended. */
	add_seq(&sched->ext_users, 1);
	if (load_seq(&sched->running))
		return true;
	add_seq(&sched->ext_users, -1u);
	return false;
}

void goro__guest_leave(struct m *m)
{
	if (unlikely(m->foreign))
		add_seq(&sched->ext_users, -1u);
}

int goro__timer_add(struct m *m, struct timer *t, int64_t when, struct p **ret_wake)
{
	uint32_t n;
	struct p *p;
	int r;

	*ret_wake = NULL;
	if (likely(!m->foreign))
		return goro__timer_start(m, t, when);
	if (load_seq(&sched->stopping))
		return -ECANCELED;
	n = load_acq(&sched->nps); /* [NPS-1] */
	if (n > load_rlx(&sched->nprocs))
		n = load_rlx(&sched->nprocs);
	if (n == 0)
		return -EPERM; /* it is just starting */
	p = sched->ps[rand_below(&m->rand, n)];
	r = goro__timer_start_at(p, t, when);
	/* It may sleep until a later time, or for ever. It looks again if it was about to: goro__wake_p() leaves a note. */
	if (r == 0 && load_rlx(&p->timers.first) >= when)
		*ret_wake = p;
	return r;
}
