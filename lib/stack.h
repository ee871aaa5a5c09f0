/* SPDX-License-Identifier: MIT */
/*
 * stack.h: goroutine stacks.  Taking one and giving it back costs a nanosecond or two as long as the cache of the
 * P has one; everything else is in stack.c, whose head explains the design.
 */
#ifndef GORO_LIB_STACK_H
#define GORO_LIB_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Size classes are powers of two; class c reserves STK_MIN << c bytes of address space, guard included. */
#define STK_MIN_SHIFT 14
#define STK_MIN ((size_t)1 << STK_MIN_SHIFT)
#define STK_CLASSES 17			/* 16 KiB ... 1 GiB */
#define STK_MAX (STK_MIN << (STK_CLASSES - 1))
#define STK_DEFAULT ((size_t)256 << 10)

/* Tops are staggered by a line, so that the hot ends of many stacks do not share one set of the L1 cache. */
#define STK_COLOURS 32
#define STK_COLOUR_STEP 64

/* A stack is one word: the address of its slot, which is aligned, with the class in the low bits.  0 is none. */
struct stk {
	uintptr_t w;
};

/* A cache holds this many stacks of a class; it is filled from and emptied to the global pool by halves. */
#define STK_MAG_CAP 64

struct stkmag {
	uint16_t n;			/* how many are here */
	uint16_t cap;			/* how many may be; 0 until the first put, then at most STK_MAG_CAP */
	struct stk v[STK_MAG_CAP];
};

/* The stacks of one P, last in first out.  All zero is an empty cache.  Owner P only: no lock, no atomics. */
struct stkcache {
	struct stkmag mag[STK_CLASSES];
};

struct stack_info {
	uintptr_t base;			/* start of the slot, and of its guard */
	uintptr_t lo;			/* lowest usable byte */
	uintptr_t hi;			/* end of the slot */
	size_t size;			/* hi - base: what was reserved */
	bool in_guard;			/* the address looked up lies in [base, lo) */
};

struct stack_stats {
	size_t reserved;		/* bytes of address space in arenas */
	size_t carved;			/* stacks ever cut from arenas, each with its guard */
	size_t pooled;			/* of those, the ones that nobody uses and no cache holds */
	size_t trimmed;			/* of those, the ones whose memory was given back */
	unsigned arenas;
	bool guard_regions;		/* the last batch of guards needed no mapping of its own */
};

/* Slow paths: an empty and a full cache. */
int goro__stack_get_slow(struct stkcache *c, unsigned cls, struct stk *ret);
void goro__stack_put_slow(struct stkcache *c, struct stk s);

/* The class whose slots hold `bytes`, guard included; 0 means the default.  -EINVAL above STK_MAX. */
int goro__stack_class(size_t bytes);

static inline unsigned stk_class(struct stk s)
{
	return s.w & (STK_CLASSES <= 32 ? 31 : 63);
}

static inline size_t stk_size(struct stk s)
{
	return STK_MIN << stk_class(s);
}

static inline uintptr_t stk_base(struct stk s)
{
	return s.w & ~(uintptr_t)31;
}

static inline uintptr_t stk_hi(struct stk s)
{
	return stk_base(s) + stk_size(s);
}

/* Bytes of guard at the bottom of a slot of class cls. */
size_t goro__stack_guard_size(unsigned cls);

/* The lowest usable byte. */
static inline uintptr_t stk_lo(struct stk s)
{
	return stk_base(s) + goro__stack_guard_size(stk_class(s));
}

/* Where the stack pointer starts: the end of the slot less its colour, aligned to a line. */
static inline void *stk_top(struct stk s)
{
	unsigned colour = s.w >> (STK_MIN_SHIFT + stk_class(s)) & (STK_COLOURS - 1);

	return (void *)(stk_hi(s) - colour * STK_COLOUR_STEP);
}

/*
 * Take a stack of class cls (below STK_CLASSES) into *ret.  0, or -ENOMEM with the reason in
 * goro__stack_error().  May enter the kernel, takes a lock, allocates nothing from malloc.
 */
static inline int stk_get(struct stkcache *c, unsigned cls, struct stk *ret)
{
	struct stkmag *m = &c->mag[cls];

	if (__builtin_expect(m->n == 0, 0))
		return goro__stack_get_slow(c, cls, ret);
	*ret = m->v[--m->n];
	return 0;
}

/* Give a stack back.  Never fails, never enters the kernel but for a contended lock. */
static inline void stk_put(struct stkcache *c, struct stk s)
{
	struct stkmag *m = &c->mag[stk_class(s)];

	if (__builtin_expect(m->n >= m->cap, 0))
		goro__stack_put_slow(c, s);
	else
		m->v[m->n++] = s;
}

/* Move everything in a cache to the global pool: the P goes away, or is idle.  Owner only. */
void goro__stack_cache_flush(struct stkcache *c);

/* Move all but the hottest few of each class to the global pool.  Owner only. */
void goro__stack_cache_trim(struct stkcache *c);

/*
 * Give the memory of stacks in the global pool back to the kernel: all of it, but for the hottest few of a class,
 * which keep their top page.  Does a bounded amount of work and returns true when there is more to do at once.
 * For sysmon, when the process has been idle for seconds; any thread, one at a time.
 */
bool goro__stack_trim(void);

/* Which stack does addr belong to?  0, or -ENOENT.  Async-signal-safe, takes no lock. */
int goro__stack_find(uintptr_t addr, struct stack_info *ret);

/* Why the last goro__stack_get_slow() failed, for people to read; never NULL. */
const char *goro__stack_error(void);

void goro__stack_stats(struct stack_stats *ret);

/* Unmap all stacks and forget them.  No goroutine may exist, and all caches must be dropped or zeroed. */
void goro__stack_fini(void);

#endif
