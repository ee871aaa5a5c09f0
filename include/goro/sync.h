/* SPDX-License-Identifier: MIT */
/*
 * goro/sync.h: Go's package sync: WaitGroup, Mutex, RWMutex, Cond, Once, and a weighted semaphore. Zero is a valid initial state; goroutines and plain
 * threads may share one object, before goro_run() and after it too; an object must not be copied after its
 * first use. Misuse is a panic, or fatal where it is so in Go, with Go's own words.
 */
#ifndef GORO_SYNC_H
#define GORO_SYNC_H

#include <goro/attr.h>
#include <goro/go.h>
#include <stddef.h>
#include <stdint.h>

GORO_BEGIN_DECLS

struct goro_waitgroup {
	uint64_t state; /* counter, and whether somebody waits; internal */
};
#define GORO_WAITGROUP_INIT { 0 }

/*
 * Adds delta to the counter; at zero all waiters go on. Panics "sync: negative WaitGroup counter" and
 * "sync: WaitGroup misuse: Add called concurrently with Wait".
 * Parks: no. From: any thread. What happens before Done() is visible after the Wait() that it ends.
 */
GORO_API void goro_waitgroup_add(struct goro_waitgroup *wg, int delta);
GORO_API void goro_waitgroup_done(struct goro_waitgroup *wg); /* goro_waitgroup_add(wg, -1) */

/*
 * Go's wg.Go: adds 1, starts a goroutine that calls fn(arg), and takes the 1 back when fn has returned, also by goro_exit(). Its return happens before that of
 * the Wait that it ends. If the counter is zero, call it before the Wait, as goro_waitgroup_add(). fn must not panic: the process ends, and nobody waits
 * successfully before it does.
 * goro_waitgroup_go_args() is to GORO_WAITGROUP_GO() what goro_spawn_args() is to GORO_GO().
 * Parks: no. From: as goro_spawn(). Returns 0, or the error of goro_spawn_args(): then the counter is what it was.
 */
GORO_API int goro_waitgroup_go(struct goro_waitgroup *wg, void (*fn)(void *arg), void *arg);
GORO_API int goro_waitgroup_go_args(struct goro_waitgroup *wg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask);

/*
 * Waits until the counter is zero. Returns 0, or -ETIMEDOUT when the deadline passed first (-EAGAIN if it
 * was GORO_NOW). When it has returned 0, and all other calls of it have returned, *wg may be used for another set of events, or its memory for
 * something else. Panics "sync: WaitGroup is reused before previous Wait has returned" if goro_waitgroup_add() was called too early for that, and it notices.
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_waitgroup_wait(struct goro_waitgroup *wg, int64_t deadline);

struct goro_mutex {
	uint32_t state; /* bits: locked, a waiter is awake, starving, waiters sleep; internal but for the inlines below */
};
#define GORO_MUTEX_INIT { 0 }

/*
 * Go's sync.Mutex: not recursive, not bound to the goroutine that locked it, with Go's starvation mode: a waiter that is
 * passed over for more than a millisecond is handed the lock, and those after it, until one has waited for less.
 * What happens before an unlock is visible after the lock that follows it.
 *
 * lock parks until the lock is free. lock_until returns 0, or -ETIMEDOUT (-EAGAIN for GORO_NOW): then it is not locked; a
 * deadline in the past tries once. trylock returns 1 if it has locked, 0 if not. unlock of a mutex that nobody has
 * locked is fatal, as in Go: "sync: unlock of unlocked mutex".
 * Parks: lock and lock_until; unlock may give way to the waiter that it hands the lock to; trylock does not. From: any thread.
 */
GORO_API GORO_PARKS void goro_mutex_lock(struct goro_mutex *mu);
GORO_API GORO_PARKS int goro_mutex_lock_until(struct goro_mutex *mu, int64_t deadline);
GORO_API int goro_mutex_trylock(struct goro_mutex *mu);
GORO_API GORO_PARKS void goro_mutex_unlock(struct goro_mutex *mu);

struct goro_rwmutex {
	struct goro_mutex w; /* held by a writer, or by one that waits for readers to leave; internal */
	uint32_t state;	     /* readers, and who waits; internal */
};
#define GORO_RWMUTEX_INIT { GORO_MUTEX_INIT, 0 }

/*
 * Go's sync.RWMutex: any number of readers or one writer. A lock that waits for readers keeps new ones out, so that it is its turn when those
 * have left; an unlock lets in all readers that have waited meanwhile, before the next writer. Therefore a goroutine that holds it for
 * reading must not rlock() it again (a lock() in between would wait for it, and it for the lock()), and a lock for reading cannot be upgraded.
 * Like a mutex it belongs to no goroutine: another one may unlock it. What happens before an unlock is visible after the locks and rlocks
 * that follow it, what happens before an runlock is visible after the locks that follow it; between readers nothing is ordered.
 *
 * lock and rlock wait until they have it. The _until forms return 0, or -ETIMEDOUT (-EAGAIN for GORO_NOW): then it is not locked, and whom
 * they kept out goes on; a deadline in the past tries once. trylock and tryrlock return 1 if they have locked, 0 if not.
 * Fatal, as in Go: "sync: Unlock of unlocked RWMutex", "sync: RUnlock of unlocked RWMutex".
 * Who has the lock for writing may free *rw after his unlock, if he knows that nobody waits or will come; a reader must know that the writer
 * before him has returned from his unlock, too.
 * Parks: lock, rlock and their _until forms; unlock and trylock may give way to a writer that they hand the lock to; runlock and tryrlock do not.
 * From: any thread.
 */
GORO_API GORO_PARKS void goro_rwmutex_lock(struct goro_rwmutex *rw);
GORO_API GORO_PARKS int goro_rwmutex_lock_until(struct goro_rwmutex *rw, int64_t deadline);
GORO_API GORO_PARKS int goro_rwmutex_trylock(struct goro_rwmutex *rw);
GORO_API GORO_PARKS void goro_rwmutex_unlock(struct goro_rwmutex *rw);
GORO_API GORO_PARKS void goro_rwmutex_rlock(struct goro_rwmutex *rw);
GORO_API GORO_PARKS int goro_rwmutex_rlock_until(struct goro_rwmutex *rw, int64_t deadline);
GORO_API int goro_rwmutex_tryrlock(struct goro_rwmutex *rw);
GORO_API void goro_rwmutex_runlock(struct goro_rwmutex *rw);

struct goro_cond {
	uint32_t state; /* whether somebody waits; internal */
};
#define GORO_COND_INIT { 0 }

/*
 * Go's sync.Cond. A wait unlocks the lock that the caller holds and begins to wait, in one step as far as signal and broadcast are concerned, and
 * locks it again before it returns. It returns 0 if a signal or a broadcast has ended it, and for no other reason but its deadline: -ETIMEDOUT,
 * also then locked again. Whether the condition holds then is to be looked at in a loop:
 *
 *	goro_mutex_lock(&mu);
 *	while (!condition)
 *		goro_cond_wait(&cond, &mu, GORO_FOREVER);
 *
 * The lock is a mutex, or an RWMutex that is held for writing (wait_lock) or for reading (wait_rlock). With a deadline that has passed already,
 * -ETIMEDOUT, or GORO_NOW, -EAGAIN, it stays locked throughout. The signal or broadcast that ends a wait happens before its return.
 * Parks: yes. From: any thread. The lock must be held, or it is as in an unlock.
 */
GORO_API GORO_PARKS int goro_cond_wait(struct goro_cond *cond, struct goro_mutex *mu, int64_t deadline);
GORO_API GORO_PARKS int goro_cond_wait_lock(struct goro_cond *cond, struct goro_rwmutex *rw, int64_t deadline);
GORO_API GORO_PARKS int goro_cond_wait_rlock(struct goro_cond *cond, struct goro_rwmutex *rw, int64_t deadline);

/*
 * signal ends the wait that has lasted longest, if there is one; broadcast ends all. The lock may be held or not.
 * Parks: no. From: any thread.
 */
GORO_API void goro_cond_signal(struct goro_cond *cond);
GORO_API void goro_cond_broadcast(struct goro_cond *cond);

struct goro_once {
	uint32_t done; /* internal */
	struct goro_mutex mu;
};
#define GORO_ONCE_INIT { 0, GORO_MUTEX_INIT }

/*
 * Go's sync.Once: calls fn(arg) if this is the first call for *once, and returns when that one call of fn has returned. So whoever returns sees
 * what fn did: its return happens before that of every goro_once_do(). fn must not call goro_once_do() of the same object: it would wait
 * for itself. A panic in fn, or goro_exit(), counts as its return: it goes on, and fn is not called again.
 * goro_once_do_until() returns 0 when fn has returned, -ETIMEDOUT (-EAGAIN for GORO_NOW) if another call of it still runs at the deadline, which
 * does not end the caller's own call of fn.
 * Parks: yes, as long as another one calls fn. From: any thread.
 */
GORO_API GORO_PARKS void goro_once_do(struct goro_once *once, void (*fn)(void *arg), void *arg);
GORO_API GORO_PARKS int goro_once_do_until(struct goro_once *once, void (*fn)(void *arg), void *arg, int64_t deadline);

struct goro_once_cell {
	struct goro_once once; /* internal, as is the value until goro_once_value() has returned */
	void *value;
	const char *panic;
};
#define GORO_ONCE_CELL_INIT { GORO_ONCE_INIT, NULL, NULL }

/*
 * Go's sync.OnceValue: the value of fn(arg), which is called by the first call only; as goro_once_do() in all else. If fn panics, every call
 * panics with the same value and text (which is kept in memory that is never given back).
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS void *goro_once_value(struct goro_once_cell *once, void *(*fn)(void *arg), void *arg);

/*
 * golang.org/x/sync/semaphore: `size` tokens, of which a call acquires n and gives them back by a release. Those who wait are served in order of
 * arrival: a request that does not fit keeps later ones waiting, smaller ones too, so that it does not starve. The initialiser says how many
 * tokens there are; with zeroed memory there is none.
 */
struct goro_semaphore {
	uint64_t size;	/* constant; below 2^62 */
	uint64_t state; /* tokens in use, and whether somebody waits; internal */
};
#define GORO_SEMAPHORE_INIT(n) { (n), 0 }

/*
 * acquire waits for n tokens. Returns 0, or -ETIMEDOUT (-EAGAIN for GORO_NOW): then it has none, and those behind it may go on. A request for
 * more than there are at all waits for its deadline, and in nobody's way. tryacquire returns 1 if it has them, 0 if not, and is not served before
 * those who wait. release gives n tokens back, which need not be a number that somebody acquired in one call, and need not be his who calls
 * it. Panics "semaphore: released more than held". What happens before a release is visible after the acquires that its tokens made possible.
 * Parks: acquire; the others do not. From: any thread.
 */
GORO_API GORO_PARKS int goro_semaphore_acquire(struct goro_semaphore *sem, uint64_t n, int64_t deadline);
GORO_API int goro_semaphore_tryacquire(struct goro_semaphore *sem, uint64_t n);
GORO_API void goro_semaphore_release(struct goro_semaphore *sem, uint64_t n);

/*
 * Go's sync.Pool: objects that are used for a short time, such as buffers, kept for the next one who needs such an object. The fields are the user's to set
 * before the first use, by the initialiser for instance; zeroed memory is a pool without make and destroy.
 */
struct goro_pool {
	void *(*make)(void *arg);		/* a new object, Go's New; NULL: a get may return NULL */
	void (*destroy)(void *item, void *arg); /* gives one back, as free() does; NULL: that is not needed */
	void *arg;				/* of both */
	struct goro_pool_shards *shards;	/* internal */
};
#define GORO_POOL_INIT(make, destroy, arg) { (make), (destroy), (arg), 0 }

/*
 * get returns an object that was put, any of them and as it was then, or what make returns if there is none: perhaps NULL. put gives an object to the pool,
 * whose it is from now on; NULL is ignored. What happens before a put is visible after the get that returns the object.
 * The pool may destroy an object at any put: it keeps at most 64 per processor (and less without memory for its own), and those that nobody needed for
 * some ten seconds, though others were put and got, go as well. make and destroy are called by who calls get and put, no lock held, and may park.
 * Parks: no, unless make or destroy does. From: any thread, with a runtime or without.
 */
GORO_API void *goro_pool_get(struct goro_pool *pool);
GORO_API void goro_pool_put(struct goro_pool *pool, void *item);

/*
 * Destroys all objects in the pool and gives its own memory back. Nobody else may use it meanwhile; afterwards it is an empty pool, and may be used
 * again. Parks: no, unless destroy does. From: any thread.
 */
GORO_API void goro_pool_fini(struct goro_pool *pool);

GORO_END_DECLS

#ifndef __cplusplus
/*
 * int GORO_WAITGROUP_GO(wg, f, arguments...): goro_waitgroup_go() with a function and arguments as for GORO_GO(), in types too. C only: in C++
 * a lambda that captures does as well, by goro_waitgroup_add(), GORO_GO() and goro_waitgroup_done().
 *
 *	GORO_WAITGROUP_GO(&wg, fetch, url, 2.5);
 *	goro_waitgroup_wait(&wg, GORO_FOREVER);
 */
#define GORO_WAITGROUP_GO(wg, ...)                                                                               \
	__extension__({                                                                                          \
		struct goro_waitgroup *goro_wg = (wg);                                                           \
		GORO__GO(GORO__BY_WAITGROUP, __VA_ARGS__);                                                       \
	})
#define GORO__BY_WAITGROUP(fn, arg, nargs, mask) goro_waitgroup_go_args(goro_wg, fn, arg, nargs, mask)
#endif

/*
 * The only functions of goro with an inline form. Locking and unlocking a mutex that needs no decision are one locked instruction
 * each, and two calls would cost two thirds of them again. The exported functions above do the same and are what other languages,
 * function pointers and unoptimised builds use: `extern inline` with gnu_inline is never compiled on its own. So the ABI contains these bits of
 * state: 1 locked, 2 a waiter is awake, 4 starving, 8 waiters sleep. GORO_NO_INLINE, defined before the include, switches it off.
 */
#if !defined(GORO_NO_INLINE) && defined(__OPTIMIZE__)
GORO_BEGIN_DECLS

extern void goro__mutex_lock(struct goro_mutex *mu) __asm__("goro_mutex_lock");
extern void goro__mutex_unlock(struct goro_mutex *mu) __asm__("goro_mutex_unlock");

/* Free, whoever else waits: ours. */
extern __inline__ __attribute__((__gnu_inline__)) void goro_mutex_lock(struct goro_mutex *mu)
{
	uint32_t goro_s = __atomic_load_n(&mu->state, __ATOMIC_RELAXED);

	if (__builtin_expect((goro_s & 1) || !__atomic_compare_exchange_n(&mu->state, &goro_s, goro_s | 1, 0, __ATOMIC_ACQUIRE,
									  __ATOMIC_RELAXED), 0))
		goro__mutex_lock(mu);
}

/* Nobody sleeps, or somebody was woken already: there is nobody to be woken. */
extern __inline__ __attribute__((__gnu_inline__)) void goro_mutex_unlock(struct goro_mutex *mu)
{
	uint32_t goro_s = __atomic_load_n(&mu->state, __ATOMIC_RELAXED);

	if (__builtin_expect((goro_s & 5) != 1 || (goro_s & 10) == 8 ||
			     !__atomic_compare_exchange_n(&mu->state, &goro_s, goro_s - 1, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED), 0))
		goro__mutex_unlock(mu);
}

GORO_END_DECLS
#endif

#endif
