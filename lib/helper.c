/* SPDX-License-Identifier: MIT */
/* helper.c: see helper.h. */
#include "helper.h"

#include <signal.h>

int goro__helper_start(pthread_t *ret_thread, size_t stack, void *(*fn)(void *arg))
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret_thread, &attr, fn, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}
