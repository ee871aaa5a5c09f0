/* SPDX-License-Identifier: MIT */
/*
 * mem.h: memory of user context: channels, large selects; and a copy that nobody watches. Layer 0.
 *
 * mem.c is the only file that calls malloc and free; jemalloc, if it was configured, is behind them by linking. They are called
 * in user context only, that is outside of rt_enter() and rt_exit(): a goroutine may be preempted inside of malloc, with the
 * allocator's locks held, and stays on its thread until it goes on. Code between the two must never wait for
 * such a lock. The runtime's own records come from slabs.
 */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "attr.h"

/* n bytes that begin on a cache line, not initialised; NULL without memory. User context. */
void *goro__mem_alloc(size_t n) __attribute__((malloc));

/* Gives them back; p may be NULL. User context. */
void goro__mem_free(void *p);

/*
 * Moves n words of 8 bytes; dst may overlap src if it does not lie above. For what the runtime shuffles under its own locks: magazines of stacks, heaps of
 * timers. memcpy() would be a mistake there. A program with ThreadSanitizer beside a library without one has it intercepted, sees the bytes written by
 * one thread and read by another, and cannot see the lock between. The compiler's barrier keeps the loop from becoming a call of memcpy() again.
 */
typedef uint64_t __attribute__((may_alias)) mem_word;

static inline void goro__mem_move_words(void *dst, const void *src, size_t n)
{
	mem_word *to = (mem_word *)dst;
	const mem_word *from = (const mem_word *)src;

	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		__asm__ volatile("" : : : "memory");
	}
}

#endif
