/* SPDX-License-Identifier: MIT */
/*
 * check_stack.c: stacks that hold what they promise, overflow that is diagnosed, backtraces that end, and the dump
 * of all goroutines.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

static char err[1 << 20];

/* ---- overflow -------------------------------------------------------------------------------------------- */

/* Frames of about size bytes, never a tail call. */
static int deeper(int depth, int size)
{
	volatile char *frame = __builtin_alloca((size_t)size);

	if (depth == 1 << 30)
		return 0;
	frame[0] = (char)depth;
	frame[size - 1] = 1;
	return deeper(depth + 1, size) + frame[0];
}

static void overflow(void *arg)
{
	dprintf(STDERR_FILENO, "I am %llu\n", (unsigned long long)goro_id());
	deeper(0, *(int *)arg);
}

static int overflow_main(void *arg)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;

	o.stack_size = 128 << 10;
	o.name = "bottomless";
	t_check_int(goro_spawn_opts(overflow, arg, &o), ==, 0);
	goro_sleep(100 * GORO_SECOND);
	return 0;
}

static int overflow_in_main(void *arg)
{
	overflow(arg);
	return 0;
}

static void check_overflow(int status, const char *name, const char *size)
{
	char text[64];
	const char *id = strstr(err, "I am ");

	t_check(id != NULL);
	snprintf(text, sizeof text, "goroutine %llu", strtoull(id + 5, NULL, 10));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV || !strstr(err, "stack overflow"))
		fprintf(stderr, "wait status %#x and:\n%.4000s\n", status, err);
	t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "wait status %#x", status);
	t_check(strstr(err, "stack overflow") != NULL);
	t_check(strstr(err, text) != NULL, "%s: %.2000s", text, err);
	t_check(strstr(err, name) != NULL, "%s: %.2000s", name, err);
	t_check(strstr(err, size) != NULL, "%s: %.2000s", size, err);
}

START_TEST(an_overflow_tells_id_name_and_size_and_ends_by_SIGSEGV)
{
	/* Small frames, and ones of nearly a page. */
	static int sizes[] = { 64, 3900 };
	int status = api_child(0, overflow_main, &sizes[_i], err, sizeof err);

	check_overflow(status, "bottomless", "128 KiB");
}
END_TEST

START_TEST(an_overflow_in_the_main_goroutine_is_told_too)
{
	static int size = 200;
	int status = api_child(0, overflow_in_main, &size, err, sizeof err);

	check_overflow(status, "main", "KiB");
}
END_TEST

static void bad_access(void *arg)
{
	*(volatile int *)arg = 1;
}

static int fault_main(void *arg)
{
	t_check_int(goro_spawn(bad_access, arg), ==, 0);
	goro_sleep(100 * GORO_SECOND);
	return 0;
}

START_TEST(another_fault_is_not_called_an_overflow)
{
	/* Not NULL: UBSan would see that one coming, and report it instead. */
	int status = api_child(0, fault_main, (void *)16, err, sizeof err);

	t_check(status != 0 && strstr(err, "stack overflow") == NULL, "%#x: %.2000s", status, err);
	t_check((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
		(WIFEXITED(status) && WEXITSTATUS(status) == 2), "wait status %#x", status);
	t_check(strstr(err, "goroutine") != NULL, "%.2000s", err);
}
END_TEST

/* ---- stacks that hold ---------------------------------------------------------------------------------------- */

#define HOLDERS 300
#define HELD (40 << 10)

static struct goro_waitgroup ready, go_on, done;

/* Fills its stack with its own pattern, lets all others do the same, then looks at it again. */
static void holder(void *arg)
{
	unsigned char frame[HELD];
	int number = (int)(intptr_t)arg;
	char text[64];

	for (size_t i = 0; i < sizeof frame; i++)
		frame[i] = (unsigned char)((size_t)number + i * 13);
	snprintf(text, sizeof text, "%.3f", number / 8.0); /* stdio must fit as well */
	goro_waitgroup_done(&ready);
	goro_waitgroup_wait(&go_on, GORO_FOREVER);
	for (size_t i = 0; i < sizeof frame; i++)
		t_check(frame[i] == (unsigned char)((size_t)number + i * 13));
	t_check(strtod(text, NULL) == number / 8.0);
	goro_waitgroup_done(&done);
}

static int holders_main(void *arg)
{
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;

	(void)arg;
	o.stack_size = 64 << 10;
	for (int round = 0; round < 3; round++) {
		goro_waitgroup_add(&ready, HOLDERS);
		goro_waitgroup_add(&done, HOLDERS);
		goro_waitgroup_add(&go_on, 1);
		for (int i = 0; i < HOLDERS; i++)
			t_check_int(goro_spawn_opts(holder, (void *)(intptr_t)i, &o), ==, 0);
		t_check_int(goro_waitgroup_wait(&ready, GORO_FOREVER), ==, 0);
		goro_waitgroup_done(&go_on);
		t_check_int(goro_waitgroup_wait(&done, GORO_FOREVER), ==, 0);
	}
	return 0;
}

START_TEST(stacks_of_64_KiB_hold_and_do_not_overlap)
{
	api_run(holders_main, NULL);
}
END_TEST

#ifndef MADV_GUARD_INSTALL
# define MADV_GUARD_INSTALL 102
#endif

static int have_guard_regions(void)
{
	void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret = madvise(p, 4096, MADV_GUARD_INSTALL);

	munmap(p, 8192);
	return ret == 0;
}

static void parked(struct goro_waitgroup *gate)
{
	goro_waitgroup_wait(gate, GORO_FOREVER);
	goro_waitgroup_done(&done);
}

static int parked_main(void *arg)
{
	struct goro_waitgroup gate = GORO_WAITGROUP_INIT;
	long n = t_scaled(100000), rss = api_rss_kib();

	(void)arg;
	goro_waitgroup_add(&gate, 1);
	goro_waitgroup_add(&done, (int)n);
	for (long i = 0; i < n; i++)
		t_check_int(GORO_GO(parked, &gate), ==, 0);
	t_check_int(goro_count(), ==, n + 1);
	for (int i = 0; i < 100; i++)
		goro_yield();
	rss = api_rss_kib() - rss;
	t_check(!api_timing_is_sound() || rss < 10 * n, "%ld KiB for %ld goroutines", rss, n);
	goro_waitgroup_done(&gate);
	t_check_int(goro_waitgroup_wait(&done, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(more_goroutines_than_the_kernel_allows_mappings_are_parked_at_once)
{
	t_skip_unless(have_guard_regions(), "the kernel has no guard regions (MADV_GUARD_INSTALL)");
	api_run(parked_main, NULL);
}
END_TEST

/* ---- backtraces ---------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) int trace_at(int depth, void **frames, int max)
{
	volatile int n;

	if (depth == 0)
		return backtrace(frames, max);
	n = trace_at(depth - 1, frames, max);
	return n;
}

static void tracer(struct goro_waitgroup *wg)
{
	void *frames[100];

	for (int depth = 0; depth < 20; depth += 5) {
		int n = trace_at(depth, frames, 100);

		/* trace_at() depth + 1 times, this function, and the few frames of the entry. */
		t_check(n >= depth + 2 && n <= depth + 6, "%d frames at depth %d", n, depth);
		for (int i = 0; i < n; i++)
			t_check(frames[i] != NULL || i == n - 1);
		goro_yield();
	}
	goro_waitgroup_done(wg);
}

static int tracer_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	void *frames[100];
	int n = trace_at(3, frames, 100);

	(void)arg;
	t_check(n >= 5 && n <= 10, "%d frames in main", n);
	goro_waitgroup_add(&wg, 10);
	for (int i = 0; i < 10; i++)
		t_check(GORO_GO(tracer, &wg) == 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(a_backtrace_ends_at_the_goroutines_entry)
{
	api_run(tracer_main, NULL);
}
END_TEST

/* ---- the dump ---------------------------------------------------------------------------------------------------------- */

static struct goro_chan *chan;
static struct goro_mutex mutex;
static struct goro_waitgroup never;
static int pair[2];

/* Global, so that their names are in the symbol table of a stripped binary's dynamic part or of the whole. */
void dump_receives(void);
void dump_sends(void);
void dump_selects(void);
void dump_sleeps(void);
void dump_locks(void);
void dump_waits(void);
void dump_reads(void);

void dump_receives(void)
{
	goro_set_name("the receiver");
	goro_chan_recv(chan, NULL, GORO_FOREVER);
	goro_yield();
}

void dump_sends(void)
{
	goro_set_name("the sender");
	goro_chan_send(NULL, NULL, GORO_FOREVER);
	goro_yield();
}

void dump_selects(void)
{
	struct goro_case cases[] = { { .chan = chan, .op = GORO_RECV }, { .chan = NULL, .op = GORO_RECV } };

	goro_set_name("the selector");
	goro_select(cases, 2, GORO_FOREVER);
	goro_yield();
}

void dump_sleeps(void)
{
	goro_set_name("the sleeper, whose name is long");
	goro_sleep(3600 * GORO_SECOND);
	goro_yield();
}

void dump_locks(void)
{
	goro_set_name("the locker");
	goro_mutex_lock(&mutex);
	goro_yield();
}

void dump_waits(void)
{
	goro_set_name("the waiter");
	goro_waitgroup_wait(&never, GORO_FOREVER);
	goro_yield();
}

void dump_reads(void)
{
	char c;

	goro_set_name("the reader");
	goro_read(pair[0], &c, 1, GORO_FOREVER);
	goro_yield();
}

static const struct {
	void (*fn)(void);
	const char *name, *reason, *function;
} sleepers[] = {
	{ dump_receives, "the receiver", "chan receive", "dump_receives" },
	{ dump_sends, "the sender", "chan send (nil chan)", "dump_sends" },
	{ dump_selects, "the selector", "select", "dump_selects" },
	{ dump_sleeps, "the sleeper, wh", "sleep", "dump_sleeps" },
	{ dump_locks, "the locker", "sync.Mutex.Lock", "dump_locks" },
	{ dump_waits, "the waiter", "sync.WaitGroup.Wait", "dump_waits" },
	{ dump_reads, "the reader", "IO wait", "dump_reads" },
};

#define NSLEEPERS ((int)(sizeof sleepers / sizeof sleepers[0]))

static void start_sleepers(void)
{
	chan = goro_chan_new(0, 0);
	goro_mutex_lock(&mutex);
	goro_waitgroup_add(&never, 1);
	t_check_int(api_link(API_PAIR, pair), ==, 0);
	for (int i = 0; i < NSLEEPERS; i++)
		t_check_int(GORO_GO(sleepers[i].fn), ==, 0);
}

static void dump_to(char *buf, size_t size)
{
	FILE *f = tmpfile();
	size_t n;

	t_check(f != NULL);
	goro_dump(fileno(f));
	rewind(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = 0;
	fclose(f);
}

/* The part of the dump that tells of the goroutine with this name, or NULL. */
static const char *part(const char *name, char *buf, size_t size)
{
	const char *at = strstr(err, name), *end;

	if (!at)
		return NULL;
	while (at > err && strncmp(at, "goroutine ", 10) != 0)
		at--;
	end = strstr(at + 10, "\ngoroutine ");
	snprintf(buf, size, "%.*s", end ? (int)(end - at) : (int)strlen(at), at);
	return buf;
}

/* Whether all of them sleep by now, and the dump says so with reason and function. */
static int all_told(void)
{
	char text[8192];

	for (int i = 0; i < NSLEEPERS; i++) {
		const char *p = part(sleepers[i].name, text, sizeof text);

		if (!p || !strstr(p, sleepers[i].reason) || !strstr(p, sleepers[i].function))
			return 0;
	}
	return 1;
}

static int dump_main(void *arg)
{
	int64_t end = goro_after(API_PATIENCE * GORO_MILLISECOND);

	(void)arg;
	start_sleepers();
	goro_dump(-1);
	do {
		goro_sleep(GORO_MILLISECOND);
		dump_to(err, sizeof err);
		if (goro_now() > end)
			fprintf(stderr, "%s\n", err);
		t_check(goro_now() <= end);
	} while (!all_told());
	t_check(strstr(err, "created by") != NULL);
	return 0;
}

START_TEST(the_dump_tells_name_reason_and_functions_of_each_goroutine)
{
	api_run(dump_main, NULL);
}
END_TEST

static void busy_yielder(void)
{
	for (;;)
		goro_yield();
}

static void *dump_thread(void *arg)
{
	for (int i = 0; i < 100; i++)
		dump_to(arg, sizeof err);
	return NULL;
}

static int busy_dump_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++)
		t_check_int(GORO_GO(busy_yielder), ==, 0);
	for (int i = 0; i < 100; i++) {
		dump_to(err, sizeof err);
		t_check(strstr(err, "goroutine ") != NULL);
		goro_yield();
	}
	api_join(api_thread(dump_thread, err));
	return 0;
}

START_TEST(a_dump_while_all_run_disturbs_nobody)
{
	api_run(busy_dump_main, NULL);
}
END_TEST

static int quit_main(void *arg)
{
	(void)arg;
	start_sleepers();
	t_eventually(api_waiting("chan receive") == 1, API_PATIENCE); /* it has given itself its name; not all others must be asleep */
	raise(SIGQUIT);
	goro_sleep(100 * GORO_SECOND); /* that ends the process long before */
	return 0;
}

START_TEST(SIGQUIT_dumps_and_ends_with_status_2)
{
	int status = api_child(0, quit_main, NULL, err, sizeof err);

	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 2, "%#x: %.2000s", status, err);
	t_check(strstr(err, "the receiver") != NULL, "%.2000s", err);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stack");
	TCase *tc = tcase_create("stacks");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, an_overflow_tells_id_name_and_size_and_ends_by_SIGSEGV, 0, 2);
	tcase_add_test(tc, an_overflow_in_the_main_goroutine_is_told_too);
	tcase_add_test(tc, another_fault_is_not_called_an_overflow);
	tcase_add_test(tc, stacks_of_64_KiB_hold_and_do_not_overlap);
	tcase_add_test(tc, more_goroutines_than_the_kernel_allows_mappings_are_parked_at_once);
	tcase_add_test(tc, a_backtrace_ends_at_the_goroutines_entry);
	suite_add_tcase(s, tc);
	tc = tcase_create("dump");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_dump_tells_name_reason_and_functions_of_each_goroutine);
	tcase_add_test(tc, a_dump_while_all_run_disturbs_nobody);
	tcase_add_test(tc, SIGQUIT_dumps_and_ends_with_status_2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
