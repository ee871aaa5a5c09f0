/* SPDX-License-Identifier: MIT */
/* helper.h: threads of the runtime's own, which run no goroutine: the observer, the maker of threads, the reader of thread states. Layer 2. */
#ifndef LIB_HELPER_H
#define LIB_HELPER_H

#include <pthread.h>
#include <stddef.h>

/*
 * Starts fn(NULL) on a thread with a stack of so many bytes and every signal blocked: those of the program are for the program's threads. Returns 0 or a
 * negative errno. pthread_create() calls malloc(): goro_run() only, before any goroutine runs.
 */
int goro__helper_start(pthread_t *ret_thread, size_t stack, void *(*fn)(void *arg));

#endif
