/* SPDX-License-Identifier: MIT */
/*
 * origin.c: the backtrace of each spawn, for who looks for leaks: what left a goroutine behind is seldom the function that called the spawn, but one above.
 *
 * It is taken before the runtime is entered. The unwinder may load a library, allocate, and take locks of the loader: a goroutine that was stopped may hold those,
 * so nobody waits for them with a P in hand. It needs some KiB of stack; where less is left, only the call itself is kept.
 *
 * Each chunk of records has a table of its own beside it (spawn.c), mapped when the mode is on. Off, all this costs a spawn one test of a flag. The stream of
 * packed goroutines (pack.c) has no room for it: with the mode on none are packed.
 */
#include "origin.h"

#include <execinfo.h>
#include <stddef.h>

#include "atomic.h"
#include "attr.h"
#include "m.h"
#include "spawn.h"
#include "stack.h"

#define ROOM ((uintptr_t)12 << 10) /* bytes of stack that the unwinder may need */
#define OURS 6			   /* frames of this library at most, on top */

uint32_t goro__origins;

static bool has_room(void)
{
	struct m *m = goro__tls_m();

	return !m || m->foreign || !m->curg || (uintptr_t)__builtin_frame_address(0) - stk_lo(m->curg->stk) > ROOM;
}

COLD void goro__origin_take(struct origin *ret, const void *from)
{
	void *pc[OURS + ORIGIN_DEPTH];
	int n = has_room() ? backtrace(pc, OURS + ORIGIN_DEPTH) : 0, at = 0;

	while (at < n && pc[at] != from)
		at++;
	if (at == n) {
		ret->pc[0] = (void *)(uintptr_t)from;
		ret->n = 1;
		return;
	}
	for (ret->n = 0; at < n && ret->n < ORIGIN_DEPTH; at++)
		ret->pc[ret->n++] = pc[at];
}

COLD void goro__origin_keep(struct g *g, const struct origin *o)
{
	struct origin *to = goro__g_origin(g);

	if (!to)
		return;
	if (o)
		*to = *o;
	else
		to->n = 0;
}
