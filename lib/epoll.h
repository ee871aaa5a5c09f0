/* SPDX-License-Identifier: MIT */
/* epoll.h: the epoll backend; see epoll.c. The scheduler and op.c reach it through netpoll.h. Layer 7. */
#ifndef LIB_EPOLL_H
#define LIB_EPOLL_H

int goro__probe_epoll_pwait2(void); /* for probe.c */

#endif
