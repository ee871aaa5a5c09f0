/* SPDX-License-Identifier: MIT */
/*
 * bench_echo: a TCP echo server on loopback, a goroutine a connection, that sends back whatever one read got. It measures
 * nothing itself:
 *
 *     load/loadrun -k echo -c 64 -- bench_echo {port}
 *
 * With -p PROCS it takes so many processors, with -H HOGS so many goroutines compute for ever beside it, and with -s it prints
 * each second how far they and the scheduler have got. It runs until it is killed.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include <goro.h>
#include <goro/short.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BUFFER 4096

#define MAX_HOGS 64

static unsigned port, nhogs;
static bool report;
static struct { _Alignas(64) volatile unsigned long turns; } hogs[MAX_HOGS];

static void hog(unsigned i)
{
	for (;;)
		hogs[i].turns++;
}

static void print_each_second(void)
{
	for (;;) {
		struct goro_stats st = GORO_STATS_INIT;
		unsigned long sum = 0;

		goro_sleep(GORO_SECOND);
		goro_get_stats(&st);
		for (unsigned i = 0; i < nhogs; i++)
			sum += hogs[i].turns;
		fprintf(stderr, "hogs %lu M turns, preemptions %llu, retakes %llu, stopped %llu, threads %llu\n", sum / 1000000,
			(unsigned long long)st.preemptions, (unsigned long long)st.retakes, (unsigned long long)st.stopped,
			(unsigned long long)st.threads);
	}
}

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
	for (unsigned i = 0; i < nhogs; i++)
		go(hog, i);
	if (report)
		go(print_each_second);
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
	while ((option = getopt(argc, argv, "p:H:s")) != -1) {
		if (option == 'p')
			config.maxprocs = (uint32_t)atoi(optarg);
		else if (option == 'H')
			nhogs = (unsigned)atoi(optarg);
		else if (option == 's')
			report = true;
		else
			return 2;
	}
	if (optind != argc - 1 || nhogs > MAX_HOGS) {
		fprintf(stderr, "usage: bench_echo [-p PROCS] [-H HOGS] [-s] PORT\n");
		return 2;
	}
	port = (unsigned)atoi(argv[optind]);
	raise_limit();
	err = goro_run(&config, echo, NULL);
	return err < 0 ? fail("goro_run", err) : err;
}
