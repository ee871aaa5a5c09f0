/* SPDX-License-Identifier: MIT */
/*
 * entry.S: the bottom of a stack, calls on other stacks and calls with arguments from memory, System V ABI for
 * x86-64 (psABI 1.0, section 3.2.3: integers in rdi, rsi, rdx, rcx, r8, r9, then on the stack; reals in
 * xmm0-xmm7; rsp + 8 is a multiple of 16 at a function's first instruction).
 *
 *	the bottom of a goroutine's stack
 *	+-------------------------------+ <- stack_top, rounded down to 16
 *	|  address of goro__entry + 1	| <- rsp at the first instruction of entry
 *	+-------------------------------+
 *
 * goro__entry is never executed. It is what unwinders find as the caller of the entry function: its CFI says that
 * it has no caller, and rbp is 0 for those who follow frame pointers. The return address is stored, not pushed by a
 * call, so that the processor's stack of return addresses gets no entry that no ret will take off. An exception that gets here has left the goroutine: its
 * personality routine (uncaught.c) is asked then, while all frames are still there.
 */
#include "asm.h"

	.section .text.goro, "ax", @progbits

BOTTOM(goro__entry)
	.cfi_personality 0x1b, goro__uncaught	/* relative to where it is written, 4 bytes */
.Lentry_ret:					/* not the first byte: unwinders look up the address before it */
	ud2					/* the entry function must not return */
END(goro__entry)

/* On an empty stack: rsp = top, not aligned; rdi = pass; \fn = entry. */
	.macro	ENTER fn
	.cfi_undefined rip
	andq	$-16, %rsp
	xorl	%ebp, %ebp			/* end of the chain of frame pointers */
	leaq	.Lentry_ret(%rip), %rax
	pushq	%rax				/* end of the chain of return addresses */
	notrack jmp *\fn
	.endm

/* Load the control words that goroutines start with. */
	.macro	DEFAULT_FPENV
#ifndef GORO_SHARE_FPENV
	ldmxcsr	goro__fpenv(%rip)
	fldcw	4 + goro__fpenv(%rip)
#endif
	.endm

/* Not a C function: the resume address in a frame that goro__ctx_make() wrote. rax = pass; rbp = entry. */
BOTTOM(goro__ctx_entry)
	movq	%rax, %rdi
	movq	%rbp, %rdx
	ENTER	%rdx
END(goro__ctx_entry)

/* void *goro__ctx_make(void *stack_top, void (*entry)(void *pass)); */
FUNC(goro__ctx_make)
	leaq	-FRAME_GAP(%rdi), %rax		/* resuming adds the gap: the stack starts at stack_top */
	andq	$-16, %rax
	movq	goro__fpenv(%rip), %rcx		/* both control words at once */
	movq	%rcx, FRAME_MXCSR(%rax)
	movq	%rsi, FRAME_RBP(%rax)		/* entry travels in rbp */
	leaq	goro__ctx_entry(%rip), %rcx
	movq	%rcx, FRAME_RIP(%rax)
	ret
END(goro__ctx_make)

/*
 * Not a C function. rdi: save_sp; rsi: stack_top; rdx: entry; rcx: pass; r8: where to go on when this context is
 * resumed. The first half of goro__switch_at, then a new stack.
 */
FUNC(goro__fresh_at)
	.cfi_def_cfa rsp, 0
	.cfi_register rip, r8
	leaq	-FRAME_GAP(%rsp), %rsp		/* over the red zone */
	.cfi_def_cfa_offset FRAME_GAP
#ifndef GORO_SHARE_FPENV
	stmxcsr	FRAME_MXCSR(%rsp)		/* save SSE control */
	fnstcw	FRAME_X87CW(%rsp)		/* save x87 control */
#endif
	movq	%rbp, FRAME_RBP(%rsp)		/* save the frame pointer */
	movq	%r8, FRAME_RIP(%rsp)		/* save the resume address */
	movq	%rsp, (%rdi)			/* the context is parked: the last access to its stack */
	movq	%rsi, %rsp
	DEFAULT_FPENV
	movq	%rcx, %rdi
	ENTER	%rdx
END(goro__fresh_at)

/* void *goro__switch_fresh(void **save_sp, void *stack_top, void (*entry)(void *pass), void *pass); */
FUNC(goro__switch_fresh)
	pushq	%rbx				/* save what is the caller's, as goro__switch() does */
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
	jmp	goro__fresh_at
.Lresume:
	popq	%r15				/* restore it; rax is what the switch back passes */
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
END(goro__switch_fresh)

/* _Noreturn void goro__jump(void *stack_top, void (*entry)(void *pass), void *pass); */
BOTTOM(goro__jump)
	movq	%rdi, %rsp
	DEFAULT_FPENV
	movq	%rdx, %rdi
	ENTER	%rsi
END(goro__jump)

/* void *goro__call_on(void *stack_top, void *(*fn)(void *), void *arg); */
FUNC(goro__call_on)
	.cfi_personality 0x1b, goro__uncaught	/* an exception must not leave fn */
	pushq	%rbp				/* save the frame pointer */
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp			/* the way back, and the frame for unwinders */
	.cfi_def_cfa_register rbp
	movq	%rdi, %rsp
	andq	$-16, %rsp
	movq	%rdx, %rdi
	call	*%rsi
	movq	%rbp, %rsp
	popq	%rbp				/* restore it */
	.cfi_def_cfa rsp, 8
	.cfi_same_value rbp
	ret
END(goro__call_on)

/*
 * void goro__invoke(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask);
 *
 * At most six integers, the usual case: load all six argument registers, needed or not, and jump.
 * Else sort the arguments into two arrays, integers and reals, and load all registers from them; what does not fit,
 * the last two integers, is at the stack pointer then, as the ABI wants it:
 *
 *	|  return address		|
 *	|  rbp				| <- rbp
 *	|  reals 0-7, 64 bytes		| +64
 *	|  integers 6, 7		| +48	<- rsp at the call
 *	|  integers 0-5			| +0	<- rsp
 */
FUNC(goro__invoke)
	movq	%rdi, %rax			/* fn */
	cmpl	$6, %edx
	ja	1f
	testl	%ecx, %ecx
	jnz	1f
	movq	%rsi, %r10			/* arg */
	movq	(%r10), %rdi
	movq	8(%r10), %rsi
	movq	16(%r10), %rdx
	movq	24(%r10), %rcx
	movq	32(%r10), %r8
	movq	40(%r10), %r9
	notrack jmp *%rax
1:	pushq	%rbp				/* save the frame pointer */
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	subq	$128, %rsp
	movq	%rsp, %r8			/* where the next integer goes */
	leaq	64(%rsp), %r9			/* where the next real goes */
	testl	%edx, %edx
	jz	4f
2:	movq	(%rsi), %r10
	addq	$8, %rsi
	shrl	$1, %ecx			/* this argument's bit of fpmask into the carry */
	jc	3f
	movq	%r10, (%r8)
	addq	$8, %r8
	decl	%edx
	jnz	2b
	jmp	4f
3:	movq	%r10, (%r9)
	addq	$8, %r9
	decl	%edx
	jnz	2b
4:	movq	(%rsp), %rdi			/* registers without an argument get what lies there */
	movq	8(%rsp), %rsi
	movq	16(%rsp), %rdx
	movq	24(%rsp), %rcx
	movq	32(%rsp), %r8
	movq	40(%rsp), %r9
	movsd	64(%rsp), %xmm0
	movsd	72(%rsp), %xmm1
	movsd	80(%rsp), %xmm2
	movsd	88(%rsp), %xmm3
	movsd	96(%rsp), %xmm4
	movsd	104(%rsp), %xmm5
	movsd	112(%rsp), %xmm6
	movsd	120(%rsp), %xmm7
	addq	$48, %rsp			/* integers 6 and 7 are stack arguments */
	call	*%rax
	leave					/* restore rsp and rbp */
	.cfi_def_cfa rsp, 8
	.cfi_same_value rbp
	ret
END(goro__invoke)

/* void goro__fpenv_save(void); the sticky exception flags are not part of it. */
FUNC(goro__fpenv_save)
	stmxcsr	goro__fpenv(%rip)
	andl	$~0x3f, goro__fpenv(%rip)
	fnstcw	4 + goro__fpenv(%rip)
	ret
END(goro__fpenv_save)

/* The floating-point control words that goroutines start with; the ABI's until goro__fpenv_save(). */
	.section .data.goro__fpenv, "aw", @progbits
	.globl	goro__fpenv
	.hidden	goro__fpenv
	.type	goro__fpenv, @object
	.p2align 3
goro__fpenv:
	.long	0x1f80				/* MXCSR: round to nearest, all exceptions masked */
	.short	0x37f, 0			/* x87: the same, 64-bit precision */
	.size	goro__fpenv, . - goro__fpenv

	NOTES
