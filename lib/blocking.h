/* SPDX-License-Identifier: MIT */
/*
 * blocking.h: giving the P away while the thread blocks in the kernel. Layer 6.
 *
 *	m = rt_enter();
 *	goro__block_begin(m, WAIT_IO_FILE);   out of the runtime; another M may take the P
 *	r = fsync(fd);                        user context: malloc and the like are allowed
 *	m = goro__block_end(m);               waits for a P
 *	rt_exit(m);
 * Not between them: anything that wants to be inside of the runtime. A foreign thread just blocks.
 */
#ifndef LIB_BLOCKING_H
#define LIB_BLOCKING_H

#include "m.h"

void goro__block_begin(struct m *m, enum wait_reason why);
GORO_PARKS struct m *goro__block_end(void);

/* The goroutine of m, which has given its P away inside of the runtime (goro__p_release()), gets one again. Nothing if it has one. */
GORO_PARKS struct m *goro__p_regain(struct m *m);

#endif
