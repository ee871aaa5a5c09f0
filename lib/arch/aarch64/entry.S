/* SPDX-License-Identifier: MIT */
/*
 * entry.S: the bottom of a stack, calls on other stacks and calls with arguments from memory, Procedure Call Standard for
 * the Arm 64-bit Architecture (AAPCS64 2023Q3, section 6.8.2: the first eight integers in x0-x7, the first eight
 * reals in d0-d7; sp is a multiple of 16).
 *
 * Nothing lies at the bottom of a goroutine's stack: its entry function starts with sp = stack_top, rounded down to
 * 16, and x30 inside goro__entry, which is never executed. It is what unwinders find as the caller of the entry
 * function: its CFI says that it has no caller, and x29 is 0 for those who follow frame pointers. An exception that gets here has left the goroutine: its
 * personality routine (uncaught.c) is asked then, while all frames are still there.
 */
#include "asm.h"

	.section .text.goro, "ax", %progbits

BOTTOM(goro__entry)
	.cfi_personality 0x1b, goro__uncaught	/* relative to where it is written, 4 bytes */
.Lentry_ret:					/* not the first instruction: unwinders look up the address before it */
	udf	#0				/* the entry function must not return */
END(goro__entry)

/* On an empty stack: \top = its end, not aligned; x0 = pass; x16 = entry. */
	.macro	ENTER top
	.cfi_undefined x30
	and	x9, \top, #-16
	mov	sp, x9
	mov	x29, xzr			/* end of the chain of frame pointers */
	adr	x30, .Lentry_ret		/* end of the chain of return addresses */
	br	x16				/* a function's bti c takes a br through x16 */
	.endm

/* Load the control word that goroutines start with. Uses x9, x10. */
	.macro	DEFAULT_FPENV
#ifndef GORO_SHARE_FPENV
	adrp	x9, goro__fpenv
	ldr	x9, [x9, #:lo12:goro__fpenv]
	mrs	x10, fpcr
	cmp	x9, x10				/* writing FPCR waits for all before it: only if it differs */
	b.eq	9f
	msr	fpcr, x9
9:
#endif
	.endm

/* Not a C function: the resume address in a frame that goro__ctx_make() wrote. x0 = pass; x29 = entry. */
BOTTOM(goro__ctx_entry)
	mov	x16, x29
	mov	x10, sp
	ENTER	x10
END(goro__ctx_entry)

/* void *goro__ctx_make(void *stack_top, void (*entry)(void *pass)); */
FUNC(goro__ctx_make)
	and	x16, x0, #-16			/* the CFA of the first frame, where the stack starts */
	adr	x17, goro__ctx_entry
	PACIA1716				/* sign the resume address */
	sub	x0, x16, #FRAME_GAP
	stp	x1, x17, [x0, #FRAME_X29]	/* entry travels in x29 */
	adrp	x9, goro__fpenv
	ldr	x9, [x9, #:lo12:goro__fpenv]
	str	x9, [x0, #FRAME_FPCR]
	ret
END(goro__ctx_make)

/*
 * Not a C function. x0: save_sp; x1: stack_top; x2: entry; x3: pass; x17: where to go on when this context is
 * resumed. The first half of goro__switch_at, then a new stack.
 */
FUNC(goro__fresh_at)
	.cfi_def_cfa sp, 0
	.cfi_register x30, x17
	mov	x16, sp
	PACIA1716				/* sign the resume address */
	.cfi_negate_ra_state
	sub	sp, sp, #FRAME_GAP
	.cfi_def_cfa_offset FRAME_GAP
	stp	x29, x17, [sp, #FRAME_X29]	/* save the frame pointer and the resume address */
#ifndef GORO_SHARE_FPENV
	mrs	x9, fpcr
	str	x9, [sp, #FRAME_FPCR]		/* save FPCR */
#endif
	mov	x10, sp
	str	x10, [x0]			/* the context is parked: the last access to its stack */
	DEFAULT_FPENV
	mov	x16, x2
	mov	x0, x3
	.cfi_negate_ra_state
	ENTER	x1
END(goro__fresh_at)

/* _Noreturn void goro__jump(void *stack_top, void (*entry)(void *pass), void *pass); */
BOTTOM(goro__jump)
	DEFAULT_FPENV
	mov	x16, x1
	mov	x11, x0
	mov	x0, x2
	ENTER	x11
END(goro__jump)

/* void *goro__call_on(void *stack_top, void *(*fn)(void *), void *arg); */
FUNC(goro__call_on)
	.cfi_personality 0x1b, goro__uncaught	/* an exception must not leave fn */
	PACIASP
	.cfi_negate_ra_state
	stp	x29, x30, [sp, #-16]!		/* save the frame pointer and the return address */
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov	x29, sp				/* the way back, and the frame for unwinders */
	.cfi_def_cfa_register x29
	and	x9, x0, #-16
	mov	sp, x9
	mov	x0, x2
	blr	x1
	mov	sp, x29
	.cfi_def_cfa_register sp
	ldp	x29, x30, [sp], #16		/* restore them */
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
	ret
END(goro__call_on)

/*
 * void goro__invoke(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask);
 *
 * Without reals: load all eight argument registers, needed or not, and jump. Else sort the arguments into
 * two arrays, integers and reals, and load all sixteen registers from them; eight arguments always fit.
 *
 *	|  x29, x30			| <- x29
 *	|  reals 0-7, 64 bytes		| +64
 *	|  integers 0-7, 64 bytes	| +0	<- sp
 */
FUNC(goro__invoke)
	mov	x16, x0				/* fn */
	mov	x9, x1				/* arg */
	cbnz	w3, 1f
	ldp	x0, x1, [x9]
	ldp	x2, x3, [x9, #16]
	ldp	x4, x5, [x9, #32]
	ldp	x6, x7, [x9, #48]
	br	x16
1:	PACIASP
	.cfi_negate_ra_state
	stp	x29, x30, [sp, #-16]!		/* save the frame pointer and the return address */
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov	x29, sp
	.cfi_def_cfa_register x29
	sub	sp, sp, #128
	mov	x10, sp				/* where the next integer goes */
	add	x11, sp, #64			/* where the next real goes */
	cbz	w2, 4f
2:	ldr	x12, [x9], #8
	tbnz	w3, #0, 3f			/* this argument's bit of fpmask */
	str	x12, [x10], #8
	lsr	w3, w3, #1
	subs	w2, w2, #1
	b.ne	2b
	b	4f
3:	str	x12, [x11], #8
	lsr	w3, w3, #1
	subs	w2, w2, #1
	b.ne	2b
4:	ldp	x0, x1, [sp]			/* registers without an argument get what lies there */
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	d0, d1, [sp, #64]
	ldp	d2, d3, [sp, #80]
	ldp	d4, d5, [sp, #96]
	ldp	d6, d7, [sp, #112]
	blr	x16
	mov	sp, x29
	.cfi_def_cfa_register sp
	ldp	x29, x30, [sp], #16		/* restore them */
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
	ret
END(goro__invoke)

/* void goro__fpenv_save(void); */
FUNC(goro__fpenv_save)
	mrs	x9, fpcr
	adrp	x10, goro__fpenv
	str	x9, [x10, #:lo12:goro__fpenv]
	ret
END(goro__fpenv_save)

/* The FPCR that goroutines start with: round to nearest, no traps, until goro__fpenv_save(). */
	.section .data.goro__fpenv, "aw", %progbits
	.globl	goro__fpenv
	.hidden	goro__fpenv
	.type	goro__fpenv, %object
	.p2align 3
goro__fpenv:
	.xword	0
	.size	goro__fpenv, . - goro__fpenv

	NOTES
