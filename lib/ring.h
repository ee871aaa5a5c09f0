/* SPDX-License-Identifier: MIT */
/*
 * ring.h: the io_uring backend: what probe.c, tests and dumps ask of it. Layer 7. See ring.c for the protocol; the scheduler
 * and op.c reach it through netpoll.h.
 */
#ifndef LIB_RING_H
#define LIB_RING_H

#include <stdbool.h>
#include <stdint.h>

struct io_uring;
struct io_uring_sqe;
struct op;
struct p;

/* How a P's ring came out. */
struct ring_info {
	unsigned flags;	   /* IORING_SETUP_... that the kernel took */
	unsigned sq, cq;   /* entries */
	const char *wake;  /* "send-msg-ring", "msg-ring" or "eventfd" */
	unsigned slots;	   /* operations that the table has room for */
	unsigned inflight; /* operations begun and not completed */
};
void goro__ring_info(struct p *p, struct ring_info *ret);

/* ring_setup.c, for ring.c. The descriptor is close-on-exec and the mappings do not go to children. 0 or negative errno. */
int goro__ring_open(struct io_uring *u, unsigned sq, unsigned cq);
void goro__ring_prep(struct io_uring_sqe *sqe, const struct op *op);
void goro__ring_wrote(const struct op *op, int32_t res); /* tells Valgrind what the completion res of op has written */

/* user_data of the completion that wakes a sleeper; see ring.c for the others. */
#define RING_WAKE_DATA (UINT64_C(1) << 56)
void goro__ring_wake(int ring_fd, int wakefd); /* any thread */

/*
 * Waits until there is a completion, or the deadline. Valgrind 3.19 takes io_uring_enter() for a call that does not block, and keeps all other threads
 * from running meanwhile, also the one that would end the wait.
 */
void goro__ring_wait(int ring_fd, int64_t deadline);
bool goro__ring_needs_wakefd(void);
const char *goro__ring_wake_name(void);

/* Probed by goro__ring_begin(), constant then. */
extern bool goro__ring_poll_first, goro__ring_abs_timer;

#endif
