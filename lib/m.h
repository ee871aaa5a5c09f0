/* SPDX-License-Identifier: MIT */
/*
 * m.h: the worker thread. Layer 4.
 *
 * An M runs the scheduler on the stack that its thread was born with (g0) and goroutines on theirs. A plain thread that calls
 * the runtime gets an M too, a foreign one: it never has a P, and its curg is a proxy that sleeps on m->futex
 * where a goroutine would sleep on a queue. So channels and locks know one kind of waiter.
 */
#ifndef LIB_M_H
#define LIB_M_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "g.h"
#include "lock.h"
#include "tls.h"

struct p;

/* In m->in_runtime: a preemption signal came while the thread was inside; rt_exit() looks. */
#define M_RESCHED (UINT32_C(1) << 31)

/* Bits of m->look. */
enum {
	LOOK_TAKEN = 1,	    /* sysmon takes, or has taken, the P */
	LOOK_ANNOUNCED = 2, /* goro_block_enter(): the P may be taken at any time */
};

/* Kinds of m->waits, its lowest bits; the others count the sleeps. See deadlock.c. */
enum {
	WAITS_NOT,
	WAITS_WORD,  /* on m->futex, which is 0 until somebody wakes it */
	WAITS_TOKEN, /* on its proxy's token, which is TOKEN_ASLEEP until then */
	WAITS_AWAY,  /* the descriptor of a plain thread that is a worker now */
	WAITS_KINDS
};

/* What is to be done for the goroutine that was left, once its context is saved; by the context that comes next. */
enum post {
	POST_NONE,
	POST_UNLOCK, /* release post_lock: whoever takes it next may ready the goroutine */
	POST_TOKEN,  /* park by token, or ready it at once if it was notified meanwhile */
	POST_YIELD,  /* append it to the local queue */
	POST_INJECT, /* append it to the global queue */
	POST_DEAD,   /* give back its stack and record */
};

struct m {
	struct g *curg;		/* atomic for sysmon: goroutine that runs, or the proxy; NULL on g0 */
	struct p *p;		/* P that it holds, NULL: none */
	uint32_t in_runtime;	/* depth, and RESCHED; not 0: the thread is neither stopped nor deprived of its P. Written by itself */
	uint32_t look;		/* atomic, LOOK_...: the next entry into the runtime must find out whether we still have a P */
	uint8_t post;		/* enum post */
	bool foreign;
	bool spinning;		/* counted in sched.nspinning */
	bool joined;		/* its thread has been joined; goro_run() only */
	struct g *post_g;
	struct g *fresh;	/* for g0 to start: see switch_to() */
	struct lock *post_lock;
	void *g0_sp;		/* the scheduler's context while a goroutine runs */
	uint32_t rand;
	uint32_t id;
	int tid;		/* atomic for sysmon */
	pthread_t thread;
	struct m *link;		/* list of spare Ms; under sched.lock */
	struct m *all_link;	/* list of all Ms; under sched.lock, never removed while the runtime runs */
	struct p *nextp;	/* atomic: P that was handed to an M without one */
	uint32_t futex;		/* atomic futex word: an M without a P or a foreign thread sleeps here */
	uint32_t waits;		/* atomic: does it sleep until somebody wakes it? See deadlock.c. Written by itself */
	uint32_t waits_seen;	/* deadlock.c's */
	uint32_t spare_seen;	/* deadlock.c's */
	struct m *foreign_link, **foreign_at; /* list of plain threads; see foreign.c */
	struct g *boundg;	/* the goroutine that this thread is kept for; goro_thread_lock() */
	void *bound_sp;		/* its context while it is parked */
	uint32_t sig_pending;	/* atomic: a preemption signal is on its way */
	uint32_t left;		/* atomic: it has left the scheduler for good */
	bool hog;		/* its goroutine was preempted, and waits as such */
	uint16_t tries, blocked_tries; /* how often the end of the runtime has found it at a bad place; in a system call */
	void *abandoned;	/* where goro__switch() stores a context that nobody goes back to */
	int64_t sig_at;		/* atomic */
	int64_t cpu_seen, seen_at; /* sysmon's */
	struct p *p_seen;	/* sysmon's */
	uint32_t stint_seen;	/* sysmon's */
	struct g *ran_g;	/* atomic: the goroutine that ran_ns is of */
	int64_t ran_ns;		/* atomic: what it has run for, in stints between which it was preempted; only if reported */
	struct g *reported;	/* atomic: it was reported for that */
	uint32_t still;		/* sysmon's: looks at which its thread had not run */
	void *g0_fiber, *g0_fake; /* sanitizers */
	const void *g0_lo;	/* bounds of the thread's own stack, for ASan */
	size_t g0_size;
	struct cxx_globals *cxx; /* constant: the C++ library's for this thread; see context.h */
	struct cxx_globals cxx_below; /* what the thread had in hand when it became an M */
	void *altstack;		/* signal stack that we mapped */
	size_t altstack_size;
	stack_t old_altstack;	/* what the thread had before */
	struct g proxy;		/* of a foreign thread */
};

/*
 * m sleeps from now on until somebody wakes it, no clock does, and wakes nobody before it has gone on; and: it has gone on.
 */
static inline void m_waits(struct m *m, uint32_t kind)
{
	/* [DEAD-1] release: pairs with [DEAD-2]. Without it whom m has woken before might be taken to sleep still. */
	store_rel(&m->waits, ((load_rlx(&m->waits) | (WAITS_KINDS - 1)) + 1) | kind);
}

static inline void m_goes_on(struct m *m)
{
	store_rlx(&m->waits, load_rlx(&m->waits) & ~(uint32_t)(WAITS_KINDS - 1));
}

/* Calls f for the m of each plain thread that has one, under a lock: f takes none. */
void goro__foreign_each(void (*f)(struct m *m, void *arg), void *arg);
void goro__foreign_forked(void); /* in the child: of all of them only the caller is left */

/* The m of a thread that is none of ours; makes it on the first call. Never NULL: without memory it is fatal. User context. */
struct m *goro__foreign_m(void);

/* The rare ways of the two below; see preempt.c. */
void goro__rt_enter_slow(struct m *m);
void goro__rt_exit_slow(struct m *m);

/* ThreadSanitizer knows nothing of membarrier(): in a library built with it the store itself is the release of [RETAKE-3]. */
#if defined(__SANITIZE_THREAD__)
#define store_exit store_rel
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define store_exit store_rel
#endif
#endif
#ifndef store_exit
#define store_exit store_rlx
#endif

/*
 * Every call from user code into the runtime is bracketed by these two. Between them the thread is not preempted and keeps its P; the m that
 * rt_enter() returns is valid until the next call marked GORO_PARKS, which returns the m that follows. Both may stop the thread for
 * a while, but neither moves the goroutine to another one.
 */
static inline struct m *rt_enter(void)
{
	struct m *m = goro__tls_m();

	if (unlikely(!m))
		m = goro__foreign_m();
	store_rlx(&m->in_runtime, load_rlx(&m->in_runtime) + 1);
	/*
	 * [RETAKE-1] store-load: pairs with [RETAKE-2], whose membarrier() is a fence here too. Without both, sysmon may take the P that
	 * we use.
	 */
	compiler_barrier();
	if (unlikely(load_rlx(&m->look)))
		goro__rt_enter_slow(m);
	return m;
}

static inline void rt_exit(struct m *m)
{
	uint32_t depth;

	compiler_barrier();
	depth = load_rlx(&m->in_runtime) - 1;
	store_exit(&m->in_runtime, depth); /* [RETAKE-3] a release by the membarrier() of [RETAKE-2] */
	if (unlikely(depth))
		goro__rt_exit_slow(m);
}

#endif
