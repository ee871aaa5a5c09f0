/* SPDX-License-Identifier: MIT */
/*
 * mem.h: memory of user context: channels, large selects. Layer 0.
 *
 * mem.c is the only file that calls malloc and free; jemalloc, if it was configured, is behind them by linking. They are called
 * in user context only, that is outside of rt_enter() and rt_exit(): a goroutine may be preempted inside of malloc, with the
 * allocator's locks held, and stays on its thread until it goes on. Code between the two must never wait for
 * such a lock. The runtime's own records come from slabs.
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

#include "attr.h"

/* n bytes that begin on a cache line, not initialised; NULL without memory. User context. */
void *goro__mem_alloc(size_t n) __attribute__((malloc));

/* Gives them back; p may be NULL. User context. */
void goro__mem_free(void *p);

#endif
