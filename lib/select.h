/* SPDX-License-Identifier: MIT */
/* select.h: the figures of select that its tests shrink. Layer 8. The protocol is told in select.c. */
#ifndef LIB_SELECT_H
#define LIB_SELECT_H

/* Cases up to which the waiters lie on the goroutine's stack: 1.4 KiB of it. A larger select gets its memory from malloc. */
#ifndef SELECT_ON_STACK
#define SELECT_ON_STACK 16
#endif

#endif
