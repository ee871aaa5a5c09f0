/* SPDX-License-Identifier: MIT */
/*
 * goro/panic.h: Go's defer, panic and recover.
 *
 *	static void answer_500(void *arg)
 *	{
 *		const struct goro_panicked *p = GORO_RECOVER();
 *
 *		if (p)
 *			send_error(arg, 500, p->text);
 *	}
 *
 *	static int handle(struct request *r)
 *	{
 *		GORO_DEFER(answer_500, r, -1);
 *		...
 *		return 0;
 *	}
 *
 * A panic (goro_panic(), or a NULL dereference and the like in the goroutine's own code) runs what its goroutine has deferred, latest first, on top of the
 * stack as it is. If one of these calls recovers, the function that deferred it returns to its caller, and the frames above it are forgotten.
 * If none does, the process ends with "panic: ...", the backtrace of where it panicked, and exit status 2.
 *
 * Where C differs from Go:
 *   - A deferred call runs at the end of the scope that GORO_DEFER() stands in, not of the function: in a loop's body, in each round.
 *   - The value of "return x;" is computed before the deferred calls run; they cannot change it. After a recovery the function returns the third
 *     argument of GORO_DEFER(), evaluated then. As after setjmp(), local variables that were changed since the GORO_DEFER() are
 *     indeterminate then, unless they are volatile.
 *   - The frames that are forgotten run their deferred calls, and in a program that contains the C++ library their destructors, but no
 *     __attribute__((cleanup)) of their own.
 *   - A function that has deferred something is left by its end, return, break, goto, a C++ exception, a panic or goro_exit(); not by longjmp().
 */
#ifndef GORO_PANIC_H
#define GORO_PANIC_H

#include <goro/attr.h>
#include <goro/go.h>
#include <stddef.h>
#include <stdint.h>

GORO_BEGIN_DECLS

#if defined(__aarch64__)
# define GORO_DEFER_REGS 21 /* x19 to x30, sp, d8 to d15 */
#else
# define GORO_DEFER_REGS 8 /* rbx, rbp, r12 to r15, rsp, rip */
#endif

/* A deferred call, on the stack of the function that deferred it. GORO_DEFER() makes one; the fields are the library's. */
struct goro_deferred {
	struct goro_deferred *next;
	void (*fn)(void *arg);
	void *arg;
	void *panics;
	uintptr_t stack;
	void *tsan;
	void *caught;
	uint32_t nopreempt;
	uint32_t uncaught;
	uint64_t regs[GORO_DEFER_REGS];
};

/* Bits of goro_panicked.flags. */
/* A run-time error, of the program or of a call of this library: what a type assertion to runtime.Error tells in Go. */
#define GORO_PANIC_RUNTIME 1u

/* What GORO_RECOVER() tells. It is valid until the deferred call returns; copy what is needed for longer. */
struct goro_panicked {
	const char *text;  /* what would have been printed behind "panic: " */
	void *value;	   /* of goro_panic_with(), else NULL */
	unsigned flags;	   /* GORO_PANIC_... */
	int signal;	   /* SIGSEGV, SIGBUS or SIGFPE if it was a fault, else 0 */
	int code;	   /* the signal's si_code, */
	const void *addr;  /* the address that could not be accessed, */
	const void *pc;	   /* and the instruction that did it */
};

/*
 * Panics: runs the goroutine's deferred calls until one recovers; if none does, ends the process with the text, printf-style and cut to 511
 * bytes, and exit status 2. A format without '%' is kept as a pointer: it must stay as it is until the panic is over. NULL: as panic(nil) in Go.
 * Parks: no, but deferred calls may. From: any thread, in user context. Does not return.
 */
GORO_API GORO_NORETURN void goro_panic(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));

/*
 * The same; recovering gives value, too. It is not declared as a function that does not return, although it is one: gcc would take that for a promise that
 * nobody ever sees value again. The macro says it behind the call.
 */
GORO_API void goro_panic_with(void *value, const char *fmt, ...) __attribute__((__format__(__printf__, 2, 3)));
#define goro_panic_with(...) (goro_panic_with(__VA_ARGS__), __builtin_unreachable())

/*
 * What the two macros below become; not to be called in another way. goro_defer() returns 0, and 1 when it returns for the second time, because the
 * deferred call has recovered. goro_recover_at() wants the frame of the function that asks; it does not return twice: the attribute keeps compilers from
 * inlining that function into another, which would then seem to be the one that asks.
 */
GORO_API int goro_defer(struct goro_deferred *d, void (*fn)(void *arg), void *arg) __attribute__((__returns_twice__));
GORO_API void goro_defer_end(struct goro_deferred *d);
GORO_API const struct goro_panicked *goro_recover_at(const void *frame) __attribute__((__returns_twice__));

GORO_END_DECLS

/*
 * GORO_DEFER(f, arg) in a function without a value, GORO_DEFER(f, arg, result) in others: calls f(arg) when the scope ends, in whichever way. f takes one
 * argument, an integer or a pointer of at most 8 bytes, that is what arg is converted to; what f returns is dropped. f and arg are evaluated now. If f
 * recovers from a panic the function returns, with the value of result, once what it deferred before has run too.
 *
 *	goro_mutex_lock(&m);
 *	GORO_DEFER(goro_mutex_unlock, &m);
 *
 * It is a declaration and a statement: it stands where both may, not behind an if without braces.
 * Parks: no, but f may. From: any thread.
 */
#define GORO_DEFER(...) GORO__CAT(GORO__DEFER, GORO__COUNT(__VA_ARGS__))(__VA_ARGS__)

#define GORO__DEFER1(f, a) GORO__DEFER(__COUNTER__, f, a) return
#define GORO__DEFER2(f, a, r) GORO__DEFER(__COUNTER__, f, a) return r
#define GORO__DEFER(n, f, a) GORO__DEFER_(n, f, a)
#define GORO__DEFER_(n, f, a)                                                                                    \
	typedef __typeof__((f)(a)) goro_dr##n __attribute__((__unused__));                                       \
	typedef char GORO_DEFER_takes_an_integer_or_a_pointer_##n                                                \
		[sizeof(1 ? (a) : (a)) <= 8 && __builtin_classify_type(a) <= 5 &&                             \
		 GORO__NOT_REAL(f, goro_dr##n) ? 1 : -1]                                                         \
		__attribute__((__unused__));                                                                     \
	void (*const goro_df##n)(void *) = (void (*)(void *))(void (*)(void))(f);                                \
	void *const goro_da##n = (void *)(uintptr_t)(a);                                                         \
	struct goro_deferred goro_d##n __attribute__((__cleanup__(goro_defer_end)));                                \
	if (__builtin_expect(goro_defer(&goro_d##n, goro_df##n, goro_da##n), 0))
#ifndef __cplusplus
# define GORO__NOT_REAL(f, r)                                                                                    \
	(!__builtin_types_compatible_p(__typeof__(*(f)), r(double)) &&                                           \
	 !__builtin_types_compatible_p(__typeof__(*(f)), r(float)))
#else
# define GORO__NOT_REAL(f, r) 1
#endif

/* gcc would warn of each local variable that is changed after a GORO_DEFER(), although the way back does not read it. */
#if defined(__GNUC__) && !defined(__clang__)
# pragma GCC diagnostic ignored "-Wclobbered"
#endif

/*
 * const struct goro_panicked *GORO_RECOVER(void), in a deferred call that a panic runs: stops the panic, and tells what it was. NULL everywhere else: when there is no
 * panic, when it was recovered before, and in functions that the deferred one calls, also if they are inline.
 * Parks: no. From: any thread.
 */
#define GORO_RECOVER() goro_recover_at(__builtin_frame_address(0))

#endif
