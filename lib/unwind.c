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
 * A function that has faulted in an instruction that is no call has, as a rule, no entry for it in its table of cleanups, and the C++ library takes that
 * for a broken promise and ends the program. If such a function has cleanups at all, no destructors are run.
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

#define PUSHED 256 /* bytes of arguments that a call may have pushed */

#pragma weak _Unwind_ForcedUnwind
#pragma weak _Unwind_GetCFA
#pragma weak _Unwind_GetIP
#pragma weak _Unwind_GetLanguageSpecificData

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

/* Is this the frame of the function that deferred d? sp: its stack pointer after the call that it is in. */
static bool reached(const struct leaving *l, uintptr_t sp, uintptr_t pc)
{
	const struct goro_defer *d = l->d;
	uintptr_t want, lo, hi = UINTPTR_MAX;
	bool whole;

	if (!d)
		return false;
	want = (uintptr_t)d->regs[DEFER_SP];
	if (d->stack && !(l->g->flags & G_FOREIGN))
		hi = stk_hi((struct stk){ d->stack });
	if (sp >= want)
		return sp < hi;
	lo = goro__function_of(arch_strip(d->regs[DEFER_PC]), &whole);
	return want - sp <= PUSHED && lo != 0 && goro__function_of((void *)(pc - 1), &whole) == lo;
}

static bool is_fault(const struct leaving *l, uintptr_t pc)
{
	for (const struct panic *p = l->first; p != l->last; p = p->link)
		if (p->info.signal && (uintptr_t)p->info.pc == pc)
			return true;
	return false;
}

/* Before each frame. */
static _Unwind_Reason_Code stop(int version, _Unwind_Action actions, _Unwind_Exception_Class class, struct _Unwind_Exception *exc,
				struct _Unwind_Context *ctx, void *arg)
{
	struct leaving *l = arg;
	uintptr_t pc = _Unwind_GetIP(ctx);

	(void)version;
	(void)class;
	(void)exc;
	if ((actions & _UA_END_OF_STACK) || reached(l, _Unwind_GetCFA(ctx), pc) ||
	    (is_fault(l, pc) && _Unwind_GetLanguageSpecificData(ctx)))
		goro__panic_go(l->g, l->d);
	return _URC_NO_REASON;
}

static void swallowed(_Unwind_Reason_Code reason, struct _Unwind_Exception *exc)
{
	(void)reason;
	(void)exc;
	goro__throw("a C++ \"catch (...)\" has kept what leaves the frames of a panic; it must throw again");
}

void goro__unwind_cxx(struct leaving *l)
{
	struct _Unwind_Exception exc;

	if (_Unwind_ForcedUnwind && _Unwind_GetCFA && _Unwind_GetIP && _Unwind_GetLanguageSpecificData) {
		memset(&exc, 0, sizeof(exc));
		memcpy(&exc.exception_class, "goro\0pnc", sizeof(exc.exception_class));
		exc.exception_cleanup = swallowed;
		_Unwind_ForcedUnwind(&exc, stop, l);
	}
	/* There are frames that it does not understand. */
	goro__panic_go(l->g, l->d);
}
