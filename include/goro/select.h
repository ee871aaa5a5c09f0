/* SPDX-License-Identifier: MIT */
/*
 * goro/select.h: Go's select statement as one call over an array of cases (The Go Programming Language
 * Specification, "Select statements").
 */
#ifndef GORO_SELECT_H
#define GORO_SELECT_H

#include <goro/attr.h>
#include <goro/chan.h>

GORO_BEGIN_DECLS

#define GORO_SEND 1u
#define GORO_RECV 2u

struct goro_case {
	struct goro_chan *chan; /* NULL: the case never fires */
	unsigned op;		/* GORO_SEND or GORO_RECV; 0: the case never fires */
	int ret;		/* for the case chosen: what goro_chan_send/recv would have returned */
	void *elem;		/* sent from, or received into */
};

/*
 * Waits until one of the n cases can go on, does it, and returns its index; among several that are ready each
 * has the same chance. The same channel may stand in several cases. n may be 0: waits until the deadline.
 * deadline GORO_NOW is Go's default branch: -EAGAIN if no case is ready. -ETIMEDOUT when the deadline passed;
 * -EINVAL for an op that is unknown or cases == NULL with n > 0. Panics as the chosen send would.
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_select(struct goro_case *cases, unsigned n, int64_t deadline);

GORO_END_DECLS

#endif
