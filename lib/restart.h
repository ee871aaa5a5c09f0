/* SPDX-License-Identifier: MIT */
/* restart.h: a system call that our signal has interrupted. Layer 2. */
#ifndef LIB_RESTART_H
#define LIB_RESTART_H

/* Can it? If not, a signal that meets a thread in the kernel is seen by the program. */
#if defined(__x86_64__)
# define CAN_RESTART 1
#else
# define CAN_RESTART 0
#endif

/*
 * In the handler of a signal that the program knows nothing of, with its context: if it has ended a system call with EINTR, that call is made again
 * when the handler returns. SIGSAFE.
 */
void goro__restart_syscall(void *uc);

#endif
