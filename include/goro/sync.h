/* SPDX-License-Identifier: MIT */
/*
 * goro/sync.h: Go's sync.WaitGroup and sync.Mutex. Zero is a valid initial state; goroutines and plain
 * threads may share one object; an object must not be copied after its first use. Misuse is a panic
 * with Go's own words (package sync).
 */
#ifndef GORO_SYNC_H
#define GORO_SYNC_H

#include <goro/attr.h>
#include <stdint.h>

GORO_BEGIN_DECLS

struct goro_waitgroup {
	uint64_t state; /* counter and number of waiters; internal */
	uint32_t sema;
	uint32_t pad;
};
#define GORO_WAITGROUP_INIT { 0, 0, 0 }

/*
 * Adds delta to the counter; at zero all waiters go on. Panics "sync: negative WaitGroup counter" and
 * "sync: WaitGroup misuse: Add called concurrently with Wait".
 * Parks: no. From: any thread. What happens before Done() is visible after the Wait() that it ends.
 */
GORO_API void goro_waitgroup_add(struct goro_waitgroup *wg, int delta);
GORO_API void goro_waitgroup_done(struct goro_waitgroup *wg); /* goro_waitgroup_add(wg, -1) */

/*
 * Waits until the counter is zero. Returns 0, or -ETIMEDOUT when the deadline passed first (-EAGAIN if it
 * was GORO_NOW). Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_waitgroup_wait(struct goro_waitgroup *wg, int64_t deadline);

struct goro_mutex {
	uint32_t state; /* locked, woken and starving bits, number of waiters; internal */
	uint32_t sema;
};
#define GORO_MUTEX_INIT { 0, 0 }

/*
 * Go's sync.Mutex: not recursive, not bound to the goroutine that locked it, with Go's starvation mode
 * (a waiter that waited for over a millisecond is handed the lock).
 * lock: parks until the lock is free. lock_until: 0, or -ETIMEDOUT (-EAGAIN for GORO_NOW). trylock: 1 if locked, 0 if
 * not; does not park. unlock: panics "sync: unlock of unlocked mutex" (fatal, as in Go). From: any thread.
 */
GORO_API GORO_PARKS void goro_mutex_lock(struct goro_mutex *m);
GORO_API GORO_PARKS int goro_mutex_lock_until(struct goro_mutex *m, int64_t deadline);
GORO_API int goro_mutex_trylock(struct goro_mutex *m);
GORO_API void goro_mutex_unlock(struct goro_mutex *m);

GORO_END_DECLS

#endif
