/* SPDX-License-Identifier: MIT */
/* foreign.c: the m of a plain thread that calls the runtime: made at its first call, given back when the thread ends. */
#include <sys/mman.h>

#include "context.h"
#include "fatal.h"
#include "m.h"
#include "sys.h"

static void fini(void *arg)
{
	goro__tls_set_m(NULL);
	/* A waker may still be about to wake our futex word: the system call then fails with -EFAULT, no more (futex.h). */
	sys_munmap(arg, sizeof(struct m));
}

COLD struct m *goro__foreign_m(void)
{
	long r = sys_mmap(NULL, sizeof(struct m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct m *m = (struct m *)r;

	if (sys_is_err(r) || goro__tls_at_exit(m, fini) != 0)
		goro__throw("no memory for a plain thread's descriptor");
	goro__san_init();
	m->foreign = true;
	store_rlx(&m->curg, &m->proxy);
	m->proxy.m = m;
	m->proxy.flags = G_FOREIGN;
	m->tid = sys_gettid();
	m->rand = (uint32_t)m->tid * 2654435761u | 1;
	goro__tls_set_m(m);
	return m;
}
