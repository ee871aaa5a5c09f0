/* SPDX-License-Identifier: MIT */
/*
 * model_retake.c: a P that is taken from its thread, with x86's store queues: rt_enter(), rt_exit(), the signal handler, goro__retake(), the waits of
 * lib/spare.c and the end of lib/leave.c are as they are. What the scheduler would do is here: an heir uses the P, gives it
 * to whoever waits for one, and keeps it otherwise.
 *
 * The claim: at no time do two threads use one P, and whoever waits for a P gets one or learns that the runtime stops.
 */
#include "model.h"

#define LIB_TLS_H
struct m;
static struct m *goro__tls_m(void);

#define RUNQ_SIZE 4u
#define CLAIM_SPINS 1
#define MEMBARRIER() model_membarrier()
#include "../../lib/bias.c"
#include "../../lib/runq.c"

#undef ARCH_TLS_LOAD
#define ARCH_TLS_LOAD(slot) goro__tls_m()

#include "m.h"
#include "p.h"
#include "context.h"
#include "fatal.h"
#define LIB_SWITCH_H
#include "sched.h"

#undef goro__san
#define goro__san model_san
static uint32_t model_san;

static struct m ms[MODEL_THREADS];
static struct p ps[1];

static struct m *goro__tls_m(void)
{
	return &ms[model_self()];
}

/* ---- what the files under test call -------------------------------------------------------------------- */

static inline void set_running(struct m *m, struct p *p, struct g *g)
{
	m->curg = g;
	store_rlx(&g->status, G_RUNNING);
	bump(&p->switches);
}

static uint32_t work;	      /* somebody waits for a P */
static uint32_t woken[MODEL_THREADS]; /* from their futex */

static void model_futex_wait(uint32_t *word, uint32_t val)
{
	model_point(word, sizeof(*word), MODEL_LOCKED, MODEL_HERE);
	if (*word == val)
		model_wait(&woken[model_self()], MODEL_HERE);
}

static void model_futex_wake(uint32_t *word)
{
	model_point(word, sizeof(*word), MODEL_LOCKED, MODEL_HERE);
	for (int i = 0; i < MODEL_THREADS; i++)
		if (word == &ms[i].futex)
			woken[i] = 1;
}

#define LIB_FUTEX_H
#define goro__futex_wait(w, v, d) model_futex_wait(w, v)
#define goro__futex_wake(w, n) model_futex_wake(w)
#define goro__wake_one() store_rlx(&work, 1)

static bool model_overdue(struct p *p)
{
	(void)p;
	return false;
}

#include "clock.h"
#include "netpoll.h"
#include "park.h"
static const struct netpoll model_netpoll = { .overdue = model_overdue };
#define goro__netpoll (&model_netpoll)

static _Noreturn void leaves(struct m *m);
#define goro__switch(save, to, m) leaves(m)
#define goro__now() INT64_C(1)
#define goro__yield(m) (m)

#include "../../lib/spare.c"
#include "../../lib/leave.c"
#undef TRIES
#include "../../lib/preempt.c"

#include "t.h"

struct scheduler goro__sched;

bool goro__probe(enum feature f)
{
	(void)f;
	return true;
}

/* Nothing of these is reached. */
int goro__helper_start(pthread_t *ret_thread, size_t stack, void *(*fn)(void *arg)) { (void)ret_thread; (void)stack; (void)fn; return -1; }
int goro__helper_tid[HELPERS];
void goro__throw(const char *msg) { model_fail(__FILE__, __LINE__, msg); model_exit(); }
struct m *goro__foreign_m(void) { return NULL; }
void goro__push_overflow(struct p *p, struct runq *q, struct g *g) { (void)p; (void)q; (void)g; }
void goro__backlog(struct p *p) { (void)p; }
int goro__m_start(struct p *p) { (void)p; return -1; }
void goro__sysmon_poke(void) { }
void goro__report_run(void) { }
void goro__report_stint(struct m *m, struct g *g, int64_t ns) { (void)m; (void)g; (void)ns; }
void goro__restart_syscall(void *uc) { (void)uc; }
bool goro__san_inside(void *pc) { (void)pc; return false; }
void goro__san_leave(struct m *m, struct g *from, struct g *to) { (void)m; (void)from; (void)to; }
void goro__cxx_leave(struct m *m, struct g *g) { (void)m; (void)g; }

/* ---- scenarios ------------------------------------------------------------------------------------------ */

static struct g gs[MODEL_THREADS];
static bool may_leave;
static uint32_t user; /* 1 + the thread that uses the P */

/* In the runtime, or on g0: what a thread does with a P must not meet what another does with it. */
static void use(struct m *m)
{
	if (!m->p)
		return;
	model_point(&user, sizeof(user), MODEL_WRITE, MODEL_HERE);
	model_check(user == 0);
	user = 1 + (uint32_t)model_self();
	model_point(&user, sizeof(user), MODEL_WRITE, MODEL_HERE);
	model_check(user == 1 + (uint32_t)model_self());
	user = 0;
}

/* On g0, for good: m_leave() drains the P. */
static _Noreturn void leaves(struct m *m)
{
	model_check(may_leave);
	use(m);
	model_exit();
}

static struct cxx_globals no_exceptions;

static void reset(void)
{
	memset(ms, 0, sizeof(ms));
	memset(ps, 0, sizeof(ps));
	memset(gs, 0, sizeof(gs));
	memset(woken, 0, sizeof(woken));
	memset(&goro__sched, 0, sizeof(goro__sched));
	user = work = 0;
	goro__have_membarrier = 1;
	sched->running = 1;
	sched->max_stopped = 100;
	sched->slice_ns = sched->stint_ns = 1;
	ps[0].timers.first = INT64_MAX;
	/* Thread 0 computes, with the P; thread 1 is the spare M, or would be. */
	ms[0].p = &ps[0];
	ps[0].m = &ms[0];
	ms[0].curg = &gs[0];
	gs[0].m = &ms[0];
	ms[0].futex = 1; /* it was given this P */
	ms[1].in_runtime = 1;
	ms[2].in_runtime = 1; /* sysmon has none in truth */
	for (int i = 0; i < MODEL_THREADS; i++)
		ms[i].cxx = &no_exceptions;
	sched->spare = &ms[1];
	sched->nspare = 1;
}

/* The end of one call of the runtime and the next one, which waits for a P if ours was taken; for ever where nobody gives it one. */
static void calls(void)
{
	struct m *m = &ms[0];

	store_rlx(&m->in_runtime, 1);
	fence_seq();
	use(m);
	rt_exit(m);
	m = rt_enter();
	model_check(m->p != NULL);
	use(m);
}

static void is_interrupted(void)
{
	siginfo_t si;

	or_seq(&ps[0].attention, ATT_SLICE | ATT_WORLD);
	memset(&si, 0, sizeof(si));
	si.si_code = SI_QUEUE;
	si.si_value.sival_ptr = MAGIC;
	answer(SIGURG, &si, NULL);
}

static void is_interrupted_and_calls(void)
{
	struct m *m;

	is_interrupted();
	m = rt_enter();
	model_check(m->p != NULL);
	use(m);
}

/* A spare M that keeps the P that it gets. */
static void inherits(void)
{
	goro__m_wait(&ms[1]);
	use(&ms[1]);
}

/* One that gives it to the first that waits for one. */
static void inherits_and_gives(void)
{
	struct g *g;

	if (!goro__m_wait(&ms[1]))
		return;
	use(&ms[1]);
	model_wait(&work, MODEL_HERE);
	goro__lock(&sched->lock);
	g = sched->global.first;
	if (g)
		sched->global.first = g->next;
	else
		g = unlink_hog();
	goro__unlock(&sched->lock);
	model_check(g != NULL);
	ms[1].p = NULL;
	goro__p_give(&ps[0], g->m);
}

static void retakes(void)
{
	goro__retake(&ps[0], &ms[0]);
}

#define THREAD(i) (1u << (i))

/* All but these is used under sched->lock, by the holder of the P, or counted for others to look at. */
static bool is_quiet(const void *addr)
{
	const void *points[] = { &sched->lock.v, &sched->stopping, &ps[0].m, &ps[0].attention, &user, &work };

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		if (addr == points[i])
			return false;
	for (int i = 0; i < 2; i++)
		if (addr == &ms[i].in_runtime || addr == &ms[i].look || addr == &ms[i].futex || addr == &ms[i].nextp || addr == &woken[i])
			return false;
	return true;
}

/* No two use the P. With store queues; who waits for a P may do so for ever. */
static void explore_use(struct model m)
{
	m.setup = reset;
	m.quiet = is_quiet;
	m.daemons = THREAD(0) | THREAD(1); /* nobody wakes them at the end */
	m.tso = true;
	model_explore(&m);
}

/* Whoever waits gets it. */
static void explore_gift(struct model m)
{
	m.setup = reset;
	m.quiet = is_quiet;
	m.daemons = THREAD(1);
	model_explore(&m);
}

START_TEST(a_p_is_taken_while_its_thread_is_outside_or_not_at_all)
{
	explore_use((struct model){ .thread = { calls, inherits, retakes } });
}
END_TEST

START_TEST(a_signal_and_a_retake_at_the_same_time)
{
	explore_use((struct model){ .thread = { is_interrupted_and_calls, inherits, retakes } });
}
END_TEST

START_TEST(who_lost_its_p_gets_one_again)
{
	explore_gift((struct model){ .thread = { calls, inherits_and_gives, retakes } });
	explore_gift((struct model){ .thread = { is_interrupted_and_calls, inherits_and_gives, retakes } });
}
END_TEST

/* The runtime stops meanwhile: a thread leaves its goroutine at its next call or by a signal, or the goroutine ends by itself. */
static void calls_and_ends(void)
{
	struct m *m = rt_enter();

	use(m);
	leaves(m);
}

static void is_interrupted_and_ends(void)
{
	is_interrupted();
	calls_and_ends();
}

static void stops(void)
{
	store_seq(&sched->stopping, 1);
}

START_TEST(who_leaves_at_the_end_takes_no_p_along_that_was_taken)
{
	may_leave = true;
	explore_use((struct model){ .thread = { calls_and_ends, inherits, retakes, stops } });
	explore_use((struct model){ .thread = { is_interrupted_and_ends, inherits, retakes, stops } });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of the retake");
	TCase *tc = tcase_create("retake");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_p_is_taken_while_its_thread_is_outside_or_not_at_all);
	tcase_add_test(tc, a_signal_and_a_retake_at_the_same_time);
	tcase_add_test(tc, who_lost_its_p_gets_one_again);
	tcase_add_test(tc, who_leaves_at_the_end_takes_no_p_along_that_was_taken);
	suite_add_tcase(s, tc);
	return model_main(s);
}
