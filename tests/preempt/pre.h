/* SPDX-License-Identifier: MIT */
/*
 * pre.h: what the programs of tests/preempt share. They are black-box: public headers only.
 *
 * Slices are down to 100 us (GORO_SLICE_US), so that whatever preemption can break it meets often. Where a comment says
 * "hazard n", the numbers are: 1 a switch inside malloc, 2 errno and thread-local variables, 3 the signal stack, 4
 * nested signals, 5 calls of goro raced by the signal, 6 loads moved over locks, 7 the runtime needing a lock that a
 * stopped goroutine holds, 8 a stopped holder of a pthread mutex, 9 libraries that are not reentrant, 10 unannounced
 * blocking calls, 11 a processor lost between signal and retake, 12 floating point and vector registers, 13 small
 * stacks, 15 fork, exec and exit, 16 signals that stop or broadcast, 17 too many threads, 18 signals that the program
 * owns, 19 C++ exceptions. (14, 20 and 21 are kinds of builds and faults, not programs of this folder.)
 */
#ifndef PRE_H
#define PRE_H

#include <goro.h>
#include <goro/preempt.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A slice of the shortest kind, in microseconds. */
#define PRE_SHORT 100u

/* Functions that must be without calls also where atomics are calls. */
#define PRE_NO_TSAN __attribute__((noinline, no_sanitize("thread")))

/*
 * Fills *cfg in for procs processors and makes the slice slice_us microseconds, longer under slow instrumentation;
 * 0: the default. GORO_PREEMPT is removed from the environment. From: a plain thread, before goro_run().
 */
void pre_config(struct goro_config *cfg, unsigned procs, unsigned slice_us);

/* goro_run() with that; the test fails unless fn returns 0. */
void pre_run(unsigned procs, unsigned slice_us, goro_main_fn fn, void *arg);

/* The slice that pre_config() has made of it, in nanoseconds: where a test computes for some slices. Valid from pre_config() and pre_agree() on. */
int64_t pre_slice(void);

/* The figures of this moment. */
struct goro_stats pre_stats(void);

/*
 * No goroutine has been preempted in this run yet, and it began less than ten seconds ago. However short a run is made (GORO_TEST_DIVISOR), what it is to show
 * must have happened: so loops go on until then, "n > 0 || pre_unseen()". If each of those that compete does so, none is left alone before.
 */
bool pre_unseen(void);

/* Spins without any call until *flag is not zero. */
void pre_spin_until(const int *flag);

/* Spins for ns nanoseconds by the clock; for ns of the calling thread's CPU time. Neither calls goro. */
void pre_spin(int64_t ns);
void pre_burn(int64_t ns);

/* CLOCK_MONOTONIC and the calling thread's CPU time, without goro. */
int64_t pre_now(void);
int64_t pre_thread_ns(void);

/* ns, or more where CK_TIMEOUT_MULTIPLIER says that things take longer. */
int64_t pre_patient(int64_t ns);

/* Atomic access for flags and counters. */
static inline int pre_get(const int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void pre_set(int *p, int v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void pre_add(int *p, int v)
{
	__atomic_add_fetch(p, v, __ATOMIC_ACQ_REL);
}

/* A goroutine's function that sets the flag, one that computes without a call until it is set, and the same with a count of its rounds. */
void pre_setter(int *flag);
void pre_hog(const int *stop);
void pre_counter(const int *stop, long *rounds);

/*
 * Work of tens of milliseconds whose result depends on seed alone. pre_agree() does it on n plain threads at once with
 * seeds 0 to n - 1, then in n goroutines on one processor, and on two, or on the numbers of them in GORO_TEST_PROCS ("1
 * 2 8"; then more than n), with shortest slices; the results must be the same, and goroutines must have been preempted
 * in it. Where work is cut short, goroutines do it as often as that takes (pre_unseen()); work that parks must compute
 * for more than a slice between two calls now and then.
 */
typedef uint64_t (*pre_job)(uint64_t seed);
void pre_agree(pre_job job, int n);

/* The next state of a hash over some bytes (FNV-1a); start from PRE_HASH. */
#define PRE_HASH UINT64_C(0xcbf29ce484222325)
uint64_t pre_hash(uint64_t h, const void *data, size_t n);

#ifdef __cplusplus
}
#endif

#endif
