/* SPDX-License-Identifier: MIT */
/*
 * futex.h: sleeping on a word. Layer 1.
 *
 * The contract of the operating system: goro__futex_wait() sleeps while *word == val, and may return at
 * any time for no reason; so callers loop on their word. The word must outlive the wake call, which
 * is why it is never on a goroutine's stack: words live in an M, a P or a proxy of a foreign thread,
 * and that memory stays mapped until the runtime has ended.
 */
#ifndef LIB_FUTEX_H
#define LIB_FUTEX_H

#include <stdint.h>

/* deadline: CLOCK_MONOTONIC ns, negative for none. Returns 0 on any return but a timeout, -ETIMEDOUT then. */
int goro__futex_wait(uint32_t *word, uint32_t val, int64_t deadline);
void goro__futex_wake(uint32_t *word, int n);

#endif
