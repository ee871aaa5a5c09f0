/* SPDX-License-Identifier: MIT */
/*
 * switch.S: parking one context and resuming another, System V ABI for x86-64 (psABI 1.0, section 3.2.1:
 * rbx, rbp, rsp, r12-r15, the control bits of MXCSR and the x87 control word belong to the caller).
 *
 * Two doors lead to the same code:
 *
 *	arch_switch(), inline, jumps to goro__switch_at with the resume address in r8. Its asm statement names all
 *	registers but rbp and rsp as clobbered, so the compiler has saved what it still needs, and nothing else.
 *	goro__switch(), a C function, pushes the callee-saved registers and then does as arch_switch() does.
 *
 * Neither door is a call without its ret: the processor predicts returns with a stack of its own, and one entry
 * too many makes every ret up the resumed stack go wrong (14 ns a switch one frame deep, 41 to 46 four frames deep, against
 * 3 to 7: benchmarks/results/2026-11-24-switch-returns.txt). The jump to the resume address is predicted by its history like any other.
 *
 *	the stack of a parked context			CFA: sp at arch_switch()
 *	|		...		|
 *	|	caller's frame		|
 *	+-------------------------------+ <- CFA
 *	|	red zone, 128 bytes	|	the caller may be a leaf that keeps data here
 *	+-------------------------------+
 *	|	resume address		| +16
 *	|	rbp			| +8
 *	|	x87 CW  |  MXCSR	| +0	<- *save_sp
 *	+-------------------------------+
 */
#include "asm.h"

	.section .text.goro, "ax", @progbits

/*
 * Not a C function. rdi: save_sp; rsi: to_sp; rdx: pass; r8: where to go on when this context is resumed.
 * Goes on at the other context's resume address with rax = pass; only rbp and rsp are the other's, all else is lost.
 */
FUNC(goro__switch_at)
	.cfi_def_cfa rsp, 0
	.cfi_register rip, r8
	leaq	-FRAME_GAP(%rsp), %rsp		/* over the red zone */
	.cfi_def_cfa_offset FRAME_GAP
#ifndef GORO_SHARE_FPENV
	stmxcsr	FRAME_MXCSR(%rsp)		/* save rounding mode, masks, FTZ, DAZ of SSE */
	fnstcw	FRAME_X87CW(%rsp)		/* save rounding mode, precision, masks of x87 */
#endif
	movq	%rbp, FRAME_RBP(%rsp)		/* save the frame pointer */
	.cfi_offset rbp, FRAME_RBP - FRAME_GAP
	movq	%r8, FRAME_RIP(%rsp)		/* save the resume address */
	.cfi_offset rip, FRAME_RIP - FRAME_GAP
	movq	%rsp, (%rdi)			/* the context is parked: the last access to its stack */
	movq	%rsi, %rsp			/* from here on the CFI above describes the other's frame */
	movq	FRAME_RIP(%rsp), %r8		/* restore the resume address */
	.cfi_register rip, r8
	movq	FRAME_RBP(%rsp), %rbp		/* restore the frame pointer */
	.cfi_same_value rbp
#ifndef GORO_SHARE_FPENV
	ldmxcsr	FRAME_MXCSR(%rsp)		/* restore SSE control */
	fldcw	FRAME_X87CW(%rsp)		/* restore x87 control */
#endif
	movq	%rdx, %rax			/* what arch_switch() returns there */
	leaq	FRAME_GAP(%rsp), %rsp
	.cfi_def_cfa_offset 0
	notrack jmp *%r8
END(goro__switch_at)

/* void *goro__switch(void **save_sp, void *to_sp, void *pass); */
FUNC(goro__switch)
	pushq	%rbx				/* save the rest of what is the caller's */
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	leaq	.Lresume(%rip), %r8
	jmp	goro__switch_at
.Lresume:
	popq	%r15				/* restore it; rax is pass */
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_same_value rbx
	ret
END(goro__switch)

/*
 * void goro__ontop(void **save_sp, void *parked_sp, void (*fn)(void *), void *arg);
 *
 * Parks as goro__switch() does, sharing its resume path, then calls fn below the parked context's frame.
 * The code from .Lontop on is a function of its own for unwinders: rbp holds the parked sp, and the caller of this
 * frame is whoever parked there.
 *
 *	|  the parked context's frame	|
 *	+-------------------------------+ <- rbp = parked_sp
 *	|  up to 8 bytes for alignment	|
 *	|  return address into .Lontop	|
 *	+-------------------------------+ <- fn's frames grow from here
 */
FUNC(goro__ontop)
	pushq	%rbx				/* save as goro__switch() does: .Lresume restores */
	.cfi_adjust_cfa_offset 8
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	leaq	.Lresume(%rip), %r8
	leaq	-FRAME_GAP(%rsp), %rsp
	.cfi_adjust_cfa_offset FRAME_GAP
#ifndef GORO_SHARE_FPENV
	stmxcsr	FRAME_MXCSR(%rsp)		/* save SSE control; fn runs with the caller's */
	fnstcw	FRAME_X87CW(%rsp)		/* save x87 control */
#endif
	movq	%rbp, FRAME_RBP(%rsp)		/* save the frame pointer */
	movq	%r8, FRAME_RIP(%rsp)		/* save the resume address */
	movq	%rsp, (%rdi)			/* the caller is parked */
	jmp	goro__parked
END(goro__ontop)

/* Not a C function: the frame between fn and the parked context. rsi: parked_sp; rdx: fn; rcx: arg. */
FUNC(goro__parked)
	.cfi_def_cfa rsi, FRAME_GAP
	.cfi_offset rbp, FRAME_RBP - FRAME_GAP
	.cfi_offset rip, FRAME_RIP - FRAME_GAP
	movq	%rsi, %rbp
	.cfi_def_cfa_register rbp
	movq	%rsi, %rsp
	andq	$-16, %rsp			/* the frame need not be aligned */
	movq	%rcx, %rdi
	call	*%rdx
	ud2					/* fn must not return */
END(goro__parked)

	NOTES
