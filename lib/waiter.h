/* SPDX-License-Identifier: MIT */
/*
 * waiter.h: somebody who waits on a channel, as the calls below the channels see him. Layer 4. Channels are in chan.c, the protocol of those who
 * wait on several in select.c, and that of an operation which a context may end in scope.c.
 */
#ifndef LIB_WAITER_H
#define LIB_WAITER_H

#include <stdbool.h>
#include <stdint.h>

struct g;
struct goro_chan;

/*
 * What is to be done at the end of a run for a goroutine that never goes on, and whose memory is about to go: it is taken off the lists of objects
 * that live longer than the run. The first member of what it is part of; g->run.selection, see park.h and forget.c.
 */
struct undo {
	void (*fn)(struct undo *u);
};

/* Somebody who waits for one of several events, on his stack; see select.c. */
struct sel {
	uint32_t fired; /* atomic: 0 nothing yet, 1 + index of the case that a waker took, or SEL_EXPIRED */
	uint32_t done;	/* atomic: who took the case has done it, and touches the select no more */
	int wakefd;	/* constant: the eventfd that a plain thread has in its poll set, or -1: it sleeps on its token */
};
#define SEL_EXPIRED UINT32_MAX

/* The waker, who has won sel->fired and not set sel->done yet: ends a poll(2). In select_fd.c. */
void goro__sel_poke(struct sel *sel);

/*
 * It lies on its owner's stack, or in the memory of a select, and stays there until he has gone on. All fields but the constant ones are under the
 * channel's lock while it is listed.
 */
struct waiter {
	struct waiter *next, *prev;
	void *elem;	       /* constant: what is sent, or where it is received; NULL: dropped, or of no size */
	struct g *g;	       /* constant */
	struct sel *sel;       /* constant: the select that it is a case of, NULL: a plain send or receive */
	struct goro_chan *c;   /* constant */
	uint32_t index;	       /* constant: 1 + index of the case */
	int result;	       /* what the call returns, written by who took it off the list */
	bool sends;	       /* constant: listed among the senders */
	bool listed;
};

#endif
