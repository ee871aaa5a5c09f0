/* SPDX-License-Identifier: MIT */
/*
 * bench_echo: a TCP echo server on loopback, a goroutine a connection, that sends back whatever one read got. It measures
 * nothing itself:
 *
 *     load/loadrun -k echo -c 64 -- bench_echo {port}
 *
 * With -p PROCS it takes so many processors. It runs until it is killed.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BUFFER 4096

static unsigned port;

static int fail(const char *what, int err)
{
	fprintf(stderr, "bench_echo: %s: %s\n", what, strerror(-err));
	return 1;
}

static void serve(int fd)
{
	char buf[BUFFER];
	ssize_t n;

	while ((n = goro_read(fd, buf, sizeof buf, GORO_FOREVER)) > 0)
		if (goro_write(fd, buf, (size_t)n, GORO_FOREVER) < 0)
			break;
	goro_close(fd);
}

static int echo(void *arg)
{
	int listener = goro_tcp_listen("127.0.0.1", port, 0);

	(void)arg;
	if (listener < 0)
		return fail("listen", listener);
	for (;;) {
		int fd = goro_accept(listener, NULL, NULL, GORO_FOREVER);

		if (fd < 0)
			return fail("accept", fd);
		if (go(serve, fd) < 0)
			goro_close(fd);
	}
}

/* As Go's runtime does: all the descriptors that we may have. */
static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv)
{
	struct goro_config config = GORO_CONFIG_INIT;
	int option, err;

	config.maxprocs = 1;
	while ((option = getopt(argc, argv, "p:")) != -1) {
		if (option != 'p')
			return 2;
		config.maxprocs = (uint32_t)atoi(optarg);
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: bench_echo [-p PROCS] PORT\n");
		return 2;
	}
	port = (unsigned)atoi(argv[optind]);
	raise_limit();
	err = goro_run(&config, echo, NULL);
	return err < 0 ? fail("goro_run", err) : err;
}
