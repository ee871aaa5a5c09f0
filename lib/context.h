/* SPDX-License-Identifier: MIT */
/*
 * context.h: what sanitizers and Valgrind must be told about switches. Layer 4; nothing else in lib/ names them.
 *
 * The hooks are weak symbols that a program built with a sanitizer brings along, so one library binary serves plain, ASan
 * and TSan programs. Plain ones pay for one predicted test of a flag per switch.
 */
#ifndef LIB_CONTEXT_H
#define LIB_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"
#include "attr.h"

struct g;
struct m;

/* What a switch must tell; SAN_CXX: the C++ library keeps the exceptions that are being handled with the thread; SAN_LOCKS: tools/lockcheck.c is preloaded. */
enum { SAN_ASAN = 1, SAN_TSAN = 2, SAN_VALGRIND = 4, SAN_TOOLS = 7, SAN_CXX = 8, SAN_LOCKS = 16 };
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
void *goro__cxx_caught(void);	      /* the C++ exception that was caught last and is being handled; with SAN_CXX only, as the next */
void goro__cxx_end_catch(void *caught); /* ends the handling of all that were caught since then */
void goro__cxx_arrive(struct g *g); /* after san_arrive(), in a goroutine that goes on */
#define cxx_arrive(g) do { if (unlikely(goro__san & SAN_CXX)) goro__cxx_arrive(g); } while (0)
bool goro__san_inside(void *pc);		      /* is this ThreadSanitizer's own code, in a program that contains it? SIGSAFE */
long goro__san_close(int fd);			      /* sys_close() of a descriptor of the user's */

#define san_leave(m, from, to) do { if (unlikely(goro__san)) goro__san_leave(m, from, to); } while (0)
#define san_arrive(m, g) do { if (unlikely(goro__san)) goro__san_arrive(m, g); } while (0)

/* Happens-before for TSan, where the library itself is not instrumented: what came before a release is before its acquire. */
void goro__san_acquire(const void *addr);
void goro__san_release(const void *addr);
#define san_acquire(addr) do { if (unlikely(goro__san)) goro__san_acquire(addr); } while (0)
#define san_release(addr) do { if (unlikely(goro__san)) goro__san_release(addr); } while (0)

#endif
