/* SPDX-License-Identifier: MIT */
/* goro/debug.h: seeing inside a running program. */
#ifndef GORO_DEBUG_H
#define GORO_DEBUG_H

#include <goro/attr.h>
#include <stdint.h>

GORO_BEGIN_DECLS

/*
 * Writes all goroutines to the file descriptor fd: id, name, state, wait reason and since when, created by, and
 * the backtrace of each that is not running at that moment. The same is written on SIGQUIT, after which the
 * process ends with status 2, as Go's does.
 * Parks: no; it stops the other workers meanwhile. From: any thread. fd < 0: nothing happens.
 */
GORO_API void goro_dump(int fd);

/*
 * Waits until the deadline for all goroutines to end but the caller and the main one. If some do not, writes them to the file descriptor fd as goro_dump() does,
 * and returns how many they are; else 0. With GORO_TRACE_SPAWNS, or GORO_LEAKS=trace in the environment, it tells of each the whole backtrace of
 * its spawn. fd < 0: only counts. For the end of a test:
 *
 *	t_check(goro_leak_check(2, goro_after(GORO_SECOND)) == 0);
 *
 * Parks: yes. From: any thread. 0 while no runtime runs. The other workers are stopped for a moment, as by goro_dump().
 */
GORO_API GORO_PARKS int goro_leak_check(int fd, int64_t deadline);

/*
 * Between goro_hold() and goro_unhold() something will wake a goroutine that the runtime cannot know of: a signal handler, another process by shared memory; or, with
 * GORO_THREADS_DECLARED, a plain thread. So long as anybody holds, no goroutines are said to be asleep for ever. Counted, for the process: it may be called before goro_run(), and
 * released by another thread.
 * Parks: no. From: any thread, a signal handler. goro_unhold() without goro_hold() is fatal.
 */
GORO_API void goro_hold(void);
GORO_API void goro_unhold(void);

/*
 * Gives the calling goroutine a name for dumps; the first 15 bytes are kept. NULL removes it.
 * Parks: no. From: a goroutine (nothing happens elsewhere).
 */
GORO_API void goro_set_name(const char *name);

/* Counters since goro_run() began; from any thread; parks: no. size as in struct goro_config. */
struct goro_stats {
	uint32_t size;
	uint32_t procs;	      /* processors in use */
	uint64_t goroutines;  /* alive */
	uint64_t threads;     /* workers made */
	uint64_t spawned;     /* goroutines ever started */
	uint64_t switches;    /* goroutines dispatched */
	uint64_t steals;      /* batches taken from another processor */
	uint64_t wakeups;     /* idle workers woken */
	uint64_t sleeps;      /* times that a worker went to sleep */
	uint64_t io_ops;      /* operations handed to the backend */
	uint64_t handoffs;    /* processors handed over for blocking calls that were announced */
	uint64_t preemptions; /* goroutines stopped because they had used up their slice */
	uint64_t retakes;     /* processors taken back from threads that were blocked in the kernel */
	uint64_t stopped;     /* threads that wait with their goroutine for a processor, now */
};
#define GORO_STATS_INIT { sizeof(struct goro_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* 0; -EINVAL if st is NULL or st->size is 0; -E2BIG as for struct goro_config; all zero while no runtime runs. */
GORO_API int goro_get_stats(struct goro_stats *st);

GORO_END_DECLS

#endif
