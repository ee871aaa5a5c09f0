/* SPDX-License-Identifier: MIT */
/*
 * panic.c: defer, panic, recover, and the end of a goroutine by goro_exit().
 *
 * Concepts. A deferred call is a record in the frame of the function that defers it (struct goro_deferred), in a list of its goroutine, newest first. The record
 * holds what setjmp() would: the registers that a function owes to its caller. When the scope ends in the ordinary way, the cleanup attribute calls
 * goro_defer_end(), which takes the record off the list and makes the call.
 *
 * A panic is a record on the panicking stack (struct panic), in a list too. It takes one deferred call after the other off and makes it, on top of
 * the stack as it is: nothing is unwound, so when there is none left the backtrace is whole, and the process ends. If a call has recovered, the
 * function that deferred it goes on behind its goro_defer(), which returns 1, and returns at once, so that what it deferred
 * before runs in the ordinary way. goro_exit() is a panic that nobody can recover from, and at its end only the goroutine ends.
 *
 *   I1 A record is off the list before its call is made: no call is made twice, whatever it does. So goro_defer_end() of a record that is not
 *      the first one has nothing to do: a panic has been there.
 *   I2 A record remembers which panics ran when it was made (d->panics). Those that are newer when it recovers were begun by frames that are
 *      forgotten now, and are forgotten with them (Go calls them aborted), recovered or not.
 *   I3 If one of those is a goro_exit(), recovering does not stop it: it goes on with the next deferred call. It does so on top of the panic
 *      that was recovered: the stack below is not needed any more, since goro_exit() does not return.
 *   I4 The lists are the goroutine's own. It may be stopped, and it may park and move to another thread, between any two instructions and in any deferred call:
 *      g stays valid, m does not, and what is saved in a record is good on any thread.
 *
 * Who may recover. Only the function that the panic has called, not one that it calls. goro_recover_at() gets the frame of whoever asks, and
 * looks at its return address: it must be the one in goro__deferred(). A function that was called by a jump at the end of the deferred one (a
 * tail call) has that, too, so the function that asks must also be the deferred one: tables.c finds out where it begins. A
 * function that is inlined into another asks with the frame of that one; goro_recover_at() is declared to return twice, because no compiler
 * inlines a function that contains such a call.
 *
 * A fault in the goroutine's own code is a panic of the function that faulted (fault.c). Misuse of the library that Go lets one recover from comes in by
 * goro__panic(), in user context and without locks.
 *
 * A deferred call of a panic that will end the process may be what lets the main goroutine return: a goro_waitgroup_done(), say. Then the process must end
 * with the message and status 2 all the same, so a main goroutine that has returned gives others some turns while anybody panics,
 * and waits for the end where one has come so far as to print (goro__panics_settle()). That is Go's rule, and no more than its promise.
 *
 * C++: unwind.c. ASan: the frames that are forgotten leave their marks on the stack; goro__san_abandon() takes them off. TSan keeps a list of callers, which
 * only its own longjmp() shortens: in such a program goro_defer() also calls setjmp() for the function that defers, and
 * we come back by that.
 *
 * Rejected: an unwinder in place of the saved registers (finds no way through code without tables, and returns from the wrong function where the
 * one that deferred was inlined); asm goto in place of a function that returns twice (the compiler may use a variable's place on the stack for another one as if
 * the way back did not exist); running the deferred calls after leaving their frames (a backtrace that shows nothing).
 */
#include "panic.h"

#include <goro/go.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "context.h"
#include "fatal.h"
#include "mem.h"
#include "print.h"
#include "sched.h"
#include "tables.h"

#define TEXT_MAX 512
#define SETTLE_TURNS 1000 /* Go's number */

static uint32_t panicking; /* atomic: panics, not goro_exit()s, that run deferred calls and may end the process; of all goroutines and threads */

_Static_assert(offsetof(struct goro_deferred, fn) == 8, "defer.S: DEFER_FN");
_Static_assert(offsetof(struct goro_deferred, arg) == 16, "defer.S: DEFER_ARG");
_Static_assert(offsetof(struct goro_deferred, regs) == 64, "defer.S: DEFER_REGS");
_Static_assert(SAN_TSAN == 2, "defer.S: SAN_TSAN");

static NOINLINE struct m *self_slow(struct m *m)
{
	if (!m)
		return goro__foreign_m();
	goro__throw("a deferred call or a panic on the scheduler's stack");
}

/* The m whose curg is the goroutine, or the proxy of a plain thread, that runs. */
static inline struct m *self_m(void)
{
	struct m *m = goro__tls_m();

	return likely(m && m->curg) ? m : self_slow(m);
}

static inline struct g *self(void)
{
	return self_m()->curg;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Deferring */

int goro__defer_link(struct goro_deferred *d);
void *goro__defer_link_tsan(struct goro_deferred *d);

/* The rest of goro_defer(), which has filled in fn, arg and regs. */
int goro__defer_link(struct goro_deferred *d)
{
	struct m *m = self_m();
	struct g *g = m->curg;

	d->next = g->run.defers;
	d->panics = g->run.panics;
	d->stack = g->stk.w;
	d->tsan = NULL;
	d->nopreempt = g->nopreempt;
	d->caught = m->cxx->caught;
	d->uncaught = m->cxx->uncaught;
	g->run.defers = d;
	return 0;
}

/* The same; returns where setjmp() is to write. */
void *goro__defer_link_tsan(struct goro_deferred *d)
{
	void *buf = goro__mem_alloc(sizeof(jmp_buf));

	if (!buf)
		goro__throw("no memory for a deferred call");
	goro__defer_link(d);
	d->tsan = buf;
	return buf;
}

static NOINLINE void drop_tsan(struct goro_deferred *d)
{
	goro__mem_free(d->tsan);
	d->tsan = NULL;
}

void goro_defer_end(struct goro_deferred *d)
{
	struct g *g = self();

	if (unlikely(d->tsan))
		drop_tsan(d);
	if (unlikely(g->run.defers != d))
		return; /* I1 */
	g->run.defers = d->next;
	d->fn(d->arg);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Ending the process */

/* Go's printpanics(): the oldest first. */
static void print_panics(const struct panic *p)
{
	if (p->link) {
		print_panics(p->link);
		if (!p->link->goexit)
			print_str("\t");
	}
	if (p->goexit)
		return;
	print_str("panic: ");
	print_str(p->info.text);
	if (p->recovered)
		print_str(" [recovered]");
	print_str("\n");
	print_flush(2); /* there may be many */
}

static void print_all(const void *arg)
{
	const struct panic *p = arg;

	print_panics(p);
	if (p->info.signal)
		goro__fault_print(p->info.signal, p->info.code, (uintptr_t)p->info.addr, (uintptr_t)p->info.pc);
	print_str("\n");
}

/* ---------------------------------------------------------------------------------------------------- */
/* Running deferred calls */

static _Noreturn void run(struct g *g, struct panic *p);

static _Noreturn void jump(void *arg)
{
	struct goro_deferred *d = arg;

	goro__cxx_drop(d->caught, d->uncaught);
	goro__san_abandon(d->tsan);
	goro__restore(d->regs);
}

static _Noreturn void exit_goroutine(void *arg)
{
	goro__cxx_drop(NULL, 0);
	goro__g_exit(arg);
}

_Noreturn void goro__panic_go(struct g *g, struct goro_deferred *d)
{
	if (goro__onstack_above(g, d))
		goro__onstack_leave(g, d);
	if (d)
		jump(d);
	exit_goroutine(g);
}

/* The frames down to that of d, or all of them, are over. */
_Noreturn void goro__panic_leave(struct g *g, struct goro_deferred *d, const struct place *from)
{
	if (goro__cxx_is_there())
		goro__unwind_cxx(g, d, from);
	goro__panic_go(g, d);
}

/* The deferred call d has recovered from the newest panic. */
static _Noreturn void recovered(struct g *g, struct goro_deferred *d)
{
	struct panic *newest = g->run.panics, *p;

	for (p = g->run.panics; p != d->panics; p = p->link) {
		if (p->goexit) {
			g->run.panics = p; /* I3 */
			p->from = newest->from;
			run(g, p);
		}
		add_rlx(&panicking, -1u);
	}
	g->run.panics = p; /* I2 */
	if (g->nopreempt != NOPREEMPT_EVER)
		store_rlx(&g->nopreempt, (uint8_t)d->nopreempt);
	goro__panic_leave(g, d, &newest->from);
}

static _Noreturn void run(struct g *g, struct panic *p)
{
	struct goro_deferred *d;

	while ((d = g->run.defers) != NULL) {
		g->run.defers = d->next; /* I1 */
		p->running = d;
		goro__deferred(d->fn, d->arg);
		if (p->recovered)
			recovered(g, d);
		if (unlikely(d->tsan))
			drop_tsan(d);
	}
	p->running = NULL;
	if (p->goexit) {
		for (struct panic *lost = p->link; lost; lost = lost->link)
			if (!lost->goexit)
				add_rlx(&panicking, -1u);
		goro__panic_leave(g, NULL, &p->from);
	}
	goro__die(print_all, p);
}

/* Begins p, whose info is filled in. */
static _Noreturn void begin(struct panic *p)
{
	struct m *m = goro__tls_m();
	struct g *g;

	if (unlikely(m && m->in_runtime != 0))
		goro__die(print_all, p); /* with locks of the runtime's: nothing can be run */
	g = self();
	p->link = g->run.panics;
	g->run.panics = p;
	if (!p->goexit)
		add_rlx(&panicking, 1u);
	run(g, p);
}

bool goro__panicking(void)
{
	const struct panic *p = self()->run.panics;

	return p && !p->goexit;
}

void goro__panics_settle(void)
{
	for (int i = 0; i < SETTLE_TURNS && (int32_t)load_rlx(&panicking) > 0; i++)
		goro_yield();
	goro__wait_if_dying();
}

/* ---------------------------------------------------------------------------------------------------- */
/* Panicking */

static const char *text(char *buf, const char *fmt, va_list ap)
{
	if (!fmt)
		return "panic called with nil argument (goro_panic(NULL))";
	if (!strchr(fmt, '%'))
		return fmt;
	vsnprintf(buf, TEXT_MAX, fmt, ap);
	return buf;
}

void goro_panic(const char *fmt, ...)
{
	struct panic p = { .from = CALLED_AT() };
	char buf[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	p.info.text = text(buf, fmt, ap);
	va_end(ap);
	begin(&p);
}

void (goro_panic_with)(void *value, const char *fmt, ...)
{
	struct panic p = { .from = CALLED_AT() };
	char buf[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	p.info.text = text(buf, fmt, ap);
	p.info.value = value;
	va_end(ap);
	begin(&p);
}

void goro__panic(const char *msg)
{
	struct panic p = { .from = CALLED_AT() };

	p.info.text = msg;
	p.info.flags = GORO_PANIC_RUNTIME;
	begin(&p);
}

void goro__panic_fatal(const char *msg)
{
	struct panic p = { .recovered = false };

	p.info.text = msg;
	p.link = self()->run.panics;
	goro__die(print_all, &p);
}

static const char *fault_text(const struct fault *f)
{
	if (f->sig != SIGFPE)
		return "runtime error: invalid memory address or nil pointer dereference";
	if (f->code == FPE_INTDIV)
		return "runtime error: integer divide by zero";
	return f->code == FPE_INTOVF ? "runtime error: integer overflow" : "runtime error: floating point error";
}

void goro__fault_panic(struct fault *f)
{
	struct panic p = { .from = CALLED_AT() };

	p.info.text = fault_text(f);
	p.info.flags = GORO_PANIC_RUNTIME;
	p.info.signal = f->sig;
	p.info.code = f->code;
	p.info.addr = (void *)(uintptr_t)f->addr;
	p.info.pc = (void *)(uintptr_t)f->pc;
	begin(&p);
}

void goro_exit(void)
{
	struct panic p = { .from = CALLED_AT(), .goexit = true };
	struct m *m = goro__tls_m();

	if (!m || m->foreign || !m->curg)
		goro__throw("goro_exit outside of a goroutine");
	begin(&p);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Recovering */

/* Is this the frame of the function that p has called, and pc in that function? */
static bool is_deferred(const struct panic *p, const void *frame, const void *pc)
{
	uintptr_t fn = (uintptr_t)p->running->fn, at;
	bool whole, any;

	if (arch_frame_return(frame) != (const void *)goro__deferred_ret)
		return false;
	at = goro__function_of(pc, &whole);
	if (likely(at == fn) || at == 0 || !whole)
		return true;
	return goro__function_of((void *)fn, &any) != fn; /* no tables, or the address is not that of the function but of a stub */
}

const struct goro_panicked *goro_recover_at(const void *frame)
{
	struct panic *p = self()->run.panics;

	if (!p || p->goexit || p->recovered || !p->running || !is_deferred(p, frame, (char *)__builtin_return_address(0) - 1))
		return NULL;
	p->recovered = true;
	return &p->info;
}
