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
 * asm.h for the .S files.
 */
struct arch_frame {
	uint32_t mxcsr;		/* SSE control and status */
	uint16_t x87cw;		/* x87 control word */
	uint16_t pad;
	uint64_t rbp;
	uint64_t rip;		/* where the context goes on */
};

/* From a parked context's sp to the sp that it goes on with: the frame, and the red zone that it lies below. */
#define ARCH_FRAME_GAP (sizeof(struct arch_frame) + 128)

_Static_assert(offsetof(struct arch_frame, x87cw) == 4, "asm.h: FRAME_X87CW");
_Static_assert(offsetof(struct arch_frame, rbp) == 8, "asm.h: FRAME_RBP");
_Static_assert(offsetof(struct arch_frame, rip) == 16, "asm.h: FRAME_RIP");
_Static_assert(ARCH_FRAME_GAP == 152, "asm.h: FRAME_GAP");

/* What a frame says about its context, for dumps and debuggers. */
static inline void *arch_frame_pc(const void *sp)
{
	return (void *)((const struct arch_frame *)sp)->rip;
}

/* An address without the signature that it may have: here there is none. */
static inline const void *arch_strip(uint64_t pc)
{
	return (const void *)pc;
}

/* Where the function returns to whose __builtin_frame_address(0) this is. */
static inline const void *arch_frame_return(const void *frame)
{
	return ((void *const *)frame)[1];
}

/* The numbers that the tables for unwinding give to stack pointer, frame pointer and the address that is returned to. */
#define ARCH_DWARF_SP 7
#define ARCH_DWARF_FP 6
#define ARCH_DWARF_RET 16

/* Indices of struct goro_deferred's regs. */
#define DEFER_SP 6
#define DEFER_PC 7

/* Every register but rsp and rbp, which the switch itself saves. */
#ifdef __AVX512F__
# define ARCH_CLOBBER_AVX512 , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",	\
	"xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
# define ARCH_CLOBBER_AVX512
#endif
#define ARCH_CLOBBER "rbx", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory", "xmm0", "xmm1",	\
	"xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",	\
	"xmm14", "xmm15" ARCH_CLOBBER_AVX512

/*
 * goro__switch() and goro__switch_fresh() without the call: the caller's registers are saved only if it needs them
 * later, and the processor's prediction of returns stays in step. For the few functions through which goroutines
 * park; they should be out of line and small, since all registers are lost here.
 */
static inline __attribute__((always_inline)) void *arch_switch(void **save_sp, void *to_sp, void *pass)
{
	void *ret;

	__asm__ volatile("leaq 1f(%%rip), %%r8\n\t"
			 "jmp goro__switch_at\n"
			 "1:"
			 : "=a"(ret), "+D"(save_sp), "+S"(to_sp), "+d"(pass)
			 :: "rcx", "r8", ARCH_CLOBBER);
	return ret;
}

static inline __attribute__((always_inline)) void *arch_switch_fresh(void **save_sp, void *stack_top,
								     void (*entry)(void *pass), void *pass)
{
	void *ret;

	__asm__ volatile("leaq 1f(%%rip), %%r8\n\t"
			 "jmp goro__fresh_at\n"
			 "1:"
			 : "=a"(ret), "+D"(save_sp), "+S"(stack_top), "+d"(entry), "+c"(pass)
			 :: "r8", ARCH_CLOBBER);
	return ret;
}

/* Set the floating-point control words that goroutines start with: a new one goes on on the stack of another. */
static inline void arch_fpenv_reset(void)
{
#ifndef GORO_SHARE_FPENV
	__asm__ volatile("ldmxcsr goro__fpenv(%%rip)\n\t"
			 "fldcw 4 + goro__fpenv(%%rip)" ::: "memory");
#endif
}

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
