/* SPDX-License-Identifier: MIT */
/*
 * doors.h: the doors of the runtime that layer 8 uses, for its models: park.h, m.h, clock.h, context.h and fatal.h with
 * the contracts of the real ones and nothing of their inside (model_park.c looks at that). Included after model.h and
 * before the .c files of lib.
 *
 * Each thread of the model is a goroutine with an m of its own. Time stands at 1 until the thread `the_deadline` says that it has passed: a
 * model with a deadline lists that thread as its last one and as a daemon. So a deadline may pass at every point at which it is
 * waited for, or never.
 */
#ifndef MODEL_DOORS_H
#define MODEL_DOORS_H

#include "model.h"

#include <errno.h>

#include <goro/go.h>

#define MODEL_DEADLINE 1000 /* any deadline of a model */

/* ---- g.h, m.h ---- */
#define LIB_G_H
#define LIB_M_H
#define LIB_TLS_H
#define LIB_STACK_H
#define LIB_SPAWN_H
#define goro__g_each(fn, arg) ((void)(fn), (void)(arg)) /* for the end of a run, which no model has */
enum wait_reason {
	WAIT_CHAN_SEND,
	WAIT_CHAN_RECV,
	WAIT_CHAN_SEND_NIL,
	WAIT_CHAN_RECV_NIL,
	WAIT_SELECT,
	WAIT_SELECT_NONE,
	WAIT_MUTEX,
	WAIT_WAITGROUP,
	WAIT_SEMA,
	WAIT_RWMUTEX_LOCK,
	WAIT_RWMUTEX_RLOCK,
	WAIT_COND,
};

enum { G_FOREIGN = 1 };
enum { G_WAITING = 3 };

struct goro_context;
struct undo;

struct g {
	uint8_t flags, wait_reason;
	uint32_t status;
	void *sp;
	uint32_t parked; /* by goro__park(), and nobody has made it ready yet */
	uint32_t ready;
	uint32_t token;
	struct {
		struct goro_context *context;
		void *waiter;
		struct undo *undo;
	} run;
};

struct m {
	struct g *curg;
	void *p;
	bool foreign;
	uint32_t rand;
	uint32_t id;
	struct g g;
};

static struct m model_ms[MODEL_THREADS];

static inline struct m *rt_enter(void)
{
	struct m *m = &model_ms[model_self() < 0 ? 0 : model_self()];

	m->curg = &m->g;
	return m;
}

static inline void rt_exit(struct m *m)
{
	(void)m;
}

/* ---- context.h, fatal.h ---- */
#define LIB_CONTEXT_H
#define san_acquire(addr) ((void)(addr))
#define san_release(addr) ((void)(addr))
#define LIB_FATAL_H
#define goro__panic model_panic
#define goro__throw model_throw

static const char *model_panics[MODEL_THREADS]; /* what each thread has panicked with */

__attribute__((unused)) static _Noreturn void model_panic(const char *msg)
{
	model_panics[model_self()] = msg;
	model_exit();
}

__attribute__((unused)) static _Noreturn void model_throw(const char *msg)
{
	model_panics[model_self()] = msg;
	model_exit();
}

/* ---- <goro/go.h> ---- */
#define goro_maxprocs(n) model_procs(n)

__attribute__((unused)) static int model_procs_now = 1;

__attribute__((unused)) static int model_procs(int n)
{
	(void)n;
	return model_procs_now;
}

/* ---- clock.h and deadlines ---- */
#define LIB_CLOCK_H
#define goro__now model_now
#define ticks_per_us() UINT64_C(0) /* nothing is dense: no choice depends on the real time */

static struct {
	uint32_t now;	/* 1, later MODEL_DEADLINE */
	uint32_t armed; /* somebody waits with a deadline */
	uint32_t over;	/* its expiry is complete */
	void (*expire)(struct m *m, void *arg);
	void *arg;
	int64_t step;	/* how much time passes with each look at the clock */
	int64_t steps;
} model_time;

__attribute__((unused)) static int64_t model_now(void)
{
	model_time.steps += model_time.step;
	return load_rlx(&model_time.now) + model_time.steps;
}

__attribute__((unused)) static void the_deadline(void)
{
	for (;;) {
		model_wait(&model_time.armed, MODEL_HERE);
		store_rlx(&model_time.now, MODEL_DEADLINE);
		model_time.expire(rt_enter(), model_time.arg);
		store_rlx(&model_time.over, 1);
	}
}

static inline void model_arm(void (*expire)(struct m *, void *), void *arg)
{
	model_time.expire = expire;
	model_time.arg = arg;
	model_time.over = 0;
	store_rlx(&model_time.armed, 1);
}

/* As goro__timer_stop(): the expiry never happens, or it is complete. */
static inline void model_disarm(void)
{
	uint32_t armed = 1;

	if (!cas_ar(&model_time.armed, &armed, 0))
		model_wait(&model_time.over, MODEL_HERE);
}

/* ---- park.h ---- */
#define LIB_PARK_H

static inline struct g *goro__self(struct m *m)
{
	return m->curg;
}

static inline void goro__waits_at(struct g *g, void *waiter)
{
	(void)g;
	(void)waiter;
}

static inline void goro__undoes(struct g *g, void *undo)
{
	(void)g;
	(void)undo;
}

__attribute__((unused)) static struct m *goro__park(struct m *m, struct lock *l, enum wait_reason why)
{
	(void)why;
	model_check(!m->g.parked);
	m->g.parked = 1;
	if (l)
		goro__unlock(l);
	model_wait(&m->g.ready, MODEL_HERE);
	return m;
}

__attribute__((unused)) static struct m *goro__park_until(struct m *m, struct lock *l, enum wait_reason why, int64_t deadline,
							  void (*expire)(struct m *, void *), void *arg)
{
	if (deadline >= 0)
		model_arm(expire, arg);
	m = goro__park(m, l, why);
	if (deadline >= 0)
		model_disarm();
	return m;
}

__attribute__((unused)) static void goro__ready(struct m *m, struct g *g)
{
	(void)m;
	model_point(&g->ready, sizeof(g->ready), MODEL_LOCKED, MODEL_HERE);
	model_check(g->parked); /* once for each park, and not before its context is saved */
	g->parked = 0;
	g->ready = 1;
}

__attribute__((unused)) static void goro__notify(struct m *m, struct g *g)
{
	(void)m;
	store_rlx(&g->token, 1);
}

__attribute__((unused)) static struct m *goro__park_token(struct m *m, enum wait_reason why)
{
	(void)why;
	model_wait(&m->g.token, MODEL_HERE);
	return m;
}

__attribute__((unused)) static void model_notify_expired(struct m *m, void *arg)
{
	goro__notify(m, arg);
}

__attribute__((unused)) static struct m *goro__park_token_until(struct m *m, enum wait_reason why, int64_t deadline)
{
	(void)deadline;
	model_arm(model_notify_expired, m->curg);
	m = goro__park_token(m, why);
	model_disarm();
	return m;
}

__attribute__((unused)) static struct m *goro__yield(struct m *m)
{
	return m;
}

/* ---- select_fd.c ---- */
struct sel;
__attribute__((unused)) static void goro__sel_poke(struct sel *sel)
{
	(void)sel;
}

struct goro_case;
GORO_PARKS __attribute__((unused)) static int goro__select_mixed(struct goro_case *cases, unsigned n, int64_t deadline)
{
	(void)cases;
	(void)n;
	(void)deadline;
	return -EINVAL;
}

/* ---- utimer.c ---- */
#ifndef MODEL_UTIMER /* the model includes the file */
struct goro_chan;
__attribute__((unused)) static void goro__timer_free_by_chan(struct goro_chan *c)
{
	(void)c;
}
#endif

static inline void model_doors_reset(void)
{
	memset(model_ms, 0, sizeof(model_ms));
	memset(model_panics, 0, sizeof(model_panics));
	memset(&model_time, 0, sizeof(model_time));
	model_time.now = 1;
}

#endif
