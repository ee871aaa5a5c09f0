/* SPDX-License-Identifier: MIT */
/* ring_abi.h: names of the io_uring interface that liburing 2.3 (Linux 6.1) does not have yet. Layer 7. */
#ifndef LIB_RING_ABI_H
#define LIB_RING_ABI_H

#define URING_FEAT_NO_IOWAIT (1u << 17)	   /* Linux 6.15 */
#define URING_ENTER_ABS_TIMER (1u << 5)	   /* 6.12 */
#define URING_ENTER_NO_IOWAIT (1u << 7)	   /* 6.15 */
#define URING_REGISTER_SEND_MSG_RING 31	   /* 6.13 */

#endif
