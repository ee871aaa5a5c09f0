/* SPDX-License-Identifier: MIT */
/*
 * goro/errgroup.h: Go's golang.org/x/sync/errgroup: goroutines that work on parts of one task, whose first error is the task's and
 * cancels its context. An error is an int that is not 0, negative errno by custom.
 *
 * A group is memory of the user's; all zero is a group without context and limit. What a task's function does happens before the
 * goro_errgroup_wait() that returns after it.
 */
#ifndef GORO_ERRGROUP_H
#define GORO_ERRGROUP_H

#include <goro/attr.h>
#include <goro/context.h>
#include <goro/go.h>
#include <goro/sync.h>
#include <goro/time.h>
#include <stdint.h>

GORO_BEGIN_DECLS

/* Internal, all of it. */
struct goro_errgroup {
	struct goro_waitgroup wg;
	struct goro_context *ctx;
	uint64_t limit;	 /* + 1; 0: none */
	uint64_t active; /* tasks that count for the limit */
	int err;
	int unused;
};
#define GORO_ERRGROUP_INIT { GORO_WAITGROUP_INIT, 0, 0, 0, 0, 0 }

/*
 * Makes eg a group with a context, a child of parent, which is returned: it is cancelled when the first task fails, its error being the cause, and
 * when goro_errgroup_wait() has returned. The reference is the group's, until goro_errgroup_fini(). NULL if memory is short or eg is NULL. Panics "cannot
 * create context from nil parent".
 * Parks: no. From: any thread.
 */
GORO_API struct goro_context *goro_errgroup_with_context(struct goro_errgroup *eg, struct goro_context *parent);

/* Cancels the context, if there is one, and gives it back; eg may be NULL. No task may run. Parks: no. From: any thread. */
GORO_API void goro_errgroup_fini(struct goro_errgroup *eg);

/*
 * At most n tasks are active at once from now on; n negative: any number; 0: none can be added. Panics "errgroup: modify limit while N goroutines in
 * the group are still active". Does nothing for NULL. Parks: no. From: any thread.
 */
GORO_API void goro_errgroup_set_limit(struct goro_errgroup *eg, int n);

/*
 * Calls fn(arg) in a goroutine of its own; waits, until the deadline, while that would exceed the limit. Returns 0. Errors: -ETIMEDOUT (-EAGAIN for
 * GORO_NOW); -EINVAL eg or fn is NULL; those of goro_spawn(). Then fn is not called.
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_errgroup_go(struct goro_errgroup *eg, int (*fn)(void *arg), void *arg, int64_t deadline);

/*
 * goro_errgroup_go() of a function with arguments as they are: to GORO_ERRGROUP_GO() what goro_spawn_args() is to GORO_GO(). fn, cast back to its own
 * type, returns an int. Errors: as goro_errgroup_go(), and -EINVAL nargs is above 8.
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_errgroup_go_args(struct goro_errgroup *eg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask,
					      int64_t deadline);

/* Go's TryGo: 1 if fn(arg) is called, 0 if that would exceed the limit, or an error as above. Parks: no. From: any thread. */
GORO_API int goro_errgroup_try_go(struct goro_errgroup *eg, int (*fn)(void *arg), void *arg);

/* The same of a function with arguments as they are: what GORO_ERRGROUP_TRY_GO() becomes. Errors: as goro_errgroup_go_args(). Parks: no. From: any thread. */
GORO_API int goro_errgroup_try_go_args(struct goro_errgroup *eg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask);

/*
 * Waits until all tasks have ended, cancels the context, and returns the first error, or 0. -ETIMEDOUT if the deadline passed before that (-EAGAIN for
 * GORO_NOW): to tell it from a task's own, wait with GORO_FOREVER. -EINVAL eg is NULL. Afterwards the group may be used again, or its memory.
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_errgroup_wait(struct goro_errgroup *eg, int64_t deadline);

GORO_END_DECLS

#ifndef __cplusplus
/*
 * int GORO_ERRGROUP_GO(eg, f, arguments...): goro_errgroup_go() of a function and arguments as for GORO_GO(), evaluated and copied here and now; f
 * returns an int. Waits while that would exceed the limit; GORO_ERRGROUP_GO_UNTIL(eg, deadline, f, arguments...) does so until the deadline, and
 * GORO_ERRGROUP_TRY_GO(eg, f, arguments...) does not wait: it gives 1 if f is called, 0 if that would exceed the limit, or an error, as goro_errgroup_try_go().
 * C only: in C++ goro::errgroup (goro.hpp) takes a lambda.
 *
 *	GORO_ERRGROUP_GO(&eg, fetch, ctx, url, 2.5);
 *	err = goro_errgroup_wait(&eg, GORO_FOREVER);
 */
#define GORO_ERRGROUP_GO(eg, ...) GORO_ERRGROUP_GO_UNTIL(eg, GORO_FOREVER, __VA_ARGS__)
#define GORO_ERRGROUP_GO_UNTIL(eg, deadline, ...)                                                                \
	__extension__({                                                                                          \
		struct goro_errgroup *goro_eg = (eg);                                                            \
		const int64_t goro_until = (deadline);                                                           \
		GORO__GO(GORO__BY_ERRGROUP, __VA_ARGS__);                                                        \
	})
#define GORO_ERRGROUP_TRY_GO(eg, ...)                                                                            \
	__extension__({                                                                                          \
		struct goro_errgroup *goro_eg = (eg);                                                            \
		GORO__GO(GORO__BY_ERRGROUP_TRY, __VA_ARGS__);                                                    \
	})
#define GORO__BY_ERRGROUP(fn, arg, nargs, mask)                                                                  \
	__extension__({                                                                                          \
		GORO__RETURNS_ERROR();                                                                           \
		goro_errgroup_go_args(goro_eg, fn, arg, nargs, mask, goro_until);                                \
	})
#define GORO__BY_ERRGROUP_TRY(fn, arg, nargs, mask)                                                              \
	__extension__({                                                                                          \
		GORO__RETURNS_ERROR();                                                                           \
		goro_errgroup_try_go_args(goro_eg, fn, arg, nargs, mask);                                        \
	})
#define GORO__RETURNS_ERROR()                                                                                    \
	_Static_assert(__builtin_types_compatible_p(goro_r, int), "GORO_ERRGROUP_GO: the function must return int, 0 or an error")
#endif

#endif
