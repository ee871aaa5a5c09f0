/* SPDX-License-Identifier: MIT */
/*
 * <goro/short.h>: go(f, a, b) for GORO_GO(f, a, b).  Opt-in, because `go` is a word that other code may use too.
 */
#ifndef GORO_SHORT_H
#define GORO_SHORT_H

#include <goro/go.h>

#define go(...) GORO_GO(__VA_ARGS__)

#endif
