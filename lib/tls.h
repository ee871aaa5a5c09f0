/* SPDX-License-Identifier: MIT */
/*
 * tls.h: who am I? Layer 4.
 *
 * One thread-local variable: the struct m of this thread, NULL on a thread that has never called the
 * runtime. It is read by one volatile asm statement, so no compiler can keep its address in a register
 * over a switch to another goroutine, after which this code may be on another thread (five peers shipped
 * that bug). An m pointer is stale after anything marked GORO_PARKS: such calls return the new one.
 */
#ifndef LIB_TLS_H
#define LIB_TLS_H

#include <stdint.h>

#include "arch.h"

struct m;

static inline struct m *goro__tls_m(void)
{
	return (struct m *)ARCH_TLS_LOAD(goro__tls_m_slot);
}
void goro__tls_set_m(struct m *m);

/* Calls fini(m) when this thread ends, for a foreign thread's m. Returns 0 or negative errno. User context. */
int goro__tls_at_exit(struct m *m, void (*fini)(void *m));

#ifdef GORO_DEBUG
struct lockranks {
	unsigned char held[16];
};
struct lockranks *goro__tls_lockranks(void);
#endif

#endif
