/* SPDX-License-Identifier: MIT */
/*
 * chan_ops.h: what the tests of channels and of select by the specification share: communications that wait, and that
 * do not.
 */
#ifndef CHAN_OPS_H
#define CHAN_OPS_H

#include <goro.h>

#include "cases.h"
#include "t.h"

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_SEQ_CST)

/* One communication, which is expected to wait. */
struct op {
	struct go_wait w;
	struct goro_chan *c;
	int v, ret;
};

static inline void sends(void *arg)
{
	struct op *o = arg;

	o->ret = goro_chan_send(o->c, &o->v, GORO_FOREVER);
}

static inline void receives(void *arg)
{
	struct op *o = arg;

	o->ret = goro_chan_recv(o->c, &o->v, GORO_FOREVER);
}

static inline void begin(struct op *o, void (*fn)(void *), struct goro_chan *c, int v)
{
	o->c = c;
	o->v = v;
	o->ret = 99;
	go_begin(&o->w, fn, o);
}

static inline struct goro_chan *ints(size_t capacity)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), capacity);

	t_check(c != NULL);
	return c;
}

static inline int try_send(struct goro_chan *c, int v)
{
	return goro_chan_send(c, &v, GORO_NOW);
}

/* What a receive gives that does not wait: the value, or what it returned when that is not 1. */
static inline int take(struct goro_chan *c)
{
	int v = -1, ret = goro_chan_recv(c, &v, GORO_NOW);

	return ret == 1 ? v : ret;
}

#endif
