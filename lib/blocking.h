/* SPDX-License-Identifier: MIT */
/*
 * blocking.h: giving the P away while the thread blocks in the kernel. Layer 6.
 *
 *	m = rt_enter();
 *	goro__block_begin(m, WAIT_IO_FILE);   another M takes the P
 *	r = fsync(fd);                        user context: malloc and the like are allowed
 *	m = goro__block_end(m);               waits for a P
 *	rt_exit(m);
 * A foreign thread just blocks.
 */
#ifndef LIB_BLOCKING_H
#define LIB_BLOCKING_H

#include "m.h"

void goro__block_begin(struct m *m, enum wait_reason why);
GORO_PARKS struct m *goro__block_end(struct m *m);

#endif
