/* SPDX-License-Identifier: MIT */
/* fatal.h: the ways to end the process. Layer 0. */
#ifndef LIB_FATAL_H
#define LIB_FATAL_H

/*
 * A broken invariant of the runtime, or misuse that Go calls fatal: prints "fatal error: " and the message (a constant string), dumps
 * all goroutines and ends the process with status 2. From anywhere; SIGSAFE.
 */
_Noreturn void goro__throw(const char *msg);
_Noreturn void goro__throw_errtext(const char *msg, const char *more); /* two constant strings, one after the other */

/*
 * A panic that user code may recover from once there is recover(): prints "panic: " and the message, "goroutine N [running]:" with the
 * backtrace, and ends the process with status 2. In user context or in the runtime with no lock held.
 */
_Noreturn void goro__panic(const char *msg);

#endif
