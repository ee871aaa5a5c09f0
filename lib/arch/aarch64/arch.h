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
 * asm.h for the .S files.
 */
struct arch_frame {
	uint64_t x29;
	uint64_t x30;		/* where the context goes on; signed where the CPU has pointer authentication */
	uint64_t fpcr;		/* rounding mode, flush to zero, traps */
	uint64_t pad;
};

/* From a parked context's sp to the sp that it goes on with. */
#define ARCH_FRAME_GAP (sizeof(struct arch_frame))

_Static_assert(offsetof(struct arch_frame, x30) == 8, "asm.h: FRAME_X30");
_Static_assert(offsetof(struct arch_frame, fpcr) == 16, "asm.h: FRAME_FPCR");
_Static_assert(ARCH_FRAME_GAP == 32, "asm.h: FRAME_GAP");

/* What a frame says about its context, for dumps and debuggers: the address without its signature. */
static inline void *arch_frame_pc(const void *sp)
{
	register uint64_t x30 __asm__("x30") = ((const struct arch_frame *)sp)->x30;

	__asm__("hint #7" /* xpaclri */ : "+r"(x30));
	return (void *)x30;
}

/* An address without the signature that it may have. */
static inline const void *arch_strip(uint64_t signed_pc)
{
	register uint64_t x30 __asm__("x30") = signed_pc;

	__asm__("hint #7" /* xpaclri */ : "+r"(x30));
	return (const void *)x30;
}

/* Where the function returns to whose __builtin_frame_address(0) this is. */
static inline const void *arch_frame_return(const void *frame)
{
	return arch_strip(((const uint64_t *)frame)[1]);
}

/* The numbers that the tables for unwinding give to stack pointer, frame pointer and the address that is returned to. */
#define ARCH_DWARF_SP 31
#define ARCH_DWARF_FP 29
#define ARCH_DWARF_RET 30

/* Indices of struct goro_deferred's regs. */
#define DEFER_SP 12
#define DEFER_PC 11

/* Every register but sp and x29, which the switch itself saves. */
#ifdef __ARM_FEATURE_SVE
# define ARCH_CLOBBER_SVE , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12",	\
	"p13", "p14", "p15", "ffr"
#else
# define ARCH_CLOBBER_SVE
#endif
#define ARCH_CLOBBER "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",	\
	"x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "cc", "memory",	\
	"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",	\
	"v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",	\
	"v30", "v31" ARCH_CLOBBER_SVE

/*
 * goro__switch() and goro__switch_fresh() without the call: the caller's registers are saved only if it needs them
 * later, and the processor's prediction of returns stays in step. For the few functions through which goroutines
 * park; they should be out of line and small, since all registers are lost here.
 */
static inline __attribute__((always_inline)) void *arch_switch(void **save_sp, void *to_sp, void *pass)
{
	register void *x0 __asm__("x0") = save_sp;
	register void *x1 __asm__("x1") = to_sp;
	register void *x2 __asm__("x2") = pass;

	__asm__ volatile("adr x17, 1f\n\t"
			 "b goro__switch_at\n"
			 "1:\thint #36" /* bti j */
			 : "+r"(x0), "+r"(x1), "+r"(x2)
			 :: "x3", ARCH_CLOBBER);
	return x0;
}

static inline __attribute__((always_inline)) void *arch_switch_fresh(void **save_sp, void *stack_top,
								     void (*entry)(void *pass), void *pass)
{
	register void *x0 __asm__("x0") = save_sp;
	register void *x1 __asm__("x1") = stack_top;
	register void (*x2)(void *pass) __asm__("x2") = entry;
	register void *x3 __asm__("x3") = pass;

	__asm__ volatile("adr x17, 1f\n\t"
			 "b goro__fresh_at\n"
			 "1:\thint #36" /* bti j */
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :: ARCH_CLOBBER);
	return x0;
}

extern uint64_t goro__fpenv __attribute__((__visibility__("hidden")));

/* Set the FPCR that goroutines start with: a new one goes on on the stack of another. */
static inline void arch_fpenv_reset(void)
{
#ifndef GORO_SHARE_FPENV
	uint64_t v;

	__asm__ volatile("mrs %0, fpcr" : "=r"(v));
	if (__builtin_expect(v != goro__fpenv, 0))
		__asm__ volatile("msr fpcr, %0" : : "r"(goro__fpenv) : "memory");
#endif
}

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
