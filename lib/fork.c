/* SPDX-License-Identifier: MIT */
/*
 * fork.c: a child that was forked while the runtime ran.
 *
 * It has one thread, the one that forked, on a goroutine's stack perhaps, and none of the others that would run what is on the queues. It may call
 * exec, _exit, and whatever else a child of a process with threads may. It finds no runtime: goro_run() and goro_spawn() return -EPERM, and
 * a call that would park ends the child with a message. For this the thread
 * becomes a plain one here, whatever it was: its m is forgotten.
 *
 * A handler of the program that is called in the child after ours finds the same.
 */
#include <pthread.h>

#include "fatal.h"
#include "sched.h"
#include "tls.h"

uint32_t goro__forked;

static void in_child(void)
{
	goro__foreign_forked();
	if (!load_rlx(&sched->running))
		return;
	store_rlx(&goro__forked, 1);
	store_rlx(&sched->running, 0);
	store_rlx(&sched->nps, 0);
	goro__preempting = 0;
	goro__tls_set_m(NULL);
}

static void set_up(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

void goro__fork_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up);
}

COLD void goro__fork_check(void)
{
	if (load_rlx(&goro__forked))
		goro__throw("a forked child cannot wait for goroutines: they are in its parent; it may only call exec");
}
