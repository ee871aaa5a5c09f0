/* SPDX-License-Identifier: MIT */
/*
 * features.c: prints what this kernel is found to have: a line for each row of probe.h, then the backend that goro_run() takes here
 * and why. For tools/kernel-matrix.sh, which knows what each of its kernels should have.
 */
#include <goro/runtime.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "probe.h"

static int backend(void *arg)
{
	const char *why = NULL;
	const char *name = goro_backend(&why);

	(void)arg;
	printf("backend: %s, %s\n", name, why ? why : "no reason given");
	return 0;
}

int main(void)
{
	struct utsname u;
	int r;

	if (uname(&u) == 0)
		printf("kernel: %s %s, %s\n", u.release, u.version, u.machine);
	fflush(stdout);
	goro__probe_report(STDOUT_FILENO);
	r = goro_run(NULL, backend, NULL);
	if (r < 0)
		printf("goro_run(): %s\n", strerror(-r));
	return r != 0;
}
