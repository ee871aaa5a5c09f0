/* SPDX-License-Identifier: MIT */
/*
 * bench.h: what every benchmark program has in common: its command line, the two clocks and the rows.
 *
 *     bench_SUBJECT [-p PROCS] [-c COUNT] [-n OPS] [SUBJECT]
 *
 * -p processors (default 1), -c how many rows of each kind, -n operations a row instead of the subject's
 * own figure. A program with several subjects runs all of them unless one is named. Rows are in the Go benchmark
 * format under the names that the peers' programs use too; peers/README defines each. ns/op is CPU time of the
 * whole process on one processor, where it does not suffer from a stolen core, and wall time on more.
 *
 * A program defines its subjects as functions of the number of operations, which run in the main goroutine, and calls
 * bench_main(). It is written as a user of goro would write it: public headers only.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1 /* getopt */
#endif

#include <goro.h>
#include <goro/short.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct bench_subject {
	const char *name;
	long n; /* operations of a row */
	void (*run)(long n);
};

struct bench_span {
	int64_t wall, cpu; /* nanoseconds */
};

static struct {
	int procs, count;
	long n; /* 0: the subject's own */
	const char *only;
	const struct bench_subject *subjects;
	size_t nsubjects;
} bench = { .procs = 1, .count = 1 };

/* Ends the program when a subject computed something wrong, or a call failed that must not. */
static inline void bench_check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static inline int64_t bench_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline struct bench_span bench_start(void)
{
	return (struct bench_span){ bench_clock(CLOCK_MONOTONIC), bench_clock(CLOCK_PROCESS_CPUTIME_ID) };
}

/* What passed since start. */
static inline struct bench_span bench_stop(struct bench_span start)
{
	struct bench_span end = bench_start();

	return (struct bench_span){ end.wall - start.wall, end.cpu - start.cpu };
}

/* One row; extra, which may be NULL, is appended as it is. */
static inline void bench_row(const char *name, long n, struct bench_span s, const char *extra)
{
	int64_t headline = bench.procs > 1 ? s.wall : s.cpu;
	double ops = (double)n;

	printf("Benchmark%s-%d\t%ld\t%.2f ns/op\t%.2f wall-ns/op\t%.2f cpu-ns/op%s%s\n", name, bench.procs, n,
	       (double)headline / ops, (double)s.wall / ops, (double)s.cpu / ops, extra ? "\t" : "", extra ? extra : "");
	fflush(stdout);
}

/* A row of a subject whose operation is the entire program. */
static inline void bench_whole_row(const char *name, struct bench_span s)
{
	char extra[80];

	snprintf(extra, sizeof extra, "%.2f wall-ms\t%.2f cpu-ms", (double)s.wall / 1e6, (double)s.cpu / 1e6);
	bench_row(name, 1, s, extra);
}

/* Runs work(n, arg) once for each row that was asked for. */
static inline void bench_repeat(const char *name, long n, void (*work)(long n, long arg), long arg)
{
	for (int i = 0; i < bench.count; i++) {
		struct bench_span start = bench_start();

		work(n, arg);
		bench_row(name, n, bench_stop(start), NULL);
	}
}

static int bench_goroutine(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < bench.nsubjects; i++) {
		const struct bench_subject *s = &bench.subjects[i];

		if (!bench.only || strcmp(bench.only, s->name) == 0)
			s->run(bench.n ? bench.n : s->n);
	}
	return 0;
}

static void bench_header(void)
{
	char line[256], *colon;
	FILE *f = fopen("/proc/cpuinfo", "r");

	printf("pkg: goro\n");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "model name", 10) == 0 && (colon = strchr(line, ':'))) {
			printf("cpu: %s", colon + 2);
			break;
		}
	if (f)
		fclose(f);
	fflush(stdout);
}

static int bench_usage(void)
{
	fprintf(stderr, "usage: bench_... [-p PROCS] [-c COUNT] [-n OPS] [SUBJECT]\nsubjects:");
	for (size_t i = 0; i < bench.nsubjects; i++)
		fprintf(stderr, " %s", bench.subjects[i].name);
	fprintf(stderr, "\n");
	return 2;
}

/* Reads the command line; false if it is wrong. */
static bool bench_options(int argc, char **argv)
{
	bool known;
	int option;

	while ((option = getopt(argc, argv, "p:c:n:")) != -1)
		switch (option) {
		case 'p': bench.procs = atoi(optarg); break;
		case 'c': bench.count = atoi(optarg); break;
		case 'n': bench.n = atol(optarg); break;
		default: return false;
		}
	if (bench.procs < 1 || bench.count < 1 || bench.n < 0 || optind < argc - 1)
		return false;
	bench.only = argv[optind];
	known = !bench.only;
	for (size_t i = 0; i < bench.nsubjects; i++)
		known = known || strcmp(bench.only, bench.subjects[i].name) == 0;
	return known;
}

/* main() of every program. stack_size is the goroutines' reserve in bytes, 0 for the default. */
static inline int bench_main(int argc, char **argv, const struct bench_subject *subjects, size_t nsubjects,
			     uint64_t stack_size)
{
	struct goro_config config = GORO_CONFIG_INIT;
	int err;

	bench.subjects = subjects;
	bench.nsubjects = nsubjects;
	if (!bench_options(argc, argv))
		return bench_usage();
	config.maxprocs = (uint32_t)bench.procs;
	config.stack_size = stack_size;
	bench_header();
	err = goro_run(&config, bench_goroutine, NULL);
	if (err < 0)
		fprintf(stderr, "bench: goro_run: %s\n", strerror(-err));
	return err != 0;
}

#define BENCH_MAIN(subjects, stack_size)                                                                       \
	int main(int argc, char **argv)                                                                        \
	{                                                                                                      \
		return bench_main(argc, argv, subjects, sizeof(subjects) / sizeof(subjects)[0], stack_size);   \
	}

#endif
