/* SPDX-License-Identifier: MIT */
/*
 * stacks.c: prints the facts about this kernel and machine that the note on stacks and guards states. Not part of the build:
 *
 *	cc -O2 -o stacks stacks.c && taskset -c 1 ./stacks
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define GUARD_INSTALL 102
#define SELF (-10001) /* PIDFD_SELF_THREAD_GROUP */
#define PAGE ((size_t)4096)

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static char *arena(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		printf("mmap of %zu: %s\n", len, strerror(errno));
		exit(1);
	}
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

/* A number from /proc/self/status, in KiB. */
static long status(const char *name)
{
	char line[256];
	long v = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			v = atol(line + strlen(name) + 1);
	if (f)
		fclose(f);
	return v;
}

static long mappings(void)
{
	long n = 0;
	int c;
	FILE *f = fopen("/proc/self/maps", "r");

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

/* Can the byte be read? Asked of the kernel, without a signal. */
static int readable(const char *p)
{
	int fd[2], r;

	if (pipe(fd) != 0)
		exit(1);
	r = write(fd[1], p, 1) == 1;
	close(fd[0]);
	close(fd[1]);
	return r;
}

/* Times of pieces of 512 stacks; their median is what is printed, since a busy machine spoils some of them. */
static double piece[4096];
static int pieces;

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(void)
{
	qsort(piece, (size_t)pieces, sizeof(piece[0]), by_value);
	return piece[pieces / 2] / 512;
}

static void guards(size_t stride, size_t guard, int n, int batch)
{
	char *p = arena(stride * (size_t)n);
	struct iovec v[1024];
	long before = mappings();
	double t = now_ns();

	pieces = 0;
	for (int i = 0; i < n; i += batch) {
		for (int k = 0; k < batch; k++)
			v[k] = (struct iovec){p + (size_t)(i + k) * stride, guard};
		if (batch == 1 ? madvise(v[0].iov_base, guard, GUARD_INSTALL) != 0
			       : syscall(SYS_process_madvise, SELF, v, batch, GUARD_INSTALL, 0) != (long)(guard * (size_t)batch)) {
			printf("guard install, batch %d: %s\n", batch, strerror(errno));
			return;
		}
		if ((i + batch) % 512 == 0) {
			piece[pieces++] = now_ns() - t;
			t = now_ns();
		}
	}
	printf("guard regions: %4zu KiB slots, %2zu KiB guard, %3d per call: %5.0f ns a guard, %ld more mappings for %d\n", stride >> 10,
	       guard >> 10, batch, median(), mappings() - before, n);
	munmap(p, stride * (size_t)n);
}

static void prot_none(void)
{
	size_t stride = 65536;
	char *p = arena(stride * 100000);
	double t = now_ns();
	int n = 0;

	while (n < 100000 && mprotect(p + (size_t)n * stride, PAGE, PROT_NONE) == 0)
		n++;
	printf("PROT_NONE guards: %d, then %s; %5.0f ns a guard, %ld mappings\n", n, n < 100000 ? strerror(errno) : "no error",
	       (now_ns() - t) / n, mappings());
	munmap(p, stride * 100000);
}

static double touch(char *p, size_t stride, int n)
{
	double t = now_ns();

	pieces = 0;
	for (int i = 0; i < n; i++) {
		p[(size_t)(i + 1) * stride - 64] = 1;
		if ((i + 1) % 512 == 0) {
			piece[pieces++] = now_ns() - t;
			t = now_ns();
		}
	}
	return median();
}

/* Gives advice on bytes [from, to) of each stack. */
static double advise(char *p, size_t stride, int n, size_t from, size_t to, int advice)
{
	struct iovec v[512];
	double t;

	pieces = 0;
	for (int i = 0; i < n; i += 512) {
		for (int k = 0; k < 512; k++)
			v[k] = (struct iovec){p + (size_t)(i + k) * stride + from, to - from};
		t = now_ns();
		if (syscall(SYS_process_madvise, SELF, v, 512, advice, 0) < 0)
			printf("advice %d: %s\n", advice, strerror(errno));
		piece[pieces++] = now_ns() - t;
	}
	return median();
}

static void memory(size_t stride, size_t guard, int n)
{
	char *p = arena(stride * (size_t)n);
	long rss = status("VmRSS:"), pte = status("VmPTE:");
	double t;

	advise(p, stride, n, 0, guard, GUARD_INSTALL);
	t = touch(p, stride, n);
	printf("%d stacks of %zu KiB, one page touched: %.0f ns a touch; a stack: %.0f bytes of memory, %.0f of page tables\n", n,
	       stride >> 10, t, (double)(status("VmRSS:") - rss) * 1024 / n, (double)(status("VmPTE:") - pte) * 1024 / n);
	t = advise(p, stride, n, guard, stride, MADV_DONTNEED);
	printf("  dropped: %.0f ns a stack; a stack: %.0f bytes of memory; guard %s\n", t,
	       (double)(status("VmRSS:") - rss) * 1024 / n, readable(p) ? "GONE" : "still there");
	printf("  touched again: %.0f ns\n", touch(p, stride, n));
	munmap(p, stride * (size_t)n);
}

static void locked(void)
{
	char *p = arena(2 * PAGE);

	if (mlock(p, 2 * PAGE) != 0) {
		printf("mlock: %s\n", strerror(errno));
		return;
	}
	printf("guard region in locked memory: %s\n", madvise(p, PAGE, GUARD_INSTALL) ? strerror(errno) : "installed");
	printf("MADV_DONTNEED in locked memory: %s\n", madvise(p + PAGE, PAGE, MADV_DONTNEED) ? strerror(errno) : "dropped");
}

/* n stacks in turn, 4 lines of the top of each; tops staggered by `step` times the slot's number modulo 32. */
static double colours(int n, size_t step)
{
	size_t stride = 65536;
	char *p = arena(stride * (size_t)n);
	double best = 1e18;

	for (int r = 0; r < 200; r++) {
		double t = now_ns();

		for (int k = 0; k < 20000 / n; k++)
			for (int i = 0; i < n; i++) {
				volatile char *top = p + (size_t)(i + 1) * stride - (size_t)(i % 32) * step;

				top[-64]++;
				top[-128]++;
				top[-192]++;
				top[-256]++;
			}
		t = (now_ns() - t) / (20000 / n * n);
		if (t < best)
			best = t;
	}
	munmap(p, stride * (size_t)n);
	return best;
}

int main(void)
{
	guards(65536, PAGE, 51200, 1);
	guards(65536, PAGE, 51200, 32);
	guards(65536, PAGE, 51200, 512);
	guards(262144, 4 * PAGE, 51200, 32);
	prot_none();
	memory(65536, PAGE, 102400);
	memory(262144, 4 * PAGE, 102400);
	locked();
	for (int n = 4; n <= 512; n *= 2)
		printf("%3d stacks in turn: %5.2f ns each with equal tops, %5.2f with 32 colours of 64 bytes\n", n, colours(n, 0),
		       colours(n, 64));
	return 0;
}
