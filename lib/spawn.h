/* SPDX-License-Identifier: MIT */
/* spawn.h: making and ending goroutines. Layer 6. */
#ifndef LIB_SPAWN_H
#define LIB_SPAWN_H

#include "g.h"
#include "m.h"
#include "pack.h"

/* A record for a new goroutine, its id set, or NULL without memory. m may be foreign. */
struct g *goro__g_alloc(struct m *m);
void goro__g_free(struct p *p, struct g *g);
void goro__g_unspawn(struct m *m, struct g *g); /* it was never queued */

/* goro_spawn_opts() for `from`, the caller's return address that backtraces show. */
struct goro_spawn_opts;
int goro__spawn_opts(void (*fn)(void *), void *arg, const struct goro_spawn_opts *opts, const void *from);
/* A new goroutine, as goro_spawn(), from within the runtime, g0 too; pc is shown as its creator. m has a P. 0 or -ENOMEM. */
int goro__spawn_in(struct m *m, void (*fn)(void *), void *arg, const void *pc);

/* A record of p's for the next goroutine of k, NULL without memory. *ret_more: there are more in it. */
struct g *goro__g_unpack(struct p *p, struct pack *k, bool *ret_more);

/* Where the stack pointer of a goroutine that has not run yet starts. */
static inline void *goro__g_top(struct g *g)
{
	if (unlikely(g->flags & G_COPY_STACK))
		return (void *)(uintptr_t)g->arg[0];
	return stk_top(g->stk);
}

/* Entry of every goroutine's stack: runs m->curg, then the next ones on the same stack as long as it fits. */
void goro__g_main(void *m);

/*
 * local.c: destroys the values of g, which ends, on its own stack, and in user context: it may park. goro__locals_drop() only frees their array.
 */
void goro__locals_end(struct g *g);
void goro__locals_drop(struct g *g);

/* Calls f for each record in use; for dumps. The world should be stopped. */
void goro__g_each(void (*f)(struct g *g, void *arg), void *arg);

/* Where the backtrace of its spawn is kept; NULL: nowhere. */
struct origin;
struct origin *goro__g_origin(const struct g *g);

void goro__gs_fini(void); /* unmaps all records */

#endif
