/* SPDX-License-Identifier: MIT */
/* origin.h: where a goroutine was started, as a backtrace, if somebody wants to know. Layer 6. See origin.c. */
#ifndef LIB_ORIGIN_H
#define LIB_ORIGIN_H

#include <stdint.h>

#define ORIGIN_DEPTH 15

struct g;

struct origin {
	uint64_t n;
	void *pc[ORIGIN_DEPTH]; /* where calls return to, as in backtrace(3) */
};

extern uint32_t goro__origins; /* atomic, constant while the runtime runs: they are kept */

/* The caller's backtrace, from the frame on that returns to from. User context: outside of the runtime. */
void goro__origin_take(struct origin *ret, const void *from);

/* That of g, which has none if o is NULL. Before g is queued. */
void goro__origin_keep(struct g *g, const struct origin *o);

#endif
