/* SPDX-License-Identifier: MIT */
/*
 * goro/go.h: goroutines: start one, give way, end.
 *
 * GORO_GO(f, a, b) is Go's `go f(a, b)`: f and the arguments are evaluated in the caller, before the goroutine
 * exists, and the call returns without waiting for it. goro_spawn() and goro_spawn_opts() are the plain functions.
 */
#ifndef GORO_GO_H
#define GORO_GO_H

#include <goro/attr.h>
#include <stddef.h>
#include <stdint.h>

GORO_BEGIN_DECLS

/*
 * Starts a goroutine that runs fn(arg); it ends when fn returns. What the caller wrote before is seen by fn.
 * Parks: no. From: a goroutine, or any thread while the runtime runs. Returns 0. Errors: -EINVAL fn is NULL;
 * -ENOMEM no memory for the goroutine; -EPERM no runtime runs; -ECANCELED it is stopping.
 */
GORO_API int goro_spawn(void (*fn)(void *arg), void *arg);

/* Bits of goro_spawn_opts.flags. */
/* It is never stopped for having used up its time slice; see goro/preempt.h. */
#define GORO_SPAWN_NO_PREEMPT 1u

/*
 * How a goroutine is to be started. Zero means the default for every field. New fields are only appended: a
 * smaller size than ours is taken as the rest being zero, a larger one is -E2BIG if the part that we do not know
 * is not zero, size 0 is -EINVAL.
 */
struct goro_spawn_opts {
	uint32_t size;	   /* sizeof(struct goro_spawn_opts), set by GORO_SPAWN_OPTS_INIT */
	uint32_t flags;	   /* GORO_SPAWN_... */
	size_t stack_size; /* reserve in bytes, guard included, up to 1 GiB; 0: that of goro_config */
	const char *name;  /* shown in dumps and overflow reports; its first 15 bytes are copied */
	const void *copy;  /* if not NULL: copy_size bytes that are copied before the call returns; fn gets the */
	size_t copy_size;  /* address of the copy, which lives as long as the goroutine, instead of arg */
};
#define GORO_SPAWN_OPTS_INIT {sizeof(struct goro_spawn_opts), 0, 0, NULL, NULL, 0}

/*
 * goro_spawn() with options; opts may be NULL.
 * Parks: no. From: as goro_spawn(). Returns 0. Errors: those of goro_spawn(); -EINVAL a field is out of range or
 * both arg and copy are given; -E2BIG opts has unknown fields that are not zero.
 */
#if defined(__cplusplus) && defined(__GNUC__) && !defined(__clang__)
# pragma GCC diagnostic push
# pragma GCC diagnostic ignored "-Wshadow" /* a function may share its name with a structure, as stat() does */
#endif
GORO_API int goro_spawn_opts(void (*fn)(void *arg), void *arg, const struct goro_spawn_opts *opts);
#if defined(__cplusplus) && defined(__GNUC__) && !defined(__clang__)
# pragma GCC diagnostic pop
#endif

/*
 * What GORO_GO() becomes, for macros and other languages: starts a goroutine that calls fn, cast back to its own
 * type, with nargs (at most 8) scalar arguments. arg[i] is the register image of argument i: integers extended
 * to 64 bits by the rules of their type, the 32 bits of a float in the low half; bit i of fpmask says that argument i
 * is a float or a double.
 * Parks: no. From: as goro_spawn(). Returns 0. Errors: those of goro_spawn(); -EINVAL nargs is above 8.
 */
GORO_API int goro_spawn_args(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask);

/*
 * Lets other goroutines run; the caller goes to the end of the queue (Go's runtime.Gosched).
 * Parks: yes. From: any thread (on a plain thread: sched_yield).
 */
GORO_API GORO_PARKS void goro_yield(void);

/* The calling goroutine's number, never given twice in a run of the runtime; 0 on a plain thread. Parks: no. From: any thread. */
GORO_API uint64_t goro_id(void);

/* How many goroutines exist now, the main one included; 0 while no runtime runs. Parks: no. From: any thread. */
GORO_API long goro_count(void);

/*
 * Sets the number of processors, that is how many goroutines run at the same time, and returns the former number;
 * n <= 0 only asks (Go's runtime.GOMAXPROCS).
 * Parks: yes, if n differs. From: any thread. Errors: -EINVAL n is too large; -ENOMEM; -EPERM no runtime runs.
 */
GORO_API GORO_PARKS int goro_maxprocs(int n);

/*
 * Ends the calling goroutine as if its function had returned (Go's runtime.Goexit): deferred calls run first. In
 * the main goroutine the others go on, and the program ends as deadlocked when none is left.
 * Parks: does not return. From: a goroutine.
 */
GORO_API GORO_NORETURN void goro_exit(void);

GORO_END_DECLS

/*
 * int GORO_GO(f, arguments...), with 0 to 8 arguments: starts a goroutine that calls f with them; the value is that of
 * goro_spawn_args(). f is a function or a pointer to one; what it returns, if anything, is dropped.
 *
 *	void serve(int fd, const char *name, double timeout);
 *	...
 *	err = GORO_GO(serve, fd, "front", 2.5);
 *
 * f and each argument are evaluated exactly once, in the caller. Arguments are integers, enumerations, bool, float, double,
 * and pointers; arrays and functions turn into pointers. In C the type of each must be that of the parameter, as the
 * register image is made from the argument alone: pass 1.0, (size_t)1 or (char *)NULL where a double, a size_t or a char *
 * is wanted. The one liberty: a pointer to T fits a parameter "pointer to const T". In C++ the arguments are converted
 * as in any call, and f may also be a lambda: without captures, or, if it takes no arguments, one whose
 * captures can be copied as bytes. Structures go by pointer, or through goro_spawn_opts() with .copy.
 */
#define GORO_GO(...) GORO__GO(GORO__BY_GO, __VA_ARGS__)

/* The same with another way to start it: `by` is a macro that gets a function pointer, its arguments' images, their number and fpmask. */
#define GORO__GO(by, ...) GORO__CAT(GORO__GO, GORO__COUNT(__VA_ARGS__))(by, __VA_ARGS__)
#define GORO__BY_GO(fn, arg, nargs, mask) goro_spawn_args(fn, arg, nargs, mask)

#define GORO__CAT(a, b) GORO__CAT_(a, b)
#define GORO__CAT_(a, b) a##b
/* How many arguments follow f: 0 to 8, or MANY. */
#define GORO__COUNT(...)                                                                                         \
	GORO__COUNT_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define GORO__COUNT_(f, a, b, c, d, e, f_, g, h, i, j, k, l, m, n, o, N, ...) N

#ifndef __cplusplus

/*
 * How the C macro works. Each argument is evaluated into goro_xN, N counting down to 1 from the left, and has two types
 * that it is allowed to meet: goro_pN, its own, and goro_qN, the same with a const pointee. goro_r is what the call
 * f(x...) returns, which also makes the compiler check the number of arguments. Then f must be compatible with
 * one of the 2^n function types goro_r (p-or-q, ...): GORO__FITn spells them out.
 */
#define GORO__CLASS_POINTER 5
#define GORO__CLASS_REAL 8
#define GORO__CLASS_COMPLEX 9
#define GORO__CLASS_RECORD 12
#define GORO__CLASS_UNION 13

#define GORO__CLASS(x) __builtin_classify_type(x)
#define GORO__IS_REAL(x) (GORO__CLASS(x) == GORO__CLASS_REAL)
/* Integer, character, enumeration, bool, pointer (1 to 5) of at most 8 bytes, or float or double. */
#define GORO__IS_SCALAR(x)                                                                                       \
	((GORO__CLASS(x) >= 1 && GORO__CLASS(x) <= GORO__CLASS_POINTER && sizeof(x) <= 8) ||                      \
	 (GORO__IS_REAL(x) && (sizeof(x) == sizeof(float) || sizeof(x) == sizeof(double))))
/* x if it is a pointer, else some pointer, so that it can be dereferenced in either case. */
#define GORO__AS_POINTER(x)                                                                                      \
	__builtin_choose_expr(GORO__CLASS(x) == GORO__CLASS_POINTER, x, (int *)0)
/* Is x a pointer to an object? A function, once dereferenced, turns into the pointer again. */
#define GORO__IS_OBJ_POINTER(x)                                                                                  \
	(GORO__CLASS(x) == GORO__CLASS_POINTER &&                                                                \
	 _Generic(*GORO__AS_POINTER(x), __typeof__(GORO__AS_POINTER(x)): 0, default: 1))
#define GORO__AS_OBJ_POINTER(x) __builtin_choose_expr(GORO__IS_OBJ_POINTER(x), x, (int *)0)
/* The type of x with a const pointee, if x is a pointer to an object; else its type. */
#define GORO__CONST_TYPE(x)                                                                                      \
	__typeof__(__builtin_choose_expr(GORO__IS_OBJ_POINTER(x),                                                \
					 (const __typeof__(*GORO__AS_OBJ_POINTER(x)) *)0, x))

#define GORO__ARG(N, a)                                                                                          \
	__auto_type goro_x##N = (a);                                                                             \
	typedef __typeof__(goro_x##N) goro_p##N;                                                                 \
	typedef GORO__CONST_TYPE(goro_x##N) goro_q##N;                                                           \
	_Static_assert(GORO__IS_SCALAR(goro_x##N),                                                               \
		       "GORO_GO: only integers, float, double and pointers can be passed; pass a structure by "  \
		       "pointer or by goro_spawn_opts()");

/* The register image. A real is copied below, bit by bit, so that it is not converted here. */
#define GORO__IMAGE(x) (GORO__IS_REAL(x) ? 0 : (uint64_t)(x))
#define GORO__COPY_REAL(N, i)                                                                                    \
	if (GORO__IS_REAL(goro_x##N))                                                                            \
		__builtin_memcpy(&goro_a[i], &goro_x##N, sizeof(goro_x##N));
#define GORO__MASK(N, i) ((unsigned)GORO__IS_REAL(goro_x##N) << (i))

#define GORO__FIT0(...) __builtin_types_compatible_p(goro_f_type, goro_r(__VA_ARGS__))
#define GORO__FIT1(...) GORO__FIT0(__VA_ARGS__, goro_p1) || GORO__FIT0(__VA_ARGS__, goro_q1)
#define GORO__FIT2(...) GORO__FIT1(__VA_ARGS__, goro_p2) || GORO__FIT1(__VA_ARGS__, goro_q2)
#define GORO__FIT3(...) GORO__FIT2(__VA_ARGS__, goro_p3) || GORO__FIT2(__VA_ARGS__, goro_q3)
#define GORO__FIT4(...) GORO__FIT3(__VA_ARGS__, goro_p4) || GORO__FIT3(__VA_ARGS__, goro_q4)
#define GORO__FIT5(...) GORO__FIT4(__VA_ARGS__, goro_p5) || GORO__FIT4(__VA_ARGS__, goro_q5)
#define GORO__FIT6(...) GORO__FIT5(__VA_ARGS__, goro_p6) || GORO__FIT5(__VA_ARGS__, goro_q6)
#define GORO__FIT7(...) GORO__FIT6(__VA_ARGS__, goro_p7) || GORO__FIT6(__VA_ARGS__, goro_q7)

/* A structure returned in memory would shift the arguments, a long double would stay in the x87 registers. */
#define GORO__RETURNABLE(x)                                                                                      \
	(GORO__CLASS(x) != GORO__CLASS_RECORD && GORO__CLASS(x) != GORO__CLASS_UNION &&                          \
	 GORO__CLASS(x) != GORO__CLASS_COMPLEX && !(GORO__IS_REAL(x) && sizeof(x) > sizeof(double)))

#define GORO__CHECK(fit, call)                                                                                   \
	typedef __typeof__(*goro_f) goro_f_type;                                                                 \
	typedef __typeof__(call) goro_r;                                                                         \
	_Static_assert(fit, "GORO_GO: argument types differ from the function's parameters; cast them");         \
	_Static_assert(GORO__RETURNABLE(*_Generic((goro_r *)0, void *: (int *)0, default: (goro_r *)0)),         \
		       "GORO_GO: the function returns a structure, complex or long double; wrap it");

#define GORO__SPAWN(by, n, mask) by((void (*)(void))goro_f, goro_a, n, mask)

#define GORO__GO0(by, f)                                                                                         \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		const uint64_t *goro_a = (const uint64_t *)0;                                                    \
		GORO__CHECK(GORO__FIT0(void), goro_f())                                                          \
		GORO__SPAWN(by, 0, 0);                                                                           \
	})
#define GORO__GO1(by, f, a)                                                                                      \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(1, a)                                                                                  \
		GORO__CHECK(GORO__FIT0(goro_p1) || GORO__FIT0(goro_q1), goro_f(goro_x1))                         \
		uint64_t goro_a[1] = {GORO__IMAGE(goro_x1)};                                                     \
		GORO__COPY_REAL(1, 0)                                                                            \
		GORO__SPAWN(by, 1, GORO__MASK(1, 0));                                                            \
	})
#define GORO__GO2(by, f, a, b)                                                                                   \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(2, a) GORO__ARG(1, b)                                                                  \
		GORO__CHECK(GORO__FIT1(goro_p2) || GORO__FIT1(goro_q2), goro_f(goro_x2, goro_x1))                \
		uint64_t goro_a[2] = {GORO__IMAGE(goro_x2), GORO__IMAGE(goro_x1)};                               \
		GORO__COPY_REAL(2, 0) GORO__COPY_REAL(1, 1)                                                      \
		GORO__SPAWN(by, 2, GORO__MASK(2, 0) | GORO__MASK(1, 1));                                         \
	})
#define GORO__GO3(by, f, a, b, c)                                                                                \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(3, a) GORO__ARG(2, b) GORO__ARG(1, c)                                                  \
		GORO__CHECK(GORO__FIT2(goro_p3) || GORO__FIT2(goro_q3), goro_f(goro_x3, goro_x2, goro_x1))       \
		uint64_t goro_a[3] = {GORO__IMAGE(goro_x3), GORO__IMAGE(goro_x2), GORO__IMAGE(goro_x1)};         \
		GORO__COPY_REAL(3, 0) GORO__COPY_REAL(2, 1) GORO__COPY_REAL(1, 2)                                \
		GORO__SPAWN(by, 3, GORO__MASK(3, 0) | GORO__MASK(2, 1) | GORO__MASK(1, 2));                      \
	})
#define GORO__GO4(by, f, a, b, c, d)                                                                             \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(4, a) GORO__ARG(3, b) GORO__ARG(2, c) GORO__ARG(1, d)                                  \
		GORO__CHECK(GORO__FIT3(goro_p4) || GORO__FIT3(goro_q4),                                          \
			    goro_f(goro_x4, goro_x3, goro_x2, goro_x1))                                          \
		uint64_t goro_a[4] = {GORO__IMAGE(goro_x4), GORO__IMAGE(goro_x3), GORO__IMAGE(goro_x2),          \
				      GORO__IMAGE(goro_x1)};                                                     \
		GORO__COPY_REAL(4, 0) GORO__COPY_REAL(3, 1) GORO__COPY_REAL(2, 2) GORO__COPY_REAL(1, 3)          \
		GORO__SPAWN(by, 4, GORO__MASK(4, 0) | GORO__MASK(3, 1) | GORO__MASK(2, 2) | GORO__MASK(1, 3));   \
	})
#define GORO__GO5(by, f, a, b, c, d, e)                                                                          \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(5, a) GORO__ARG(4, b) GORO__ARG(3, c) GORO__ARG(2, d) GORO__ARG(1, e)                  \
		GORO__CHECK(GORO__FIT4(goro_p5) || GORO__FIT4(goro_q5),                                          \
			    goro_f(goro_x5, goro_x4, goro_x3, goro_x2, goro_x1))                                 \
		uint64_t goro_a[5] = {GORO__IMAGE(goro_x5), GORO__IMAGE(goro_x4), GORO__IMAGE(goro_x3),          \
				      GORO__IMAGE(goro_x2), GORO__IMAGE(goro_x1)};                               \
		GORO__COPY_REAL(5, 0) GORO__COPY_REAL(4, 1) GORO__COPY_REAL(3, 2) GORO__COPY_REAL(2, 3)          \
		GORO__COPY_REAL(1, 4)                                                                            \
		GORO__SPAWN(by, 5, GORO__MASK(5, 0) | GORO__MASK(4, 1) | GORO__MASK(3, 2) | GORO__MASK(2, 3) |   \
				       GORO__MASK(1, 4));                                                        \
	})
#define GORO__GO6(by, f, a, b, c, d, e, g)                                                                       \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(6, a) GORO__ARG(5, b) GORO__ARG(4, c) GORO__ARG(3, d) GORO__ARG(2, e)                  \
		GORO__ARG(1, g)                                                                                  \
		GORO__CHECK(GORO__FIT5(goro_p6) || GORO__FIT5(goro_q6),                                          \
			    goro_f(goro_x6, goro_x5, goro_x4, goro_x3, goro_x2, goro_x1))                        \
		uint64_t goro_a[6] = {GORO__IMAGE(goro_x6), GORO__IMAGE(goro_x5), GORO__IMAGE(goro_x4),          \
				      GORO__IMAGE(goro_x3), GORO__IMAGE(goro_x2), GORO__IMAGE(goro_x1)};         \
		GORO__COPY_REAL(6, 0) GORO__COPY_REAL(5, 1) GORO__COPY_REAL(4, 2) GORO__COPY_REAL(3, 3)          \
		GORO__COPY_REAL(2, 4) GORO__COPY_REAL(1, 5)                                                      \
		GORO__SPAWN(by, 6, GORO__MASK(6, 0) | GORO__MASK(5, 1) | GORO__MASK(4, 2) | GORO__MASK(3, 3) |   \
				       GORO__MASK(2, 4) | GORO__MASK(1, 5));                                     \
	})
#define GORO__GO7(by, f, a, b, c, d, e, g, h)                                                                    \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(7, a) GORO__ARG(6, b) GORO__ARG(5, c) GORO__ARG(4, d) GORO__ARG(3, e)                  \
		GORO__ARG(2, g) GORO__ARG(1, h)                                                                  \
		GORO__CHECK(GORO__FIT6(goro_p7) || GORO__FIT6(goro_q7),                                          \
			    goro_f(goro_x7, goro_x6, goro_x5, goro_x4, goro_x3, goro_x2, goro_x1))               \
		uint64_t goro_a[7] = {GORO__IMAGE(goro_x7), GORO__IMAGE(goro_x6), GORO__IMAGE(goro_x5),          \
				      GORO__IMAGE(goro_x4), GORO__IMAGE(goro_x3), GORO__IMAGE(goro_x2),          \
				      GORO__IMAGE(goro_x1)};                                                     \
		GORO__COPY_REAL(7, 0) GORO__COPY_REAL(6, 1) GORO__COPY_REAL(5, 2) GORO__COPY_REAL(4, 3)          \
		GORO__COPY_REAL(3, 4) GORO__COPY_REAL(2, 5) GORO__COPY_REAL(1, 6)                                \
		GORO__SPAWN(by, 7, GORO__MASK(7, 0) | GORO__MASK(6, 1) | GORO__MASK(5, 2) | GORO__MASK(4, 3) |   \
				       GORO__MASK(3, 4) | GORO__MASK(2, 5) | GORO__MASK(1, 6));                  \
	})
#define GORO__GO8(by, f, a, b, c, d, e, g, h, i)                                                                 \
	__extension__({                                                                                          \
		__auto_type goro_f = (f);                                                                        \
		GORO__ARG(8, a) GORO__ARG(7, b) GORO__ARG(6, c) GORO__ARG(5, d) GORO__ARG(4, e)                  \
		GORO__ARG(3, g) GORO__ARG(2, h) GORO__ARG(1, i)                                                  \
		GORO__CHECK(GORO__FIT7(goro_p8) || GORO__FIT7(goro_q8),                                          \
			    goro_f(goro_x8, goro_x7, goro_x6, goro_x5, goro_x4, goro_x3, goro_x2, goro_x1))      \
		uint64_t goro_a[8] = {GORO__IMAGE(goro_x8), GORO__IMAGE(goro_x7), GORO__IMAGE(goro_x6),          \
				      GORO__IMAGE(goro_x5), GORO__IMAGE(goro_x4), GORO__IMAGE(goro_x3),          \
				      GORO__IMAGE(goro_x2), GORO__IMAGE(goro_x1)};                               \
		GORO__COPY_REAL(8, 0) GORO__COPY_REAL(7, 1) GORO__COPY_REAL(6, 2) GORO__COPY_REAL(5, 3)          \
		GORO__COPY_REAL(4, 4) GORO__COPY_REAL(3, 5) GORO__COPY_REAL(2, 6) GORO__COPY_REAL(1, 7)          \
		GORO__SPAWN(by, 8, GORO__MASK(8, 0) | GORO__MASK(7, 1) | GORO__MASK(6, 2) | GORO__MASK(5, 3) |   \
				       GORO__MASK(4, 4) | GORO__MASK(3, 5) | GORO__MASK(2, 6) |                  \
				       GORO__MASK(1, 7));                                                        \
	})
#define GORO__GOMANY(by, f, ...)                                                                                 \
	__extension__({ _Static_assert(0, "GORO_GO: more than 8 arguments; pass a structure by pointer"); 0; })

#else /* __cplusplus */

namespace goro__detail {

/* As GORO__IS_SCALAR in C: what the compiler's numbers for kinds of types stand for is told there. */
template <class P> struct kind {
	enum : int {
		value = __builtin_classify_type(*static_cast<P *>(nullptr)),
		integer_or_pointer = value >= 1 && value <= 5 && sizeof(P) <= 8,
		aggregate = value == 9 || value == 12 || value == 13 || (value == 8 && sizeof(P) > 8)
	};
};
template <> struct kind<void> {
	enum : int { aggregate = 0 };
};

template <class P> struct image {
	static_assert(kind<P>::integer_or_pointer, "GORO_GO: only integers, float, double and pointers can be passed; "
						   "pass a structure by pointer or capture it");
	enum { real = 0 };
	static uint64_t of(P p) { return (uint64_t)p; }
};
template <> struct image<float> {
	enum { real = 1 };
	static uint64_t of(float p)
	{
		uint64_t v = 0;
		__builtin_memcpy(&v, &p, sizeof(p));
		return v;
	}
};
template <> struct image<double> {
	enum { real = 1 };
	static uint64_t of(double p)
	{
		uint64_t v = 0;
		__builtin_memcpy(&v, &p, sizeof(p));
		return v;
	}
};
template <class P> struct image<P &> {
	static_assert(sizeof(P) == 0, "GORO_GO: the function takes a reference; let it take a pointer");
};
template <class P> struct image<P &&> {
	static_assert(sizeof(P) == 0, "GORO_GO: the function takes a reference; let it take a pointer");
};

template <class R> struct returnable {
	static_assert(!kind<R>::aggregate,
		      "GORO_GO: the function returns a structure, complex or long double; wrap it");
};
template <class R> struct returnable<R &> {};

/* The bits of the reals among P..., first parameter lowest. */
template <class... P> struct mask {
	enum : unsigned { value = 0 };
};
template <class P, class... Q> struct mask<P, Q...> {
	enum : unsigned { value = (unsigned)image<P>::real | (unsigned)mask<Q...>::value << 1 };
};

template <class R, class... P, class... A> int call(R (*f)(P...), A &&...a)
{
	static_assert(sizeof...(P) <= 8, "GORO_GO: more than 8 arguments; pass a structure by pointer");
	static_assert(sizeof...(P) == sizeof...(A), "GORO_GO: wrong number of arguments");
	(void)sizeof(returnable<R>);
	const uint64_t v[sizeof...(P) + 1] = {image<P>::of(static_cast<A &&>(a))...};
	return goro_spawn_args((void (*)(void))f, v, sizeof...(P), mask<P...>::value);
}

/* Unary plus makes a pointer of a function and of a lambda without captures. */
template <class F, class... A> auto spawn(F f, A &&...a) -> decltype(call(+f, static_cast<A &&>(a)...))
{
	return call(+f, static_cast<A &&>(a)...);
}

template <class F> struct captured {
	static_assert(__is_trivially_copyable(F), "GORO_GO: captures must be copyable as bytes");
	static void run(void *p) { (*static_cast<F *>(p))(); }
};

/* The choice between a function and a lambda with captures, which is copied and takes no arguments: int fits 0 best. */
template <class F> auto go0(F f, int) -> decltype(call(+f))
{
	return call(+f);
}
template <class F> auto go0(F f, long) -> decltype((void)f(), 0)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;
	o.copy = &f;
	o.copy_size = sizeof(f);
	return goro_spawn_opts(captured<F>::run, nullptr, &o);
}

/* The comma in a list of captures counts as one between arguments, so that a lambda gets here alone too. */
template <class F> int spawn(F f)
{
	return go0(f, 0);
}

} // namespace goro__detail

#define GORO__GO0(by, f) goro__detail::go0((f), 0)
#define GORO__GO1(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GO2(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GO3(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GO4(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GO5(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GO6(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GO7(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GO8(by, ...) goro__detail::spawn(__VA_ARGS__)
#define GORO__GOMANY(by, ...) goro__detail::spawn(__VA_ARGS__)

#endif /* __cplusplus */

#endif
