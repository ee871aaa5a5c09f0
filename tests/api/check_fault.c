/* SPDX-License-Identifier: MIT */
/*
 * check_fault.c: faults of a goroutine's own code are panics, others end the process. "Execution errors such as attempting to index an array out of bounds
 * trigger a run-time panic" (Go specification, "Run-time panics"), and "If x is of pointer type and has the value nil, evaluating x.f causes a
 * run-time panic", "If the divisor is zero at run time, a run-time panic occurs".
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/short.h>
#include <check.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

#define NO_UBSAN __attribute__((noinline, no_sanitize("undefined")))
#define NIL_TEXT "runtime error: invalid memory address or nil pointer dereference"
#define DIVIDE_TEXT "runtime error: integer divide by zero"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
# define SANITIZED 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#  define SANITIZED 1
# endif
#endif
#ifndef SANITIZED
# define SANITIZED 0
#endif

static char err[1 << 16];

struct seen {
	char text[128];
	int signal;
	const void *addr, *pc;
	int panics, order;
};

static void catcher(struct seen *s)
{
	const struct goro_panicked *p = recover();

	if (!p)
		return;
	s->panics++;
	s->signal = p->signal;
	s->addr = p->addr;
	s->pc = p->pc;
	t_check(p->flags & GORO_PANIC_RUNTIME);
	snprintf(s->text, sizeof s->text, "%s", p->text);
}

/* ---- what faults ------------------------------------------------------------------------------------------------ */

struct record {
	long a, b, c;
};

static NO_UBSAN void reads_null(void)
{
	struct record *volatile p = NULL;

	(void)*(volatile long *)&p->c;
}

static NO_UBSAN void writes_null(void)
{
	struct record *volatile p = NULL;

	*(volatile long *)&p->b = 1;
}

static NO_UBSAN void calls_null(void)
{
	void (*volatile f)(void) = NULL;

	f();
	__asm__ volatile("");
}

static NO_UBSAN void calls_null_last(void)
{
	void (*volatile f)(void) = NULL;

	f();
}

static NO_UBSAN void writes_code(void)
{
	*(volatile char *)(uintptr_t)writes_code = 0;
}

static void reads_behind_a_file(void)
{
	FILE *f = tmpfile();
	char *p;

	t_check(f != NULL);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(f), 0);
	t_check(p != MAP_FAILED);
	t_keep(f);
	(void)*(volatile char *)p;
}

#ifdef __x86_64__
static NO_UBSAN void divides_by_zero(void)
{
	volatile int one = 1, zero = 0, r;

	r = one / zero;
	(void)r;
}

static NO_UBSAN void remainder_of_zero(void)
{
	volatile long one = 1, zero = 0, r;

	r = one % zero;
	(void)r;
}
#endif

static const struct {
	const char *what;
	void (*fault)(void);
	const char *text;
	int signal;
	long addr; /* -1: some */
} cases[] = {
	{ "reads p->c", reads_null, NIL_TEXT, SIGSEGV, 16 },
	{ "writes p->b", writes_null, NIL_TEXT, SIGSEGV, 8 },
	{ "calls NULL", calls_null, NIL_TEXT, SIGSEGV, 0 },
	{ "calls NULL at its end", calls_null_last, NIL_TEXT, SIGSEGV, 0 },
	{ "writes where it must not", writes_code, NIL_TEXT, SIGSEGV, -1 },
	{ "a bus error", reads_behind_a_file, NIL_TEXT, SIGBUS, -1 },
#ifdef __x86_64__
	{ "divides by zero", divides_by_zero, DIVIDE_TEXT, SIGFPE, -1 },
	{ "remainder of a division by zero", remainder_of_zero, DIVIDE_TEXT, SIGFPE, -1 },
#endif
};
#define NCASES ((int)(sizeof cases / sizeof cases[0]))

/* ---- recovered ---------------------------------------------------------------------------------------------------- */

static void check_order(struct seen *s)
{
	t_check_int(s->order, ==, 0);
	s->order = 1;
}

static int guarded(struct seen *s, void (*fault)(void))
{
	defer(catcher, s, 1);
	defer(check_order, s, -1);
	fault();
	return 0;
}

static void run_case(int i)
{
	struct seen s = { .panics = 0 };
	volatile long a = i, b = 2 * i;
	double d = (double)(a + b);

	t_check_int(guarded(&s, cases[i].fault), ==, 1);
	t_check(a + b == 3 * i && d == 3.0 * i);
	t_check_int(s.panics, ==, 1);
	t_check(strcmp(s.text, cases[i].text) == 0, "%s: %s", cases[i].what, s.text);
	t_check(s.signal == cases[i].signal, "%s: signal %d", cases[i].what, s.signal);
	t_check(SANITIZED || cases[i].addr < 0 || s.addr == (void *)cases[i].addr, "%s: %p", cases[i].what, s.addr);
	t_check(s.pc != NULL);
}

static int main_of_case(void *arg)
{
	sigset_t before, after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	for (int i = 0; i < 100; i++)
		run_case(*(int *)arg);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < 32; sig++)
		t_check(sigismember(&before, sig) == sigismember(&after, sig), "signal %d", sig);
	return 0;
}

START_TEST(a_fault_of_its_own_is_a_panic_with_Gos_text)
{
	api_run_procs(1, main_of_case, &_i);
}
END_TEST

static void in_goroutine(int i, struct goro_waitgroup *wg)
{
	volatile long sum = 0;

	for (long k = 0; k < t_scaled(20000); k++)
		sum += k;
	t_check(sum >= 0);
	for (int k = 0; k < 10; k++)
		run_case((i + k) % NCASES);
	goro_yield();
	run_case(i);
	goro_waitgroup_done(wg);
}

static int all_at_once(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int n = (int)t_scaled(20 * NCASES);

	(void)arg;
	goro_waitgroup_add(&wg, n);
	for (int i = 0; i < n; i++)
		t_check_int(go(in_goroutine, i % NCASES, &wg), ==, 0);
	return goro_waitgroup_wait(&wg, GORO_FOREVER);
}

START_TEST(faults_on_many_processors_with_slices_of_100_us)
{
	setenv("GORO_SLICE_US", "100", 1);
	api_run_procs(api_procs[_i], all_at_once, NULL);
}
END_TEST

static void on_large_stack(void *arg)
{
	reads_null();
	(void)arg;
}

static int faults_there(struct seen *s)
{
	defer(catcher, s, 4);
	goro_call_on_stack(1 << 20, on_large_stack, NULL);
	return 0;
}

static void faults_in_deferred_call(struct seen *s)
{
	(void)s;
	writes_null();
}

static int deferred_fault(struct seen *s)
{
	defer(catcher, s, 5);
	defer(faults_in_deferred_call, s, -1);
	reads_null();
	return 0;
}

static int ordinary_deferred_fault(struct seen *s)
{
	defer(catcher, s, 6);
	defer(faults_in_deferred_call, s, -1);
	return 0;
}

/* A lock at NULL faults in the library, before it has entered it: nothing is held. */
static NO_UBSAN __attribute__((unused)) void locks_null(void)
{
	struct goro_mutex *volatile m = NULL;

	goro_mutex_lock(m);
}

static int elsewhere_main(void *arg)
{
	struct seen s = { .panics = 0 };

	(void)arg;
	t_check_int(faults_there(&s), ==, 4);
	t_check_int(deferred_fault(&s), ==, 5);
	t_check(SANITIZED || s.addr == (void *)8);
	t_check_int(ordinary_deferred_fault(&s), ==, 6);
	t_check_int(s.panics, ==, 3);
	s.order = 0;
#ifndef T_UBSAN /* in a library that is instrumented by it, it comes first */
	t_check_int(guarded(&s, locks_null), ==, 1);
#endif
	return 0;
}

START_TEST(faults_on_another_stack_and_in_deferred_calls)
{
	api_run(elsewhere_main, NULL);
}
END_TEST

/* ---- not recovered -------------------------------------------------------------------------------------------------- */

void frame_that_faults(void *p);

NO_UBSAN void frame_that_faults(void *p)
{
	*(volatile long *)p = 1;
	__asm__ volatile("");
}

/* Small leaf functions keep the return address in a register on some CPUs. */
static int unrecovered(void *arg)
{
	frame_that_faults(arg);
	return 0;
}

START_TEST(a_fault_that_nobody_recovers_from_ends_the_process_as_in_Go)
{
	int status = api_child(0, unrecovered, (void *)16, err, sizeof err);
	const char *begins = "panic: " NIL_TEXT "\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x10 pc=0x";

	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 2, "%#x: %.2000s", status, err);
	t_check(SANITIZED || strncmp(err, begins, strlen(begins)) == 0, "%.2000s", err);
	t_check(strstr(err, "\n\ngoroutine 1") != NULL, "%.2000s", err);
	t_check(strstr(err, "frame_that_faults") != NULL, "%.2000s", err);
	t_check(strstr(err, "api_child") == NULL, "%.2000s", err); /* it ends at the goroutine's entry */
}
END_TEST

static struct seen never;

static int in_libc(void *arg)
{
	defer(catcher, &never, 0);
	return strverscmp(arg, "x");
}

static int in_malloc(void *arg)
{
	defer(catcher, &never, 0);
	free(*(void *volatile *)&arg);
	return 0;
}

static int in_runtime(void *arg)
{
	struct goro_chan *c = goro_chan_new(64, 1);

	defer(catcher, &never, 0);
	goro_chan_send(c, arg, GORO_FOREVER);
	return 0;
}

static void ends_fatally(goro_main_fn fn, const char *text)
{
	int status = api_child(0, fn, (void *)16, err, sizeof err);

	t_check(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 2), "%#x: %.2000s", status, err);
	t_check(strstr(err, text) != NULL, "%.2000s", err);
	t_check(strstr(err, "goroutine 1") != NULL, "%.2000s", err);
}

START_TEST(a_fault_in_the_C_library_or_in_malloc_is_fatal_with_a_dump)
{
	ends_fatally(in_libc, "fatal error: unexpected signal outside of the goroutine's own code\n[signal SIGSEGV: ");
	if (!SANITIZED)
		ends_fatally(in_malloc, "fatal error: unexpected signal outside of the goroutine's own code\n[signal SIGSEGV: ");
}
END_TEST

START_TEST(a_fault_in_the_runtime_is_fatal_with_a_dump)
{
	ends_fatally(in_runtime, "fatal error: unexpected signal during runtime execution\n[signal SIGSEGV: ");
}
END_TEST

/* Frames of nearly a page, never a tail call. */
static __attribute__((noinline)) int deeper(int depth)
{
	volatile char frame[2000];

	frame[0] = (char)depth;
	if (depth == INT_MAX)
		return 0;
	return deeper(depth + 1) + frame[0];
}

static void on_stack_of_320_KiB(void *arg)
{
	*(int *)arg = deeper(0);
}

static int overflows(void *arg)
{
	static int r;

	defer(catcher, &never, 0);
	if (arg)
		deeper(0);
	return goro_call_on_stack((size_t)512 << 10, on_stack_of_320_KiB, &r);
}

START_TEST(an_overflow_is_no_panic_but_reported_also_on_another_stack)
{
	int status = api_child(0, overflows, (void *)1, err, sizeof err);

	t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%#x: %.2000s", status, err);
	t_check(strstr(err, "stack overflow") && !strstr(err, "512 KiB"), "%.2000s", err);
	status = api_child(0, overflows, NULL, err, sizeof err);
	t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%#x: %.2000s", status, err);
	t_check(strstr(err, "stack overflow") && strstr(err, "512 KiB"), "%.2000s", err);
}
END_TEST

static void *faulting_thread(void *arg)
{
	defer(catcher, &never, NULL);
	frame_that_faults(arg);
	return NULL;
}

static int fault_in_thread(void *arg)
{
	api_join(api_thread(faulting_thread, arg));
	return 0;
}

static int sent_signal(void *arg)
{
	(void)arg;
	defer(catcher, &never, 0);
	kill(getpid(), SIGSEGV);
	for (;;)
		goro_yield();
}

START_TEST(faults_of_plain_threads_and_signals_that_were_sent_are_none_of_ours)
{
	int status = api_child(0, fault_in_thread, (void *)16, err, sizeof err);

	t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%#x: %.2000s", status, err);
	t_check(strstr(err, "panic: ") == NULL, "%.2000s", err);
	status = api_child(0, sent_signal, NULL, err, sizeof err);
	t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%#x: %.2000s", status, err);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault");
	TCase *tc = tcase_create("recovered");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_fault_of_its_own_is_a_panic_with_Gos_text, 0, NCASES);
	tcase_add_loop_test(tc, faults_on_many_processors_with_slices_of_100_us, 0, 3);
	tcase_add_test(tc, faults_on_another_stack_and_in_deferred_calls);
	suite_add_tcase(s, tc);
	tc = tcase_create("fatal");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_fault_that_nobody_recovers_from_ends_the_process_as_in_Go);
	tcase_add_test(tc, a_fault_in_the_C_library_or_in_malloc_is_fatal_with_a_dump);
	tcase_add_test(tc, a_fault_in_the_runtime_is_fatal_with_a_dump);
	tcase_add_test(tc, an_overflow_is_no_panic_but_reported_also_on_another_stack);
	tcase_add_test(tc, faults_of_plain_threads_and_signals_that_were_sent_are_none_of_ours);
	suite_add_tcase(s, tc);
	return t_main(s);
}
