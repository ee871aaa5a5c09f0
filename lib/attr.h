/* SPDX-License-Identifier: MIT */
/* attr.h: compiler annotations that the whole library uses. */
#ifndef LIB_ATTR_H
#define LIB_ATTR_H

#include <goro/attr.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))
#define CACHE_ALIGNED __attribute__((aligned(64)))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - __builtin_offsetof(type, member)))

/*
 * Contracts of internal functions, for the reader and for grep. GORO_PARKS (public header) marks what may
 * switch to another goroutine: whoever calls it must not rely on m or p afterwards.
 * ON_G0: runs on a worker's scheduler stack. SIGSAFE: may run in a signal handler.
 */
#define ON_G0
#define NO_SANITIZE __attribute__((no_sanitize("address", "thread", "undefined")))
#define SIGSAFE

/*
 * Not instrumented at all. clang's no_sanitize("thread") still tells TSan of atomics and of entry and exit; with a switch between the two the one is
 * booked on the context that is left, the other on the one that follows, whose list of callers then begins below its memory.
 */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define NO_TSAN __attribute__((disable_sanitizer_instrumentation, noinline))
#endif
#endif
#ifndef NO_TSAN
#define NO_TSAN __attribute__((no_sanitize("thread"), no_sanitize("address"), noinline))
#endif

#ifdef GORO_DEBUG
#include "fatal.h"
#define ASSERT(c) do { if (unlikely(!(c))) goro__throw("assertion failed: " #c); } while (0)
#else
#define ASSERT(c) do { } while (0)
#endif

#endif
