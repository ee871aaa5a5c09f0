/* SPDX-License-Identifier: MIT */
/*
 * check_stacks.c: being stopped takes nothing of a goroutine's stack (hazard 13), and each thread keeps its own signal stack (hazard 3).
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

/* ---- signal stacks -------------------------------------------------------------------------------------------- */

#define SEEN 512

static struct {
	pid_t tid;
	void *sp;
} seen[SEEN];
static int nseen;
static struct goro_mutex seen_mutex;

/* A signal stack belongs to one thread, and a thread always has the same. */
static void note(pid_t tid, void *sp)
{
	int i;

	goro_mutex_lock(&seen_mutex);
	for (i = 0; i < nseen && seen[i].tid != tid; i++)
		t_check(!sp || seen[i].sp != sp, "threads %d and %d share a signal stack", (int)tid, (int)seen[i].tid);
	if (i == nseen) {
		t_check_int(nseen, <, SEEN);
		seen[nseen].tid = tid;
		seen[nseen++].sp = sp;
	}
	t_check(seen[i].sp == sp, "thread %d has another signal stack than before", (int)tid);
	goro_mutex_unlock(&seen_mutex);
}

static void look_at_it(struct goro_waitgroup *wg)
{
	for (long n = t_scaled(60); n > 0 || pre_unseen(); n--) {
		stack_t before, after;
		pid_t tid = gettid();

		t_check(sigaltstack(NULL, &before) == 0);
		for (volatile int i = 0; i < 400000; i++)
			;
		t_check(sigaltstack(NULL, &after) == 0);
		t_check_int(gettid(), ==, tid); /* no call of goro was in between */
		t_check(before.ss_sp == after.ss_sp && before.ss_size == after.ss_size && before.ss_flags == after.ss_flags);
		t_check_int(after.ss_flags & SS_ONSTACK, ==, 0);
		note(tid, after.ss_flags & SS_DISABLE ? NULL : after.ss_sp);
		if (n % 4 == 0)
			goro_yield();
	}
	goro_waitgroup_done(wg);
}

static int altstack_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		t_check_int(GORO_GO(look_at_it, &wg), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(pre_stats().preemptions, >, 0);
	return 0;
}

START_TEST(each_thread_keeps_its_signal_stack)
{
	nseen = 0;
	pre_run(_i ? 2 : 1, PRE_SHORT, altstack_main, NULL);
}
END_TEST

/* ---- full stacks ------------------------------------------------------------------------------------------------- */

/* The lowest address of the stack that p lies on: below it is a page that cannot be read. Asked by a call that fails, not faults. */
static uintptr_t begin_of(uintptr_t p)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = p & ~(page - 1);
	struct iovec to = { .iov_len = 1 }, from = { .iov_len = 1 };
	char byte;

	to.iov_base = &byte;
	for (;;) {
		from.iov_base = (void *)(at - page);
		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != 1)
			break;
		at -= page;
	}
	t_check(p - at < 64 << 10);
	return at;
}

#define LEFT 512 /* bytes that may be left below a frame that is to be stopped */

__attribute__((noinline)) PRE_NO_TSAN static int fill_and_spin(uintptr_t end, const int *flag)
{
	volatile char here[256];
	int r;

	here[0] = 1;
	if ((uintptr_t)here > end + LEFT + 512)
		r = fill_and_spin(end, flag) + 1;
	else {
		pre_spin_until(flag);
		r = 0;
	}
	return r + here[0] - 1;
}

static void on_a_full_stack(int *flag, int *result)
{
	char here;

	pre_set(result, fill_and_spin(begin_of((uintptr_t)&here), flag) >= 0);
}

static int full_main(void *arg)
{
	(void)arg;
	for (int round = 0; round < 10; round++) {
		uint64_t before = pre_stats().preemptions;
		int flag = 0, result[3] = { 0 };

		for (int i = 0; i < 3; i++)
			t_check_int(GORO_GO(on_a_full_stack, &flag, &result[i]), ==, 0);
		/* They spin, with almost no stack left; that this goes on means that they are stopped. */
		t_check_int(goro_sleep(3 * GORO_MILLISECOND), ==, 0);
		t_eventually(pre_stats().preemptions > before, API_PATIENCE);
		pre_set(&flag, 1);
		t_eventually(pre_get(&result[0]) && pre_get(&result[1]) && pre_get(&result[2]), API_PATIENCE);
	}
	return 0;
}

START_TEST(a_goroutine_with_hardly_any_stack_left_is_stopped)
{
	struct goro_config cfg;

	struct iovec none = { NULL, 0 };

	t_skip_unless(api_timing_is_sound(), "instrumented frames are too large for it");
	t_skip_unless(process_vm_readv(getpid(), &none, 1, &none, 1, 0) >= 0, "no process_vm_readv() here");
	pre_config(&cfg, 1, PRE_SHORT);
	cfg.stack_size = 64 << 10;
	t_check_int(goro_run(&cfg, full_main, NULL), ==, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: stacks");
	TCase *tc = tcase_create("stacks");

	tcase_add_loop_test(tc, each_thread_keeps_its_signal_stack, 0, 2);
	tcase_add_test(tc, a_goroutine_with_hardly_any_stack_left_is_stopped);
	suite_add_tcase(s, tc);
	return t_main(s);
}
