/* SPDX-License-Identifier: MIT */
/*
 * lockcheck: finds goroutines that park while their thread holds a pthread mutex.
 *
 *	LD_PRELOAD=.../libgoro-lockcheck.so program
 *
 * Such a goroutine may go on on another thread, which must not unlock the mutex, and meanwhile others run on the thread that owns it. This library stands
 * before the C library's pthread_mutex_lock() and its relatives and counts, per thread, what is locked; libgoro asks it at each
 * switch and writes "goro: gives up its thread, which holds ..." with the goroutine's stack to stderr, once per goroutine.
 *
 * Mutexes that are locked inside of libraries count too, if they go through the exported functions; those of the C library itself do not.
 * A mutex that is unlocked on another thread than the one that locked it is an error that is not counted.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

static _Thread_local int held;
static _Thread_local const void *last;

/* Called by libgoro, on the thread in question: how many, and which was the last. */
int goro_lockcheck_held(const void **ret_last);
int goro_lockcheck_held(const void **ret_last)
{
	*ret_last = last;
	return held;
}

static void *next(const char *name, void **cache)
{
	void *f = __atomic_load_n(cache, __ATOMIC_RELAXED);

	if (!f) {
		f = dlsym(RTLD_NEXT, name);
		__atomic_store_n(cache, f, __ATOMIC_RELAXED);
	}
	return f;
}

static int count(int r, const void *mutex)
{
	if (r == 0) {
		held++;
		last = mutex;
	}
	return r;
}

int pthread_mutex_lock(pthread_mutex_t *m)
{
	static void *f;

	return count(((int (*)(pthread_mutex_t *))next("pthread_mutex_lock", &f))(m), m);
}

int pthread_mutex_trylock(pthread_mutex_t *m)
{
	static void *f;

	return count(((int (*)(pthread_mutex_t *))next("pthread_mutex_trylock", &f))(m), m);
}

int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *t)
{
	static void *f;

	return count(((int (*)(pthread_mutex_t *, const struct timespec *))next("pthread_mutex_timedlock", &f))(m, t), m);
}

int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t c, const struct timespec *t)
{
	static void *f;

	return count(((int (*)(pthread_mutex_t *, clockid_t, const struct timespec *))next("pthread_mutex_clocklock", &f))(m, c, t), m);
}

int pthread_mutex_unlock(pthread_mutex_t *m)
{
	static void *f;
	int r = ((int (*)(pthread_mutex_t *))next("pthread_mutex_unlock", &f))(m);

	if (r == 0 && held > 0)
		held--;
	return r;
}
