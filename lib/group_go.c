/* SPDX-License-Identifier: MIT */
/* group_go.c: Go's WaitGroup.Go: a goroutine that is counted from its spawn until its function has returned. */
#include <goro/sync.h>

#include <goro/panic.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arch.h"
#include "attr.h"
#include "fatal.h"
#include "g.h"
#include "spawn.h"

/* What a goroutine of goro_waitgroup_go() gets as a copy; with up to five arguments it fits into the goroutine's record. */
struct task {
	struct goro_waitgroup *wg;
	void (*fn)(void);
	uint32_t nargs, fpmask;
	uint64_t arg[ARCH_ARGS];
};
_Static_assert(offsetof(struct task, arg[5]) == sizeof(((struct g *)0)->arg), "a task of five arguments is as large as the record's room");

/* Not if fn has panicked: the process is going to end for it, and who waits would be let go on to end it first, with another status. */
static void task_done(struct goro_waitgroup *wg)
{
	if (!goro__panicking())
		goro_waitgroup_done(wg);
}

static void run_task(void *copy)
{
	struct task t;

	/* goro__invoke() reads all of arg, and the copy may end earlier. */
	memcpy(&t, copy, offsetof(struct task, arg));
	memcpy(t.arg, ((struct task *)copy)->arg, t.nargs * sizeof(t.arg[0]));
	GORO_DEFER(task_done, t.wg);
	goro__invoke(t.fn, t.arg, t.nargs, t.fpmask);
}

static int go_task(struct goro_waitgroup *wg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask, const void *from)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;
	struct task t = { .wg = wg, .fn = fn, .nargs = nargs, .fpmask = fpmask };
	int ret;

	if (unlikely(!fn || nargs > ARCH_ARGS))
		return -EINVAL;
	for (unsigned i = 0; i < nargs; i++)
		t.arg[i] = arg[i];
	o.copy = &t;
	o.copy_size = offsetof(struct task, arg) + nargs * sizeof(t.arg[0]);
	goro_waitgroup_add(wg, 1);
	ret = goro__spawn_opts(run_task, NULL, &o, from);
	if (unlikely(ret != 0))
		goro_waitgroup_done(wg);
	return ret;
}

int goro_waitgroup_go_args(struct goro_waitgroup *wg, void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask)
{
	return go_task(wg, fn, arg, nargs, fpmask, __builtin_return_address(0));
}

int goro_waitgroup_go(struct goro_waitgroup *wg, void (*fn)(void *arg), void *arg)
{
	uint64_t a = (uintptr_t)arg;

	return go_task(wg, (void (*)(void))fn, &a, 1, 0, __builtin_return_address(0));
}
