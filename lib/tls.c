/* SPDX-License-Identifier: MIT */
/* tls.c: the only thread-local variables of the library, and the key whose destructor ends a foreign thread's m. */
#include "tls.h"

#include <pthread.h>

#include "atomic.h"

/* Initial-exec and hidden: ARCH_TLS_LOAD() finds it at a fixed offset from the thread pointer. */
__attribute__((tls_model("initial-exec"), visibility("hidden"))) _Thread_local struct m *goro__tls_m_slot;

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int key_error;
static void (*key_fini)(void *m);

__attribute__((noinline)) void goro__tls_set_m(struct m *m)
{
	goro__tls_m_slot = m;
}

static void run_fini(void *m)
{
	load_rlx(&key_fini)(m);
}

static void make_key(void)
{
	key_error = pthread_key_create(&key, run_fini);
}

int goro__tls_at_exit(struct m *m, void (*fini)(void *m))
{
	store_rlx(&key_fini, fini); /* always the same one */
	pthread_once(&key_once, make_key);
	if (key_error)
		return -key_error;
	return -pthread_setspecific(key, m);
}

#ifdef GORO_DEBUG
static _Thread_local struct lockranks ranks;

__attribute__((noinline)) struct lockranks *goro__tls_lockranks(void)
{
	struct lockranks *r = &ranks;

	__asm__ volatile("" : "+r"(r));
	return r;
}
#endif
