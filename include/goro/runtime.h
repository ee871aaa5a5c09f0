/* SPDX-License-Identifier: MIT */
/*
 * goro/runtime.h: starting and stopping the runtime.
 *
 * The three facts that each declaration in goro's headers gives: whether the call parks (the goroutine
 * sleeps, its thread goes on with others), from where it may be called (a goroutine, any thread, a
 * signal handler), and the errors, as negative errno values. errno itself is never used: after a call
 * that can park, a goroutine may be on another thread, where the address of errno is another one.
 */
#ifndef GORO_RUNTIME_H
#define GORO_RUNTIME_H

#include <goro/attr.h>
#include <stddef.h>
#include <stdint.h>

GORO_BEGIN_DECLS

/* The main goroutine's function; what it returns, goro_run() returns. */
typedef int (*goro_main_fn)(void *arg);

/* Values of goro_config.backend. */
#define GORO_BACKEND_AUTO 0u  /* probe: io_uring if it works here, else epoll */
#define GORO_BACKEND_URING 1u /* io_uring or fail with the probe's error */
#define GORO_BACKEND_EPOLL 2u

/* Bits of goro_config.flags. */
/* Install no handler for SIGSEGV, SIGBUS, SIGFPE and SIGQUIT (SIGQUIT is only ever taken while its action is the default one). */
#define GORO_NO_SIGNALS 1u
/*
 * Stop no goroutine by a signal; a P whose thread is blocked in the kernel is taken all the same. GORO_PREEMPT=off in the environment does the
 * same. goro_run() then waits at its end for goroutines that compute.
 */
#define GORO_NO_PREEMPT 2u
/*
 * When all goroutines are asleep and nothing can wake one, the process ends with "fatal error: all goroutines are asleep - deadlock!", a dump of them and status
 * 2. GORO_NO_DEADLOCK: it sleeps for ever instead. Any thread that is not the runtime's might wake one, so as long as there is one that does not
 * wait for goroutines itself, nothing is said. GORO_THREADS_DECLARED: such threads do not count; those that will wake somebody call goro_hold() (goro/debug.h).
 * GORO_DEADLOCK in the environment, on, off or declared, overrides both.
 */
#define GORO_NO_DEADLOCK 4u
#define GORO_THREADS_DECLARED 8u
/*
 * Keep a backtrace of each spawn, for goro_dump() and goro_leak_check(); a spawn costs microseconds then. GORO_REPORT_LEAKS: goro_run() also writes to stderr which
 * goroutines are left 100 ms after the main one has returned, if any. GORO_LEAKS in the environment, off, trace or report, overrides both; fatal
 * ends the process with status 2 after the report.
 */
#define GORO_TRACE_SPAWNS 16u
#define GORO_REPORT_LEAKS 32u

/*
 * How the runtime is to be set up. Zero means the default for every field. New fields are only
 * appended: a smaller size than ours is taken as the rest being zero, a larger one is -E2BIG if
 * the part that we do not know is not zero.
 */
struct goro_config {
	uint32_t size;	     /* sizeof(struct goro_config), set by GORO_CONFIG_INIT */
	uint32_t flags;	     /* GORO_NO_..., and the others above */
	uint32_t maxprocs;   /* processors; 0: affinity mask and cgroup quota, or GORO_MAXPROCS */
	uint32_t backend;    /* GORO_BACKEND_...; 0: GORO_BACKEND in the environment (uring, epoll), else probe */
	uint64_t stack_size; /* default reserve of a goroutine's stack in bytes; 0: 256 KiB */
	uint64_t slice_ns;   /* time slice in nanoseconds, 1 to 100 ms; 0: GORO_SLICE_US in the environment (100 to 100000), else 10 ms */
	uint32_t preempt_signal; /* what stops a goroutine's thread; 0: SIGURG. Others' signals of that number are passed on */
	uint32_t max_stopped; /* threads that may wait, with a goroutine that was preempted or blocks in the kernel, at once; while so many do, and a preempted one can run instead, no goroutine is started for the first time. 0: 512 */
};
#define GORO_CONFIG_INIT { sizeof(struct goro_config), 0, 0, 0, 0, 0, 0, 0 }

/*
 * Runs fn(arg) as the main goroutine and returns what it returned. When fn returns, the other
 * goroutines stop where they are; their I/O is cancelled and drained before their stacks go. The
 * process may call goro_run() again afterwards.
 * Parks: no, blocks the calling thread, which becomes one of the workers. From: a plain thread.
 * cfg may be NULL. Errors: -EPERM in a child that was forked while the runtime ran, which may only call exec; -EBUSY the runtime is already running (or called from a goroutine);
 * -EINVAL fn is NULL or a field of cfg is out of range; -E2BIG cfg has unknown non-zero fields;
 * -ENOMEM, -EAGAIN no memory or threads; with a forced backend, the error that its probe gave.
 */
GORO_API int goro_run(const struct goro_config *cfg, goro_main_fn fn, void *arg);

/*
 * The I/O backend in use ("uring" or "epoll") and why it was chosen, as constant strings.
 * Parks: no. From: any thread. NULL, and *ret_reason untouched, while no runtime runs. ret_reason may be NULL.
 */
GORO_API const char *goro_backend(const char **ret_reason);

/*
 * Runs fn(arg), which may block in the kernel for long, on the calling goroutine; its processor goes to others as soon as they want it.
 * Returns what fn returned. fn may use goro: each such call takes a processor first, and may wait for it.
 * Parks: it may wait for a processor at the end. From: any thread (a plain thread just calls fn).
 */
GORO_API GORO_PARKS void *goro_blocking(void *(*fn)(void *arg), void *arg);

/*
 * Calls fn(arg) on a stack of at least size bytes (guard included, up to 1 GiB; 0: 256 KiB) and returns 0 when fn has returned: for library calls that are deep or
 * unknown (getaddrinfo(), regcomp(), TLS) in goroutines with small stacks. fn may do everything that the goroutine may; an overflow is reported as the
 * goroutine's, with this size. A panic passes through; a C++ exception must not leave fn, it ends the process (goro::call_on_stack() of goro.hpp carries it).
 * Parks: only if fn does. From: any thread. Errors: -EINVAL fn is NULL or size above 1 GiB; -ENOMEM no memory for the stack.
 */
GORO_API GORO_PARKS int goro_call_on_stack(size_t size, void (*fn)(void *arg), void *arg);

GORO_END_DECLS

#endif
