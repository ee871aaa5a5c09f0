/* SPDX-License-Identifier: MIT */
/*
 * once.c: Go's sync.Once and sync.OnceValue.
 *
 * once->done goes from 0 to 1 when fn has returned, under once->mu, which is held during the call: those who come meanwhile wait for it there.
 * (A compare-and-swap that lets the first one in and sends the others on would not do: they must not return before fn has.)
 *
 * A panic of fn, or goro_exit(), ends its one call as well: the end is a deferred call. OnceValue panics in every call then, so it keeps what fn panicked
 * with. It recovers for that, and panics again at once, on top of the stack of fn, so that the first backtrace is whole, as Go's does.
 */
/* In a program with TSan the inline lock and unlock are seen by it only in what is compiled with it; this file is not. */
#define GORO_NO_INLINE
#include <goro/sync.h>

#include <errno.h>

#include <goro/panic.h>
#include <goro/time.h>
#include <string.h>

#include "atomic.h"
#include "attr.h"
#include "context.h"
#include "mem.h"

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
	GORO_DEFER(finish, once, 0);
	fn(arg);
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
	struct goro_once_cell *once;
	void *(*fn)(void *arg);
	void *arg;
};

static const char *keep_text(const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = goro__mem_alloc(n);

	return copy ? memcpy(copy, text, n) : "panic of a function whose value is wanted once";
}

static void keep_panic(struct goro_once_cell *once)
{
	const struct goro_panicked *p = GORO_RECOVER();

	if (!p)
		return;
	once->value = p->value;
	once->panic = keep_text(p->text);
	goro_panic_with(once->value, "%s", once->panic);
}

static void call_for_value(void *p)
{
	struct value_call *c = p;

	GORO_DEFER(keep_panic, c->once);
	c->once->value = c->fn(c->arg);
}

void *goro_once_value(struct goro_once_cell *once, void *(*fn)(void *arg), void *arg)
{
	struct value_call c = { once, fn, arg };

	goro_once_do_until(&once->once, call_for_value, &c, GORO_FOREVER);
	if (unlikely(once->panic))
		goro_panic_with(once->value, "%s", once->panic);
	return once->value;
}
