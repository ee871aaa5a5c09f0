/* SPDX-License-Identifier: MIT */
/*
 * goro/preempt.h: who gives way to whom: preemption, calls that block the thread, and goroutines that need a thread of their own.
 *
 * A goroutine that has used up its time slice (goro_config.slice_ns) while others wait is stopped where it is, by a signal, also in a loop without a
 * call, in malloc() or with a pthread mutex held. It keeps its thread, which waits in the signal handler, and goes on there: so
 * errno, thread-local variables, and whatever a library hangs on the thread stay what they were. Its processor goes to the others.
 * One that blocks its thread in the kernel (read(), getaddrinfo(), a pthread mutex, a page fault on a slow disk) loses its processor within
 * about a millisecond, without a signal. Both need nothing from the program; what follows is for those who know better.
 */
#ifndef GORO_PREEMPT_H
#define GORO_PREEMPT_H

#include <goro/attr.h>

GORO_BEGIN_DECLS

/*
 * Between off and on the calling goroutine is not stopped for having used up its slice. Regions nest. A call of goro that parks lets others run all the
 * same, and a thread that blocks in the kernel inside the region still loses its processor. The region ends with the goroutine.
 * Parks: off no; on: no, but the goroutine may be stopped there at once, if its slice is over. From: a goroutine (elsewhere nothing happens).
 * goro_preempt_on() without goro_preempt_off() is a fatal error.
 */
GORO_API void goro_preempt_off(void);
GORO_API void goro_preempt_on(void);

/*
 * Gives way if the goroutine's slice is used up and others wait; else it costs a few nanoseconds. For hot loops where preemption is
 * turned off; cheaper than being stopped, since it yields and keeps no thread.
 * Parks: yes, if it is time. From: any thread.
 */
GORO_API GORO_PARKS void goro_poll(void);
#define GORO_POLL() goro_poll()

/*
 * goro_block_enter() says that the goroutine will block its thread in the kernel, goro_block_exit() that it is back: goro_blocking() in two halves. In between
 * the goroutine has no processor if anybody else wants one. Every call of goro that is made in between takes one first, so it may
 * take long, but is allowed. Not nested: a second enter does nothing, nor does an exit without enter.
 * Parks: enter no; exit: it waits for a processor, on its own thread. From: any thread (nothing happens on a plain thread).
 */
GORO_API void goro_block_enter(void);
GORO_API void goro_block_exit(void);

/*
 * Binds the calling goroutine to the thread that it runs on: until goro_thread_unlock() it runs only there, and nobody else does (Go's
 * runtime.LockOSThread). For libraries that hang state on the thread across calls that park: OpenGL, setns(), per-thread credentials. Calls nest, and are undone by as
 * many unlocks. Parking costs such a goroutine two thread switches. A goroutine that ends while it is bound gives its thread back;
 * what it changed there it must have undone.
 * Parks: no. From: a goroutine (on a plain thread, which is bound to itself, nothing happens). An unlock without a lock does nothing.
 */
GORO_API void goro_thread_lock(void);
GORO_API void goro_thread_unlock(void);

GORO_END_DECLS
#endif
