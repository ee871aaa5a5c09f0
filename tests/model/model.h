/* SPDX-License-Identifier: MIT */
/*
 * model.h: runs a few small threads through all interleavings of their atomic accesses.
 *
 * A model program includes this file first and then a .c file (or inline header) of lib. Here lib/atomic.h and lib/lock.h are
 * replaced (their include guards are taken): each atomic access and each lock operation becomes a point at which the explorer
 * may go on with any other thread. The code under test is what is compiled into the library, to the letter;
 * only sizes are shrunk.
 *
 *	static void sender(void) { ... goro_chan_send(c, &v, GORO_FOREVER) ... }
 *
 *	START_TEST(a_send_meets_a_receive_in_every_order)
 *	{
 *		static const struct model m = { .setup = setup, .thread = { sender, receiver }, .check = everything_arrived };
 *
 *		model_explore(&m);
 *	}
 *	END_TEST
 *
 * The exploration is depth first and stateless: each execution starts from setup() and follows a list of choices, the last of which that has
 * an alternative is changed for the next one. Sleep sets (Godefroid) leave out orders that differ only in independent
 * accesses: to other addresses, or two reads. Every state in which a thread can fail or hang is still reached.
 *
 * If all of the state that threads share and read is accessed atomically and lies in model.state, equal states are recognised and explored once: a
 * thread's own state is a function of the values that it has read, so these and the shared bytes are the whole state (which
 * is remembered as 64 bits of hash). model_forget() says that what the thread has read so far does not matter any more.
 *
 * Memory is sequentially consistent, or with .tso = true that of x86: each thread has a queue of MODEL_STORES stores
 * that only it sees; a store leaves it at any later point, locked instructions and fences wait until it is empty.
 * Memory orders weaker than that are not modelled: they are argued in comments, and TSan and aarch64 runs look at them.
 *
 * Accesses that are not atomic take effect together with the atomic access before them, so the code must be free of data
 * races for the result to mean anything: plain data under locks, or handed over.
 *
 * A failure prints the schedule: one line per access, with its place in the source.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MODEL_THREADS 4
#define MODEL_STORES 2

struct model {
	void (*setup)(void);		      /* makes the shared state anew; not interleaved */
	void (*thread[MODEL_THREADS])(void);
	void (*check)(void);		      /* after all have ended; may be NULL */
	unsigned daemons;		      /* bit i: thread i need not end */
	bool tso;
	const void *state;		      /* all of the shared state, if every access to it is atomic: see below */
	size_t state_size;
	bool (*quiet)(const void *addr);      /* not a point: used by one thread at a time, or a hint of which nothing depends; may be NULL */
	long limit;			      /* more executions than this are a failure of the model's author; 0: 3 million */
};

/*
 * t_main() of a model program. Skips where a sanitizer is compiled in: all threads of a model run on one, on stacks that they leave by longjmp(). ASan
 * and TSan take that for a return and lose track, and there is no race to be found on one thread.
 */
struct Suite;
int model_main(struct Suite *s);

/* Explores all interleavings; a failed check ends the test. Returns how many executions there were. */
long model_explore(const struct model *m);

/* In a thread or a check: fails this execution, with its schedule. */
#define model_check(cond) ((cond) ? (void)0 : model_fail(__FILE__, __LINE__, #cond))
void model_fail(const char *file, int line, const char *what);

/* In a thread: from now on in this execution an access to this memory, by any thread, is a failure: it may have been freed. */
void model_forbid(const void *p, size_t size);

/* In a thread: its variables now depend on `point` (and on model.state) only, not on what it has read. */
void model_forget(int point);

/* membarrier(): the queues of all threads are empty at one moment. */
void model_membarrier(void);

/* Ends the calling thread. */
_Noreturn void model_exit(void);

/* Which thread runs: 0, 1, ... */
int model_self(void);

/* Waits until *flag is not 0, and makes it 0. A thread that can never go on is a deadlock, unless it is a daemon. */
void model_wait(uint32_t *flag, const char *file, int line);

/* Behind the macros. */
enum model_kind { MODEL_READ, MODEL_WRITE, MODEL_LOCKED, MODEL_LOCK, MODEL_WAIT, MODEL_FENCE, MODEL_BARRIER };
void model_point(const void *addr, size_t size, enum model_kind kind, const char *file, int line);
uint64_t model_load(const void *addr, size_t size, const char *file, int line);
void model_store(void *addr, uint64_t v, size_t size, const char *file, int line);

#define MODEL_HERE __FILE__, __LINE__
#define model_load_typed(p) ((__typeof__(*(p)))(uintptr_t)model_load((p), sizeof(*(p)), MODEL_HERE))
#define model_store_typed(p, v) do {									\
	__typeof__(*(p)) model_v = (v);									\
	model_store((p), (uint64_t)(uintptr_t)model_v, sizeof(*(p)), MODEL_HERE);			\
} while (0)
#define model_locked(p, expr) __extension__({ model_point((p), sizeof(*(p)), MODEL_LOCKED, MODEL_HERE); (expr); })
#define model_exchange(p, v) __extension__({								\
	__typeof__(*(p)) model_v = (v), model_old;							\
	model_point((p), sizeof(*(p)), MODEL_LOCKED, MODEL_HERE);							\
	model_old = *(p);										\
	*(p) = model_v;											\
	model_old;											\
})
#define model_cas(p, exp, v) __extension__({								\
	__typeof__(*(p)) model_v = (v);									\
	bool model_same;										\
	model_point((p), sizeof(*(p)), MODEL_LOCKED, MODEL_HERE);							\
	model_same = *(p) == *(exp);									\
	if (model_same)											\
		*(p) = model_v;										\
	else												\
		*(exp) = *(p);										\
	model_same;											\
})
#define model_fetch(p, op, v) __extension__({								\
	__typeof__(*(p)) model_old;									\
	model_point((p), sizeof(*(p)), MODEL_LOCKED, MODEL_HERE);							\
	model_old = *(p);										\
	*(p) = model_old op (v);									\
	model_old;											\
})

/* ---- lib/atomic.h ------------------------------------------------------------------------------------ */
#define LIB_ATOMIC_H
#define load_rlx(p) model_load_typed(p)
#define load_acq(p) model_load_typed(p)
#define load_seq(p) model_load_typed(p)
#define store_rlx(p, v) model_store_typed(p, v)
#define store_rel(p, v) model_store_typed(p, v)
#define store_seq(p, v) ((void)model_exchange(p, v))
#define xchg_acq(p, v) model_exchange(p, v)
#define xchg_rel(p, v) model_exchange(p, v)
#define xchg_seq(p, v) model_exchange(p, v)
#define add_rlx(p, v) model_locked(p, *(p) += (v))
#define add_seq(p, v) model_locked(p, *(p) += (v))
#define or_seq(p, v) model_fetch(p, |, v)
#define and_seq(p, v) model_fetch(p, &, v)
#define fence_seq() model_point(NULL, 0, MODEL_FENCE, MODEL_HERE)
#define compiler_barrier() __asm__ volatile("" ::: "memory")
#define cas_acq(p, exp, v) model_cas(p, exp, v)
#define cas_rel(p, exp, v) model_cas(p, exp, v)
#define cas_ar(p, exp, v) model_cas(p, exp, v)
#define cas_seq(p, exp, v) model_cas(p, exp, v)
#define bump(p) store_rlx((p), load_rlx(p) + 1)

/* ---- lib/lock.h -------------------------------------------------------------------------------------- */
#define LIB_LOCK_H
enum lock_rank {
	RANK_NONE = 0,
	RANK_FD,
	RANK_CHAN,
	RANK_SEMA,
	RANK_TIMERS,
	RANK_SCHED,
	RANK_GLIST,
	RANK_STACK,
	RANK_LEAF,
};
struct lock {
	uint32_t v;
};
#define LOCK_INIT(r) { 0 }
#define lock_init(l, r) ((l)->v = 0)
#define goro__lock(l) do {									\
	struct lock *model_l = (l);								\
	model_point(&model_l->v, sizeof(model_l->v), MODEL_LOCK, MODEL_HERE);					\
	model_l->v = 1;										\
} while (0)
#define goro__trylock(l) __extension__({								\
	uint32_t model_free = 0;								\
	model_cas(&(l)->v, &model_free, 1);							\
})
#define goro__unlock(l) do {									\
	struct lock *model_u = (l);								\
	model_check(model_u->v == 1);								\
	model_store(&model_u->v, 0, sizeof(model_u->v), MODEL_HERE);				\
} while (0)

#endif
