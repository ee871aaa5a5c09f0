/* SPDX-License-Identifier: MIT */
/*
 * atomic.h: the memory orders that the library uses, under short names. The objects are plain integers and
 * pointers, so that public structs need no <stdatomic.h> in C++. Each use that is not relaxed
 * carries a tag at both ends, [NAME-n].
 */
#ifndef LIB_ATOMIC_H
#define LIB_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#define load_rlx(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acq(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define load_seq(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_rlx(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_rel(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define store_seq(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define xchg_acq(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define xchg_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define xchg_seq(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define add_rlx(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)
#define add_seq(p, v) __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define or_seq(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define and_seq(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define fence_seq() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define compiler_barrier() __asm__ volatile("" ::: "memory")

/* Compare and swap; on failure *exp holds what was found. The failure order is relaxed except for cas_seq. */
#define cas_acq(p, exp, v) __atomic_compare_exchange_n((p), (exp), (v), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define cas_rel(p, exp, v) __atomic_compare_exchange_n((p), (exp), (v), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define cas_ar(p, exp, v) __atomic_compare_exchange_n((p), (exp), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
#define cas_seq(p, exp, v) __atomic_compare_exchange_n((p), (exp), (v), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* A counter that only one thread writes: no locked instruction, others read it with load_rlx. */
#define bump(p) store_rlx((p), load_rlx(p) + 1)

#endif
