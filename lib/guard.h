/* SPDX-License-Identifier: MIT */
/*
 * guard.h: guards at the bottom of stacks, and other advice on many ranges of memory at once. For stack.c.
 */
#ifndef LIB_GUARD_H
#define LIB_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What <sys/mman.h> and <linux/pidfd.h> of older systems lack. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define PIDFD_SELF_THREAD_GROUP (-10001)

/* Ranges per system call: half a KiB on what may be a small goroutine stack. */
#define GUARD_VECTOR 32
/* Most guards to set up at once when each is a system call and a mapping. */
#define GUARD_PROT_NONE_BATCH 16

/*
 * madvise() on n ranges. Returns how many of them, counted from the first, took the advice, and the negative errno of
 * the next one in *ret_err, or 0.
 */
unsigned goro__advise(struct iovec *v, unsigned n, int advice, int *ret_err);

/*
 * Makes the first `guard` bytes of each of n slots, stride apart from base on, inaccessible. Returns how many were done, which
 * may be less than n without an error; if none, *ret_err is the negative errno. *ret_plain: no mapping was needed.
 */
unsigned goro__guard_slots(uintptr_t base, size_t stride, size_t guard, unsigned n, bool *ret_plain, int *ret_err);

#endif
