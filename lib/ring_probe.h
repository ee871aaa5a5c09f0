/* SPDX-License-Identifier: MIT */
/* ring_probe.h: trials of io_uring for the rows of probe.c: 1, 0 or negative errno. Layer 7. */
#ifndef LIB_RING_PROBE_H
#define LIB_RING_PROBE_H

int goro__probe_uring(void);
int goro__probe_uring_coop(void);
int goro__probe_uring_poll_first(void);
int goro__probe_uring_msg_ring(void);
int goro__probe_uring_send_msg_ring(void);
int goro__probe_uring_abs_timer(void);

#endif
