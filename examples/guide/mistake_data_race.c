/* SPDX-License-Identifier: MIT */
/*
 * mistake_data_race: counter++ is a read, an addition and a write. Ten goroutines that have all read before one writes leave 1. (The barrier makes
 * sure that they have; the accesses are atomic one by one, which does not help.) In a plain counter++ that is a data race, undefined in C.
 * Right: a mutex around the whole, or one atomic addition.
 *
 * Prints:
 *     read, then write: 1
 *     mutex: 10
 *     atomic: 10
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup have_read;
static struct goro_mutex mu;
static int unsafe, locked, atomic;

static void count(void)
{
	int v = __atomic_load_n(&unsafe, __ATOMIC_RELAXED);

	goro_waitgroup_done(&have_read);
	goro_waitgroup_wait(&have_read, GORO_FOREVER);
	__atomic_store_n(&unsafe, v + 1, __ATOMIC_RELAXED);

	goro_mutex_lock(&mu);
	locked++;
	goro_mutex_unlock(&mu);

	__atomic_add_fetch(&atomic, 1, __ATOMIC_RELAXED);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&have_read, 10);
	for (int i = 0; i < 10; i++)
		GORO_WAITGROUP_GO(&wg, count);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	printf("read, then write: %d\nmutex: %d\natomic: %d\n", unsafe, locked, atomic);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
