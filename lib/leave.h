/* SPDX-License-Identifier: MIT */
/* leave.h: the end of the runtime, for a thread that is in the middle of a goroutine. Layer 6. */
#ifndef LIB_LEAVE_H
#define LIB_LEAVE_H

#include <stdbool.h>

#include "m.h"

/*
 * The runtime stops: m's goroutine stays where it is, and m goes back to its g0, which leaves. On the goroutine's stack (uc NULL) it does not return.
 * In a signal handler, with the interrupted context uc, it returns if that is not a place to be left at; then the goroutine runs on.
 */
void goro__leave(struct m *m, void *uc);

/* Is pc in the C library, the loader, an allocator or ThreadSanitizer's library? false if that cannot be told. SIGSAFE. */
bool goro__in_library(void *pc);
void *goro__uc_pc(void *uc);

#endif
