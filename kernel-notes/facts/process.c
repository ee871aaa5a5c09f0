/* SPDX-License-Identifier: MIT */
/*
 * process.c: prints the facts that the notes on clocks, huge pages, signals, thread-local storage, fork and spin locks state. Not
 * part of the build:
 *
 *	cc -O2 -o process process.c -pthread && taskset -c 1 ./process
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* CPU time of this thread: other programs do not count. */
static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The least of a hundred loops of n: the figure of a machine that does nothing else for a moment. */
#define COST(what, n, op) do {								\
	double best_ = 1e18;								\
	for (int r_ = 0; r_ < 100; r_++) {						\
		double t_ = cpu_ns();							\
		for (int i_ = 0; i_ < (n); i_++)					\
			op;								\
		t_ = (cpu_ns() - t_) / (n);						\
		best_ = t_ < best_ ? t_ : best_;					\
	}										\
	printf("%s: %.1f ns\n", what, best_);						\
} while (0)

static uint64_t ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#endif
}

/* ---- Clocks ---- */

static void clocks(void)
{
	struct timespec t, res;
	static const struct {
		clockid_t id;
		const char *name;
	} ids[] = { { CLOCK_MONOTONIC, "CLOCK_MONOTONIC" }, { CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE" },
		    { CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID" } };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		char what[64];

		clock_getres(ids[i].id, &res);
		snprintf(what, sizeof(what), "clock_gettime(%s), resolution %ld ns", ids[i].name, res.tv_nsec);
		COST(what, 2000, clock_gettime(ids[i].id, &t));
	}
	COST("the same by system call, CLOCK_MONOTONIC", 2000, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t));
	COST("tick counter", 5000, (void)*(volatile uint64_t *)&(uint64_t){ ticks() });
	printf("timer slack: %d ns\n", prctl(PR_GET_TIMERSLACK));
	for (int slack = 50000; slack >= 1; slack /= 50000) {
		double least = 1e18;

		prctl(PR_SET_TIMERSLACK, (unsigned long)slack);
		for (int i = 0; i < 300; i++) {
			double t0 = now_ns();
			struct timespec d = { 0, 100000 };

			clock_nanosleep(CLOCK_MONOTONIC, 0, &d, NULL);
			t0 = now_ns() - t0 - 100000;
			least = t0 < least ? t0 : least;
		}
		printf("a sleep of 100 us with slack %d ns ends at least %.0f us late, least of 300\n", slack, least / 1000);
	}
}

/* ---- Huge pages ---- */

static long smaps_kib(void *addr, const char *field)
{
	char line[256], want[64];
	long v = -1;
	int here = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	snprintf(want, sizeof(want), "%lx-", (unsigned long)addr);
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "-") && strchr(line, '-') < line + 17 && line[0] != 'A')
			here = strncmp(line, want, strlen(want)) == 0;
		if (here && strncmp(line, field, strlen(field)) == 0)
			v = atol(line + strlen(field));
	}
	if (f)
		fclose(f);
	return v;
}

static void huge(const char *what, int advice)
{
	size_t len = 16 * HUGE;
	char *p = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *a = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	double t;
	int r;

	munmap(p, (size_t)(a - p));
	r = madvise(a, len, advice);
	if (r != 0)
		printf("%s: %s\n", what, strerror(errno));
	for (int turn = 0; turn < 2; turn++) { /* the second time the host has the memory */
		t = cpu_ns();
		for (size_t i = 0; i < len; i += 4096)
			*(volatile char *)(a + i) = 1;
		t = (cpu_ns() - t) / (double)(len / 4096);
		printf("%s: first touch %.0f ns of CPU time per 4 KiB, turn %d, AnonHugePages %ld KiB of %zu\n", what, t, turn + 1,
		       smaps_kib(a, "AnonHugePages:"), len / 1024);
		madvise(a, len, MADV_DONTNEED);
	}
	munmap(a, len + HUGE - (size_t)(a - p));
}

static void huge_pages(void)
{
	char line[128] = "";
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");

	if (!f || !fgets(line, sizeof(line), f))
		strcpy(line, "no such file\n");
	if (f)
		fclose(f);
	printf("transparent_hugepage/enabled: %s", line);
	huge("MADV_HUGEPAGE", MADV_HUGEPAGE);
	huge("MADV_NOHUGEPAGE", MADV_NOHUGEPAGE);
	huge("no advice", MADV_NORMAL);
}

/* ---- Signals ---- */

static volatile sig_atomic_t hits;

static void count(int sig)
{
	(void)sig;
	hits++;
}

static void signals(void)
{
	struct sigaction sa;
	stack_t ss = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);

	printf("AT_MINSIGSTKSZ: %lu\n", getauxval(AT_MINSIGSTKSZ));
	sigaltstack(&ss, NULL);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = count;
	sa.sa_flags = SA_ONSTACK | SA_RESTART;
	sigaction(SIGURG, &sa, NULL);
	COST("a signal to oneself, handler on the signal stack", 1000, syscall(SYS_tgkill, pid, tid, SIGURG));
}

/* ---- Thread-local storage ---- */

static __thread int local;

static void *other_thread(void *arg)
{
	void **p = arg;

	p[0] = &errno;
	p[1] = &local;
	return NULL;
}

static void tls(void)
{
	void *theirs[2];
	pthread_t t;

	pthread_create(&t, NULL, other_thread, theirs);
	pthread_join(t, NULL);
	printf("errno and a __thread variable of two threads are %s and %s places\n", theirs[0] == (void *)&errno ? "the same" : "different",
	       theirs[1] == (void *)&local ? "the same" : "different");
}

/* ---- fork ---- */

static void forking(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int st = 0;
	pid_t pid;

	*p = 1;
	madvise(p, 4096, MADV_DONTFORK);
	pid = fork();
	if (pid == 0) {
		struct sigaction dfl = { .sa_handler = SIG_DFL };

		sigaction(SIGSEGV, &dfl, NULL);
		_exit(*(volatile char *)p);
	}
	waitpid(pid, &st, 0);
	printf("a child that touches memory with MADV_DONTFORK: %s\n", WIFSIGNALED(st) ? strsignal(WTERMSIG(st)) : "reads it");
}

/* ---- Spinning and fences ---- */

static void spinning(void)
{
	uint32_t word = 0;

	COST("sched_yield() with nobody else on the CPU", 1000, syscall(SYS_sched_yield));
	COST("locked exchange", 5000, __atomic_exchange_n(&word, 1, __ATOMIC_ACQUIRE));
	COST("full fence", 5000, __atomic_thread_fence(__ATOMIC_SEQ_CST));
#ifdef __x86_64__
	COST("pause", 5000, __builtin_ia32_pause());
#endif
	if (syscall(SYS_membarrier, 1 << 4, 0, 0) == 0)
		COST("membarrier(PRIVATE_EXPEDITED), one thread", 1000, syscall(SYS_membarrier, 1 << 3, 0, 0));
	else
		printf("membarrier: %s\n", strerror(errno));
}

static void *busy(void *arg)
{
	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED))
		;
	return NULL;
}

/* With another thread that runs on another CPU, which is interrupted. */
static void membarrier_with_other(void)
{
	int stop = 0;
	cpu_set_t all;
	pthread_t t;

	memset(&all, 0xff, sizeof(all));
	pthread_create(&t, NULL, busy, &stop);
	pthread_setaffinity_np(t, sizeof(all), &all);
	usleep(100000);
	COST("membarrier(PRIVATE_EXPEDITED), another thread computes on another CPU", 500, syscall(SYS_membarrier, 1 << 3, 0, 0));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
}

int main(void)
{
	struct utsname u;

	uname(&u);
	printf("kernel: %s %s %s\n", u.sysname, u.release, u.machine);
	clocks();
	huge_pages();
	signals();
	tls();
	forking();
	spinning();
	membarrier_with_other();
	return 0;
}
