/* SPDX-License-Identifier: MIT */
/*
 * unwind.c: what a panic reads in the tables for unwinding (.eh_frame), which both compilers write for C, too.
 *
 * Where a function begins. The C library finds the object that an address lies in (_dl_find_object(), since 2.35: no lock, no allocation), and that object's
 * .eh_frame_hdr is a sorted table of where each function's entry begins. gcc may move rarely used parts of a function to another section; such a part has an entry
 * of its own, which says right away that something lies on the stack, before its first instruction. The entry of a function begins by advancing
 * over some instruction, or says nothing at all.
 *
 * Destructors. When a panic was recovered, or at the end of goro_exit(), the frames that are forgotten may be C++ functions, whose local objects
 * are to be destructed. The C++ library's unwinder does it (_Unwind_ForcedUnwind(), as pthread_exit() does): it calls each frame's cleanups, and us before each
 * frame, and we leave when the frame is reached that goes on. "catch (...)" is entered, too; it has to throw again. Programs
 * without the C++ library have nothing to destruct, and do not get here.
 *
 * The frame that goes on is the one whose stack pointer after its call is not below what it was when it deferred. It may be a little lower, as
 * arguments lie on the stack during a call; so a frame that is close counts if it is of the same function.
 *
 * A C++ function has a table of its calls (LSDA), and the C++ library ends the program when it is at none of them: nothing was to be thrown there. A fault is at no call,
 * nor is a call of a function of which the compiler knows that it throws nothing, as it may panic all the same; noexcept says so, too. At
 * such a frame the run over the frames ends, and those further down are forgotten without their destructors.
 *
 * A catch block of the function that goes on may be among what is left. goro__cxx_drop() (context.c) ends what has been caught since it deferred.
 */
#include "panic.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <unwind.h>

#include "arch.h"
#include "fatal.h"
#include "g.h"
#include "mem.h"

#define PUSHED 256 /* bytes of arguments that a call may have pushed */

#pragma weak _Unwind_ForcedUnwind
#pragma weak _Unwind_GetCFA
#pragma weak _Unwind_GetIPInfo
#pragma weak _Unwind_GetLanguageSpecificData
#pragma weak _Unwind_GetRegionStart

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object

/* .eh_frame_hdr, as linkers write it: version 1, the table in offsets of 4 bytes from its beginning. */
struct hdr {
	uint8_t version, frame_enc, count_enc, table_enc;
	int32_t frame;
	uint32_t n;
	struct row {
		int32_t start, entry;
	} row[];
};
#define ENC_COUNT 0x03 /* udata4 */
#define ENC_TABLE 0x3b /* datarel, sdata4 */

/* The row of the function that pc is in, or the nearest one before. */
static const struct row *find_row(const struct hdr *h, const void *pc)
{
	ptrdiff_t at = (const char *)pc - (const char *)h;
	uint32_t lo = 0, hi = h->n;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (h->row[mid].start <= at)
			lo = mid;
		else
			hi = mid;
	}
	return h->n && h->row[lo].start <= at ? &h->row[lo] : NULL;
}

/* An entry (FDE), where it begins with 4-byte offsets relative to themselves, as it does in all code but the very large. */
struct entry {
	uint32_t length;
	uint32_t cie;
	int32_t start; /* from here */
	uint32_t size;
	uint8_t extra; /* length of what follows; then the program */
	uint8_t data[];
} __attribute__((packed));

/* Does the program advance before it says anything? DW_CFA_nop is padding. */
static bool is_whole(const struct entry *e)
{
	const uint8_t *op = e->data + e->extra, *end = (const uint8_t *)&e->cie + e->length;

	while (op < end && *op == 0)
		op++;
	return op == end || (*op & 0xc0) == 0x40 || (*op >= 0x02 && *op <= 0x04);
}

uintptr_t goro__function_of(const void *pc, bool *ret_whole)
{
	struct dl_find_object o;
	const struct entry *e;
	const struct row *r;
	const struct hdr *h;
	uintptr_t start;

	*ret_whole = true;
	if (!_dl_find_object || _dl_find_object((void *)(uintptr_t)pc, &o) != 0)
		return 0;
	h = o.dlfo_eh_frame;
	if (!h || h->version != 1 || h->count_enc != ENC_COUNT || h->table_enc != ENC_TABLE || !(r = find_row(h, pc)))
		return 0;
	start = (uintptr_t)h + (uintptr_t)(ptrdiff_t)r->start;
	e = (const struct entry *)((const char *)h + r->entry);
	if ((uintptr_t)&e->start + (uintptr_t)(ptrdiff_t)e->start != start)
		return 0; /* encoded in some other way */
	if ((uintptr_t)pc - start >= e->size)
		return 0; /* behind it: of a function without an entry */
	*ret_whole = is_whole(e);
	return start;
}
#else
uintptr_t goro__function_of(const void *pc, bool *ret_whole)
{
	(void)pc;
	*ret_whole = true;
	return 0;
}
#endif

/*
 * A run over the frames. In memory from malloc(): a destructor runs in its own frame, and all that lies further up on the stack, ours and the
 * panics', is overwritten.
 */
struct unwinding {
	struct _Unwind_Exception exc;
	struct g *g;
	struct goro_deferred *d;
	uintptr_t sp, hi, fn;	     /* of the frame that goes on: its stack pointer, the end of its stack, where its function begins */
};

static _Noreturn void done(struct unwinding *u)
{
	struct goro_deferred *d = u->d;
	struct g *g = u->g;

	goro__mem_free(u);
	goro__panic_go(g, d);
}

/* Is this the frame that goes on? sp: its stack pointer after the call that it is in. */
static bool reached(const struct unwinding *u, uintptr_t sp, uintptr_t pc)
{
	bool whole;

	if (!u->d)
		return false;
	if (sp >= u->sp)
		return sp < u->hi;
	return u->sp - sp <= PUSHED && u->fn != 0 && goro__function_of((void *)(pc - 1), &whole) == u->fn;
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
	if ((actions & _UA_END_OF_STACK) || reached(u, _Unwind_GetCFA(ctx), pc))
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

void goro__unwind_cxx(struct g *g, struct goro_deferred *d)
{
	struct unwinding *u;
	bool whole;

	if (!_Unwind_ForcedUnwind || !_Unwind_GetCFA || !_Unwind_GetIPInfo || !_Unwind_GetLanguageSpecificData || !_Unwind_GetRegionStart)
		return;
	u = goro__mem_alloc(sizeof(*u));
	if (!u)
		return;
	if (__lsan_ignore_object)
		__lsan_ignore_object(u);
	memset(u, 0, sizeof(*u));
	memcpy(&u->exc.exception_class, "goro\0pnc", sizeof(u->exc.exception_class));
	u->exc.exception_cleanup = swallowed;
	u->g = g;
	u->d = d;
	u->hi = UINTPTR_MAX;
	if (d) {
		u->sp = (uintptr_t)d->regs[DEFER_SP];
		u->fn = goro__function_of(arch_strip(d->regs[DEFER_PC]), &whole);
		if (d->stack && !(g->flags & G_FOREIGN))
			u->hi = stk_hi((struct stk){ d->stack });
	}
	_Unwind_ForcedUnwind(&u->exc, stop, u);
	done(u); /* there are frames that it does not understand */
}
