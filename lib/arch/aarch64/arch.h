/* SPDX-License-Identifier: MIT */
/*
 * aarch64, AAPCS64, little-endian: the frame of a parked context, TLS slots, raw system calls, the counter.
 * Included through lib/arch.h only.
 */
#ifndef GORO_LIB_ARCH_AARCH64_H
#define GORO_LIB_ARCH_AARCH64_H

#define ARCH_NAME "aarch64"

/*
 * What lies at the stack pointer of a parked context, lowest address first.  The offsets are repeated in
 * switch.S; check_arch.c compares the two.
 */
struct arch_frame {
	uint64_t x29, x30;	/* frame pointer; where goro__switch() returns to */
	uint64_t x19, x20, x21, x22, x23, x24, x25, x26, x27, x28;
	uint64_t d8, d9, d10, d11, d12, d13, d14, d15;
	uint64_t fpcr;		/* rounding mode, flush to zero, traps */
	uint64_t pad;
};

_Static_assert(sizeof(struct arch_frame) == 176, "switch.S: FRAME_SIZE");
_Static_assert(offsetof(struct arch_frame, x19) == 16, "switch.S: FRAME_X19");
_Static_assert(offsetof(struct arch_frame, d8) == 96, "switch.S: FRAME_D8");
_Static_assert(offsetof(struct arch_frame, fpcr) == 160, "switch.S: FRAME_FPCR");

/*
 * Load and store the pointer-sized thread-local variable `sym` (initial-exec, hidden, defined in tls.c).  One
 * opaque step: the compiler sees no thread pointer that it could keep over a switch to another thread.
 */
#define ARCH_TLS_LOAD(sym) __extension__({						\
	void *arch_tls_v, *arch_tls_t;							\
	__asm__ volatile("mrs %0, tpidr_el0\n\t"					\
			 "adrp %1, :gottprel:" #sym "\n\t"				\
			 "ldr %1, [%1, #:gottprel_lo12:" #sym "]\n\t"			\
			 "ldr %0, [%0, %1]"						\
			 : "=&r"(arch_tls_v), "=&r"(arch_tls_t));			\
	arch_tls_v;									\
})

#define ARCH_TLS_STORE(sym, val) do {							\
	void *arch_tls_b, *arch_tls_t;							\
	__asm__ volatile("mrs %0, tpidr_el0\n\t"					\
			 "adrp %1, :gottprel:" #sym "\n\t"				\
			 "ldr %1, [%1, #:gottprel_lo12:" #sym "]\n\t"			\
			 "str %2, [%0, %1]"						\
			 : "=&r"(arch_tls_b), "=&r"(arch_tls_t)				\
			 : "r"((void *)(val)) : "memory");				\
} while (0)

/* A counter that runs at a constant rate on all CPUs; for measuring short times, not for telling the time. */
static inline uint64_t arch_ticks(void)
{
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
}

static inline void arch_pause(void)
{
	__asm__ volatile("yield" ::: "memory");
}

/* The system call nr; a negative value is -errno. */
static inline long arch_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
}

#endif
