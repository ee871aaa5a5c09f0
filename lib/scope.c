/* SPDX-License-Identifier: MIT */
/*
 * scope.c: a goroutine's current context, and how its cancellation ends the call that the goroutine waits in.
 *
 * The question. Go's functions take a context as an argument where they take one at all, and its connections have deadlines instead. In C it would
 * be a second form of each call that waits, or a parameter that nearly all callers leave NULL, and what stands between the one who has the
 * context and the read (a TLS library with its callbacks, a parser) would have to hand it through. So the goroutine has one: a scope is
 * entered with a context, and each call of <goro/net.h> and <goro/file.h>, and each sleep, that is made until it is left ends when the context is
 * cancelled. It is a rule of the call tree like Go's argument, not of time or of objects: leaving restores what was there, a new
 * goroutine begins without (its creator's context would not live long enough: no reference is held), and entering the
 * background shields what must be done all the same, such as a farewell to the peer.
 *
 * Not the waits of channels, locks and groups: there a cancellation is a case of a select, as in Go; a lock that is not taken after all, because of
 * something that the function which locks does not see, is no lock. Not goro_close(), which waits for others only and must succeed.
 *
 * Invariants:
 *   C1 no byte is lost: a call that a cancellation ends early has moved nothing that it does not report. The cancellation only asks; the call returns
 *	with the operation's own end (O1 of op.c), and if that is a success it returns the success (O2).
 *   C2 a call that begins when its context is cancelled does nothing at all, even if it could be done at once. So a loop of reads that always find
 *	something ends too, and what a cancellation leaves behind does not depend on who was faster by a hair.
 *   C3 a watch is listed in the done channel of the context's source for as long as its call may wait; nobody touches it after unwatch().
 *
 * Protocol. A watch is a waiter (waiter.h) of a select with one case, a receive on the done channel:
 *
 *	the call				who cancels
 *	1 locks done: closed? -> its error	1 locks done, err, closes it
 *	2 lists the watch, unlocks		2 takes the watch off, sel.fired = 1, unlocks
 *	3 begins the operation			3 [SELECT-3] sel.done = 1, notifies
 *	4 [SELECT-4] done? asks the operation	  (a plain thread in poll(2): writes to its eventfd before step 3)
 *	  to end early; parks by token; again
 *	5 the operation has ended; locks done;
 *	  listed: takes it off. Else waits for
 *	  done: the canceller is in step 2 or 3
 *
 *   Against lost wake-ups: a cancellation between 2 and the park leaves a notification, and step 4 looks before it parks (park.c, I4). Whoever finds
 *   done set is the operation's own goroutine, so the operation is alive (O3).
 *
 * The current context is a pointer in the goroutine's record that nobody else reads, so entering and leaving are one store each, and a call
 * outside of any scope pays for one load. A call in a scope that has to wait takes the lock of the context's channel twice; one that need not wait
 * looks at a flag. At the end of a run the watches of goroutines that never go on are taken off (undo).
 *
 * Rejected. A context in the int64_t of the deadline (negative values are free): nothing would check the type, and every call that knows nothing
 * of contexts would take it for "for ever". A form goro_ctx_...() of each call: see above. goro_context_after_func() with a function that cancels
 * the operation: a goroutine per cancellation, and an allocation per call. A goroutine that inherits: Go's own rule is
 * that a context is passed on by name. A reference per scope: who enters has one for as long, as an argument's owner has.
 */
#include "cancel.h"

#include <errno.h>

#include <goro/context.h>

#include "chan.h"

int goro__cancel_err(struct goro_context *ctx)
{
	return goro_context_err(ctx);
}

static void forget(struct undo *u)
{
	goro__waiter_forget(&container_of(u, struct cancel_watch, undo)->w);
}

int goro__cancel_watch(struct m *m, struct goro_context *ctx, struct cancel_watch *w, int wakefd)
{
	struct goro_chan *done = goro_context_done(ctx);
	int err;

	w->ctx = ctx;
	w->sel = (struct sel){ .wakefd = wakefd };
	w->w = (struct waiter){ .g = goro__self(m), .sel = &w->sel, .c = done, .index = 1 };
	if (!done)
		return 0;
	w->undo.fn = forget;
	goro__lock(&done->lock);
	if (!(done->state & CHAN_CLOSED)) {
		goro__undoes(w->w.g, &w->undo);
		waitq_append(&done->recvq, &w->w);
		goro__unlock(&done->lock);
		return 0;
	}
	goro__unlock(&done->lock);
	err = goro_context_err(ctx);
	ASSERT(err != 0);
	return err;
}

struct m *goro__cancel_unwatch(struct m *m, struct cancel_watch *w)
{
	struct goro_chan *done = w->w.c;
	bool listed;

	if (!done)
		return m;
	goro__lock(&done->lock);
	listed = w->w.listed;
	if (listed)
		waitq_remove(&done->recvq, &w->w);
	goro__unlock(&done->lock);
	while (!listed && !cancel_fired(w))
		m = goro__park_token(m, WAIT_SELECT);
	goro__undoes(w->w.g, NULL);
	return m;
}

struct goro_context *goro_context_enter(struct goro_context *ctx)
{
	struct m *m = rt_enter();
	struct g *g = goro__self(m);
	struct goro_context *former = g->run.context;

	g->run.context = ctx == goro_context_background() ? NULL : ctx;
	rt_exit(m);
	return former ? former : goro_context_background();
}

void goro_context_leave(struct goro_context *former)
{
	goro_context_enter(former);
}

struct goro_context *goro_context_current(void)
{
	struct m *m = rt_enter();
	struct goro_context *ctx = goro__self(m)->run.context;

	rt_exit(m);
	return ctx ? ctx : goro_context_background();
}
