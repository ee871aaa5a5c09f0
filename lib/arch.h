/* SPDX-License-Identifier: MIT */
/*
 * arch.h: the one door to the CPU.
 *
 * Each CPU directory defines the same names; this file picks one and declares what is common, so that a
 * third CPU is one directory and one line here.  Nothing outside lib/arch contains assembly.
 *
 * A context is a stack pointer and nothing else.  What a context needs to go on lies in one frame at that
 * address (struct arch_frame), put there by goro__switch() or goro__ctx_make().
 */
#ifndef GORO_LIB_ARCH_H
#define GORO_LIB_ARCH_H

#include <stddef.h>
#include <stdint.h>

#define ARCH_CACHELINE 64

#if defined(__x86_64__) && !defined(__ILP32__)
# include "arch/x86_64/arch.h"
#elif defined(__aarch64__) && !defined(__ILP32__) && !defined(__AARCH64EB__)
# include "arch/aarch64/arch.h"
#else
# error "goro supports 64-bit x86-64 and little-endian aarch64 only"
#endif

/*
 * goro__fpenv_save() makes the calling thread's floating-point control words (rounding mode and the like) those that
 * every goroutine starts with from now on, on whichever thread. Until then they are the ABI's defaults.
 */
void goro__fpenv_save(void);

/*
 * goro__switch() parks the running context and resumes another.  It pushes the callee-saved registers and the
 * floating-point control words, stores the stack pointer in *save_sp, takes to_sp as the new one, and returns
 * `pass` in the context that was parked there (or calls that context's entry with it).
 *
 * goro__switch() touches the old stack no more after it has stored *save_sp.  Another thread may resume the context, but
 * must be told of it by a release that the new context makes: the stores here are plain ones.
 * arch_switch() in the CPU's arch.h is the same, inline and faster.
 * Built with GORO_SHARE_FPENV, rounding mode and the like belong to the thread, not to the context.
 *
 * From: any stack.  The signal mask, errno and all of thread-local storage are the thread's and stay with it.
 */
void *goro__switch(void **save_sp, void *to_sp, void *pass);

/*
 * goro__ctx_make() writes the first frame of a context on an empty stack and returns the sp to switch to.
 * Switching there calls entry(pass), which must never return.  stack_top need not be aligned.
 */
void *goro__ctx_make(void *stack_top, void (*entry)(void *pass));

/*
 * goro__switch_fresh() is goro__switch() to a context that was never made: it parks the running context and
 * calls entry(pass) at the top of an empty stack.  It spares the store and reload of a first frame.  Returns what
 * the switch back passes.
 */
void *goro__switch_fresh(void **save_sp, void *stack_top, void (*entry)(void *pass), void *pass);

/*
 * goro__jump() forgets the running context and calls entry(pass) at stack_top as goro__switch_fresh() does.
 * stack_top may lie on the stack in use: nothing of it is read any more.
 */
_Noreturn void goro__jump(void *stack_top, void (*entry)(void *pass), void *pass);

/*
 * goro__ontop() parks the running context in *save_sp and calls fn(arg) on the stack of the parked context
 * `parked_sp`, as though goro__switch() had called it there: a backtrace taken in fn shows the parked
 * context's frames down to its entry.  fn must not return; it ends with goro__switch(&dummy, saved, ...),
 * which makes goro__ontop() return.  The parked context is left as it was, provided nobody resumes it
 * meanwhile and its stack has room for fn below its stack pointer.
 */
void goro__ontop(void **save_sp, void *parked_sp, void (*fn)(void *), void *arg);

/* goro__call_on() calls fn(arg) at the top of another stack and returns its value; unwinding passes through. */
void *goro__call_on(void *stack_top, void *(*fn)(void *), void *arg);

/*
 * goro__invoke() calls fn with nargs (at most ARCH_ARGS) scalar arguments.  arg[i] is the register image of
 * argument i: integers extended to 64 bits by their own type, a float's 32 bits in the low half; bit i of
 * fpmask says that argument i is a float or a double.  All ARCH_ARGS words at arg must be readable, though
 * only the first nargs count.
 */
#define ARCH_ARGS 8
void goro__invoke(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask);

#endif
