/* SPDX-License-Identifier: MIT */
/*
 * goro/select.h: Go's select statement as one call over an array of cases (The Go Programming Language
 * Specification, "Select statements"). Beside channels a case may name a descriptor that is to be ready. Timers, tickers and contexts have channels:
 * goro_timer_chan(), goro_ticker_chan(), goro_context_done(). <goro/typed.h> has a macro for each kind of case, GORO_CASE_...().
 */
#ifndef GORO_SELECT_H
#define GORO_SELECT_H

#include <goro/attr.h>
#include <goro/chan.h>

GORO_BEGIN_DECLS

#define GORO_SEND 1u	 /* chan, elem */
#define GORO_RECV 2u	 /* chan, elem */
#define GORO_READABLE 3u /* fd: a read or an accept would not wait, there is something, the end, or an error */
#define GORO_WRITABLE 4u /* fd: a write would not wait for room, or a connect has ended */

struct goro_case {
	union {
		struct goro_chan *chan; /* NULL: the case never fires */
		int fd;			/* of READABLE and WRITABLE */
	};
	unsigned op; /* one of the above; 0: the case never fires */
	int ret;     /* for the case chosen: what goro_chan_send/recv would have returned; for an fd, see below */
	void *elem;  /* sent from, or received into */
};

/*
 * Waits until one of the n cases can go on, does it, and returns its index; among several that are ready each
 * has the same chance. The same channel or descriptor may stand in several cases. n may be 0: waits until the deadline.
 * deadline GORO_NOW is Go's default branch: -EAGAIN if no case is ready. -ETIMEDOUT when the deadline passed;
 * -EINVAL for an op that is unknown or cases == NULL with n > 0; -ENOMEM, with more than 16 cases. Panics as the chosen send would.
 *
 * A case of a descriptor moves no byte: it fires when it is ready, and who reads then may yet find that another one was faster. ret is what poll(2) says,
 * POLLIN, POLLOUT, POLLERR and POLLHUP, so it is positive; or an error, which counts as ready, for the read or write would have it at once: -EBADF fd is
 * not open, or is negative; -ECANCELED goro_close() closed it while the select waited; -ENOMEM. (A case that is not wanted this time gets op 0.)
 * Regular files are always ready. Any number of selects and calls may wait for the same descriptor. What was named here must be closed by goro_close().
 * The goroutine's current context (goro_context_enter()) does not end a select: give it a case.
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_select(struct goro_case *cases, unsigned n, int64_t deadline);

GORO_END_DECLS

#endif
