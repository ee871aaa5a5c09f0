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

#ifdef GORO_DEBUG
#include "fatal.h"
#define ASSERT(c) do { if (unlikely(!(c))) goro__throw("assertion failed: " #c); } while (0)
#else
#define ASSERT(c) do { } while (0)
#endif

#endif
