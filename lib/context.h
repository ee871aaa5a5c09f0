/* SPDX-License-Identifier: MIT */
/*
 * context.h: what sanitizers and Valgrind must be told about switches, and what of the C++ library goes with the goroutine. Layer 4; nothing else in lib/
 * names them.
 *
 * The hooks are weak symbols that a program built with a sanitizer brings along, so one library binary serves plain, ASan
 * and TSan programs. Plain ones pay for one predicted test of a flag per switch.
 *
 * C++ exceptions. The C++ library keeps for each thread the exceptions that are being handled (what "throw;" and std::current_exception() mean) and the number
 * of those in flight (std::uncaught_exceptions()). A goroutine may park inside of a catch block, or in a destructor that runs because of an exception, and go on
 * on another thread. So it takes both along. m->cxx is where its thread has them: a constant, found when the M starts, so that a switch looks there
 * without a call. (The address itself never goes with a goroutine, as nothing of a thread's does; and a goroutine that is stopped keeps its thread.)
 *
 *   X1 On g0, and when a goroutine begins, the thread has none. Who leaves a goroutine with some in hand moves them to its record (cxx_leave(), has_cxx); it
 *      moves them to its new thread when it is back (cxx_arrive()), where X1 has left none that would be lost.
 *   X2 A goroutine that ends has none in hand: a function that returns has left its catch blocks, and goro_exit() drops what is left (cxx_drop()).
 *   X3 What the thread had in hand that calls goro_run(), perhaps in a catch block, is put aside until goro_run() returns.
 *
 * The price for those without exceptions in hand, C programs among them, is a load of two words in the thread's own memory and one of a byte of the record.
 */
#ifndef LIB_CONTEXT_H
#define LIB_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"
#include "attr.h"
#include "m.h"

/* What a switch must tell; SAN_LOCKS: tools/lockcheck.c is preloaded. */
enum { SAN_ASAN = 1, SAN_TSAN = 2, SAN_VALGRIND = 4, SAN_TOOLS = 7, SAN_LOCKS = 16 };
extern uint32_t goro__san_flags; /* atomic: 0, and constant after the first goro__san_init() */
#define goro__san load_rlx(&goro__san_flags)
void goro__san_init(void); /* before a thread's first call that tells or asks anything here */

void goro__san_m_start(struct m *m);		      /* on g0 of a new M */
void goro__san_attach(struct g *g);		      /* g got a stack */
void goro__san_leave(struct m *m, struct g *from, struct g *to); /* right before a switch; NULL is g0; from dead: from->status G_FREE */
void goro__san_arrive(struct m *m, struct g *g);      /* right after, in the context that goes on; NULL is g0 */
void goro__san_detach(struct g *g);		      /* g is dead and its stack goes */
void goro__san_reuse(struct g *g);		      /* the frames above the base of this stack are gone (goro_exit) */

void goro__san_abandon(void *tsan_buf);		      /* right before a jump to a frame further down; tsan_buf: if it is to be made by longjmp() */

/* A call on another stack: enter() before the switch, entered() after it; leave() and left() back. All but entered() are on the side of the caller's code. */
struct san_stack {
	void *fake_below;
	const void *below;
	size_t below_size;
	unsigned valgrind;
	void *fiber_below, *fiber; /* of TSan: its list of places that longjmp() knows is good for one stack only */
};
void goro__san_stack_enter(struct san_stack *s, struct g *g, uintptr_t lo, size_t size);
void goro__san_stack_entered(struct san_stack *s);
void goro__san_stack_leave(struct san_stack *s);
void goro__san_stack_left(struct san_stack *s, struct g *g);

void goro__report_held(struct g *g, int n, const void *mutex); /* report.c */

bool goro__cxx_is_there(void); /* does the program contain the C++ library? */
struct cxx_globals *goro__cxx_of_thread(void); /* the caller's thread's, for m->cxx */
void goro__cxx_leave(struct m *m, struct g *g);
void goro__cxx_arrive(struct m *m, struct g *g);
void goro__cxx_drop(void *caught, unsigned int uncaught); /* in user context: ends the handling of all that were caught since these were the thread's */

/* What the thread has in hand becomes none, *below what it was; and back. On the thread itself. */
static inline void cxx_put_aside(struct m *m)
{
	m->cxx_below = *m->cxx;
	if (m->cxx_below.caught || m->cxx_below.uncaught)
		*m->cxx = (struct cxx_globals){ NULL, 0 };
}

static inline void cxx_take_back(struct m *m)
{
	if (m->cxx_below.caught || m->cxx_below.uncaught)
		*m->cxx = m->cxx_below;
}

/* Right before a switch away from g, which runs on m. */
static inline void cxx_leave(struct m *m, struct g *g)
{
	if (unlikely(m->cxx->caught || m->cxx->uncaught))
		goro__cxx_leave(m, g);
}

/* After finish_switch(), in a goroutine that goes on. */
static inline void cxx_arrive(struct m *m, struct g *g)
{
	if (unlikely(g->has_cxx))
		goro__cxx_arrive(m, g);
}

bool goro__san_inside(void *pc);		      /* is this ThreadSanitizer's own code, in a program that contains it? SIGSAFE */
long goro__san_close(int fd);			      /* sys_close() of a descriptor of the user's */

#define san_leave(m, from, to) do { if (unlikely(goro__san)) goro__san_leave(m, from, to); } while (0)
#define san_arrive(m, g) do { if (unlikely(goro__san)) goro__san_arrive(m, g); } while (0)

/* Happens-before for TSan, where the library itself is not instrumented: what came before a release is before its acquire. */
void goro__san_acquire(const void *addr);
void goro__san_release(const void *addr);
#define san_acquire(addr) do { if (unlikely(goro__san)) goro__san_acquire(addr); } while (0)
#define san_release(addr) do { if (unlikely(goro__san)) goro__san_release(addr); } while (0)

void goro__san_wrote(void *addr, size_t len); /* for Valgrind: the kernel has, in no system call that it knows */

#endif
