/* SPDX-License-Identifier: MIT */
/*
 * probe.h: what this kernel can do, found out by trying.
 *
 * One row a feature: identifier, name (for GORO_DISABLE_FEATURES and the report), the function that tries it,
 * and the file in kernel-notes that tells about it.  A new feature is one row here and one function anywhere:
 * probe.c declares it.  The function returns 1 if the feature works, else 0 or the negative errno that the
 * kernel gave; it is called at most a few times, must leave nothing behind, and must not use malloc or stdio.
 */
#ifndef GORO_LIB_PROBE_H
#define GORO_LIB_PROBE_H

#include <stdbool.h>

/* Rows that only a library with the io_uring backend has. */
#ifdef GORO_HAVE_URING
#define PROBE_TABLE_URING(ROW)									\
	ROW(URING,		"io-uring",		goro__probe_uring,		"io-uring-setup")	\
	ROW(URING_COOP,		"io-uring-coop-taskrun", goro__probe_uring_coop,	"io-uring-setup")	\
	ROW(URING_POLL_FIRST,	"io-uring-poll-first",	goro__probe_uring_poll_first,	"io-uring-ops")		\
	ROW(URING_MSG_RING,	"io-uring-msg-ring",	goro__probe_uring_msg_ring,	"io-uring-msg-ring")	\
	ROW(URING_SEND_MSG_RING, "io-uring-send-msg-ring", goro__probe_uring_send_msg_ring, "io-uring-msg-ring") \
	ROW(URING_ABS_TIMER,	"io-uring-abs-timer",	goro__probe_uring_abs_timer,	"io-uring-setup")
#else
#define PROBE_TABLE_URING(ROW)
#endif

#define PROBE_TABLE(ROW)									\
	PROBE_TABLE_URING(ROW)									\
	ROW(EPOLL_PWAIT2,	"epoll-pwait2",		goro__probe_epoll_pwait2,	"epoll")		\
	ROW(GUARD_INSTALL,	"guard-install",	goro__probe_guard_install,	"stacks-and-guards")	\
	ROW(PROCESS_MADVISE,	"process-madvise",	goro__probe_process_madvise,	"stacks-and-guards")	\
	ROW(MEMBARRIER,		"membarrier",		goro__probe_membarrier,		"membarrier")

enum feature {
#define PROBE_ENUM(id, name, fn, note) FEAT_##id,
	PROBE_TABLE(PROBE_ENUM)
#undef PROBE_ENUM
	FEAT_COUNT
};

/*
 * Does the kernel have it, and is it not switched off by GORO_DISABLE_FEATURES=name,name,... ("all": each of
 * them)?  The answer is found at the first call and kept.  Any thread; enters the kernel the first time.
 */
bool goro__probe(enum feature f);

/* The same as 1, 0, or the negative errno of the trial; -ECANCELED when switched off. */
int goro__probe_result(enum feature f);

const char *goro__probe_name(enum feature f);
const char *goro__probe_note(enum feature f);

/* Write a line for each feature: name, result, kernel-note.  Async-signal-safe but for what a probe itself does. */
void goro__probe_report(int fd);

/* Forget all answers: the environment has changed, or this is the child of a fork.  For tests. */
void goro__probe_reset(void);

#endif
