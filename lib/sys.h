/* SPDX-License-Identifier: MIT */
/*
 * sys.h: system calls that return -errno and never touch errno. Layer 1.
 *
 * They are raw: a goroutine may be on another thread after a park, and the C library's wrappers
 * write errno of whichever thread they run on, through an address that compilers cache.
 *
 * Faults: a library that is built for tests (GORO_TESTING) lets the environment make a call fail, so that
 * the paths for -ENOMEM, -EMFILE and the like are run: GORO_FAULT=mmap:3:12,accept4:1:24 makes the third
 * mmap fail with errno 12 and the first accept4 with 24; nr:* fails each one from then on (mmap:3:12*).
 */
#ifndef LIB_SYS_H
#define LIB_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "arch.h"

#ifdef GORO_TESTING
long goro__sys_faulty(long nr, long a, long b, long c, long d, long e, long f);
void goro__sys_faults_init(void);
#define SYS_CALL(nr, a, b, c, d, e, f) goro__sys_faulty((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#else
#define goro__sys_faults_init() ((void)0)
#define SYS_CALL(nr, a, b, c, d, e, f) arch_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#endif

#define SYS0(nr) SYS_CALL(nr, 0, 0, 0, 0, 0, 0)
#define SYS1(nr, a) SYS_CALL(nr, a, 0, 0, 0, 0, 0)
#define SYS2(nr, a, b) SYS_CALL(nr, a, b, 0, 0, 0, 0)
#define SYS3(nr, a, b, c) SYS_CALL(nr, a, b, c, 0, 0, 0)
#define SYS4(nr, a, b, c, d) SYS_CALL(nr, a, b, c, d, 0, 0)
#define SYS5(nr, a, b, c, d, e) SYS_CALL(nr, a, b, c, d, e, 0)
#define SYS6(nr, a, b, c, d, e, f) SYS_CALL(nr, a, b, c, d, e, f)

/*
 * Memory that one thread unmaps and another maps passes through the kernel, which orders the two. A library with ThreadSanitizer in it has to
 * say so, for TSan sees no raw system call. (In one without, nothing watches such memory; for goroutines' stacks see spawn.c.)
 */
#if defined(__SANITIZE_THREAD__)
#define SYS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SYS_TSAN 1
#endif
#endif
#ifdef SYS_TSAN
extern uint32_t goro__sys_maps;
#define SYS_MAPS_CHANGE() ((void)__atomic_add_fetch(&goro__sys_maps, 1, __ATOMIC_SEQ_CST))
#else
#define SYS_MAPS_CHANGE() ((void)0)
#endif

/* sys_mmap returns the address, or -errno as an integer in (-4096, 0): test with sys_is_err(). */
static inline bool sys_is_err(long r)
{
	return (unsigned long)r > -4096UL;
}
static inline long sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	long r = SYS6(SYS_mmap, addr, len, prot, flags, fd, off);

	SYS_MAPS_CHANGE();
	return r;
}
static inline long sys_munmap(void *addr, size_t len)
{
	SYS_MAPS_CHANGE();
	return SYS2(SYS_munmap, addr, len);
}
static inline long sys_mprotect(void *addr, size_t len, int prot)
{
	return SYS3(SYS_mprotect, addr, len, prot);
}
static inline long sys_madvise(void *addr, size_t len, int advice)
{
	return SYS3(SYS_madvise, addr, len, advice);
}

static inline long sys_write(int fd, const void *buf, size_t n)
{
	return SYS3(SYS_write, fd, buf, n);
}
static inline long sys_read(int fd, void *buf, size_t n)
{
	return SYS3(SYS_read, fd, buf, n);
}
static inline long sys_close(int fd)
{
	return SYS1(SYS_close, fd);
}
/* The C library's close(), for what a sanitizer of the program's must notice. */
long goro__sys_close_noticed(int fd);

static inline int sys_gettid(void)
{
	return (int)SYS0(SYS_gettid);
}
static inline int sys_getpid(void)
{
	return (int)SYS0(SYS_getpid);
}
static inline long sys_sched_yield(void)
{
	return SYS0(SYS_sched_yield);
}
static inline long sys_tgkill(int pid, int tid, int sig)
{
	return SYS3(SYS_tgkill, pid, tid, sig);
}

#endif
