/* SPDX-License-Identifier: MIT */
/*
 * x86-64, System V ABI: the frame of a parked context, TLS slots, raw system calls, the cycle counter.
 * Included through lib/arch.h only.
 */
#ifndef GORO_LIB_ARCH_X86_64_H
#define GORO_LIB_ARCH_X86_64_H

#define ARCH_NAME "x86-64"

/*
 * What lies at the stack pointer of a parked context, lowest address first.  The offsets are repeated in
 * switch.S; check_arch.c compares the two.
 */
struct arch_frame {
	uint32_t mxcsr;		/* SSE control and status */
	uint16_t x87cw;		/* x87 control word */
	uint16_t pad;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	uint64_t rip;		/* where goro__switch() returns to */
};

_Static_assert(sizeof(struct arch_frame) == 64, "switch.S: the frame is one line");
_Static_assert(offsetof(struct arch_frame, rbx) == 40, "switch.S: FRAME_RBX");
_Static_assert(offsetof(struct arch_frame, rip) == 56, "switch.S: FRAME_RIP");

/*
 * Load and store the pointer-sized thread-local variable `sym` (initial-exec, hidden, defined in tls.c).  One
 * opaque step: the compiler sees no address that it could keep over a switch to another thread.
 */
#define ARCH_TLS_LOAD(sym) __extension__({						\
	void *arch_tls_v;								\
	__asm__ volatile("movq " #sym "@gottpoff(%%rip), %0\n\t"			\
			 "movq %%fs:(%0), %0" : "=r"(arch_tls_v));			\
	arch_tls_v;									\
})

#define ARCH_TLS_STORE(sym, val) do {							\
	void *arch_tls_t;								\
	__asm__ volatile("movq " #sym "@gottpoff(%%rip), %0\n\t"			\
			 "movq %1, %%fs:(%0)" : "=&r"(arch_tls_t)			\
			 : "r"((void *)(val)) : "memory");				\
} while (0)

/* A counter that runs at a constant rate on all CPUs; for measuring short times, not for telling the time. */
static inline uint64_t arch_ticks(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline void arch_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* The system call nr; a negative value is -errno. */
static inline long arch_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#endif
