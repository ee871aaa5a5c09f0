/* SPDX-License-Identifier: MIT */
/*
 * runtime.c: the life of the runtime: goro_run(), maxprocs, and the end.
 *
 * Shutdown, when the main goroutine's function has returned:
 *	1 main's M sets sched->stopping, sets ATT_STOP on each P, and wakes every M that sleeps, with or without a P.
 *	2 Each M sees it at its next switch (there is no next goroutine for it: pick_local() and find_runnable() give none) and leaves the
 *	  scheduler. The goroutines stay where they are. A thread that computes or is blocked is fetched by a signal: leave.c.
 *	3 Each M that holds a P cancels what is in flight there and takes the completions (netpoll->drain): after that the kernel
 *	  writes to no goroutine's stack. Threads end only then: a thread's requests fail when it exits.
 *	4 goro_run()'s thread joins all others, stops sysmon, restores the signal handlers and unmaps rings, stacks, records and heaps.
 *   A plain thread that spawns meanwhile: it announces itself in sched->ext_users, then looks at running and stopping; step 4 clears running,
 *   and waits until nobody is announced before it unmaps anything [EXT-1], [EXT-2]. So it either gets -EPERM or its goroutine
 *   is queued and dropped with the others.
 *
 * The memory of Ps and Ms is kept for the next run: a waker that comes late finds a P that nobody waits on.
 */
#include <goro/runtime.h>

#include <errno.h>
#include <goro/go.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "asleep.h"
#include "blocking.h"
#include "clock.h"
#include "cpu.h"
#include "fatal.h"
#include "futex.h"
#include "netpoll.h"
#include "panic.h"
#include "probe.h"
#include "report.h"
#include "switch.h"
#include "sys.h"

#define MAIN_STACK ((size_t)8 << 20) /* what Linux gives a main thread */
#define FLAGS (GORO_NO_SIGNALS | GORO_NO_PREEMPT | GORO_NO_DEADLOCK | GORO_THREADS_DECLARED | GORO_TRACE_SPAWNS | GORO_REPORT_LEAKS)
#define M_STACK ((size_t)256 << 10)  /* g0: the scheduler, completions, thread-local storage of the program */

uint32_t goro__running;

/* Ps and Ms of earlier runs, for the next. Only touched by goro_run() and under sched->lock. */
static struct p *p_memory[P_MAX];
static struct m *m_memory;
static sigset_t sigmask; /* of the thread that called goro_run(); all Ms have it */
static int (*main_fn)(void *);
static void *main_arg;

static void *map(size_t size)
{
	long r = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(r) ? NULL : (void *)r;
}

int goro__p_make(uint32_t id)
{
	struct p *p = p_memory[id];
	int r;

	if (!p) {
		p = map(sizeof(*p));
		if (!p)
			return -ENOMEM;
		p_memory[id] = p;
	} else {
		memset(p, 0, sizeof(*p));
	}
	p->id = id;
	p->until_look = LOOK_EVERY;
	p->grain = UINT32_MAX;
	goro__runqs_init(&p->q);
	goro__bias_init(&p->io_bias);
	goro__timers_init(&p->timers);
	r = goro__netpoll->p_init(p);
	if (r != 0)
		return r;
	sched->ps[id] = p;
	/* [NPS-1] release: pairs with the acquires of nps: ps[] is filled first. */
	store_rel(&sched->nps, id + 1);
	return 0;
}

static struct m *m_alloc(void)
{
	struct m *m;

	goro__lock(&sched->lock);
	m = m_memory;
	if (m)
		m_memory = m->link;
	goro__unlock(&sched->lock);
	if (!m)
		return map(sizeof(*m));
	memset(m, 0, sizeof(*m));
	return m;
}

/* A spare M sleeps while its word is 0; with no P given it sees that the runtime stops. */
static void wake_spare(struct m *m)
{
	store_rel(&m->futex, 1);
	goro__futex_wake(&m->futex, 1);
}

/* Before its thread runs. */
static void m_number(struct m *m)
{
	goro__lock(&sched->lock);
	m->id = sched->nms;
	store_rlx(&sched->nms, m->id + 1);
	goro__unlock(&sched->lock);
	m->rand = m->id * 2654435761u + 1;
}

/* Lists m among all Ms; its thread will be joined. */
static void m_enlist(struct m *m)
{
	goro__lock(&sched->lock);
	m->all_link = sched->allm;
	sched->allm = m;
	goro__unlock(&sched->lock);
}

/* What every M does on its own thread once the scheduler has let it go. */
static void m_leave(struct m *m)
{
	if (m->p) {
		bias_enter(&m->p->io_bias); /* another M may poll for us until it sees that the runtime stops */
		goro__netpoll->drain(m, m->p);
		bias_leave(&m->p->io_bias);
		m->p->drained = true;
	}
	goro__m_fini(m);
	goro__tls_set_m(NULL);
	store_rel(&m->left, 1);
}

static void *m_thread(void *arg)
{
	struct m *m = arg;

	store_rlx(&m->in_runtime, 1);
	goro__tls_set_m(m);
	if (goro__m_init(m) != 0)
		goro__throw("no memory for a signal stack");
	pthread_sigmask(SIG_SETMASK, &sigmask, NULL); /* who made us may have had another */
	goro__schedule(m);
	m_leave(m);
	return NULL;
}

int goro__m_start(struct p *p)
{
	struct m *m = m_alloc();
	pthread_attr_t attr;
	int r;

	if (!m)
		return -ENOMEM;
	m_number(m);
	add_seq(&sched->nstarting, 1); /* [DEAD-5] pairs with [DEAD-6] */
	store_rlx(&m->in_runtime, 1); /* before anybody sees it: there is nothing to take yet */
	store_rlx(&m->p, p);
	if (p)
		store_rel(&p->m, m); /* [MSTART-1] release: pairs with [MSTART-2]. Without it sysmon may look at what this memory was before */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, M_STACK);
	r = pthread_create(&m->thread, &attr, m_thread, m);
	pthread_attr_destroy(&attr);
	if (r != 0) {
		goro__lock(&sched->lock);
		m->link = m_memory;
		m_memory = m;
		goro__unlock(&sched->lock);
		add_seq(&sched->nstarting, -1u);
		return -r;
	}
	m_enlist(m);
	add_seq(&sched->nstarting, -1u);
	/*
	 * stop_all() may have come between pthread_create() and m_enlist(), and so have missed m. An m that goes to sleep
	 * later than this line does so under sched->lock, after m_enlist(), and then sees stopping by itself.
	 */
	if (load_seq(&sched->stopping))
		wake_spare(m);
	return 0;
}

/* Step 1 of the shutdown. */
static void stop_all(void)
{
	uint32_t n = load_acq(&sched->nps);
	struct m *spare;

	store_seq(&sched->stopping, 1);
	for (uint32_t i = 0; i < n; i++) {
		or_seq(&sched->ps[i]->attention, ATT_STOP);
		goro__wake_p(sched->ps[i]);
	}
	goro__lock(&sched->lock);
	spare = sched->allm;
	goro__unlock(&sched->lock);
	for (; spare; spare = spare->all_link)
		wake_spare(spare);
	goro__sysmon_poke(); /* it fetches those who are in the middle of a goroutine */
}

static void main_entry(void *arg)
{
	struct m *m;
	int r = main_fn(arg);

	goro__panics_settle();
	goro__leaks_report();
	m = rt_enter();
	if (m->curg->run.locals) {
		struct g *g = m->curg;

		rt_exit(m);
		goro__locals_end(g); /* while the others are still there */
		m = rt_enter();
	}
	sched->main_result = r;
	m->curg->flags &= (uint8_t)~G_MAIN;
	stop_all();
	rt_exit(m);
}

static int read_config(const struct goro_config *cfg, struct goro_config *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (cfg) {
		if (cfg->size == 0)
			return -EINVAL;
		for (size_t i = sizeof(*ret); i < cfg->size; i++)
			if (((const char *)cfg)[i])
				return -E2BIG;
		memcpy(ret, cfg, cfg->size < sizeof(*ret) ? cfg->size : sizeof(*ret));
	}
	if (ret->maxprocs > P_MAX || ret->backend > GORO_BACKEND_EPOLL || (ret->flags & ~FLAGS) ||
	    (ret->slice_ns && (ret->slice_ns < 1000000 || ret->slice_ns > 100000000)) || ret->preempt_signal > 64 ||
	    goro__stack_class(ret->stack_size) < 0)
		return -EINVAL;
	if (ret->maxprocs == 0) {
		const char *s = getenv("GORO_MAXPROCS");
		int n = s ? atoi(s) : 0;

		ret->maxprocs = (uint32_t)(n > 0 ? n : goro__cpu_default_procs());
		if (ret->maxprocs > P_MAX)
			ret->maxprocs = P_MAX;
	}
	if (!ret->slice_ns) {
		const char *s = getenv("GORO_SLICE_US");
		long us = s ? atol(s) : 0;

		ret->slice_ns = us >= 100 && us <= 100000 ? (uint64_t)us * 1000 : 10000000;
	}
	if (!ret->max_stopped)
		ret->max_stopped = 512;
	return 0;
}

static uint64_t env_us(const char *name, uint64_t def)
{
	const char *s = getenv(name);

	return (s ? strtoull(s, NULL, 10) : def) * goro__ticks_per_us;
}

static void init_sched(const struct goro_config *cfg)
{
	memset(sched, 0, sizeof(*sched));
	lock_init(&sched->lock, RANK_SCHED);
	goro__clock_init();
	goro__fpenv_save();
	goro__san_init();
	goro__report_init(cfg->flags);
	goro__bias_setup();
	sched->nprocs = cfg->maxprocs;
	sched->slice_ns = (int64_t)cfg->slice_ns;
	sched->stint_ns = sched->slice_ns / 10;
	sched->max_stopped = cfg->max_stopped;
	sched->stk_cls = (uint8_t)goro__stack_class(cfg->stack_size);
	sched->oldest_ticks = goro__ticks_per_us * 1000;
	sched->poll_ticks = env_us("GORO_POLL_US", 20);
	sched->backlog_ticks = env_us("GORO_BACKLOG_US", 50);
	sched->fine_ticks = goro__ticks_per_us * 3 / 10;
	sched->stuck_ticks = goro__ticks_per_us * 200;
	sched->spin_ticks = env_us("GORO_SPIN_US", 10);
	sched->coarse_now = goro__now();
	sched->next_id = 1;
	goro__timers_run_no++;
}

/* Unmaps what the run has used. All other threads of ours are gone. */
static void tear_down(void)
{
	struct m *m, *next;

	goro__netpoll_forget();
	for (uint32_t i = 0; i < sched->nps; i++) {
		goro__netpoll->p_fini(sched->ps[i]);
		goro__timers_fini(&sched->ps[i]->timers);
	}
	goro__netpoll_done();
	goro__sema_forget();
	goro__chan_forget();
	for (m = sched->allm; m; m = next) {
		next = m->all_link;
		m->link = m_memory;
		m_memory = m;
	}
	store_seq(&sched->nps, 0);
	goro__stack_fini();
	goro__gs_fini();
}

/* Joins all Ms but me. One that is still at work may list another before it ends: so from the head again each time. */
static void join_all(struct m *me)
{
	struct m *m;

	do {
		goro__lock(&sched->lock);
		for (m = sched->allm; m && (m == me || m->joined); m = m->all_link)
			;
		goro__unlock(&sched->lock);
		if (m) {
			pthread_join(m->thread, NULL);
			m->joined = true;
		}
	} while (m);
}

/* The Ps that had no thread at the end, or one that was abandoned. */
static void drain_rest(struct m *m)
{
	for (uint32_t i = 0; i < load_acq(&sched->nps); i++)
		if (!sched->ps[i]->drained)
			goro__netpoll->drain(m, sched->ps[i]);
}

static struct g *make_main(struct m *m)
{
	struct g *g = goro__g_alloc(m);

	if (!g)
		return NULL;
	g->fn = (void (*)(void))main_entry;
	g->arg[0] = (uintptr_t)main_arg;
	g->nargs = 1;
	g->fpmask = 0;
	g->flags = G_MAIN;
	g->stk_cls = (uint8_t)goro__stack_class(MAIN_STACK);
	strcpy(g->name, "main");
	store_rlx(&g->status, G_RUNNABLE);
	san_release(g);
	return g;
}

/* Makes Ps, the main goroutine and the other threads, and runs it all on the calling thread, m. */
static int run(struct m *m, uint32_t procs)
{
	struct g *g;
	int r;

	for (uint32_t i = 0; i < procs; i++) {
		r = goro__p_make(i);
		if (r != 0)
			return r;
	}
	store_rlx(&m->p, sched->ps[0]);
	store_rlx(&m->p->m, m);
	g = make_main(m);
	if (!g)
		return -ENOMEM;
	push_to(m->p, &m->p->q.fresh, g);
	r = goro__spares_start();
	if (r == 0)
		r = goro__asleep_start();
	if (r == 0)
		r = goro__sysmon_start();
	for (uint32_t i = 1; r == 0 && i < procs; i++)
		r = goro__m_start(sched->ps[i]);
	if (r != 0)
		stop_all();
	goro__schedule(m);
	return r;
}

int goro_run(const struct goro_config *cfg, goro_main_fn fn, void *arg)
{
	struct goro_config c;
	struct m *old = goro__tls_m(), *m;
	uint32_t idle = 0;
	int r;

	if (!fn)
		return -EINVAL;
	r = read_config(cfg, &c);
	if (r != 0)
		return r;
	if (load_rlx(&goro__forked))
		return -EPERM;
	if (!cas_seq(&goro__running, &idle, 1))
		return -EBUSY;
	goro__fork_init();
	goro__sys_faults_init();
	init_sched(&c);
	main_fn = fn;
	main_arg = arg;
	m = m_alloc();
	r = m ? goro__netpoll_choose(c.backend) : -ENOMEM;
	if (r == 0) {
		if (old)
			m_waits(old, WAITS_AWAY);
		goro__tls_set_m(m);
		m->thread = pthread_self();
		store_rlx(&m->in_runtime, 1);
		m_number(m);
		m_enlist(m);
		pthread_sigmask(SIG_SETMASK, NULL, &sigmask);
		r = goro__m_init(m);
		if (!(c.flags & GORO_NO_SIGNALS))
			goro__signals_init();
		if (r == 0)
			r = goro__preempt_init(&c);
		store_seq(&sched->running, 1);
		if (r == 0)
			r = run(m, c.maxprocs);
		store_seq(&sched->stopping, 1);
		m_leave(m);
		goro__spares_stop();
		join_all(m);
		goro__sysmon_stop();
		goro__asleep_stop();
		goro__preempt_fini();
		goro__signals_fini();
		drain_rest(m);
		store_seq(&sched->running, 0);
		while (load_seq(&sched->ext_users) != 0) /* [EXT-2] seq_cst: pairs with [EXT-1] */
			sys_sched_yield();
		san_acquire(&goro__san_flags);
		tear_down();
		goro__tls_set_m(old);
		if (old)
			m_goes_on(old);
		if (r == 0)
			r = sched->main_result;
	}
	store_seq(&goro__running, 0);
	return r;
}

const char *goro_backend(const char **ret_reason)
{
	if (!load_acq(&sched->running))
		return NULL;
	if (ret_reason)
		*ret_reason = goro__netpoll_reason;
	return goro__netpoll->name;
}

/* Makes Ps [nps, n) with their Ms. Without a P if possible: pthread_create() calls malloc. */
static int add_procs(uint32_t n)
{
	for (uint32_t i = load_acq(&sched->nps); i < n; i++) {
		int r = goro__p_make(i);

		if (r == 0)
			r = goro__m_start(sched->ps[i]);
		if (r != 0)
			return r;
	}
	return 0;
}

int goro_maxprocs(int n)
{
	int old = (int)load_rlx(&sched->nprocs), r = 0;
	uint32_t free = 0;
	struct m *m;

	if (!load_acq(&sched->running))
		return -EPERM;
	if (n <= 0 || n == old)
		return old;
	if (n > P_MAX)
		return -EINVAL;
	m = rt_enter();
	if (!m->foreign)
		goro__p_release(m);
	while (!cas_seq(&sched->procs_turn, &free, 1)) {
		free = 0;
		sys_sched_yield();
	}
	old = (int)load_rlx(&sched->nprocs);
	r = add_procs((uint32_t)n);
	if (r == 0) {
		store_seq(&sched->nprocs, (uint32_t)n);
		for (uint32_t i = 0; i < load_acq(&sched->nps); i++) {
			or_seq(&sched->ps[i]->attention, ATT_PROCS);
			goro__wake_p(sched->ps[i]);
		}
	}
	store_seq(&sched->procs_turn, 0);
	m = goro__p_regain(m);
	rt_exit(m);
	return r == 0 ? old : r;
}
