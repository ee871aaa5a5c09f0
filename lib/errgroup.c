/* SPDX-License-Identifier: MIT */
/*
 * errgroup.c: Go's errgroup: a WaitGroup, a context, the first error, and a limit.
 *
 * The limit is a count of active tasks under the bucket of its address (sema.c). A task that ends hands its place to the oldest who waits for one, and
 * only if nobody does the count goes down; so there is no barging, and the count never exceeds the limit. Without a limit nothing is
 * counted. A task remembers whether it was. The last access to the group is that of the WaitGroup, which lets its memory go.
 */
#include <goro/errgroup.h>

#include <errno.h>
#include <goro/go.h>
#include <goro/panic.h>
#include <goro/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arch.h"
#include "atomic.h"
#include "clock.h"
#include "context.h"
#include "fatal.h"
#include "g.h"
#include "sema.h"
#include "spawn.h"

/* What a task's goroutine gets as a copy; with up to five arguments it fits into the goroutine's record. */
struct task {
	struct goro_errgroup *eg;
	void (*fn)(void);
	uint8_t nargs, fpmask;
	bool counted;
	uint64_t arg[ARCH_ARGS];
};
_Static_assert(offsetof(struct task, arg[5]) == sizeof(((struct g *)0)->arg), "a task of five arguments is as large as the record's room");

/* goro__invoke() of a function that returns an int: it leaves the register with the value alone. */
int invoke_int(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask) __asm__("goro__invoke");

struct goro_context *goro_errgroup_with_context(struct goro_errgroup *eg, struct goro_context *parent)
{
	if (!eg)
		return NULL;
	memset(eg, 0, sizeof(*eg));
	eg->ctx = goro_context_with_cancel(parent);
	return eg->ctx;
}

void goro_errgroup_fini(struct goro_errgroup *eg)
{
	if (!eg || !eg->ctx)
		return;
	goro_context_cancel(eg->ctx);
	goro_context_unref(eg->ctx);
	eg->ctx = NULL;
}

/* "errgroup: modify limit while %v goroutines in the group are still active" */
static _Noreturn void modified(uint64_t active)
{
	static char text[96] = "errgroup: modify limit while ";
	char digits[20], *to = text + strlen("errgroup: modify limit while ");
	int n = 0;

	do
		digits[n++] = (char)('0' + active % 10);
	while ((active /= 10) != 0);
	while (n > 0)
		*to++ = digits[--n];
	strcpy(to, " goroutines in the group are still active");
	goro__panic(text);
}

void goro_errgroup_set_limit(struct goro_errgroup *eg, int n)
{
	struct bucket *b;
	uint64_t active;
	struct m *m;

	if (!eg)
		return;
	m = rt_enter();
	b = goro__sema_lock(&eg->active);
	active = eg->active;
	if (n < 0 || active == 0)
		eg->limit = n < 0 ? 0 : (uint64_t)n + 1;
	sema_unlock(b);
	rt_exit(m);
	if (n >= 0 && active != 0)
		modified(active);
}

/* The deadline has taken one who waits for a place off: nothing is counted for him. */
static void give_up(struct sleeper *w, bool more)
{
	(void)w;
	(void)more;
}

/* A place within the limit: 0, and *ret_counted says whether there is a limit; or an error. */
static GORO_PARKS int take_place(struct goro_errgroup *eg, int64_t deadline, bool *ret_counted)
{
	struct sleeper w = { .addr = &eg->active, .expired = give_up, .result = 0 };
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(&eg->active);

	*ret_counted = eg->limit != 0;
	if (eg->limit != 0 && eg->active + 1 >= eg->limit) {
		if (deadline >= 0 && deadline <= goro__now()) {
			w.result = deadline == GORO_NOW ? -EAGAIN : -ETIMEDOUT;
			sema_unlock(b);
		} else {
			m = goro__sema_wait(m, b, &w, WAIT_SEMA, deadline, false);
		}
	} else {
		eg->active += *ret_counted;
		sema_unlock(b);
	}
	rt_exit(m);
	if (w.result == 0)
		san_acquire(&eg->active);
	return w.result;
}

static void give_place(struct goro_errgroup *eg)
{
	struct m *m = rt_enter();
	struct bucket *b = goro__sema_lock(&eg->active);
	struct sleeper *w = goro__sema_take(b, &eg->active);

	san_release(&eg->active);
	if (!w)
		eg->active--;
	sema_unlock(b);
	if (w)
		sema_wake(m, w, 0);
	rt_exit(m);
}

/* Deferred, as in Go: also when fn ends by goro_exit(); not by a panic, for which see task_done() in group_go.c. */
static void ended(const struct task *t)
{
	if (goro__panicking())
		return;
	if (t->counted)
		give_place(t->eg);
	goro_waitgroup_done(&t->eg->wg);
}

static void run(void *copy)
{
	struct task t;
	int err, none = 0;

	/* invoke_int() reads all of arg, and the copy may end earlier. */
	memcpy(&t, copy, offsetof(struct task, arg));
	memcpy(t.arg, ((struct task *)copy)->arg, t.nargs * sizeof(t.arg[0]));
	GORO_DEFER(ended, &t);
	err = invoke_int(t.fn, t.arg, t.nargs, t.fpmask);
	/* One is the first. It is read after the group's Wait only, which comes after our Done: [GROUP-1] orders the two. */
	if (err && cas_ar(&t.eg->err, &none, err) && t.eg->ctx)
		goro_context_cancel_cause(t.eg->ctx, err);
}

static GORO_PARKS int go_task(struct goro_errgroup *eg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask,
			      int64_t deadline, const void *from)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;
	struct task t = { .eg = eg, .fn = fn, .nargs = (uint8_t)nargs, .fpmask = (uint8_t)fpmask };
	int r;

	if (!eg || !fn || nargs > ARCH_ARGS)
		return -EINVAL;
	for (unsigned i = 0; i < nargs; i++)
		t.arg[i] = arg[i];
	r = take_place(eg, deadline, &t.counted);
	if (r != 0)
		return r;
	goro_waitgroup_add(&eg->wg, 1);
	o.copy = &t;
	o.copy_size = offsetof(struct task, arg) + nargs * sizeof(t.arg[0]);
	r = goro__spawn_opts(run, NULL, &o, from);
	if (r == 0)
		return 0;
	if (t.counted)
		give_place(eg);
	goro_waitgroup_done(&eg->wg);
	return r;
}

int goro_errgroup_go_args(struct goro_errgroup *eg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask, int64_t deadline)
{
	return go_task(eg, fn, arg, nargs, fpmask, deadline, __builtin_return_address(0));
}

int goro_errgroup_go(struct goro_errgroup *eg, int (*fn)(void *arg), void *arg, int64_t deadline)
{
	uint64_t a = (uintptr_t)arg;

	return go_task(eg, (void (*)(void))fn, &a, 1, 0, deadline, __builtin_return_address(0));
}

/* What a call with GORO_NOW gives, as Go's TryGo has it. */
static int tried(int r)
{
	return r == 0 ? 1 : r == -EAGAIN ? 0 : r;
}

int goro_errgroup_try_go(struct goro_errgroup *eg, int (*fn)(void *arg), void *arg)
{
	uint64_t a = (uintptr_t)arg;

	return tried(go_task(eg, (void (*)(void))fn, &a, 1, 0, GORO_NOW, __builtin_return_address(0)));
}

int goro_errgroup_try_go_args(struct goro_errgroup *eg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask)
{
	return tried(go_task(eg, fn, arg, nargs, fpmask, GORO_NOW, __builtin_return_address(0)));
}

int goro_errgroup_wait(struct goro_errgroup *eg, int64_t deadline)
{
	int r, err;

	if (!eg)
		return -EINVAL;
	r = goro_waitgroup_wait(&eg->wg, deadline);
	if (r != 0)
		return r;
	err = load_rlx(&eg->err);
	if (eg->ctx)
		goro_context_cancel_cause(eg->ctx, err);
	return err;
}
