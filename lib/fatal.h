/* SPDX-License-Identifier: MIT */
/* fatal.h: the ways to end the process. Layer 0. */
#ifndef LIB_FATAL_H
#define LIB_FATAL_H

#include <stdbool.h>

/*
 * A broken invariant of the runtime, or misuse that Go calls fatal: prints "fatal error: " and the message (a constant string), dumps
 * all goroutines and ends the process with status 2. From anywhere; SIGSAFE.
 */
_Noreturn void goro__throw(const char *msg);
_Noreturn void goro__throw_errtext(const char *msg, const char *more); /* two constant strings, one after the other */

/* The same for a text that is nobody's fault in particular: of sysmon's own stack nothing is shown. */
_Noreturn void goro__throw_asleep(const char *msg);

/*
 * A panic that user code may recover from: misuse for which Go panics with a run-time error of this text. In user context, with no lock held. panic.c
 */
_Noreturn void goro__panic(const char *msg);

/* In a deferred call: does a panic run it, one that nobody has recovered from so far, and no goro_exit()? panic.c */
bool goro__panicking(void);

/* Does not return if another goroutine or thread is about to end the process. In a goroutine's user context. Parks. */
void goro__wait_if_dying(void);

/* Ends the process for a panic that nobody has recovered from: print(arg), the backtrace, and what GORO_TRACEBACK asks for. Status 2. */
_Noreturn void goro__die(void (*print)(const void *arg), const void *arg);

#endif
