/* SPDX-License-Identifier: MIT */
/*
 * g.h: the record of a goroutine. Layer 4.
 *
 * A record is 192 bytes from a slab and outlives its stack: the stack is attached when the goroutine first runs,
 * so a million spawned ones cost no page of stack, and short ones reuse a hot stack one after another.
 * Records are recycled and stay mapped until goro_run() returns, so a late wake-up of a goroutine
 * that has ended reaches a valid record; whoever parks with the token protocol loops on his condition.
 *
 * States and who makes each transition:
 *   G_FREE -> G_RUNNABLE      spawn (the spawner)
 *   G_RUNNABLE -> G_RUNNING   dispatch (the M that took it off a queue)
 *   G_RUNNING -> G_WAITING    park (the goroutine itself, before its context is saved)
 *   G_RUNNING -> G_RUNNABLE   yield
 *   G_WAITING -> G_RUNNABLE   ready (the waker, once the context is saved: see park.h)
 *   G_RUNNING -> G_BLOCKED    goro_blocking() (keeps its M, has no P), and back
 *   G_RUNNING -> G_FREE       exit
 * The state is for dumps and assertions; no transition is decided by reading it.
 */
#ifndef LIB_G_H
#define LIB_G_H

#include <stdint.h>

#include "attr.h"
#include "stack.h"

struct goro_context;
struct goro_deferred;
struct m;
struct p;
struct panic;
struct undo;

enum g_status { G_FREE, G_RUNNABLE, G_RUNNING, G_WAITING, G_BLOCKED };

/* Why a goroutine sleeps; shown in dumps. Add new ones at the end, never reuse one (Go's rule). */
enum wait_reason {
	WAIT_NONE,
	WAIT_SLEEP,
	WAIT_CHAN_SEND,
	WAIT_CHAN_RECV,
	WAIT_CHAN_SEND_NIL,
	WAIT_CHAN_RECV_NIL,
	WAIT_SELECT,
	WAIT_SELECT_NONE,
	WAIT_MUTEX,
	WAIT_WAITGROUP,
	WAIT_SEMA,
	WAIT_IO_READ,
	WAIT_IO_WRITE,
	WAIT_IO_ACCEPT,
	WAIT_IO_CONNECT,
	WAIT_IO_CLOSE,
	WAIT_IO_FILE,
	WAIT_BLOCKING,
	WAIT_WORLD,
	WAIT_SYSCALL,
	WAIT_RWMUTEX_LOCK,
	WAIT_RWMUTEX_RLOCK,
	WAIT_COND,
	WAIT_NREASONS
};
const char *goro__wait_reason_name(enum wait_reason why);

/* Values of g->token, see park.h. */
enum { TOKEN_NONE, TOKEN_PARKED, TOKEN_NOTIFIED, TOKEN_ASLEEP };

/* Bits of g->flags. */
enum {
	G_FOREIGN = 1, /* the proxy of a plain thread: it sleeps on m->futex, never on a run queue */
	G_MAIN = 2,    /* the main goroutine */
	G_COPY = 4,    /* its argument is a copy of a struct: inside arg[] */
	G_COPY_STACK = 8, /* the same, at the top of its stack, arg[0] is the address */
	G_PINNED = 16, /* it can only go on on its own thread, g->m, which waits for a P; sp is NULL: see preempt.c */
	G_BOUND = 32,  /* goro_thread_lock() */
	G_TOLD = 64,   /* a mutex that it held when it parked has been reported */
	G_ONSTACK = 128, /* it is in goro_call_on_stack(): see onstack.c */
};

/* What the C++ library keeps for each thread; the same since GCC 3 and in libc++abi: the stack of caught exceptions, and how many are in flight. */
struct cxx_globals {
	void *caught;
	unsigned int uncaught;
};

#define G_NAME_MAX 15
#define NOPREEMPT_EVER 255 /* of g->nopreempt */

struct g {
	struct g *next;	      /* link of the one queue or free list that holds it; owner of that queue */
	void *sp;	      /* saved context, NULL before the first run; owner: who runs or took it */
	struct stk stk;	      /* its stack, unattached before the first run */
	uint64_t id;	      /* written at spawn */
	uint32_t status;      /* enum g_status; atomic: dumps read it */
	uint32_t token;	      /* atomic: TOKEN_... */
	uint8_t wait_reason;  /* enum wait_reason while G_WAITING */
	uint8_t stk_cls;      /* class of the stack it wants */
	uint8_t flags;
	uint8_t nargs, fpmask;	 /* of the function below */
	uint8_t has_cxx;	 /* it left with C++ exceptions in hand: run.cxx, see context.h */
	uint8_t bound;		 /* depth of goro_thread_lock() */
	uint8_t nopreempt;	 /* depth of goro_preempt_off(); 255: for ever, by its spawn option. Atomic: sysmon reads it, perhaps of a record that was recycled */
	int64_t wait_since;	 /* coarse time when it parked, for dumps */
	struct m *m;		 /* M it runs on; a foreign proxy's M for ever */
	uint64_t parent_id;	 /* who spawned it */
	const void *created_at;	 /* return address of the spawn call */
	void (*fn)(void);	 /* its function */
	union {
		uint64_t arg[8]; /* register images, valid until the first run */
		struct {
			struct goro_deferred *defers; /* newest first; as the next, see panic.c. All of this is zeroed at the first run */
			struct panic *panics;
			struct goro_context *context; /* its current one, NULL: none; see scope.c */
			void *locals;	 /* see local.c */
			void *waiter;	 /* its waiter in a channel's list; valid while it waits there */
			struct undo *undo; /* of its select, or of the operation that its context may end, while it waits; else NULL */
			struct cxx_globals cxx; /* if has_cxx */
		} run;
	};
	char name[G_NAME_MAX + 1];
	void *san_fiber, *san_fake; /* sanitizers, see context.c */
} CACHE_ALIGNED;

_Static_assert(sizeof(struct g) == 192, "three cache lines: a parked goroutine's whole cost is counted in pages");

#endif
