/* SPDX-License-Identifier: MIT */
/* panic.h: panics and deferred calls, for the files of the scheduler. Layer 6. */
#ifndef LIB_PANIC_H
#define LIB_PANIC_H

#include <stdbool.h>
#include <stdint.h>

#include <goro/panic.h>

struct g;
struct m;

/* What a signal handler tells of a fault. It lies on the goroutine's stack, below the frame that faulted; the .S files know the first four fields. */
struct fault {
	uint64_t pc, sp, fp, lr;
	uint64_t addr;
	int32_t sig, code;
};

/* Where a function goes on, of whom only that much is asked: see unwind.c. */
struct place {
	uintptr_t pc, sp, fp;
};

/* The place in its caller at which the function is called that this stands in. */
#define CALLED_AT()                                                                                              \
	((struct place){ (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(),             \
			 *(const uintptr_t *)__builtin_frame_address(0) })

/* A panic, or goro_exit(), that is running deferred calls. It lies on its own stack, newer ones further up. */
struct panic {
	struct panic *link; /* the one that it interrupted */
	struct goro_panicked info;
	struct goro_deferred *running;
	struct place from; /* where the frames begin that it leaves */
	bool recovered;
	bool goexit;
};

/* defer.S */
#define RETURNS_TWICE __attribute__((returns_twice))
int goro__save(uint64_t *regs) RETURNS_TWICE; /* 0; 1 when it returns again, by goro__restore(): setjmp() and longjmp() */
_Noreturn void goro__restore(const uint64_t *regs);
void goro__deferred(void (*fn)(void *), void *arg);
extern const char goro__deferred_ret[]; /* where fn returns to */
void goro__fault_entry(void);

/* panic.c */
_Noreturn void goro__fault_panic(struct fault *f); /* on the goroutine's stack, in place of the instruction that faulted */
_Noreturn void goro__panic_go(struct g *g, struct goro_deferred *d); /* to the function that deferred d; NULL: the goroutine ends. In user context */
_Noreturn void goro__panic_leave(struct g *g, struct goro_deferred *d, const struct place *from); /* the same, after the destructors of the frames from there on */

/*
 * The main goroutine has returned; in its user context. If others panic they get some turns first, and if one of them is about to end the process
 * it does not return. Parks.
 */
void goro__panics_settle(void);

/* fault.c. In a signal handler: true if the thread goes on with a panic when the handler returns. SIGSAFE. */
bool goro__fault_enter(struct m *m, struct g *g, const struct fault *f, void *uc);
void goro__fault_read(struct fault *f, int sig, const void *siginfo, const void *uc);
void goro__fault_print(int sig, int code, uint64_t addr, uint64_t pc); /* Go's line "[signal ...]"; between print_start() and print_end() */

/* Ends the process with "panic: " and text, behind the panics that run, and the backtrace from here; no deferred call is made. In user context. */
_Noreturn void goro__panic_fatal(const char *text);

/* onstack.c: g leaves the innermost call of goro_call_on_stack() for d, or for its end */
_Noreturn void goro__onstack_leave(struct g *g, struct goro_deferred *d);
bool goro__onstack_above(const struct g *g, const struct goro_deferred *d); /* is there one that d is not in? */
void goro__onstack_range(const struct g *g, uintptr_t *ret_lo, uintptr_t *ret_hi); /* its stack */

/* spawn.c: the goroutine ends, on whichever frame of its own stack; in user context */
_Noreturn void goro__g_exit(struct g *g);

/*
 * unwind.c. In a program with the C++ library: runs the destructors of the frames from that place down to that of the function that deferred d, or of all, and then
 * goes on by goro__panic_go(); on a larger stack that d is not on, those of the frames there. Returns if there are none, or if it cannot.
 */
void goro__unwind_cxx(struct g *g, struct goro_deferred *d, const struct place *from);

#endif
