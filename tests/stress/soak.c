/* SPDX-License-Identifier: MIT */
/*
 * soak.c: hours in minutes: everything that disturbs goroutines, at once and for long. Not in make check; `make tests/stress/soak`, then
 *
 *	tests/stress/soak [-m MINUTES] [-p PROCS] [-s SEED]		20 minutes, up to twice as many processors as CPUs, a random seed
 *
 * At work: goroutines that compute, with and without malloc() and stdio; that block their threads in read(2),
 * nanosleep(2), pthread mutexes and announced calls; pairs that talk over sockets, pairs that pass a ball through
 * channels, sleepers, storms of short ones; one that changes the number of processors; and from outside, signals to
 * random threads and to the process. Slices are those of the library, 10 ms, or GORO_SLICE_US.
 *
 * A line every ten seconds, and at the end a verdict. It fails, with exit status 1, if
 *   - a wake-up is lost: an actor makes no step for STUCK seconds (then all goroutines are dumped), or at the end somebody does not come home;
 *   - a goroutine starves: from runnable to running it took more than ten slices. Measured are the end of a sleep, a ball in a channel, the first run of a
 *     goroutine, and how long a computing one stood still. What the machine itself takes is allowed on top: as much as plain threads, one that sleeps and one
 *     that computes now and then, were late at worst in the same ten seconds;
 *   - memory grows: the resident set of the last tenth of the time against that after a tenth; or descriptors do;
 *   - anything is computed or delivered wrong.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

#define WINDOW 10		 /* seconds between two lines */
#define STUCK 30		 /* seconds without a step that are a lost wake-up */
#define SLICES 10		 /* that a goroutine may have to wait */
#define RSS_PERCENT 10		 /* by which memory may differ, */
#define RSS_KIB 8192		 /* and so much more */
#define SAMPLES_MAX 100000	 /* of the resident set, one a second */
#define STORM 1000		 /* goroutines in one */

/* What a wait was for. */
enum wait { W_SLEEP, W_CHAN, W_START, W_HOG, WAITS };
static const char *const wait_names[WAITS] = { "sleep", "chan", "start", "hog" };

struct actor {
	const char *name;
	void (*step)(struct actor *a);
	uint64_t rng;
	int64_t last;		 /* atomic: when it made its last step */
	long steps;		 /* atomic */
	int fd[2];
	struct goro_chan *to, *from;
	pthread_mutex_t *mutex;
	int first, over;	 /* of a pair: it begins, and ends the other's work */
};

#define ACTORS_MAX 128
static struct actor actors[ACTORS_MAX];
static int nactors;

static int stop;			/* atomic */
static int64_t worst[WAITS];		/* atomic: in this window */
static int64_t machine;			/* atomic: how late plain threads were in this window */
static int64_t slice = 10 * GORO_MILLISECOND;
static unsigned most_procs;
static uint64_t seed;
static struct goro_waitgroup wg;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long signals, started, ended;	/* atomic */

static int stopping(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

static void raise_to(int64_t *max, int64_t v)
{
	int64_t old = __atomic_load_n(max, __ATOMIC_RELAXED);

	while (v > old && !__atomic_compare_exchange_n(max, &old, v, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static void waited(enum wait w, int64_t ns)
{
	raise_to(&worst[w], ns);
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

/* Computes for some milliseconds without a call of goro, and notes the longest time between two looks at the clock. */
static void compute(struct actor *a)
{
	int64_t before = goro_now(), end = before + api_below(&a->rng, 30) * GORO_MILLISECOND, now;
	uint64_t x = a->rng, y = x;

	do {
		for (int i = 0; i < 20000; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			y = y * 6364136223846793005u + 1442695040888963407u;
			__asm__ volatile("" : "+r"(x));
		}
		now = goro_now();
		waited(W_HOG, now - before);
		before = now;
	} while (now < end);
	t_check(x == y);
}

static void allocate(struct actor *a)
{
	char *p[200], text[64];

	for (int i = 0; i < 200; i++) {
		size_t n = 16 + api_below(&a->rng, 4000);

		p[i] = malloc(n);
		t_check(p[i] != NULL);
		t_check(snprintf(p[i], n, "%d", i) > 0);
	}
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "%d", i);
		t_check(strcmp(p[i], text) == 0);
		free(p[i]);
	}
}

static void block_in_read(struct actor *a)
{
	char c = 0;

	t_check(read(a->fd[0], &c, 1) == 1 && c == 'b'); /* SA_RESTART: signals of the program do not end it */
}

static void nap(struct actor *a)
{
	struct timespec ts = { 0, (long)api_below(&a->rng, 5000000) };

	nanosleep(&ts, NULL); /* a signal of the program may */
}

static void *nap_announced(void *arg)
{
	nap(arg);
	return arg;
}

static void announce(struct actor *a)
{
	t_check(goro_blocking(nap_announced, a) == a);
}

static void lock_for_a_while(struct actor *a)
{
	t_check(pthread_mutex_lock(a->mutex) == 0);
	for (volatile unsigned i = api_below(&a->rng, 100000); i > 0; i--)
		;
	t_check(pthread_mutex_unlock(a->mutex) == 0);
	goro_sleep(api_below(&a->rng, 1000000)); /* the mutex is not fair */
}

/* Some bytes to and fro; the other end sends them back. */
static void talk(struct actor *a)
{
	unsigned char out[2000], in[2000];
	size_t n = 1 + api_below(&a->rng, sizeof out);

	memset(out, (int)n, n);
	t_check_int(goro_write(a->fd[0], out, n, GORO_FOREVER), ==, n);
	t_check_int(goro_read_full(a->fd[0], in, n, GORO_FOREVER), ==, n);
	t_check(memcmp(in, out, n) == 0);
}

static void echo(int fd)
{
	char buf[2000];
	ssize_t n;

	while ((n = goro_read(fd, buf, sizeof buf, GORO_FOREVER)) > 0)
		t_check_int(goro_write(fd, buf, (size_t)n, GORO_FOREVER), ==, n);
	goro_close(fd);
	goro_waitgroup_done(&wg);
}

/* A ball is the time at which it was sent: who receives it was runnable from then on. */
static void pass_ball(struct actor *a)
{
	int64_t ball = 0;

	if (a->first) {
		ball = goro_now();
		t_check_int(goro_chan_send(a->to, &ball, GORO_FOREVER), ==, 0);
	}
	a->over = goro_chan_recv(a->from, &ball, GORO_FOREVER) == 0;
	if (a->over)
		return;
	waited(W_CHAN, goro_now() - ball);
	if (!a->first) {
		ball = goro_now();
		t_check_int(goro_chan_send(a->to, &ball, GORO_FOREVER), ==, 0);
	}
}

static void sleep_a_little(struct actor *a)
{
	int64_t due = goro_after(api_below(&a->rng, 20000000));

	goro_sleep_until(due);
	waited(W_SLEEP, goro_now() - due);
}

static void drop(int64_t born, struct goro_waitgroup *storm)
{
	waited(W_START, goro_now() - born);
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	goro_waitgroup_done(storm);
}

static void storm(struct actor *a)
{
	struct goro_waitgroup all = GORO_WAITGROUP_INIT;
	int n = 1 + (int)api_below(&a->rng, STORM);

	goro_waitgroup_add(&all, n);
	__atomic_add_fetch(&started, n, __ATOMIC_RELAXED);
	for (int i = 0; i < n; i++)
		t_check_int(GORO_GO(drop, goro_now(), &all), ==, 0);
	t_check_int(goro_waitgroup_wait(&all, GORO_FOREVER), ==, 0);
	goro_sleep(api_below(&a->rng, 50000000));
}

static void change_procs(struct actor *a)
{
	t_check_int(goro_maxprocs(1 + (int)api_below(&a->rng, most_procs)), >, 0);
	goro_sleep(api_below(&a->rng, 300000000));
}

static void bound(struct actor *a)
{
	pid_t tid;

	goro_thread_lock();
	tid = gettid();
	for (int i = 0; i < 10; i++) {
		sleep_a_little(a);
		t_check_int(gettid(), ==, tid);
	}
	goro_thread_unlock();
}

/* ---- the cast -------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*step)(struct actor *a);
	int n;
} cast[] = {
	{ "compute", compute, 4 },	{ "allocate", allocate, 2 },	 { "read", block_in_read, 3 }, { "nanosleep", nap, 2 },
	{ "announce", announce, 2 },	{ "mutex", lock_for_a_while, 3 }, { "talk", talk, 8 },	       { "ball", pass_ball, 8 },
	{ "sleep", sleep_a_little, 40 }, { "storm", storm, 2 },		 { "bound", bound, 2 },	       { "procs", change_procs, 1 },
};
#define CAST (sizeof cast / sizeof cast[0])

static void step_until_the_end(struct actor *a)
{
	do {
		__atomic_store_n(&a->last, goro_now(), __ATOMIC_RELAXED);
		a->step(a);
		__atomic_add_fetch(&a->steps, 1, __ATOMIC_RELAXED);
	} while (a->from && !a->first ? !a->over : !stopping());
	if (a->step == talk)
		goro_close(a->fd[0]);
	else if (a->first)
		goro_chan_close(a->to);
	goro_waitgroup_done(&wg);
}

static void make_actor(struct actor *a, size_t role, int i)
{
	*a = (struct actor){ .name = cast[role].name, .step = cast[role].step, .rng = seed + (uint64_t)nactors * 7919, .mutex = &mutex };
	a->last = goro_now();
	if (a->step == block_in_read)
		t_check(pipe2(a->fd, O_CLOEXEC) == 0);
	if (a->step == talk) {
		t_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a->fd) == 0);
		goro_waitgroup_add(&wg, 1);
		t_check_int(GORO_GO(echo, a->fd[1]), ==, 0);
	}
	if (a->step == pass_ball && i % 2 == 1) {
		struct actor *b = a - 1;

		b->first = 1;
		a->from = b->to = goro_chan_new(sizeof(int64_t), 0);
		a->to = b->from = goro_chan_new(sizeof(int64_t), 1);
	}
}

static void start_cast(void)
{
	for (size_t role = 0; role < CAST; role++)
		for (int i = 0; i < cast[role].n; i++)
			make_actor(&actors[nactors++], role, i);
	goro_waitgroup_add(&wg, nactors);
	for (int i = 0; i < nactors; i++)
		t_check_int(GORO_GO(step_until_the_end, &actors[i]), ==, 0);
}

/* ---- plain threads beside them -------------------------------------------------------------------------------------- */

static void on_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
}

/* Feeds those that block in read(), until all goroutines are home, and shoots: the preemption signal at threads, another one at the process. */
static void *disturb(void *arg)
{
	uint64_t rng = seed ^ 0x5555;

	while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE)) {
		struct timespec ts = { 0, 1000000 + (long)api_below(&rng, 9000000) };
		DIR *d = opendir("/proc/self/task");
		struct dirent *e;

		while (d && (e = readdir(d)))
			if (e->d_name[0] != '.' && api_below(&rng, 32) == 0)
				syscall(SYS_tgkill, getpid(), atoi(e->d_name), SIGURG);
		if (d)
			closedir(d);
		if (api_below(&rng, 4) == 0)
			kill(getpid(), SIGUSR1);
		for (int i = 0; i < nactors; i++)
			if (actors[i].step == block_in_read)
				t_check(write(actors[i].fd[1], "b", 1) == 1);
		nanosleep(&ts, NULL);
	}
	return NULL;
}

/* How late is a thread that no runtime schedules? Sleeps for a millisecond and computes for a tenth, by turns. */
static void *gauge(void *arg)
{
	while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE)) {
		struct timespec ts = { 0, 1000000 };
		int64_t before = goro_now(), now, end;

		nanosleep(&ts, NULL);
		now = goro_now();
		raise_to(&machine, now - before - 1000000);
		end = now + 100 * GORO_MICROSECOND;
		do {
			before = now;
			now = goro_now();
			raise_to(&machine, now - before);
		} while (now < end);
	}
	return NULL;
}

/* ---- watching ---------------------------------------------------------------------------------------------------------- */

static long rss[SAMPLES_MAX];
static int nrss, failures;

static void complain(const char *what, const char *who, double figure)
{
	printf("FAIL: %s: %s (%.1f)\n", what, who, figure);
	fflush(stdout);
	failures++;
}

static void look_for_the_stuck(void)
{
	int64_t now = goro_now();

	for (int i = 0; i < nactors; i++) {
		double s = (double)(now - __atomic_load_n(&actors[i].last, __ATOMIC_RELAXED)) / 1e9;

		if (s < STUCK)
			continue;
		complain("no step for so many seconds", actors[i].name, s);
		goro_dump(STDERR_FILENO);
		_exit(1);
	}
}

/* One line, and whether anybody starved. */
static void report(int64_t begin)
{
	static uint64_t preemptions, retakes;
	struct goro_stats st = GORO_STATS_INIT;
	int64_t stall = __atomic_exchange_n(&machine, 0, __ATOMIC_RELAXED), limit = SLICES * slice + 2 * stall;

	goro_get_stats(&st);
	printf("%5.0f s  rss %ld KiB  fds %d  threads %d  stopped %d  preempted %d/s  retaken %d/s  signals %ld  ms at worst:",
	       (double)(goro_now() - begin) / 1e9, rss[nrss - 1], api_fds(), api_threads(), (int)st.stopped,
	       (int)(st.preemptions - preemptions) / WINDOW, (int)(st.retakes - retakes) / WINDOW, __atomic_load_n(&signals, __ATOMIC_RELAXED));
	preemptions = st.preemptions;
	retakes = st.retakes;
	for (int w = 0; w < WAITS; w++) {
		int64_t ns = __atomic_exchange_n(&worst[w], 0, __ATOMIC_RELAXED);

		printf(" %s %.1f", wait_names[w], (double)ns / 1e6);
		if (ns > limit)
			complain("a goroutine starved for so many milliseconds", wait_names[w], (double)ns / 1e6);
	}
	printf(" machine %.1f\n", (double)stall / 1e6);
	fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
	return *(const long *)a < *(const long *)b ? -1 : *(const long *)a > *(const long *)b;
}

static long median_rss(int from, int to)
{
	long v[SAMPLES_MAX / 10 + 1];
	int n = to - from < SAMPLES_MAX / 10 ? to - from : SAMPLES_MAX / 10;

	memcpy(v, rss + from, (size_t)n * sizeof v[0]);
	qsort(v, (size_t)n, sizeof v[0], by_value);
	return v[n / 2];
}

static void judge_memory(int fds_before)
{
	int tenth = nrss / 10 > 0 ? nrss / 10 : 1;
	long warm = median_rss(tenth, 2 * tenth), last = median_rss(nrss - tenth, nrss);

	printf("memory: %ld KiB after a tenth of the time, %ld KiB in the last tenth\n", warm, last);
	if (last > warm + warm * RSS_PERCENT / 100 + RSS_KIB)
		complain("memory has grown, KiB", "rss", (double)(last - warm));
	if (api_fds() > fds_before)
		complain("descriptors are left", "fds", api_fds() - fds_before);
}

struct plan {
	double minutes;
	int fds;
};

/* A plain thread, so that it does not depend on what it watches. */
static void *watch(void *arg)
{
	struct plan *p = arg;
	int64_t begin = goro_now(), end = begin + (int64_t)(p->minutes * 60e9);

	for (int s = 1; goro_now() < end; s++) {
		struct timespec ts = { 1, 0 };

		nanosleep(&ts, NULL);
		if (nrss < SAMPLES_MAX)
			rss[nrss++] = api_rss_kib();
		look_for_the_stuck();
		if (s % WINDOW == 0)
			report(begin);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int soak_main(void *arg)
{
	int home = 0;
	pthread_t t[3];

	start_cast();
	t[0] = api_thread(watch, arg);
	t[1] = api_thread(disturb, &home);
	t[2] = api_thread(gauge, &home);
	api_join(t[0]);
	if (goro_waitgroup_wait(&wg, goro_after(STUCK * GORO_SECOND)) != 0) {
		complain("somebody did not come home", "goroutines", goro_count());
		goro_dump(STDERR_FILENO);
		_exit(1);
	}
	__atomic_store_n(&home, 1, __ATOMIC_RELEASE);
	api_join(t[1]);
	api_join(t[2]);
	t_check_int(started, ==, ended);
	for (int i = 0; i < nactors; i++)
		if (actors[i].step == pass_ball && actors[i].first) {
			goro_chan_free(actors[i].to);
			goro_chan_free(actors[i].from);
		} else if (actors[i].step == block_in_read) {
			t_check(close(actors[i].fd[0]) == 0 && close(actors[i].fd[1]) == 0);
		}
	return 0;
}

static int read_options(int argc, char **argv, struct plan *p)
{
	int option;

	while ((option = getopt(argc, argv, "m:p:s:")) != -1)
		switch (option) {
		case 'm': p->minutes = atof(optarg); break;
		case 'p': most_procs = (unsigned)atoi(optarg); break;
		case 's': seed = strtoull(optarg, NULL, 0); break;
		default: return -1;
		}
	return p->minutes > 0 && most_procs > 0 && optind == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct plan p = { .minutes = 20 };
	const char *us = getenv("GORO_SLICE_US");

	setenv("CK_FORK", "no", 1); /* t_check() aborts: no libcheck here */
	most_procs = 2 * (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	seed = (uint64_t)time(NULL);
	if (read_options(argc, argv, &p) != 0) {
		fprintf(stderr, "usage: soak [-m MINUTES] [-p PROCS] [-s SEED]\n");
		return 2;
	}
	slice = us ? atol(us) * GORO_MICROSECOND : slice;
	printf("soak: %.1f minutes, up to %u processors, slices of %.1f ms, seed %llu\n", p.minutes, most_procs, (double)slice / 1e6,
	       (unsigned long long)seed);
	t_check(sigaction(SIGUSR1, &sa, NULL) == 0 && sigaction(SIGURG, &sa, NULL) == 0);
	p.fds = api_fds();
	t_check_int(goro_run(NULL, soak_main, &p), ==, 0);
	judge_memory(p.fds);
	printf("soak: %s\n", failures ? "FAILED" : "passed");
	return failures != 0;
}
