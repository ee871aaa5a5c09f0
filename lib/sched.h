/* SPDX-License-Identifier: MIT */
/* sched.h: the state that all Ms share, and what the files of layer 6 offer each other. Layer 6, private to it. */
#ifndef LIB_SCHED_H
#define LIB_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"
#include "m.h"
#include "p.h"
#include "pack.h"
#include "runq.h"

#define LOOK_EVERY 61 /* dispatches between two looks at the global queue, timers and I/O; Go's figure, a prime */

struct scheduler {
	/* Constant while the runtime runs. */
	uint32_t running;	/* atomic: goro_run() is active */
	int64_t slice_ns;
	int64_t stint_ns;	/* how long one that was preempted before runs at least when others wait */
	uint32_t max_stopped;	/* threads that may be stopped before no further goroutine is started */
	uint8_t stk_cls;	/* class of a goroutine's stack if it asks for none */
	uint64_t oldest_ticks;	/* least time between two oldest new goroutines that run out of turn */
	uint64_t poll_ticks;	/* least time between two looks at the backend of a busy P */
	uint64_t backlog_ticks; /* age of a backlog at which another P is woken */
	uint64_t fine_ticks;	/* a dispatch that takes less is not worth being stolen */
	uint64_t stuck_ticks;	/* a P that has not looked for so long computes */
	uint64_t spin_ticks;	/* how long an M looks for work before it sleeps */

	/* Read often, written rarely. */
	uint32_t nprocs CACHE_ALIGNED; /* atomic: Ps that run goroutines */
	uint32_t nps;		       /* atomic: Ps that exist; ps[] is filled before, [NPS-1]: read by acquire */
	uint32_t stopping;	       /* atomic: goro_run() is ending */
	int64_t coarse_now;	       /* atomic: a recent goro__now() */
	struct p *ps[P_MAX];

	/* The wake-up protocol, see idle.c. */
	uint32_t nidle CACHE_ALIGNED; /* atomic */
	uint32_t nspinning;	      /* atomic */
	uint64_t idle_mask[P_MAX / 64]; /* atomic: Ps of which a waker may claim one */

	/* The global queue. */
	struct lock lock CACHE_ALIGNED; /* RANK_SCHED: the fields of this paragraph */
	uint32_t nglobal;		/* atomic mirror of global.n + packs.n, written under lock */
	struct glist global;
	struct packq packs; /* the part of it that has not run yet and is packed */
	bool packs_turn;
	struct glist hogs;		/* goroutines that were preempted, each pinned to its thread, oldest first */
	uint32_t nhogs;			/* atomic mirror of hogs.n */
	struct m *spare;		/* Ms without a P */
	uint32_t nspare;		/* atomic mirror of its length */
	struct m *allm;
	uint32_t nms;			/* atomic mirror for goro_get_stats(); written under lock */
	uint32_t nstarting;		/* atomic: threads that are being made and may not be in allm yet */
	uint32_t nstopped;		/* atomic: threads that wait for a P with a goroutine pinned to them */
	uint32_t nkept;			/* atomic: Ps whose threads are in an announced blocking call */
	uint32_t nout;			/* atomic: threads whose P was taken, and that have not asked for another yet */
	uint64_t preemptions, retakes;	/* atomic */

	/* Stopping the world, see world.c. */
	uint32_t world CACHE_ALIGNED; /* atomic futex word: odd while stopped or stopping */
	uint32_t world_acks;	      /* atomic: Ps that stand still */

	/* Ids and counts of goroutines that plain threads made, and what Ps that are gone have counted. */
	uint64_t next_id CACHE_ALIGNED; /* atomic */
	uint64_t ext_spawned;		/* atomic */
	uint32_t ext_users;		/* atomic: plain threads that are inside a spawn or a wake-up */
	uint32_t procs_turn;		/* atomic: somebody changes maxprocs */

	int main_result;
};
extern struct scheduler goro__sched;
extern uint32_t goro__running; /* atomic: a goro_run() has begun and not returned */
#define sched (&goro__sched)

/* runtime.c, sched.c */
void goro__schedule(struct m *m) ON_G0; /* runs until the runtime stops */
struct g *goro__find_runnable(struct m *m) ON_G0;
void goro__dispatch_g0(struct m *m, struct g *g) ON_G0;

int goro__poll_own(struct m *m, struct p *p, int64_t deadline) ON_G0; /* netpoll->poll() in its section */

/* inject.c: the global queue */
void goro__inject(struct g *g);		/* and wakes somebody if need be */
void goro__inject_list(struct glist *l);
void goro__inject_surplus(struct p *p, struct g **v, uint32_t n); /* that p gets to itself: wakes nobody */
/* Moves a fair share of the list, at most max, or at most max_packed goroutines of a pack to p; returns the first. */
struct g *goro__inject_take(struct p *p, uint32_t max, uint32_t max_packed);

/* idle.c */
void goro__wake_one(void);
void goro__wake_p(struct p *p);
void goro__idle(struct m *m, struct p *p, int64_t deadline) ON_G0;
bool goro__spin_begin(struct m *m);
bool goro__spin_end(struct m *m, bool found);
void goro__backlog(struct p *p);
bool goro__worth_stealing(struct p *p, struct p *q, uint64_t now);
bool goro__claim_idle(struct p *p);

/* park.c: local queues */
void goro__push_overflow(struct p *p, struct runq *q, struct g *g);

/* The owner appends to q, one of its own. */
static inline void push_to(struct p *p, struct runq *q, struct g *g)
{
	bool ok;

	bias_enter(&p->q.bias);
	ok = runq_push(q, g);
	bias_leave(&p->q.bias);
	if (unlikely(!ok))
		goro__push_overflow(p, q, g);
}

static inline void push_tail(struct p *p, struct g *g)
{
	push_to(p, &p->q.woken, g);
}

/* Now and then, where the local queues grow: is there more than this P can do, and somebody idle? */
static inline void goro__backlog_note(struct p *p)
{
	if (unlikely((++p->spawn_note & 31) == 0))
		goro__backlog(p);
}

/* world.c */
bool goro__world_stop(struct m *m, int64_t patience_ns); /* true: everything stands still */
void goro__world_start(struct m *m);
void goro__world_ack(struct m *m, struct p *p) ON_G0;

/* spare.c: Ms without a P */
int goro__spares_start(void);		/* the thread that makes them; 0 or negative errno */
void goro__spares_stop(void);
void goro__spares_want(void);		/* there was none. Any thread, also in a signal handler */
void goro__m_spare(struct m *m) ON_G0;	/* waits until it is given a P, or the runtime stops */
bool goro__m_wait(struct m *m);		/* the same, for an M that is on no list of spares; false: the runtime stops */
void goro__p_give(struct p *p, struct m *to); /* to waits for a P */
struct m *goro__p_heir(struct p *p);	/* whom to give p to; NULL: nobody. Under sched->lock */
bool goro__p_release(struct m *m);	/* m gives its P away; false: nobody could take it */

/* preempt.c */
bool goro__others_wait(struct p *p);	/* does anybody but those who were preempted want p? */
void goro__stop_here(struct m *m);	/* waits for a P with the thread, on the goroutine's stack */
void goro__resumed(struct m *m);	/* the goroutine of m, which was stopped or bound, goes on */
struct g *goro__hog_take(void);
static inline bool goro__full(void)	/* as many threads have a goroutine and no P as may */
{
	return load_rlx(&sched->nstopped) + load_rlx(&sched->nout) >= sched->max_stopped;
}
bool goro__end_announced(struct m *m);	/* the announced call of m is over: do we still have our P? */
bool goro__retake(struct p *p, struct m *m); /* sysmon: m's thread is blocked in the kernel */
void goro__preempt(struct m *m, int64_t now); /* sysmon: sends the signal */
void goro__preempt_report(struct m *m); /* sysmon: sends one that has it tell what it does */
int goro__preempt_init(const void *config);
void goro__preempt_fini(void);
void goro__preempt_check(void);		/* sysmon: is the handler still ours? */
extern uint32_t goro__preempting;	/* constant while the runtime runs: signals are sent */

/* fork.c */
extern uint32_t goro__forked;	/* this is a child of a process whose runtime ran */
void goro__fork_init(void);	/* user context */
void goro__fork_check(void);	/* a plain thread is about to wait: is there anybody? */

/* deadlock.c */
int64_t goro__deadlock_check(void); /* sysmon, while all Ps are idle: how long until it should ask again, in ns; negative: not before it is poked */
bool goro__deadlock_parked(struct m *m); /* does this plain thread sleep until somebody wakes it? */

/* bound.c */
struct g *goro__bound_next(struct m *m) ON_G0; /* the goroutine that m is kept for, ready; NULL: the runtime stops */

/* runtime.c: Ms */
int goro__m_start(struct p *p);	    /* a new thread that takes p; NULL: a spare one */
int goro__p_make(uint32_t id);	    /* 0 or negative errno */
int goro__m_init(struct m *m);      /* on its own thread: signal stack, sanitizers */
void goro__m_fini(struct m *m);

/* sysmon.c */
int goro__sysmon_start(void);
void goro__sysmon_stop(void);
void goro__sysmon_poke(void);
void goro__sysmon_dump(void) SIGSAFE;
extern uint32_t goro__sysmon_asleep; /* atomic */
extern uint32_t goro__sysmon_calm;   /* atomic: it sleeps for long, since nobody but preempted ones waits */

/* signal.c */
void goro__signals_init(void);
void goro__signals_fini(void);

/* leak.c */
void goro__leaks_report(void); /* the main goroutine, at its end; user context */

/* sema.c, chan.c: the goroutines that slept on addresses and on channels are gone */
void goro__sema_forget(void);
void goro__chan_forget(void);

/* dump.c */
void goro__dump_all(int fd, bool all) SIGSAFE;
int goro__dump_left(int fd);
void goro__dump_self(int fd) SIGSAFE;
void goro__dump_here(struct g *g, int fd) SIGSAFE;
void goro__dump_prepare(void);

#endif
