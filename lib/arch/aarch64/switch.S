/* SPDX-License-Identifier: MIT */
/*
 * switch.S: parking one context and resuming another, Procedure Call Standard for the Arm 64-bit Architecture (AAPCS64
 * 2023Q3, section 6.1: x19-x29, sp, and the low halves of v8-v15 belong to the caller; x18 is nobody's on Linux; the
 * FPCR's rounding mode and the like are preserved).
 *
 * Two doors lead to the same code:
 *
 *	arch_switch(), inline, branches to goro__switch_at with the resume address in x17. Its asm statement names all
 *	registers but x29 and sp as clobbered, so the compiler has saved what it still needs, and nothing else.
 *	goro__switch(), a C function, saves the callee-saved registers and then does as arch_switch() does.
 *
 * Neither door is a call without its ret: the processor predicts returns with a stack of its own, and one entry
 * too many makes every ret up the resumed stack go wrong.
 *
 *	the stack of a parked context			CFA: sp at arch_switch()
 *	|		...		|
 *	|	caller's frame		|
 *	+-------------------------------+ <- CFA
 *	|	padding			| +24
 *	|	FPCR			| +16
 *	|	resume address, signed	| +8	with the CFA
 *	|	x29			| +0	<- *save_sp
 *	+-------------------------------+
 */
#include "asm.h"

	.section .text.goro, "ax", %progbits

/*
 * Not a C function. x0: save_sp; x1: to_sp; x2: pass; x17: where to go on when this context is resumed.
 * Goes on at the other context's resume address with x0 = pass; only x29 and sp are the other's, all else is lost.
 */
FUNC(goro__switch_at)
	.cfi_def_cfa sp, 0
	.cfi_register x30, x17
	mov	x16, sp
	PACIA1716				/* sign the resume address */
	.cfi_negate_ra_state
	sub	sp, sp, #FRAME_GAP
	.cfi_def_cfa_offset FRAME_GAP
	stp	x29, x17, [sp, #FRAME_X29]	/* save the frame pointer and the resume address */
	.cfi_offset x29, FRAME_X29 - FRAME_GAP
	.cfi_offset x30, FRAME_X30 - FRAME_GAP
#ifndef GORO_SHARE_FPENV
	mrs	x9, fpcr
	str	x9, [sp, #FRAME_FPCR]		/* save rounding mode, flush to zero, traps */
#endif
	mov	x10, sp
	str	x10, [x0]			/* the context is parked: the last access to its stack */
	mov	sp, x1				/* from here on the CFI above describes the other's frame */
#ifndef GORO_SHARE_FPENV
	ldr	x10, [sp, #FRAME_FPCR]
	cmp	x9, x10				/* writing FPCR waits for all before it: only if it differs */
	b.eq	1f
	msr	fpcr, x10			/* restore it */
1:
#endif
	ldp	x29, x17, [sp, #FRAME_X29]	/* restore the frame pointer and the resume address */
	.cfi_register x30, x17
	.cfi_same_value x29
	mov	x0, x2				/* what arch_switch() returns there */
	add	sp, sp, #FRAME_GAP
	.cfi_def_cfa_offset 0
	mov	x16, sp
	AUTIA1716				/* a forged address turns into one that faults */
	.cfi_negate_ra_state
	br	x17
END(goro__switch_at)

/*
 * What a C function that parks saves on top of the frame, at its sp:
 *	+0 x19, x20, +16 x21, x22, +32 x23, x24, +48 x25, x26, +64 x27, x28, +80 d8, d9, +96 d10, d11, +112 d12, d13,
 *	+128 d14, d15, +144 x30, signed with the CFA
 */
	.macro	SAVE
	PACIASP
	.cfi_negate_ra_state
	sub	sp, sp, #160
	.cfi_def_cfa_offset 160
	stp	x19, x20, [sp]
	.cfi_rel_offset x19, 0
	.cfi_rel_offset x20, 8
	stp	x21, x22, [sp, #16]
	.cfi_rel_offset x21, 16
	.cfi_rel_offset x22, 24
	stp	x23, x24, [sp, #32]
	.cfi_rel_offset x23, 32
	.cfi_rel_offset x24, 40
	stp	x25, x26, [sp, #48]
	.cfi_rel_offset x25, 48
	.cfi_rel_offset x26, 56
	stp	x27, x28, [sp, #64]
	.cfi_rel_offset x27, 64
	.cfi_rel_offset x28, 72
	stp	d8, d9, [sp, #80]
	.cfi_rel_offset d8, 80
	.cfi_rel_offset d9, 88
	stp	d10, d11, [sp, #96]
	.cfi_rel_offset d10, 96
	.cfi_rel_offset d11, 104
	stp	d12, d13, [sp, #112]
	.cfi_rel_offset d12, 112
	.cfi_rel_offset d13, 120
	stp	d14, d15, [sp, #128]
	.cfi_rel_offset d14, 128
	.cfi_rel_offset d15, 136
	str	x30, [sp, #144]
	.cfi_rel_offset x30, 144
	.endm

/* The other half, at the resume address; x0 is what the function returns. */
	.macro	RESTORE_RET
	BTI_J
	ldp	x19, x20, [sp]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	d8, d9, [sp, #80]
	ldp	d10, d11, [sp, #96]
	ldp	d12, d13, [sp, #112]
	ldp	d14, d15, [sp, #128]
	ldr	x30, [sp, #144]
	add	sp, sp, #160
	.cfi_def_cfa_offset 0
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	.cfi_restore d8
	.cfi_restore d9
	.cfi_restore d10
	.cfi_restore d11
	.cfi_restore d12
	.cfi_restore d13
	.cfi_restore d14
	.cfi_restore d15
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
	ret
	.endm

/* void *goro__switch(void **save_sp, void *to_sp, void *pass); */
FUNC(goro__switch)
	SAVE
	adr	x17, .Lresume
	b	goro__switch_at
.Lresume:
	RESTORE_RET
END(goro__switch)

/* void *goro__switch_fresh(void **save_sp, void *stack_top, void (*entry)(void *pass), void *pass); */
FUNC(goro__switch_fresh)
	SAVE
	adr	x17, .Lresume_fresh
	b	goro__fresh_at
.Lresume_fresh:
	RESTORE_RET
END(goro__switch_fresh)

/*
 * void goro__ontop(void **save_sp, void *parked_sp, void (*fn)(void *), void *arg);
 *
 * Parks as goro__switch() does, sharing its resume path, then calls fn below the parked context's frame.
 *
 *	|  the parked context's frame	|
 *	+-------------------------------+ <- x29 = sp = parked_sp
 *	|  fn's frames grow from here	|
 */
FUNC(goro__ontop)
	SAVE
	adr	x17, .Lresume
	mov	x16, sp
	PACIA1716				/* sign the resume address */
	sub	sp, sp, #FRAME_GAP
	.cfi_adjust_cfa_offset FRAME_GAP
	stp	x29, x17, [sp, #FRAME_X29]	/* save the frame pointer and the resume address */
#ifndef GORO_SHARE_FPENV
	mrs	x9, fpcr
	str	x9, [sp, #FRAME_FPCR]		/* save FPCR; fn runs with the caller's */
#endif
	mov	x10, sp
	str	x10, [x0]			/* the caller is parked */
	b	goro__parked
END(goro__ontop)

/* Not a C function: the frame between fn and the parked context. x1: parked_sp; x2: fn; x3: arg. */
FUNC(goro__parked)
	.cfi_negate_ra_state
	.cfi_def_cfa x1, FRAME_GAP
	.cfi_offset x29, FRAME_X29 - FRAME_GAP
	.cfi_offset x30, FRAME_X30 - FRAME_GAP
	mov	x29, x1
	.cfi_def_cfa_register x29
	mov	sp, x1
	mov	x0, x3
	blr	x2
	udf	#0				/* fn must not return */
END(goro__parked)

	NOTES
