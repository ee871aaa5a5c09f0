/* SPDX-License-Identifier: MIT */
/*
 * t.c: the watchdog, failures that may come from any stack, seeds.
 *
 * The watchdog is a thread of the child that runs the test: only it can see the child's goroutines. It is
 * started by a checked fixture, the one hook that libcheck calls in the child. A fixture gets no argument
 * and libcheck does not say which test case it belongs to, so there is one setup function per test case,
 * made by the macros below. libcheck's own timeout, which kills the child without a word, is set
 * later than the watchdog and only counts when even the watchdog cannot run.
 *
 * T_NO_WATCHDOG in the environment leaves the thread out: qemu-user (7.2) aborts when the child of a process that had threads makes one.
 */
#include "t.h"

#include <goro/debug.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Weak: a model program has the files under test alone, and no runtime. */
#pragma weak goro_dump

#undef tcase_create
#undef tcase_set_timeout

#define MAX_TCASES 32
#define GRACE 20.0	     /* seconds that libcheck waits longer than the watchdog */
#define DUMP_SECONDS 10	     /* for goro_dump() itself: the runtime may be what hangs */

static struct {
	TCase *tc;
	double limit;
} tcases[MAX_TCASES];
static unsigned ntcases;

static bool in_test;		/* between a fixture's setup and teardown */
static unsigned armed;		/* number of the watchdog that may bite; atomic */

double t_multiplier(void)
{
	const char *s = getenv("CK_TIMEOUT_MULTIPLIER");
	double m = s ? atof(s) : 1;

	return m > 0 ? m : 1;
}

/* ---------------------------------------------------------------------------------------------------- */
/* The watchdog */

struct watch {
	unsigned number;
	double limit;
	sem_t *started;
};

static void *watchdog(void *arg)
{
	struct watch w = *(struct watch *)arg;
	struct timespec ts = { .tv_sec = (time_t)w.limit, .tv_nsec = (long)((w.limit - (double)(time_t)w.limit) * 1e9) };

	free(arg);
	sem_post(w.started);
	while (nanosleep(&ts, &ts) != 0)
		;
	if (__atomic_load_n(&armed, __ATOMIC_ACQUIRE) != w.number)
		return NULL;
	fprintf(stderr, "t: the test did not end within %.1f s; all goroutines:\n", w.limit);
	fflush(NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(DUMP_SECONDS);
	if (goro_dump)
		goro_dump(STDERR_FILENO);
	abort();
}

static void arm(unsigned i)
{
	static unsigned last;
	struct watch *w = malloc(sizeof(*w));
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	sem_t started;

	in_test = true;
	if (getenv("T_NO_WATCHDOG")) {
		free(w);
		return;
	}
	if (!w || sem_init(&started, 0, 0) != 0)
		abort();
	w->number = ++last;
	w->limit = tcases[i].limit * t_multiplier();
	w->started = &started;
	__atomic_store_n(&armed, w->number, __ATOMIC_RELEASE);

	/* It takes no signals: those that a test sends to its process are for the test. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, watchdog, w) != 0)
		abort();
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	/* A test may fork. So the thread must be past its last malloc() and free(): the child inherits a lock that it holds, for ever. */
	while (sem_wait(&started) != 0)
		;
	sem_destroy(&started);
}

static void disarm(void)
{
	__atomic_store_n(&armed, 0, __ATOMIC_RELEASE);
	in_test = false;
}

#define SETUP(n) static void setup_##n(void) { arm(n); }
#define ALL(X) \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) \
	X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define NAME(n) setup_##n,

ALL(SETUP)
static void (*const setups[MAX_TCASES])(void) = { ALL(NAME) };

static void set_limit(unsigned i, double seconds)
{
	tcases[i].limit = seconds;
	tcase_set_timeout(tcases[i].tc, seconds + GRACE); /* libcheck multiplies it itself */
}

TCase *t_tcase_create(const char *name)
{
	TCase *tc = tcase_create(name);

	if (ntcases == MAX_TCASES) {
		fprintf(stderr, "t: more than %d test cases in one program\n", MAX_TCASES);
		exit(1);
	}
	tcases[ntcases].tc = tc;
	set_limit(ntcases, T_LIMIT);
	tcase_add_checked_fixture(tc, setups[ntcases], disarm);
	ntcases++;
	return tc;
}

void t_tcase_set_timeout(TCase *tc, double seconds)
{
	for (unsigned i = 0; i < ntcases; i++)
		if (tcases[i].tc == tc)
			set_limit(i, seconds);
}

TCase *t_case(Suite *s, const char *name, double seconds)
{
	TCase *tc = t_tcase_create(name);

	t_tcase_set_timeout(tc, seconds);
	suite_add_tcase(s, tc);
	return tc;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Failures and skips */

void t_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	char msg[512];
	const char *nofork = getenv("CK_FORK");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s:%d: check failed: %s:%s\n", file, line, what, msg);
	fflush(NULL);
	if (nofork && strcmp(nofork, "no") == 0)
		abort();
	/* With fork this reports to the parent and ends the process, whatever stack we are on. */
	_ck_assert_failed(file, line, what, "%s:%s", what, msg);
}

void t_skip(const char *func, const char *fmt, ...)
{
	size_t n = strlen(func);
	va_list ap;

	/* START_TEST(name) defines name_fn(). The line is for tests/driver, which counts the test as skipped. */
	if (n > 3 && strcmp(func + n - 3, "_fn") == 0)
		n -= 3;
	fflush(NULL);
	printf("t: SKIP %.*s: ", (int)n, func);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(NULL);
	_exit(in_test ? 0 : 77);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Seeds, main */

static uint64_t seed; /* set by t_main(), before the fork: one seed for the whole program */
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_init(void)
{
	const char *s = getenv("GORO_SEED");

	if (s)
		seed = strtoull(s, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uint64_t)time(NULL);
}

static void seed_print(void)
{
	printf("t: GORO_SEED=0x%llx\n", (unsigned long long)seed);
	fflush(stdout);
}

uint64_t t_seed(void)
{
	pthread_once(&seed_once, seed_print);
	return seed;
}

uint64_t t_rand(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

long t_scaled(long n)
{
	const char *s = getenv("GORO_TEST_DIVISOR");
	long d = s ? atol(s) : 1;

	return d > 1 && n > d ? n / d : d > 1 ? 1 : n;
}

static struct kept {
	struct kept *next;
	void *p;
} *kept; /* atomic */

void *t_keep(void *p)
{
	struct kept *k = malloc(sizeof(*k));

	if (!k)
		abort();
	k->p = p;
	k->next = __atomic_load_n(&kept, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&kept, &k->next, k, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return p;
}

int t_main(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	seed_init();
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
