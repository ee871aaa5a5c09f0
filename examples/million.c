/* SPDX-License-Identifier: MIT */
/*
 * million.c: a million goroutines at once, each parked in a receive; prints what that takes.
 *
 *     cc $(pkg-config --cflags goro) million.c $(pkg-config --libs goro) -o million && ./million
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <string.h>

#define MILLION 1000000

/* A line of /proc/self/status, such as "VmRSS:", in KiB. */
static long status_kib(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	long kib = 0;

	while (f != NULL && kib == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), "%ld", &kib);
	if (f != NULL)
		fclose(f);
	return kib;
}

static void park(struct goro_chan *gate, struct goro_waitgroup *there, struct goro_waitgroup *gone)
{
	goro_waitgroup_done(there);
	goro_chan_recv(gate, NULL, GORO_FOREVER);
	goro_waitgroup_done(gone);
}

static int everybody(void *arg)
{
	struct goro_waitgroup there = GORO_WAITGROUP_INIT, gone = GORO_WAITGROUP_INIT;
	struct goro_chan *gate = goro_chan_new(0, 0);

	(void)arg;
	goro_waitgroup_add(&there, MILLION);
	goro_waitgroup_add(&gone, MILLION);
	for (int i = 0; i < MILLION; i++)
		if (go(park, gate, &there, &gone) < 0)
			return 1;
	goro_waitgroup_wait(&there, GORO_FOREVER);
	printf("%ld goroutines, %.2f KiB each (%ld MiB resident, %ld MiB of page tables)\n", goro_count() - 1,
	       (double)(status_kib("VmRSS:") + status_kib("VmPTE:")) / MILLION, status_kib("VmRSS:") / 1024,
	       status_kib("VmPTE:") / 1024);
	goro_chan_close(gate);
	goro_waitgroup_wait(&gone, GORO_FOREVER);
	goro_chan_free(gate);
	return 0;
}

int main(void)
{
	return goro_run(NULL, everybody, NULL);
}
