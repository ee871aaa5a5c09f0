/* SPDX-License-Identifier: MIT */
/*
 * ctx.c: contexts: Go's package context. (context.c is about the machine's.)
 *
 * Concepts. Contexts form a tree by their parent pointers, which are constant and hold references. A node can be cancelled (SOURCE), or takes that
 * from above: each node knows its source, the nearest such node at or above it, or NULL. A source lists the sources below it that have none in
 * between, and the functions of after_func(), as its children. A source's done channel lies in it, and the channel's lock is its lock.
 *
 * Invariants, whenever the lock of a source s is free:
 *   I1 s->err is set exactly if s->done is closed; both change once, under one hold of the lock. So who sees it closed may read err
 *      and cause without the lock.
 *   I2 s closed: nobody is added to its children, and those who are listed are being taken off by the one who closed it.
 *   I3 a child is listed by one source, and only under that one's lock is it taken off. The list holds a reference of a function, none of a
 *      context: who destroys a context takes it off himself, before its memory goes.
 *   I4 no two locks of sources are held at once, and none while the code of users runs.
 *
 * Cancelling takes one node after the other, with a list of those that are still to come, so that neither a wide nor a deep tree costs stack:
 *	1 lock the node; closed already? the next one. Set err and cause, close done, which drops the lock and wakes those who wait
 *	2 lock; take up to BATCH children off: a context only if it can still be referenced, for its last reference may just have gone; unlock; again
 *	3 stop the timer
 *   A function that comes up is started in a goroutine.
 * Against a child that is being made: the maker looks at closed under the lock, and either lists his child, and it is found, or makes it cancelled.
 * Against a timeout: I1, the first one wins.
 * Against the last unref: the node is listed until its destroyer has had the lock of the source above; who finds it with a count of 0 leaves it alone.
 *
 * Counting. Parent's references are given back in a loop, not by recursion, so a chain of any length can go at once. A timer that fires takes a
 * reference, under the lock, for the goroutine that does the cancelling: user context, where memory can be freed. If the count is 0 it does
 * nothing. The destroyer stops the timer, after which no callback touches the node (utimer.c).
 *
 * Rejected: one lock for a whole tree (the root of a server's contexts would be the lock of all requests); Go's way of locking the child below the
 * parent's lock (recursion, and a spin lock that is held for a walk over 10,000 nodes); a timer that holds a reference (a context with a
 * deadline in an hour would live for an hour); making done when it is asked for (saves 64 bytes, and costs a test and a lock).
 */
#include <goro/context.h>

#include <errno.h>
#include <goro/go.h>
#include <goro/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "chan.h"
#include "clock.h"
#include "mem.h"
#include "spawn.h"
#include "utimer.h"

#define BATCH 64

enum kind { EMPTY, VALUE, WITHOUT_CANCEL, SOURCE, FUNC };
enum { WAITS, STARTED, STOPPED }; /* of a function */

struct goro_context {
	uint32_t refs;		      /* atomic; not of EMPTY */
	uint8_t kind;		      /* constant */
	bool listed;		      /* under the lock of above, as next and prev */
	struct goro_context *parent;  /* constant: a reference; of a function that of its handle, NULL without one */
	struct goro_context *source;  /* constant */
	struct goro_context *above;   /* constant: of SOURCE and FUNC, the source that may list it */
	struct goro_context *next, *prev;
	struct goro_context *todo;    /* link of those who are still to be cancelled, by who took it off the list */
	int64_t deadline;	      /* constant */
	union {
		struct {
			const void *key;
			void *value;
			void (*destroy)(void *value);
		} v;			      /* VALUE; constant */
		struct {
			void (*fn)(void *arg);
			void *arg;	      /* constant */
			uint32_t state;	      /* atomic */
		} f;			      /* FUNC */
		struct {
			struct goro_context *first; /* of its children; under the lock */
			int err, cause;		    /* under the lock; constant once done is closed */
			int timeout_cause;	    /* constant */
			struct utimer u;
		} s;			      /* SOURCE */
	};
	struct goro_chan done;		      /* SOURCE only: the others have no memory there */
};

struct goro_context_func {
	struct goro_context node;
};

static struct goro_context background = { .kind = EMPTY, .deadline = GORO_FOREVER };
static struct goro_context todo = { .kind = EMPTY, .deadline = GORO_FOREVER };

struct goro_context *goro_context_background(void)
{
	return &background;
}

struct goro_context *goro_context_todo(void)
{
	return &todo;
}

static inline bool is_closed(struct goro_context *s)
{
	return load_acq(&s->done.state) & CHAN_CLOSED; /* [CHAN-1]: then err and cause are there */
}

/* Counting */

static inline void take_ref(struct goro_context *c)
{
	if (c->kind != EMPTY)
		add_rlx(&c->refs, 1);
}

/* A reference unless the last one is gone. */
static bool try_ref(struct goro_context *c)
{
	uint32_t n = load_rlx(&c->refs);

	while (n != 0)
		if (cas_acq(&c->refs, &n, n + 1)) /* [CTX-1] acquire, see [CTX-2] */
			return true;
	return false;
}

static void unlink_child(struct goro_context *s, struct goro_context *c)
{
	c->listed = false;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->s.first = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

static void link_child(struct goro_context *s, struct goro_context *c)
{
	c->listed = true;
	c->prev = NULL;
	c->next = s->s.first;
	if (c->next)
		c->next->prev = c;
	s->s.first = c;
}

/* Takes c off the list of the source above, if it is there: true. In the runtime. */
static bool leave_list(struct goro_context *c)
{
	struct goro_context *s = c->above;
	bool listed;

	if (!s)
		return false;
	goro__lock(&s->done.lock);
	listed = c->listed;
	if (listed)
		unlink_child(s, c);
	goro__unlock(&s->done.lock);
	return listed;
}

/* The last reference of a source is gone. Returns the functions that nobody will start, chained by todo. */
static struct goro_context *retire(struct goro_context *c)
{
	struct goro_context *funcs = NULL, *f;
	struct m *m = rt_enter();
	bool guest = goro__guest_enter(m), used;

	leave_list(c);
	goro__lock(&c->done.lock);
	goro__utimer_stop(guest, &c->s.u);
	used = c->done.recvq.first != NULL;
	while ((f = c->s.first) != NULL) {
		unlink_child(c, f);
		f->todo = funcs;
		funcs = f;
	}
	goro__unlock(&c->done.lock);
	if (guest)
		goro__guest_leave(m);
	rt_exit(m);
	if (used)
		goro__panic("free of a channel in use");
	return funcs;
}

/* In user context. */
static void drop_ref(struct goro_context *c)
{
	struct goro_context *funcs, *f, *parent;

	for (; c && c->kind != EMPTY; c = parent) {
		/* [CTX-2] acq_rel: pairs with itself and [CTX-1]: what others did to c comes before it is freed. */
		san_release(c);
		if (add_seq(&c->refs, -1u) != 0)
			return;
		san_acquire(c);
		funcs = c->kind == SOURCE ? retire(c) : NULL;
		for (; (f = funcs) != NULL; drop_ref(f))
			funcs = f->todo;
		if (c->kind == VALUE && c->v.destroy)
			c->v.destroy(c->v.value);
		parent = c->parent;
		goro__mem_free(c);
	}
}

struct goro_context *goro_context_ref(struct goro_context *ctx)
{
	if (ctx)
		take_ref(ctx);
	return ctx;
}

void goro_context_unref(struct goro_context *ctx)
{
	drop_ref(ctx);
}

/* Cancelling */

static void run_func(void *arg)
{
	struct goro_context *f = arg;
	void (*fn)(void *) = f->f.fn;
	void *fn_arg = f->f.arg;

	drop_ref(f);
	fn(fn_arg);
}

/* In user context: what f stands for has happened. Takes over a reference of the caller's. */
static void start_func(struct goro_context *f)
{
	uint32_t waits = WAITS;
	int r;

	/* [CTX-3] acq_rel: pairs with [CTX-4]: either it is started or it is stopped. */
	if (!cas_ar(&f->f.state, &waits, STARTED)) {
		drop_ref(f);
		return;
	}
	r = goro_spawn(run_func, f);
	if (r == -ECANCELED)
		drop_ref(f); /* the runtime stops, and with it all goroutines */
	else if (r != 0)
		run_func(f);
}

/* Step 2: the children of c, which is closed, go to the list of what is to be done. In user context. */
static void take_children(struct goro_context *c, struct goro_context **work)
{
	bool more = true, guest;
	struct m *m;

	while (more) {
		m = rt_enter();
		guest = goro__guest_enter(m);
		goro__lock(&c->done.lock);
		for (int i = 0; i < BATCH && c->s.first; i++) {
			struct goro_context *k = c->s.first;

			unlink_child(c, k);
			if (k->kind == FUNC || try_ref(k)) {
				k->todo = *work;
				*work = k;
			}
		}
		more = c->s.first != NULL;
		if (!more)
			goro__utimer_stop(guest, &c->s.u);
		goro__unlock(&c->done.lock);
		if (guest)
			goro__guest_leave(m);
		rt_exit(m);
	}
}

/* In user context, and the caller holds a reference. */
static void cancel_one(struct goro_context *c, int err, int cause, bool is_root, struct goro_context **work)
{
	struct m *m;
	bool more;

	if (is_closed(c))
		return;
	m = rt_enter();
	goro__lock(&c->done.lock);
	if (c->done.state & CHAN_CLOSED) {
		goro__unlock(&c->done.lock);
		rt_exit(m);
		return;
	}
	c->s.err = err;
	c->s.cause = cause;
	more = c->s.first || c->s.u.armed;
	goro__chan_close(m, &c->done);
	if (is_root)
		leave_list(c);
	rt_exit(m);
	if (more)
		take_children(c, work);
}

static void cancel(struct goro_context *root, int err, int cause)
{
	struct goro_context *work = NULL, *c;

	cancel_one(root, err, cause, true, &work);
	while ((c = work) != NULL) {
		work = c->todo;
		if (c->kind == FUNC) {
			start_func(c);
			continue;
		}
		cancel_one(c, err, cause, false, &work);
		drop_ref(c);
	}
}

int goro_context_cancel_cause(struct goro_context *ctx, int cause)
{
	if (!ctx || ctx->kind != SOURCE)
		return -EINVAL;
	cancel(ctx, -ECANCELED, cause ? cause : -ECANCELED);
	return 0;
}

int goro_context_cancel(struct goro_context *ctx)
{
	return goro_context_cancel_cause(ctx, 0);
}

/* A goroutine of a deadline that has passed. */
static void time_out(void *arg)
{
	struct goro_context *c = arg;

	cancel(c, -ETIMEDOUT, c->s.timeout_cause);
	drop_ref(c);
}

/* On g0. */
static void fire(struct m *m, struct timer *t)
{
	struct goro_context *c = container_of(t, struct goro_context, s.u.t);
	bool ours;

	goro__lock(&c->done.lock);
	c->s.u.armed = false;
	ours = try_ref(c);
	goro__unlock(&c->done.lock);
	if (ours && unlikely(goro__spawn_in(m, time_out, c, NULL) != 0))
		goro__throw("out of memory for a context's goroutine");
}

/* Making */

static struct goro_context *make(struct goro_context *parent, enum kind kind)
{
	size_t size = kind == SOURCE ? sizeof(struct goro_context) : offsetof(struct goro_context, done);
	struct goro_context *c;

	if (unlikely(!parent))
		goro__panic("cannot create context from nil parent");
	c = goro__mem_alloc(size);
	if (!c)
		return NULL;
	memset(c, 0, size);
	c->refs = 1;
	c->kind = (uint8_t)kind;
	c->parent = parent;
	c->source = parent->source;
	c->deadline = parent->deadline;
	if (kind == SOURCE) {
		c->source = c;
		goro__chan_init(&c->done, 0, 0, CHAN_RECV_ONLY);
		utimer_init(&c->s.u, fire, &c->done.lock);
	}
	return c;
}

/* Lists c below a source: true; false: that is cancelled. */
static bool join(struct goro_context *s, struct goro_context *c)
{
	struct m *m = rt_enter();
	bool open;

	goro__lock(&s->done.lock);
	open = !(s->done.state & CHAN_CLOSED);
	if (open)
		link_child(s, c);
	goro__unlock(&s->done.lock);
	rt_exit(m);
	return open;
}

/* c has just been made: it follows the source above its parent from now on. */
static void follow(struct goro_context *c)
{
	struct goro_context *s = c->parent->source;

	take_ref(c->parent);
	c->above = s;
	if (s && !join(s, c)) {
		is_closed(s);
		san_acquire(&s->done);
		cancel(c, s->s.err, s->s.cause);
	}
}

struct goro_context *goro_context_with_cancel(struct goro_context *parent)
{
	struct goro_context *c = make(parent, SOURCE);

	if (c)
		follow(c);
	return c;
}

/* Lets c's deadline count. 0 or negative errno. */
static int watch(struct goro_context *c)
{
	struct m *m = rt_enter();
	bool guest = goro__guest_enter(m);
	struct p *wake = NULL;
	int r = 0;

	goro__lock(&c->done.lock);
	if (!(c->done.state & CHAN_CLOSED))
		r = goro__utimer_start(m, guest, &c->s.u, c->deadline, &wake);
	goro__unlock(&c->done.lock);
	if (wake)
		goro__wake_p(wake);
	if (guest)
		goro__guest_leave(m);
	rt_exit(m);
	return r;
}

struct goro_context *goro_context_with_deadline_cause(struct goro_context *parent, int64_t deadline, int cause)
{
	struct goro_context *c;

	if (parent && (deadline < 0 || (parent->deadline >= 0 && parent->deadline < deadline)))
		return goro_context_with_cancel(parent);
	c = make(parent, SOURCE);
	if (!c)
		return NULL;
	c->deadline = deadline;
	c->s.timeout_cause = cause ? cause : -ETIMEDOUT;
	follow(c);
	if (deadline <= goro__now()) {
		cancel(c, -ETIMEDOUT, c->s.timeout_cause);
	} else if (watch(c) != 0) {
		drop_ref(c);
		return NULL;
	}
	return c;
}

struct goro_context *goro_context_with_deadline(struct goro_context *parent, int64_t deadline)
{
	return goro_context_with_deadline_cause(parent, deadline, 0);
}

struct goro_context *goro_context_with_timeout_cause(struct goro_context *parent, int64_t ns, int cause)
{
	return goro_context_with_deadline_cause(parent, goro_after(ns > 0 ? ns : 0), cause);
}

struct goro_context *goro_context_with_timeout(struct goro_context *parent, int64_t ns)
{
	return goro_context_with_timeout_cause(parent, ns, 0);
}

struct goro_context *goro_context_with_value(struct goro_context *parent, const void *key, void *value, void (*destroy)(void *value))
{
	struct goro_context *c;

	if (unlikely(parent && !key))
		goro__panic("nil key");
	c = make(parent, VALUE);
	if (!c)
		return NULL;
	take_ref(parent);
	c->v.key = key;
	c->v.value = value;
	c->v.destroy = destroy;
	return c;
}

struct goro_context *goro_context_without_cancel(struct goro_context *parent)
{
	struct goro_context *c = make(parent, WITHOUT_CANCEL);

	if (!c)
		return NULL;
	take_ref(parent);
	c->source = NULL;
	c->deadline = GORO_FOREVER;
	return c;
}

/* Asking */

struct goro_chan *goro_context_done(struct goro_context *ctx)
{
	return ctx && ctx->source ? &ctx->source->done : NULL;
}

int goro_context_err(struct goro_context *ctx)
{
	struct goro_context *s = ctx ? ctx->source : NULL;

	if (!s || !is_closed(s))
		return 0;
	san_acquire(&s->done);
	return s->s.err;
}

int goro_context_cause(struct goro_context *ctx)
{
	return goro_context_err(ctx) ? ctx->source->s.cause : 0;
}

int64_t goro_context_deadline(struct goro_context *ctx)
{
	return ctx ? ctx->deadline : GORO_FOREVER;
}

void *goro_context_value(struct goro_context *ctx, const void *key)
{
	for (; ctx; ctx = ctx->parent)
		if (ctx->kind == VALUE && ctx->v.key == key)
			return ctx->v.value;
	return NULL;
}

/* Functions */

int goro_context_after_func(struct goro_context *ctx, void (*fn)(void *), void *arg, struct goro_context_func **ret_func)
{
	struct goro_context *f, *s = ctx ? ctx->source : NULL;

	if (!fn)
		return -EINVAL;
	if (!s && !ret_func)
		return 0; /* it will never be called */
	f = make(ctx ? ctx : &background, FUNC);
	if (!f)
		return -ENOMEM;
	f->f.fn = fn;
	f->f.arg = arg;
	f->above = s;
	if (ret_func) {
		take_ref(f->parent);
		f->refs += s != NULL; /* the list's, and the handle's */
		*ret_func = container_of(f, struct goro_context_func, node);
	} else {
		f->parent = NULL;
	}
	if (s && !join(s, f)) {
		san_acquire(&s->done);
		start_func(f);
	}
	return 0;
}

int goro_context_func_stop(struct goro_context_func *func)
{
	struct goro_context *f = func ? &func->node : NULL;
	uint32_t waits = WAITS;
	bool listed;
	struct m *m;

	if (!f || !cas_ar(&f->f.state, &waits, STOPPED)) /* [CTX-4] acq_rel: pairs with [CTX-3] */
		return 0;
	m = rt_enter();
	listed = leave_list(f);
	rt_exit(m);
	if (listed)
		drop_ref(f);
	return 1;
}

void goro_context_func_free(struct goro_context_func *func)
{
	struct goro_context *f = func ? &func->node : NULL, *parent;

	if (!f)
		return;
	/* The handle held the context; the function, which the context may list, must not, or the two would keep each other. */
	parent = f->parent;
	f->parent = NULL;
	drop_ref(f);
	drop_ref(parent);
}
