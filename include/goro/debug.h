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
