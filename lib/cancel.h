/* SPDX-License-Identifier: MIT */
/*
 * cancel.h: what a call that waits asks of its goroutine's current context, g->run.context. Layer 6; implemented in layer 8 (scope.c, which has the
 * protocol). All between rt_enter() and rt_exit().
 *
 *	struct cancel_watch w;
 *	int r = goro__cancel_watch(m, ctx, &w, -1);
 *
 *	if (r < 0)
 *		return r;			it is cancelled already
 *	... park by token until the end, or until cancel_fired(&w): then see to it that the end comes, and go on waiting for it ...
 *	m = goro__cancel_unwatch(m, &w);
 */
#ifndef LIB_CANCEL_H
#define LIB_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "park.h"
#include "waiter.h"

struct goro_context;

/* On the stack of who waits. */
struct cancel_watch {
	struct undo undo;
	struct goro_context *ctx;
	struct sel sel;
	struct waiter w; /* w.c NULL: this context is never cancelled */
};

/* Why ctx is cancelled: -ECANCELED or -ETIMEDOUT; 0: it is not. */
int goro__cancel_err(struct goro_context *ctx);

/*
 * Lets the cancellation of ctx notify the caller: 0, and *w must be given to goro__cancel_unwatch(); or why it is cancelled, and *w is nothing. wakefd: an eventfd
 * that is written to as well, for plain threads that wait in poll(2); else -1.
 */
int goro__cancel_watch(struct m *m, struct goro_context *ctx, struct cancel_watch *w, int wakefd);

/* Nobody touches *w any more, when it returns. */
GORO_PARKS struct m *goro__cancel_unwatch(struct m *m, struct cancel_watch *w);

/* Has ctx been cancelled? The notification comes after this is true. */
static inline bool cancel_fired(struct cancel_watch *w)
{
	return load_acq(&w->sel.done); /* [SELECT-4] */
}

#endif
