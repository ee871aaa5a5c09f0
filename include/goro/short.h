/* SPDX-License-Identifier: MIT */
/*
 * <goro/short.h>: go(f, a, b) for GORO_GO(f, a, b), defer(f, a) for GORO_DEFER(f, a), panic(...) for goro_panic(...) and recover() for
 * GORO_RECOVER().  Opt-in, because these are words that other code may use too.
 */
#ifndef GORO_SHORT_H
#define GORO_SHORT_H

#if defined(__cplusplus) && defined(GORO_TIME_HPP)
# error "goro.hpp has functions named go and defer: do not include <goro/short.h> with it"
#endif

#include <goro/go.h>
#include <goro/panic.h>

#define go(...) GORO_GO(__VA_ARGS__)
#define defer(...) GORO_DEFER(__VA_ARGS__)
#define panic(...) goro_panic(__VA_ARGS__)
#define recover() GORO_RECOVER()

#endif
