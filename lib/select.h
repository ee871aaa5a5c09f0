/* SPDX-License-Identifier: MIT */
/*
 * select.h: the channels of a select that waits, for select.c and, where descriptors stand beside them, select_fd.c. Layer 8. The protocol is told
 * in select.c.
 */
#ifndef LIB_SELECT_H
#define LIB_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include <goro/select.h>

#include "chan.h"
#include "rand.h"

/* Cases up to which all lies on the goroutine's stack: 1.4 KiB of it, 4 KiB with descriptors. A larger select gets its memory from malloc. */
#ifndef SELECT_ON_STACK
#define SELECT_ON_STACK 16
#endif

/* What a blocking select needs a case. */
struct place {
	struct waiter w;
	struct goro_chan *order; /* the i-th of the distinct channels by address */
};

struct selection {
	struct undo undo;
	struct goro_case *cases;
	unsigned n;
	unsigned nlocks;
	int64_t deadline;
	struct place *places;
	void *heap; /* what is to be freed if it is never over; NULL: nothing */
	struct sel sel;
};

static inline bool is_live(const struct goro_case *k)
{
	return k->chan && k->op != 0;
}

/* Whether a case could go on: a hint without the lock, and the truth with it except for waiters that are no longer live. */
static inline bool seems_ready(const struct goro_case *k)
{
	struct goro_chan *c = k->chan;

	/* In the order that "Looking" in chan.c asks for. */
	if (k->op == GORO_SEND)
		return load_rlx(&c->state) != 0 || !chan_full(c);
	return !chan_empty(c) || (load_rlx(&c->state) & CHAN_CLOSED);
}

/* Does a case whose channel is locked; as chan_send_step() and chan_recv_step(). */
static inline int step(struct m *m, const struct goro_case *k)
{
	return k->op == GORO_SEND ? chan_send_step(m, k->chan, k->elem) : chan_recv_step(m, k->chan, k->elem);
}

/* The end of a select that did case i, after the runtime has been left. */
static inline int finish(struct goro_case *k, int i, int result)
{
	if (unlikely(result == -EPIPE))
		goro__send_on_closed(k->chan);
	if (k->op == GORO_RECV && result == 0)
		chan_recv_zero(k->chan, k->elem);
	k->ret = result;
	return i;
}

/* One of the channels' ready cases by chance, -1 if there is none; *ret_ready: how many there are. */
static inline int look(struct m *m, const struct goro_case *cases, unsigned n, uint32_t *ret_ready)
{
	uint32_t ready = 0;
	int pick = -1;

	for (unsigned i = 0; i < n; i++)
		if (is_live(&cases[i]) && seems_ready(&cases[i]))
			if (++ready == 1 || rand_below(&m->rand, ready) == 0)
				pick = (int)i;
	*ret_ready = ready;
	return pick;
}

/* Fills the list of distinct channels by address. */
void goro__select_order(struct selection *s);

/* Locks them all; unlocks all but one, which may be NULL. */
void goro__select_lock(struct selection *s);
void goro__select_unlock(struct selection *s, struct goro_chan *but);

/* Lists a waiter for each case, all channels being locked. */
void goro__select_list(struct m *m, struct selection *s);

/* Takes those off that are still listed, a lock at a time: when the select is decided and s->sel.done, or it has won itself. */
void goro__select_unlist(struct m *m, struct selection *s);

/* The run has ended, and the goroutine of the selection that u is the head of, with it. */
void goro__select_forget(struct undo *u);

/* goro_select() of cases that are not all of channels, or are wrong. In select_fd.c. */
GORO_PARKS int goro__select_mixed(struct goro_case *cases, unsigned n, int64_t deadline);

#endif
