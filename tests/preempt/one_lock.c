/* SPDX-License-Identifier: MIT */
/* one_lock.c: see one_lock.h. Under a sanitizer, which has a malloc() of its own, there is nothing here. */
#define _GNU_SOURCE
#include "one_lock.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pre.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
# define FOREIGN_MALLOC 1 /* the sanitizer's */
#elif defined(__has_feature)
# if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#  define FOREIGN_MALLOC 1
# endif
#endif

#ifdef FOREIGN_MALLOC

struct one_lock one_lock;

#else

#define CHUNK ((size_t)1 << 20)

struct one_lock one_lock = { .there = 1 };

/*
 * A free list for each power of two over memory that is never given back. In front of what the caller gets stands where its block begins,
 * and its class.
 */
struct block {
	struct block *next;
};

struct head {
	struct block *block;
	size_t class;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *free_list[48];
static char *chunk;
static size_t chunk_left;

static void enter(void)
{
	int one = 1;

	pthread_mutex_lock(&lock);
	for (int i = pre_get(&one_lock.busy_loops); i > 0; i--)
		__asm__ volatile("");
	if (pre_get(&one_lock.hold) && __atomic_compare_exchange_n(&one_lock.hold, &one, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		pre_set(&one_lock.holding, 1);
		pre_spin_until(&one_lock.let_go);
	}
}

static struct block *carve(size_t size)
{
	struct block *b;

	if (chunk_left < size) {
		size_t want = size > CHUNK ? size : CHUNK;
		void *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return NULL;
		chunk = p;
		chunk_left = want;
	}
	b = (struct block *)(void *)chunk;
	chunk += size;
	chunk_left -= size;
	return b;
}

static __attribute__((noinline)) void *get(size_t align, size_t n)
{
	size_t class = 6;
	struct block *b;
	uintptr_t p;

	if (n > (size_t)1 << 40 || align > CHUNK)
		return NULL;
	align = align < 16 ? 16 : align;
	while ((size_t)1 << class < n + align + sizeof(struct head))
		class++;
	enter();
	b = free_list[class];
	if (b)
		free_list[class] = b->next;
	else
		b = carve((size_t)1 << class);
	pthread_mutex_unlock(&lock);
	if (!b)
		return NULL;
	p = ((uintptr_t)b + sizeof(struct head) + align - 1) & ~(uintptr_t)(align - 1);
	((struct head *)p)[-1] = (struct head){ b, class };
	return (void *)p;
}

void *malloc(size_t n)
{
	void *p = get(16, n);

	if (!p)
		errno = ENOMEM;
	return p;
}

void *memalign(size_t align, size_t n)
{
	return get(align, n);
}

void free(void *p)
{
	struct head *h = (struct head *)p - 1;

	if (!p)
		return;
	enter();
	h->block->next = free_list[h->class];
	free_list[h->class] = h->block;
	pthread_mutex_unlock(&lock);
}

size_t malloc_usable_size(void *p)
{
	struct head *h = (struct head *)p - 1;

	return p ? ((size_t)1 << h->class) - (size_t)((char *)p - (char *)h->block) : 0;
}

void *calloc(size_t n, size_t size)
{
	size_t all;
	void *p;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	p = get(16, all); /* gcc would make calloc() of malloc() and memset() */
	return p ? memset(p, 0, all) : NULL;
}

void *realloc(void *old, size_t n)
{
	size_t had = malloc_usable_size(old);
	void *p = malloc(n);

	if (p && old) {
		memcpy(p, old, had < n ? had : n);
		free(old);
	}
	return p;
}

int posix_memalign(void **ret_p, size_t align, size_t n)
{
	*ret_p = get(align, n);
	return *ret_p ? 0 : ENOMEM;
}

void *aligned_alloc(size_t align, size_t n)
{
	return get(align, n);
}

#endif
