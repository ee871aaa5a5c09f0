/* SPDX-License-Identifier: MIT */
/*
 * unwind.c: the destructors of what a panic leaves behind.
 *
 * When a panic was recovered, or at the end of goro_exit(), the frames that are forgotten may be C++ functions, whose local objects
 * are to be destructed. The C++ library's unwinder does it (_Unwind_ForcedUnwind(), as pthread_exit() does): it calls each frame's cleanups, and us before each
 * frame, and we leave when the frame is reached that goes on. "catch (...)" is entered, too; it has to throw again. Programs
 * without the C++ library have nothing to destruct, and do not get here.
 *
 * That unwinder looks each frame up anew, and nearly all panics leave frames only that have nothing to destruct: functions in C, and those of C++
 * without a destructor to run. So we look at the frames first (all_plain()), by what tables.c knows of them, from where the panic was called. (Our own are
 * above that, and those of deferred calls are gone; but see I3 in panic.c: what runs then lies on top of the newest panic, and its frames go, too.) Only if there is one that may have
 * something to do, or that is not understood, the unwinder runs over all of them.
 *
 * The frame that goes on is the one whose stack pointer after its call is not below what it was when it deferred. It may be a little lower, as
 * arguments lie on the stack during a call; so a frame that is close counts if it is of the same function. Who knows where frames end need not guess: one that ends
 * below that stack pointer is not the one.
 *
 * What was called on a larger stack (onstack.c) is left stack by stack: the frames on the one that is left now end where its range does, whatever goes on later.
 *
 * A C++ function has a table of its calls (LSDA), and the C++ library ends the program when it is at none of them: nothing was to be thrown there. A fault is at no call,
 * nor is a call of a function of which the compiler knows that it throws nothing, as it may panic all the same; noexcept says so, too. At
 * such a frame the run over the frames ends, and those further down are forgotten without their destructors.
 *
 * A catch block of the function that goes on may be among what is left. goro__cxx_drop() (context.c) ends what has been caught since it deferred.
 */
#include "panic.h"

#include <stddef.h>
#include <string.h>
#include <unwind.h>

#include "arch.h"
#include "fatal.h"
#include "g.h"
#include "mem.h"
#include "tables.h"

#define PUSHED 256 /* bytes of arguments that a call may have pushed */

#pragma weak _Unwind_ForcedUnwind
#pragma weak _Unwind_GetCFA
#pragma weak _Unwind_GetIPInfo
#pragma weak _Unwind_GetLanguageSpecificData
#pragma weak _Unwind_GetRegionStart

/* The frame that goes on, or the stack that is left. */
struct target {
	const struct goro_deferred *d; /* NULL: none of these frames */
	uintptr_t sp;		       /* its stack pointer when it deferred; it is on the stack that we are on */
	uintptr_t from, to;	       /* the range of the larger stack that is left; 0: there is none */
};

static struct target target_of(const struct g *g, const struct goro_deferred *d)
{
	struct target t = { .d = d };

	if (goro__onstack_above(g, d)) {
		t.d = NULL;
		goro__onstack_range(g, &t.from, &t.to);
	} else if (d) {
		t.sp = (uintptr_t)d->regs[DEFER_SP];
	}
	return t;
}

/* Has this frame's stack pointer left the larger stack? */
static inline bool has_left(const struct target *t, uintptr_t sp)
{
	return t->to != 0 && (sp < t->from || sp > t->to);
}

static NOINLINE bool same_function(const struct target *t, uintptr_t pc)
{
	bool whole;
	uintptr_t fn = goro__function_of(arch_strip(t->d->regs[DEFER_PC]), &whole);

	return fn != 0 && goro__function_of((void *)(pc - 1), &whole) == fn;
}

/*
 * Has every frame between that place and the one that goes on nothing to destruct? Takes nothing for granted: false if there is one that
 * is not understood. Reads return addresses and saved registers only.
 */
static NO_SANITIZE bool all_plain(const struct target *t, const struct place *from)
{
	uintptr_t pc = (uintptr_t)arch_strip(from->pc), sp = from->sp, fp = from->fp, end;

	for (;; sp = end) {
		uint32_t l;

		if (t->d && sp >= t->sp)
			return true;
		l = goro__layout_of(pc - 1);
		if (!(l & LAYOUT_PLAIN))
			return l == LAYOUT_END;
		end = (l & LAYOUT_BY_FP ? fp : sp) + LAYOUT_SIZE(l);
		if (has_left(t, end))
			return true;
		if (end <= sp)
			return false; /* to another stack */
		if (t->d && sp < t->sp && t->sp < end && same_function(t, pc))
			return true;
		pc = (uintptr_t)arch_strip(*(const uint64_t *)(end - LAYOUT_RET(l)));
		if (LAYOUT_FP(l) != 0)
			fp = *(const uintptr_t *)(end - LAYOUT_FP(l));
	}
}

/*
 * A run over the frames. In memory from malloc(): a destructor runs in its own frame, and all that lies further up on the stack, ours and the
 * panics', is overwritten.
 */
struct unwinding {
	char no_header[128]; /* zero: what libstdc++ takes for the header of an exception of its own, when std::terminate() asks for its type */
	struct _Unwind_Exception exc;
	struct g *g;
	struct goro_deferred *d;
	struct target t;
};

static _Noreturn void done(struct unwinding *u)
{
	struct goro_deferred *d = u->d;
	struct g *g = u->g;

	goro__mem_free(u);
	goro__panic_go(g, d);
}

/* Is this the frame that goes on? sp: its stack pointer after the call that it is in. */
static bool reached(const struct target *t, uintptr_t sp, uintptr_t pc)
{
	if (!t->d)
		return has_left(t, sp);
	if (sp >= t->sp)
		return true;
	return t->sp - sp <= PUSHED && same_function(t, pc);
}

static uintptr_t uleb(const uint8_t **p)
{
	uintptr_t v = 0;
	unsigned shift = 0;

	do
		v |= (uintptr_t)(**p & 0x7f) << shift;
	while (shift += 7, *(*p)++ & 0x80);
	return v;
}

#define ENC_OMIT 0xff
#define ENC_ULEB 0x01
#define ENC_UDATA4 0x03

static uintptr_t number(const uint8_t **p, uint8_t enc)
{
	uint32_t v;

	if (enc == ENC_ULEB)
		return uleb(p);
	memcpy(&v, *p, sizeof(v));
	*p += sizeof(v);
	return v;
}

/* Is there an entry for the call at this offset of a function? p: its LSDA. false if it is not written as gcc and clang do. */
static bool has_call(const uint8_t *p, uintptr_t at)
{
	uintptr_t start, len;
	const uint8_t *end;
	uint8_t enc;

	if (*p++ != ENC_OMIT)
		return false;
	if (*p++ != ENC_OMIT)
		uleb(&p);
	enc = *p++;
	if (enc != ENC_ULEB && enc != ENC_UDATA4)
		return false;
	len = uleb(&p);
	for (end = p + len; p < end;) {
		start = number(&p, enc);
		len = number(&p, enc);

		number(&p, enc); /* the landing pad */
		uleb(&p);	 /* what to do there */
		if (at - start < len)
			return true;
	}
	return false;
}

/* Before each frame. */
static _Unwind_Reason_Code stop(int version, _Unwind_Action actions, _Unwind_Exception_Class class, struct _Unwind_Exception *exc,
				struct _Unwind_Context *ctx, void *arg)
{
	struct unwinding *u = arg;
	const uint8_t *lsda;
	int exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(ctx, &exact);

	(void)version;
	(void)class;
	(void)exc;
	if ((actions & _UA_END_OF_STACK) || reached(&u->t, _Unwind_GetCFA(ctx), pc))
		done(u);
	lsda = (const uint8_t *)(uintptr_t)_Unwind_GetLanguageSpecificData(ctx);
	if (lsda && !has_call(lsda, pc - !exact - (uintptr_t)_Unwind_GetRegionStart(ctx)))
		done(u);
	return _URC_NO_REASON;
}

static void swallowed(_Unwind_Reason_Code reason, struct _Unwind_Exception *exc)
{
	(void)reason;
	(void)exc;
	goro__throw("a C++ \"catch (...)\" has kept what leaves the frames of a panic; it must throw again");
}

/* LeakSanitizer does not look at the stacks of goroutines, so if the process ends while one is under way it would count what that one has. */
void __lsan_ignore_object(const void *p) __attribute__((weak));

void goro__unwind_cxx(struct g *g, struct goro_deferred *d, const struct place *from)
{
	struct target t = target_of(g, d);
	struct unwinding *u;

	if (!_Unwind_ForcedUnwind || !_Unwind_GetCFA || !_Unwind_GetIPInfo || !_Unwind_GetLanguageSpecificData || !_Unwind_GetRegionStart)
		return;
	if (all_plain(&t, from))
		return;
	u = goro__mem_alloc(sizeof(*u));
	if (!u)
		return;
	if (__lsan_ignore_object)
		__lsan_ignore_object(u);
	memset(u, 0, sizeof(*u));
	u->exc.exception_class = (_Unwind_Exception_Class)0x676f726f706e6300; /* "goropnc\0", first letter on top; libstdc++ looks at the lowest bit */
	u->exc.exception_cleanup = swallowed;
	u->g = g;
	u->d = d;
	u->t = t;
	_Unwind_ForcedUnwind(&u->exc, stop, u);
	done(u); /* there are frames that it does not understand */
}
