/* SPDX-License-Identifier: MIT */
/*
 * asm.h: what the .S files of this CPU share.
 *
 * All symbols are hidden, live in .text.goro (so that the preemption handler knows runtime text by its address), and
 * start on a line of their own. Every landing place of an indirect branch is a bti, every return address in memory
 * is signed with the stack pointer of its frame (the CFA, which unwinders use too), so the property note says BTI and
 * PAC; both are hints, which older CPUs skip. It does not say GCS: a shadow stack per goroutine does not exist.
 * kernel-notes/arm64-pac-bti.md.
 */
#ifndef GORO_LIB_ARCH_AARCH64_ASM_H
#define GORO_LIB_ARCH_AARCH64_ASM_H

/* The hints by number, since assemblers take the names only with -march=armv8.5-a. */
#define BTI_C hint #34
#define BTI_J hint #36
#define BTI_JC hint #38
#define PACIA1716 hint #8
#define AUTIA1716 hint #12
#define PACIASP hint #25
#define AUTIASP hint #29

#define FUNC(name)		\
	.globl	name;		\
	.hidden	name;		\
	.type	name, %function;\
	.p2align 6;		\
name:				\
	.cfi_startproc;		\
	BTI_JC

/* The same for code without a caller: its very first byte already says so. */
#define BOTTOM(name)		\
	.globl	name;		\
	.hidden	name;		\
	.type	name, %function;\
	.p2align 6;		\
name:				\
	.cfi_startproc;		\
	.cfi_undefined x30;	\
	BTI_JC

#define END(name)		\
	.cfi_endproc;		\
	.size	name, . - name

/* End of each .S file: no executable stack, and the BTI and PAC properties. */
#define NOTES					\
	.section .note.GNU-stack, "", %progbits;\
	.section .note.gnu.property, "a";	\
	.p2align 3;				\
	.word	4, 16, 5;			\
	.asciz	"GNU";				\
	.word	0xc0000000, 4, 3, 0

/* struct arch_frame: offsets from the stack pointer of a parked context. */
#define FRAME_X29 0
#define FRAME_X30 8
#define FRAME_FPCR 16
/* Distance from that stack pointer to the one at arch_switch(). */
#define FRAME_GAP 32

#endif
