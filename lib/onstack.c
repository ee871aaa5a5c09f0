/* SPDX-License-Identifier: MIT */
/*
 * onstack.c: goro_call_on_stack(), for calls that need more stack than the goroutine has.
 *
 * While the call lasts the larger stack is the goroutine's stack in every way (g->stk): it may park there, is dumped there, and an overflow is
 * reported with that size. What is needed to get back lies in the caller's frame (struct seg), and its address in a word at the top of
 * the larger stack. Such calls nest.
 *
 * A panic that is recovered by a function below the call, and goro_exit(), leave the larger stack for good. They cannot give it back, as they run on it: so they first
 * go on in goro_call_on_stack() itself, on the stack below (goro__save(), goro__restore()), which gives it back and leads on to where they go. Destructors of C++ are
 * run in that order, too: of the frames on the larger stack before it is left, of those below from goro_call_on_stack() on. Not in one go: a destructor runs
 * in the frame that it belongs to, and what lies above that is lost, which is the frame of goro_call_on_stack() with all that is needed to get back.
 *
 * A plain thread gets a stack of its own from mmap(); there the proxy's g->stk, which means nothing otherwise, is the address of the struct seg.
 */
#include <goro/runtime.h>

#include <errno.h>
#include <sys/mman.h>

#include "context.h"
#include "panic.h"
#include "sched.h"
#include "stack.h"
#include "sys.h"

#define SLOT 64 /* bytes at the top for the word */
#define PLAIN_GUARD 4096

struct seg {
	struct stk below, stk;	 /* the stack of the caller, and the larger one */
	void *map;		 /* a plain thread's */
	size_t map_size;
	uint8_t was;		 /* G_ONSTACK if the caller is in such a call, too */
	void (*fn)(void *arg);
	void *arg;
	struct goro_deferred *to;	 /* where a panic goes on after it has left */
	uint64_t regs[GORO_DEFER_REGS];
	struct san_stack san;
};

static void **slot(struct stk s)
{
	return (void **)((char *)stk_top(s) - SLOT);
}

static struct seg *seg_of(const struct g *g)
{
	return g->flags & G_FOREIGN ? (struct seg *)g->stk.w : *slot(g->stk);
}

bool goro__onstack_above(const struct g *g, const struct goro_deferred *d)
{
	return (g->flags & G_ONSTACK) && (!d || d->stack != g->stk.w);
}

static void range(const struct seg *s, uintptr_t *ret_lo, uintptr_t *ret_hi)
{
	*ret_lo = s->map ? (uintptr_t)s->map + PLAIN_GUARD : stk_lo(s->stk);
	*ret_hi = s->map ? (uintptr_t)s->map + s->map_size : stk_hi(s->stk);
}

void goro__onstack_range(const struct g *g, uintptr_t *ret_lo, uintptr_t *ret_hi)
{
	range(seg_of(g), ret_lo, ret_hi);
}

/* On the larger stack, in the runtime. */
static void *call(void *arg)
{
	struct seg *s = arg;
	struct m *m = goro__tls_m();

	goro__san_stack_entered(&s->san);
	rt_exit(m);
	s->fn(s->arg);
	m = rt_enter();
	goro__san_stack_leave(&s->san);
	return m;
}

_Noreturn void goro__onstack_leave(struct g *g, struct goro_deferred *d)
{
	struct seg *s = seg_of(g);

	s->to = d;
	rt_enter(); /* until the stack that we are on is given back */
	goro__san_stack_leave(&s->san);
	goro__restore(s->regs);
}

/* A stack of at least size bytes; 0 or negative errno. In the runtime. */
static int get(struct m *m, struct seg *s, size_t size)
{
	int cls = goro__stack_class(size);
	long r;

	if (cls < 0)
		return -EINVAL;
	s->map = NULL;
	if (!m->foreign) {
		if (stk_get(&m->p->stk, (unsigned)cls, &s->stk) != 0)
			return -ENOMEM;
		*slot(s->stk) = s;
		return 0;
	}
	s->map_size = STK_MIN << cls;
	r = sys_mmap(NULL, s->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_is_err(r))
		return -ENOMEM;
	s->map = (void *)r;
	sys_mprotect(s->map, PLAIN_GUARD, PROT_NONE);
	s->stk.w = (uintptr_t)s;
	return 0;
}

static void put(struct m *m, struct seg *s)
{
	if (s->map)
		sys_munmap(s->map, s->map_size);
	else
		stk_put(&m->p->stk, s->stk);
}

int goro_call_on_stack(size_t size, void (*fn)(void *arg), void *arg)
{
	struct place from = CALLED_AT();
	struct seg s;
	struct m *m;
	struct g *g;
	bool gone;
	int r;

	if (!fn)
		return -EINVAL;
	m = rt_enter();
	g = m->curg;
	r = get(m, &s, size);
	if (r != 0) {
		rt_exit(m);
		return r;
	}
	s.fn = fn;
	s.arg = arg;
	s.below = g->stk;
	s.was = g->flags & G_ONSTACK;
	gone = goro__save(s.regs) != 0;
	if (!gone) {
		uintptr_t lo, hi;

		range(&s, &lo, &hi);
		g->stk = s.stk;
		g->flags |= G_ONSTACK;
		goro__san_stack_enter(&s.san, g, lo, hi - lo);
		goro__call_on(s.map ? (void *)hi : (void *)slot(s.stk), call, &s);
	}
	m = goro__tls_m();
	g = m->curg;
	goro__san_stack_left(&s.san, g);
	g->stk = s.below;
	g->flags = (uint8_t)((g->flags & ~G_ONSTACK) | s.was);
	put(m, &s);
	rt_exit(m);
	if (gone)
		goro__panic_leave(g, s.to, &from);
	return 0;
}
