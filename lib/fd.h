/* SPDX-License-Identifier: MIT */
/*
 * fd.h: what the runtime knows of a descriptor: who is inside a call on it. Layer 7. See fd.c for the protocol.
 */
#ifndef LIB_FD_H
#define LIB_FD_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "lock.h"
#include "m.h"

struct g;
struct op;

/* Bits of fdent.word; the rest counts the calls inside. */
#define FD_CLOSING 0x80000000u	 /* goro_close() waits for the calls to leave; new ones are refused */
#define FD_COMMITTED 0x40000000u /* close(2) is being called: what the number means is about to change */
#define FD_USERS 0x3fffffffu

/* What a descriptor is, as far as a call found out. A hint that may be stale: the kernel's answer decides. */
enum fd_kind { FD_UNKNOWN, FD_SOCKET, FD_POLLABLE, FD_FILE };

/* Bits of fdent.hint. */
enum {
	FD_DRY = 1,	  /* the last read took all there was: the next one need not try */
	FD_NONBLOCK = 2,  /* O_NONBLOCK is set */
	FD_NODELAY = 4,	  /* a listener whose connections inherit TCP_NODELAY */
};

struct fdent {
	uint32_t word;	    /* atomic: FD_CLOSING, FD_COMMITTED, FD_USERS */
	struct lock lock;   /* RANK_FD; over ops, closer */
	struct op *ops;	    /* the operations begun on it; under lock */
	struct g *closer;   /* goro_close() waits; under lock */
	uint8_t kind;	    /* enum fd_kind; atomic, a hint */
	uint8_t hint;	    /* atomic, a hint */
};

/*
 * Enters a call on fd: 0, and *ret stays valid until goro__fd_leave(); -EBADF no possible descriptor, or it is being closed;
 * -ENOMEM. *mp is the current m before and after.
 */
GORO_PARKS int goro__fd_enter(struct m **mp, int fd, struct fdent **ret);
void goro__fd_leave(struct m *m, struct fdent *e);

/* The entry of a descriptor that a call is inside of. */
struct fdent *goro__fd_entry(int fd);

/*
 * A descriptor that the kernel has just given us: its entry starts clean. 0, or -ENOMEM and fd has been closed. Any stale knowledge of a
 * number that was closed behind our back ends here.
 */
GORO_PARKS int goro__fd_adopt(struct m **mp, int fd, enum fd_kind kind, uint8_t hint);

/* goro_close(). */
GORO_PARKS int goro__fd_close(struct m **mp, int fd);

/* Lists op and takes it off again. e is locked. */
void goro__fd_link(struct fdent *e, struct op *op);
void goro__fd_unlink(struct op *op);

/* The runtime has ended: forgets the calls that its goroutines were inside of. */
void goro__fds_reset(struct m *m);

static inline void goro__fd_hint(struct fdent *e, uint8_t bit, bool on)
{
	uint8_t h = load_rlx(&e->hint), want = on ? h | bit : h & (uint8_t)~bit;

	if (h != want)
		store_rlx(&e->hint, want);
}

/* Asks the kernel what fd is: the kind, or negative errno. */
int goro__fd_classify(int fd);

#endif
