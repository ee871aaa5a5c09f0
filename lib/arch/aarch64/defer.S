/* SPDX-License-Identifier: MIT */
/*
 * defer.S: what a deferred call keeps of the function that deferred it, and how a fault becomes a call, Procedure Call Standard for the Arm 64-bit
 * Architecture.
 *
 * FPCR is not kept: as with setjmp(), it stays what it is. Return addresses are signed with the stack pointer of the caller, as everywhere here.
 */
#include "asm.h"

	.section .text.goro, "ax", %progbits

/* struct goro_deferred (goro/panic.h); panic.c asserts these. */
#define DEFER_FN 8
#define DEFER_REGS 64
#define SAN_TSAN 2

/* Save the caller's registers at [x0, \at]. x30 is signed before. Uses x9. */
	.macro	SAVE at
	stp	x19, x20, [x0, #\at + 0]
	stp	x21, x22, [x0, #\at + 16]
	stp	x23, x24, [x0, #\at + 32]
	stp	x25, x26, [x0, #\at + 48]
	stp	x27, x28, [x0, #\at + 64]
	stp	x29, x30, [x0, #\at + 80]
	mov	x9, sp
	str	x9, [x0, #\at + 96]
	stp	d8, d9, [x0, #\at + 104]
	stp	d10, d11, [x0, #\at + 120]
	stp	d12, d13, [x0, #\at + 136]
	stp	d14, d15, [x0, #\at + 152]
	.endm

/* int goro_defer(struct goro_deferred *d, void (*fn)(void *), void *arg); exported, so not FUNC. */
	.globl	goro_defer
	.type	goro_defer, %function
	.p2align 6
goro_defer:
	.cfi_startproc
	BTI_C
	PACIASP
	.cfi_negate_ra_state
	SAVE	DEFER_REGS
	AUTIASP
	.cfi_negate_ra_state
	stp	x1, x2, [x0, #DEFER_FN]
	adrp	x9, goro__san_flags
	ldr	w9, [x9, #:lo12:goro__san_flags]
	tbnz	w9, #1, 1f			/* SAN_TSAN */
	b	goro__defer_link		/* returns 0 to our caller */
1:	PACIASP
	.cfi_negate_ra_state
	stp	x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov	x29, sp
	bl	goro__defer_link_tsan		/* ThreadSanitizer must see a setjmp() in our caller */
	ldp	x29, x30, [sp], #16
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
	adrp	x16, :got:_setjmp
	ldr	x16, [x16, #:got_lo12:_setjmp]
	br	x16
END(goro_defer)

/* int goro__save(uint64_t *regs); */
FUNC(goro__save)
	PACIASP
	.cfi_negate_ra_state
	SAVE	0
	AUTIASP
	.cfi_negate_ra_state
	mov	w0, wzr
	ret
END(goro__save)

/* _Noreturn void goro__restore(const uint64_t *regs); */
FUNC(goro__restore)
	ldp	x19, x20, [x0, #0]
	ldp	x21, x22, [x0, #16]
	ldp	x23, x24, [x0, #32]
	ldp	x25, x26, [x0, #48]
	ldp	x27, x28, [x0, #64]
	ldp	d8, d9, [x0, #104]
	ldp	d10, d11, [x0, #120]
	ldp	d12, d13, [x0, #136]
	ldp	d14, d15, [x0, #152]
	ldr	x9, [x0, #96]
	ldp	x29, x30, [x0, #80]
	mov	sp, x9
	AUTIASP
	mov	w0, #1
	ret					/* a ret needs no landing pad */
END(goro__restore)

/*
 * void goro__deferred(void (*fn)(void *), void *arg); the address behind its call is how goro_recover_at() knows a function that a
 * panic has called.
 */
FUNC(goro__deferred)
	.cfi_personality 0x1b, goro__uncaught	/* an exception must not leave what a panic has called */
	PACIASP
	.cfi_negate_ra_state
	stp	x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	mov	x29, sp
	mov	x9, x0
	mov	x0, x1
	blr	x9
	.globl	goro__deferred_ret
	.hidden	goro__deferred_ret
goro__deferred_ret:
	ldp	x29, x30, [sp], #16
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	AUTIASP
	.cfi_negate_ra_state
	ret
END(goro__deferred)

/*
 * Not a C function: where a thread goes on when the handler has turned a fault into a panic. sp = x29 = struct fault (fault.c), which the handler has put
 * below the frame of the function that faulted. All other registers but x0 and x30 are that function's, and unwinders are told where it was. Its x30 may be
 * its return address, if it is a leaf, so where it was at is told in a column of its own, 96, as for the kernel's signal frames.
 *
 *	|  the function's frame		|
 *	+-------------------------------+
 *	|  signal, address, ...		|
 *	|  x30				| +24
 *	|  x29				| +16
 *	|  sp				| +8
 *	|  pc				| +0	<- sp, x29
 *	+-------------------------------+
 */
FUNC(goro__fault_entry)
	.cfi_signal_frame
	.cfi_return_column 96
	.cfi_escape 0x0f, 3, 0x8d, 8, 6		/* CFA: *(x29 + 8) */
	.cfi_escape 0x10, 96, 2, 0x8d, 0	/* the pc is at x29 + 0 */
	.cfi_escape 0x10, 29, 2, 0x8d, 16	/* x29 is at x29 + 16 */
	.cfi_escape 0x10, 30, 2, 0x8d, 24	/* x30 is at x29 + 24 */
	mov	x0, x29
	bl	goro__fault_panic
	udf	#0
END(goro__fault_entry)

	NOTES
