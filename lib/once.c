/* SPDX-License-Identifier: MIT */
/*
 * once.c: Go's sync.Once and sync.OnceValue.
 *
 * once->done goes from 0 to 1 when fn has returned, under once->mu, which is held during the call: those who come meanwhile wait for it there.
 * (A compare-and-swap that lets the first one in and sends the others on would not do: they must not return before fn has.)
 */
#include <goro/sync.h>

#include <errno.h>

#include <goro/time.h>

#include "atomic.h"
#include "attr.h"
#include "context.h"

/* fn is over, in whatever way. */
static GORO_PARKS void finish(struct goro_once *once)
{
	san_release(&once->done);
	/* [ONCE-2] release: pairs with [ONCE-1]. Without it who finds it done may see what fn wrote stale. */
	store_rel(&once->done, 1);
	goro_mutex_unlock(&once->mu);
}

static NOINLINE GORO_PARKS int do_slow(struct goro_once *once, void (*fn)(void *arg), void *arg, int64_t deadline)
{
	int ret = goro_mutex_lock_until(&once->mu, deadline);

	if (ret != 0)
		return ret;
	if (load_rlx(&once->done)) {
		goro_mutex_unlock(&once->mu);
		return 0;
	}
	fn(arg);
	finish(once);
	return 0;
}

int goro_once_do_until(struct goro_once *once, void (*fn)(void *arg), void *arg, int64_t deadline)
{
	/* [ONCE-1] acquire: pairs with [ONCE-2]. */
	if (unlikely(!load_acq(&once->done)))
		return do_slow(once, fn, arg, deadline);
	san_acquire(&once->done);
	return 0;
}

void goro_once_do(struct goro_once *once, void (*fn)(void *arg), void *arg)
{
	goro_once_do_until(once, fn, arg, GORO_FOREVER);
}

struct value_call {
	struct goro_once_value *once;
	void *(*fn)(void *arg);
	void *arg;
};

static void call_for_value(void *p)
{
	struct value_call *c = p;

	c->once->value = c->fn(c->arg);
}

void *goro_once_value(struct goro_once_value *once, void *(*fn)(void *arg), void *arg)
{
	struct value_call c = { once, fn, arg };

	goro_once_do_until(&once->once, call_for_value, &c, GORO_FOREVER);
	return once->value;
}
