/* SPDX-License-Identifier: MIT */
/*
 * fault.c: a fault in a goroutine's own code becomes a panic.
 *
 * The handler of SIGSEGV, SIGBUS and SIGFPE runs on the signal stack. When the fault is the goroutine's own it writes what happened (struct fault) on the goroutine's
 * stack, below the frame and the red zone of the function that faulted, and changes where the thread goes on when the handler returns: at
 * goro__fault_entry, with that address, on the goroutine's stack. The kernel then restores the signal mask and everything else as after any handler. To
 * unwinders it looks as if the function had been interrupted by a call, at the very instruction.
 *
 * Whose code is it? Not the goroutine's own, and so fatal with a dump, are
 *   - the runtime: m->in_runtime is not 0. Calls of ours that fault before they enter (a lock at NULL) hold nothing, and count as the caller's;
 *   - the C library, the loader and allocators: they may hold locks that nobody would ever give back, so also strlen(NULL);
 *   - code that runs on another stack than the goroutine's: a signal handler's, or one that the program has made itself;
 *   - a jump to an address where there is no code, unless it is a call of NULL, which counts as the caller's fault.
 * And there must be room on the stack for the panic; else it is an overflow, or as good as one.
 *
 * Rejected: running the panic in the handler (the signal stack is one per thread, and a deferred call may park); siglongjmp() (needs the mask saved
 * with each deferred call, and shows no backtrace of the fault).
 *
 * Kernel-notes: signals-and-preemption.
 */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "leave.h"
#include "panic.h"
#include "print.h"
#include "sched.h"
#include "stack.h"

#define ROOM 4096	/* what a panic needs on the stack before it makes the first deferred call */
#define PAGE_ZERO 4096	/* addresses below are taken for NULL with an offset */

#if defined(__x86_64__)
# define RED_ZONE 128
# define UC_IS_FETCH(uc) (((uc)->uc_mcontext.gregs[REG_ERR] & 16) != 0) /* an instruction may also write to itself */
typedef greg_t uc_reg;
# define UC_PC(uc) ((uc)->uc_mcontext.gregs[REG_RIP])
# define UC_SP(uc) ((uc)->uc_mcontext.gregs[REG_RSP])
# define UC_FP(uc) ((uc)->uc_mcontext.gregs[REG_RBP])
#else
# define RED_ZONE 0
# define UC_IS_FETCH(uc) ((uc)->uc_mcontext.pc != 0) /* not told */
typedef uint64_t uc_reg;
# define UC_PC(uc) ((uc)->uc_mcontext.pc)
# define UC_SP(uc) ((uc)->uc_mcontext.sp)
# define UC_FP(uc) ((uc)->uc_mcontext.regs[29])
#endif

void goro__fault_read(struct fault *f, int sig, const void *siginfo, const void *context)
{
	const siginfo_t *si = siginfo;
	ucontext_t *uc = (ucontext_t *)(uintptr_t)context;

	f->pc = (uint64_t)UC_PC(uc);
	f->sp = (uint64_t)UC_SP(uc);
	f->fp = (uint64_t)UC_FP(uc);
#if defined(__x86_64__)
	f->lr = 0;
#else
	f->lr = uc->uc_mcontext.regs[30];
#endif
	f->addr = (uintptr_t)si->si_addr;
	f->sig = sig;
	f->code = si->si_code;
}

/* A function at NULL was called: the caller's fault, at its call. */
static NO_SANITIZE void blame_caller(struct fault *f)
{
#if defined(__x86_64__)
	f->pc = *(const uint64_t *)f->sp - 1;
	f->sp += 8;
#else
	f->pc = (uint64_t)arch_strip(f->lr) - 4;
#endif
}

/* Is there room on g's stack for n bytes below sp? */
static bool has_room(const struct g *g, uint64_t sp, size_t n)
{
	uintptr_t lo = stk_lo(g->stk);

	return sp > lo && sp <= stk_hi(g->stk) && sp - lo >= n;
}

/* The handler returns to goro__fault_entry, which finds f at its stack pointer. */
static NO_SANITIZE void divert(const struct fault *f, ucontext_t *uc)
{
	uint64_t at = ((uint64_t)UC_SP(uc) - RED_ZONE - sizeof(*f)) & ~(uint64_t)15;

	memcpy((void *)at, f, sizeof(*f));
	UC_SP(uc) = UC_FP(uc) = (uc_reg)at;
	UC_PC(uc) = (uc_reg)(uintptr_t)goro__fault_entry;
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x40400; /* direction and alignment check: clear at a call */
#else
	uc->uc_mcontext.pstate &= ~(uint64_t)0xc00; /* BTYPE: no indirect branch has led there */
#endif
}

bool goro__fault_enter(struct m *m, struct g *g, const struct fault *fault, void *context)
{
	ucontext_t *uc = context;
	struct fault f = *fault;

	if (m->in_runtime != 0 || !has_room(g, f.sp, ROOM + RED_ZONE))
		return false;
	if (f.sig != SIGFPE && f.pc == f.addr && (f.pc < PAGE_ZERO || UC_IS_FETCH(uc))) {
		if (f.pc >= PAGE_ZERO)
			return false;
		blame_caller(&f);
	}
	if (goro__in_library((void *)(uintptr_t)f.pc))
		return false;
	divert(&f, uc);
	return true;
}

/* Go's line. */
void goro__fault_print(int sig, int code, uint64_t addr, uint64_t pc)
{
	print_str(sig == SIGSEGV ? "[signal SIGSEGV: segmentation violation" :
		  sig == SIGBUS	 ? "[signal SIGBUS: bus error" :
				   "[signal SIGFPE: floating-point exception");
	print_str(" code=");
	print_hex((uint64_t)(unsigned)code);
	print_str(" addr=");
	print_hex(addr);
	print_str(" pc=");
	print_hex(pc);
	print_str("]\n");
}
