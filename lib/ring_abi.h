/* SPDX-License-Identifier: MIT */
/* ring_abi.h: what liburing 2.3 (Linux 6.1) lacks: newer names of the interface, and an SQE without a data race. Layer 7; behind <liburing.h>. */
#ifndef LIB_RING_ABI_H
#define LIB_RING_ABI_H

#include "atomic.h"

#define URING_FEAT_NO_IOWAIT (1u << 17)	   /* Linux 6.15 */
#define URING_ENTER_ABS_TIMER (1u << 5)	   /* 6.12 */
#define URING_ENTER_NO_IOWAIT (1u << 7)	   /* 6.15 */
#define URING_REGISTER_SEND_MSG_RING 31	   /* 6.13 */

/* io_uring_get_sqe() where room is known to be. Another thread may look at the tail meanwhile: a hint, see ring_overdue(). */
static inline struct io_uring_sqe *ring_next_sqe(struct io_uring_sq *sq)
{
	struct io_uring_sqe *sqe = &sq->sqes[sq->sqe_tail & sq->ring_mask];

	store_rlx(&sq->sqe_tail, sq->sqe_tail + 1);
	return sqe;
}

#endif
