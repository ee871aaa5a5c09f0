/* SPDX-License-Identifier: MIT */
/*
 * defer.S: what a deferred call keeps of the function that deferred it, and how a fault becomes a call, System V ABI for x86-64.
 *
 * The control words of the floating point unit are not kept: as with setjmp(), they stay what they are.
 */
#include "asm.h"

	.section .text.goro, "ax", @progbits

/* struct goro_deferred (goro/panic.h); panic.c asserts these. */
#define DEFER_FN 8
#define DEFER_ARG 16
#define DEFER_REGS 64
#define SAN_TSAN 2

/* Save the caller's registers at \at(%rdi), with the stack pointer that it has after the return. Uses rax, rcx. */
	.macro	SAVE at
	movq	(%rsp), %rax			/* where the caller goes on */
	leaq	8(%rsp), %rcx
	movq	%rbx, \at + 0(%rdi)
	movq	%rbp, \at + 8(%rdi)
	movq	%r12, \at + 16(%rdi)
	movq	%r13, \at + 24(%rdi)
	movq	%r14, \at + 32(%rdi)
	movq	%r15, \at + 40(%rdi)
	movq	%rcx, \at + 48(%rdi)
	movq	%rax, \at + 56(%rdi)
	.endm

/* int goro_defer(struct goro_deferred *d, void (*fn)(void *), void *arg); exported, so not FUNC. */
	.globl	goro_defer
	.type	goro_defer, @function
	.p2align 6
goro_defer:
	.cfi_startproc
	endbr64
	SAVE	DEFER_REGS
	movq	%rsi, DEFER_FN(%rdi)
	movq	%rdx, DEFER_ARG(%rdi)
	testb	$SAN_TSAN, goro__san_flags(%rip)
	jnz	1f
	jmp	goro__defer_link		/* returns 0 to our caller */
1:	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	goro__defer_link_tsan		/* ThreadSanitizer must see a setjmp() in our caller */
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	movq	%rax, %rdi
	jmp	*_setjmp@GOTPCREL(%rip)
END(goro_defer)

/* int goro__save(uint64_t *regs); */
FUNC(goro__save)
	SAVE	0
	xorl	%eax, %eax
	ret
END(goro__save)

/* _Noreturn void goro__restore(const uint64_t *regs); */
FUNC(goro__restore)
	movq	0(%rdi), %rbx
	movq	8(%rdi), %rbp
	movq	16(%rdi), %r12
	movq	24(%rdi), %r13
	movq	32(%rdi), %r14
	movq	40(%rdi), %r15
	movq	56(%rdi), %rcx
	movq	48(%rdi), %rsp
	movl	$1, %eax
	notrack jmp *%rcx
END(goro__restore)

/*
 * void goro__deferred(void (*fn)(void *), void *arg); the address behind its call is how goro_recover_at() knows a function that a
 * panic has called. With a frame pointer, for those who follow them.
 */
FUNC(goro__deferred)
	.cfi_personality 0x1b, goro__uncaught	/* an exception must not leave what a panic has called */
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	.globl	goro__deferred_ret
	.hidden	goro__deferred_ret
goro__deferred_ret:
	popq	%rbp
	.cfi_def_cfa rsp, 8
	.cfi_same_value rbp
	ret
END(goro__deferred)

/*
 * Not a C function: where a thread goes on when the handler has turned a fault into a panic. rsp = rbp = struct fault (fault.c), which the handler has put
 * below the red zone of the function that faulted. All other registers are that function's, so unwinders are told where it was:
 *
 *	|  the function's frame, red zone	|
 *	+---------------------------------------+
 *	|  signal, address, ...			|
 *	|  rbp					| +16
 *	|  rsp					| +8
 *	|  rip					| +0	<- rsp, rbp
 *	+---------------------------------------+
 */
FUNC(goro__fault_entry)
	.cfi_signal_frame
	.cfi_escape 0x0f, 3, 0x76, 8, 6		/* CFA: *(rbp + 8) */
	.cfi_escape 0x10, 16, 2, 0x76, 0	/* rip is at rbp + 0 */
	.cfi_escape 0x10, 6, 2, 0x76, 16	/* rbp is at rbp + 16 */
	fnclex					/* a pending exception would be raised again */
	emms					/* the ABI: the x87 stack is empty at a call */
	movq	%rbp, %rdi
	call	goro__fault_panic
	ud2
END(goro__fault_entry)

	NOTES
