/* SPDX-License-Identifier: MIT */
/*
 * goro/context.h: Go's package context: deadlines, cancellation and values that go down from caller to callee.
 *
 * A context is made from a parent; cancelling one cancels all that were made from it. Unlike in Go whoever has a context can cancel
 * it; hand down a child of your own where you do not want that.
 *
 * Ownership. Contexts are counted. What a goro_context_with...() function returns is one reference of the caller's, who gives it back
 * by goro_context_unref(); a child holds its parent. Whoever keeps a context beyond the call that it was passed to, a goroutine for instance,
 * takes a reference of his own by goro_context_ref(). When the last reference is gone the memory and the timer are given back; that does not
 * cancel anything, as nobody is left to see it. So Go's `defer cancel()` is goro_context_cancel() and goro_context_unref(). The functions
 * that make a context return NULL if memory is short, and panic "cannot create context from nil parent" for NULL; the others take
 * NULL for the background.
 *
 * What happens before a cancellation is visible to who sees it, by the done channel or by goro_context_err().
 */
#ifndef GORO_CONTEXT_H
#define GORO_CONTEXT_H

#include <goro/attr.h>
#include <goro/chan.h>
#include <stdint.h>

GORO_BEGIN_DECLS

struct goro_context;
struct goro_context_func;

/* The empty context: never cancelled, without deadline and values; not counted. todo is another one, for where it is not clear yet. Parks: no. From: any thread. */
GORO_API struct goro_context *goro_context_background(void);
GORO_API struct goro_context *goro_context_todo(void);

/* One more reference; returns ctx. Parks: no. From: any thread. */
GORO_API struct goro_context *goro_context_ref(struct goro_context *ctx);

/* One reference less; ctx may be NULL. Panics "free of a channel in use" if it was the last and somebody waits on done. Parks: no. From: any thread. */
GORO_API void goro_context_unref(struct goro_context *ctx);

/* A child that can be cancelled. Parks: no. From: any thread. */
GORO_API struct goro_context *goro_context_with_cancel(struct goro_context *parent);

/*
 * A child that is cancelled with -ETIMEDOUT when the deadline (goro/time.h), or ns nanoseconds, have passed; if the parent's deadline is earlier
 * that one counts. cause is what goro_context_cause() gives then; 0: -ETIMEDOUT. Also returns NULL if the deadline lies ahead and no runtime runs
 * that could watch it. When goro_run() returns, deadlines that have not passed are watched no more.
 * Parks: no. From: any thread.
 */
GORO_API struct goro_context *goro_context_with_deadline(struct goro_context *parent, int64_t deadline);
GORO_API struct goro_context *goro_context_with_deadline_cause(struct goro_context *parent, int64_t deadline, int cause);
GORO_API struct goro_context *goro_context_with_timeout(struct goro_context *parent, int64_t ns);
GORO_API struct goro_context *goro_context_with_timeout_cause(struct goro_context *parent, int64_t ns, int cause);

/*
 * A child in which key, compared by its address, has this value. It cannot be cancelled by itself. destroy, if not NULL, is called with the value
 * when the context's memory is given back, by who gives the last reference back, no lock held. Panics "nil key".
 * Parks: no, unless destroy does. From: any thread.
 */
GORO_API struct goro_context *goro_context_with_value(struct goro_context *parent, const void *key, void *value, void (*destroy)(void *value));

/* A child that has the values of its parent, but neither its deadline nor its cancellation. Parks: no. From: any thread. */
GORO_API struct goro_context *goro_context_without_cancel(struct goro_context *parent);

/*
 * Cancels ctx, and all below it, with -ECANCELED; cause, if not 0, is what goro_context_cause() gives then. Does nothing if it is cancelled
 * already. Does not wait for anybody. Returns 0, or -EINVAL for a context that is not of with_cancel, with_deadline or with_timeout.
 * Parks: no. From: any thread.
 */
GORO_API int goro_context_cancel(struct goro_context *ctx);
GORO_API int goro_context_cancel_cause(struct goro_context *ctx, int cause);

/* A channel that is closed when ctx is cancelled, for receives and goro_select(); NULL if that can never be. Parks: no. From: any thread. */
GORO_API struct goro_chan *goro_context_done(struct goro_context *ctx);

/* Why ctx is cancelled: -ECANCELED, or -ETIMEDOUT if its deadline passed; 0 while it is not. Parks: no. From: any thread. */
GORO_API int goro_context_err(struct goro_context *ctx);

/* The cause that the first cancellation of ctx, or of one above it, gave; without one as goro_context_err(). Parks: no. From: any thread. */
GORO_API int goro_context_cause(struct goro_context *ctx);

/* When ctx is cancelled at the latest: pass it to any call that waits; GORO_FOREVER if there is no deadline. Parks: no. From: any thread. */
GORO_API int64_t goro_context_deadline(struct goro_context *ctx);

/* The value that key has in ctx or in the nearest above it that has one, else NULL. Parks: no. From: any thread. */
GORO_API void *goro_context_value(struct goro_context *ctx, const void *key);

/*
 * Makes ctx the current context of the calling goroutine, or plain thread, and returns the one that was so far, which goro_context_leave() makes current again. While
 * it is current, each call of <goro/net.h> and <goro/file.h> that waits, and each sleep, ends when ctx is cancelled, with what goro_context_err(ctx)
 * gives then, -ECANCELED or -ETIMEDOUT; if it is cancelled already they do nothing. A call that had its success before returns that: no byte is lost, and
 * goro_write_n() tells how many have gone out. goro_close() and goro_shutdown() are not ended; nor are channels, locks and groups: for these select
 * on goro_context_done(). NULL or the background: nothing ends a call, which is what an orderly farewell needs.
 * ctx is not counted: the caller has a reference until he leaves. A new goroutine has no current context; enter it there, with a reference
 * of its own. To leave in a panic too:
 *
 *	GORO_DEFER(goro_context_leave, goro_context_enter(ctx));
 *
 * Parks: no. From: any thread.
 */
GORO_API struct goro_context *goro_context_enter(struct goro_context *ctx);
GORO_API void goro_context_leave(struct goro_context *former);

/* The current context, the background if there is none; not a new reference. Parks: no. From: any thread. */
GORO_API struct goro_context *goro_context_current(void);

/*
 * Calls fn(arg) in a goroutine of its own once ctx is cancelled, or now if it is; each call of this function adds one. (Without a runtime, or
 * without memory for a goroutine, who cancels calls fn himself, with no lock held.) If ret_func is not NULL it gets a handle, which holds ctx
 * and is given back by goro_context_func_free(); else fn cannot be stopped, and nothing has to be given back.
 * Returns 0, -ENOMEM, or -EINVAL for fn NULL; then *ret_func is as it was. Parks: no. From: any thread.
 */
GORO_API int goro_context_after_func(struct goro_context *ctx, void (*fn)(void *arg), void *arg, struct goro_context_func **ret_func);

/* 1 if this call keeps fn from being started; 0 if it was started or stopped before. Does not wait for fn. Parks: no. From: any thread. */
GORO_API int goro_context_func_stop(struct goro_context_func *func);

/* Gives the handle back, without stopping anything; may be NULL. Parks: no. From: any thread. */
GORO_API void goro_context_func_free(struct goro_context_func *func);

GORO_END_DECLS

#endif
