/* SPDX-License-Identifier: MIT */
/*
 * pattern3_worker_pool: many items, few workers. They range over one channel, and end when it is closed and drained.
 *
 * Prints:
 *     1000 items, sum 500500, never more than 8 at once
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

#define WORKERS 8
#define ITEMS 1000

GORO_CHAN_TYPE(jobs, int);

static struct goro_mutex mu;
static int done, sum, active, most;

static void process(int item)
{
	goro_mutex_lock(&mu);
	if (++active > most)
		most = active;
	goro_mutex_unlock(&mu);
	goro_yield(); /* here a real one would work, or wait for something */
	goro_mutex_lock(&mu);
	active--;
	done++;
	sum += item;
	goro_mutex_unlock(&mu);
}

static void worker(struct jobs *jobs)
{
	GORO_CHAN_RANGE(item, jobs)
		process(item);
}

static int start(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct jobs *jobs = GORO_CHAN_NEW(struct jobs, 100);

	(void)arg;
	for (int i = 0; i < WORKERS; i++)
		GORO_WAITGROUP_GO(&wg, worker, jobs);
	for (int i = 1; i <= ITEMS; i++)
		GORO_CHAN_SEND(jobs, i, GORO_FOREVER);
	GORO_CHAN_CLOSE(jobs);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	GORO_CHAN_FREE(jobs);
	printf("%d items, sum %d, %s than %d at once\n", done, sum, most <= WORKERS ? "never more" : "more", WORKERS);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
