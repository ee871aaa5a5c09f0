/* SPDX-License-Identifier: MIT */
/*
 * asm.h: what the .S files of this CPU share.
 *
 * All symbols are hidden, live in .text.goro (so that the preemption handler knows runtime text by its address), and
 * start on a line of their own. The property note says IBT only: every indirect jump lands on an endbr64 or is
 * marked notrack. It does not say SHSTK, since a shadow stack per goroutine does not exist, so the linker drops the
 * feature for the whole program (kernel-notes/shadow-stack.md).
 */
#ifndef GORO_LIB_ARCH_X86_64_ASM_H
#define GORO_LIB_ARCH_X86_64_ASM_H

#define FUNC(name)		\
	.globl	name;		\
	.hidden	name;		\
	.type	name, @function;\
	.p2align 6;		\
name:				\
	.cfi_startproc;		\
	endbr64

/* The same for code without a caller: its very first byte already says so. */
#define BOTTOM(name)		\
	.globl	name;		\
	.hidden	name;		\
	.type	name, @function;\
	.p2align 6;		\
name:				\
	.cfi_startproc;		\
	.cfi_undefined rip;	\
	endbr64

#define END(name)		\
	.cfi_endproc;		\
	.size	name, . - name

/* End of each .S file: no executable stack, and the IBT property. */
#define NOTES					\
	.section .note.GNU-stack, "", @progbits;\
	.section .note.gnu.property, "a";	\
	.p2align 3;				\
	.long	4, 16, 5;			\
	.asciz	"GNU";				\
	.long	0xc0000002, 4, 1, 0

/* struct arch_frame: offsets from the stack pointer of a parked context. */
#define FRAME_MXCSR 0
#define FRAME_X87CW 4
#define FRAME_RBP 8
#define FRAME_RIP 16
/* Distance from that stack pointer to the one at arch_switch(): the frame and the red zone. */
#define FRAME_GAP 152

#endif
