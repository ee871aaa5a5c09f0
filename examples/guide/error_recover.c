/* SPDX-License-Identifier: MIT */
/*
 * error_recover: a worker recovers for each job, so that a bad one costs that job and neither the worker nor the program. A division by zero in the
 * goroutine's own code would be a panic as well on x86-64; here the job says so itself.
 *
 * Prints:
 *     job 4: 25
 *     job 0: panic: division by zero
 *     job 5: 20
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

GORO_CHAN_TYPE(jobs, int);

static void report(int job)
{
	const struct goro_panicked *p = recover();

	if (p)
		printf("job %d: panic: %s\n", job, p->text);
}

static void risky(int job)
{
	defer(report, job);
	if (job == 0)
		panic("division by zero");
	printf("job %d: %d\n", job, 100 / job);
}

static void worker(struct jobs *jobs)
{
	GORO_CHAN_RANGE(job, jobs)
		risky(job);
}

static int start(void *arg)
{
	struct jobs *jobs = GORO_CHAN_NEW(struct jobs, 0);
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	GORO_WAITGROUP_GO(&wg, worker, jobs);
	GORO_CHAN_SEND(jobs, 4, GORO_FOREVER);
	GORO_CHAN_SEND(jobs, 0, GORO_FOREVER);
	GORO_CHAN_SEND(jobs, 5, GORO_FOREVER);
	GORO_CHAN_CLOSE(jobs);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	GORO_CHAN_FREE(jobs);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
