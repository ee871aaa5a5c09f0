/* SPDX-License-Identifier: MIT */
/* check_errgroup.c: errgroup. Each test quotes the sentence of the documentation of golang.org/x/sync/errgroup that it is about. */
#include <goro.h>
#include <check.h>
#include <errno.h>

#include "api.h"
#include "t.h"

#define MS GORO_MILLISECOND

static int returns(void *arg)
{
	return (int)(intptr_t)arg;
}

static struct goro_chan *gate;

static void new_gate(void)
{
	gate = t_keep(goro_chan_new(0, 0)); /* who closes it may be the last to leave */
}

/* Returns when the gate is closed. */
static int returns_later(void *arg)
{
	t_check_int(goro_chan_recv(gate, NULL, GORO_FOREVER), ==, 0);
	return (int)(intptr_t)arg;
}

/* Closes it when somebody else waits for what begins with why. */
static void closes_gate(const char *why)
{
	t_eventually(api_waiting(why) == 1, API_PATIENCE);
	goro_chan_close(gate);
}

/* "A zero Group is valid, has no limit on the number of active goroutines, and does not cancel on error." */
static void zero(void)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;

	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < 100; i++)
		t_check_int(goro_errgroup_go(&eg, returns, NULL, GORO_FOREVER), ==, 0);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
	goro_errgroup_fini(&eg);
}

START_TEST(a_zero_group_is_valid)
{
	api_everywhere(zero);
}
END_TEST

/* "Wait blocks until all function calls from the Go method have returned, then returns the first non-nil error (if any) from them." */
static void first_error(void)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;
	long others = goro_count();

	new_gate();
	goro_errgroup_go(&eg, returns_later, (void *)-EPIPE, GORO_FOREVER);
	goro_errgroup_go(&eg, returns, (void *)-EIO, GORO_FOREVER);
	goro_errgroup_go(&eg, returns_later, NULL, GORO_FOREVER);
	t_check_int(goro_errgroup_wait(&eg, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_errgroup_wait(&eg, goro_now() + 1), ==, -ETIMEDOUT);
	t_eventually(goro_count() == others + 2, API_PATIENCE); /* the one in the middle is the first to end */
	t_check_int(GORO_GO(closes_gate, "sync.WaitGroup.Wait"), ==, 0);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, -EIO);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, -EIO);
}

START_TEST(wait_returns_the_first_error)
{
	api_everywhere(first_error);
}
END_TEST

static int awaits_done(void *arg)
{
	t_check_int(goro_chan_recv(goro_context_done(arg), NULL, goro_after(API_PATIENCE * MS)), ==, 0);
	return goro_context_err(arg);
}

/* "The derived Context is canceled the first time a function passed to Go returns a non-nil error or the first time Wait returns, whichever occurs first." */
static void context(void)
{
	struct goro_context *parent = goro_context_with_cancel(goro_context_background());
	struct goro_errgroup eg;
	struct goro_context *ctx = goro_errgroup_with_context(&eg, parent);

	t_check(ctx != NULL);
	new_gate();
	for (int i = 0; i < 5; i++)
		t_check_int(goro_errgroup_go(&eg, awaits_done, ctx, GORO_FOREVER), ==, 0);
	t_check_int(goro_errgroup_go(&eg, returns_later, (void *)-EIO, GORO_FOREVER), ==, 0);
	t_check_int(GORO_GO(closes_gate, "sync.WaitGroup.Wait"), ==, 0);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, -EIO);
	t_check_int(goro_context_err(ctx), ==, -ECANCELED);
	t_check_int(goro_context_cause(ctx), ==, -EIO);
	goro_errgroup_fini(&eg);

	ctx = goro_errgroup_with_context(&eg, parent);
	new_gate();
	goro_errgroup_go(&eg, returns_later, NULL, GORO_FOREVER);
	t_check_int(goro_context_err(ctx), ==, 0);
	goro_chan_close(gate);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
	t_check_int(goro_context_cause(ctx), ==, -ECANCELED);
	goro_errgroup_fini(&eg);

	ctx = goro_errgroup_with_context(&eg, parent);
	goro_errgroup_go(&eg, awaits_done, ctx, GORO_FOREVER);
	goro_context_cancel(parent);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, -ECANCELED);
	goro_errgroup_fini(&eg);
	goro_errgroup_fini(&eg);
	goro_errgroup_fini(NULL);
	goro_context_unref(parent);
}

START_TEST(the_first_error_cancels_the_context_and_so_does_wait)
{
	api_everywhere(context);
}
END_TEST

static uint32_t active, most;

static int counts(void *arg)
{
	uint32_t n = __atomic_add_fetch(&active, 1, __ATOMIC_SEQ_CST), m = __atomic_load_n(&most, __ATOMIC_SEQ_CST);

	while (m < n && !__atomic_compare_exchange_n(&most, &m, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	if ((intptr_t)arg % 3)
		goro_yield();
	else
		goro_sleep(100000);
	__atomic_add_fetch(&active, -1u, __ATOMIC_SEQ_CST);
	return 0;
}

/*
 * "SetLimit limits the number of active goroutines in this group to at most n. A negative value indicates no limit." "Any subsequent call to the Go
 * method will block until it can add an active goroutine without exceeding the configured limit."
 */
static void limits(void)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;
	static const int limit[] = { 1, 2, 7, 100 };

	for (int i = 0; i < 4; i++) {
		active = most = 0;
		goro_errgroup_set_limit(&eg, limit[i]);
		for (intptr_t j = 0; j < 60; j++)
			t_check_int(goro_errgroup_go(&eg, counts, (void *)j, GORO_FOREVER), ==, 0);
		t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
		t_check_int(most, <=, limit[i]);
		t_check_int(most, >=, 1);
	}
	goro_errgroup_set_limit(&eg, -1);
	for (intptr_t j = 0; j < 60; j++)
		t_check_int(goro_errgroup_try_go(&eg, counts, (void *)j), ==, 1);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
}

START_TEST(no_more_than_the_limit_are_active)
{
	api_everywhere(limits);
}
END_TEST

static int waits_for(void *arg)
{
	goro_chan_recv(arg, NULL, GORO_FOREVER);
	return 0;
}

/*
 * "TryGo calls the given function in a new goroutine only if the number of active goroutines in the group is currently
 * below the configured limit. The return value reports whether the goroutine was started."
 */
static void try_go(void)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;
	struct goro_chan *c = goro_chan_new(0, 0);
	int64_t start = goro_now();

	goro_errgroup_set_limit(&eg, 2);
	t_check_int(goro_errgroup_try_go(&eg, waits_for, c), ==, 1);
	t_check_int(goro_errgroup_try_go(&eg, waits_for, c), ==, 1);
	t_check_int(goro_errgroup_try_go(&eg, waits_for, c), ==, 0);
	t_check_int(goro_errgroup_go(&eg, waits_for, c, start + 2 * MS), ==, -ETIMEDOUT);
	t_check(goro_now() >= start + 2 * MS);
	goro_chan_send(c, NULL, GORO_FOREVER);
	t_check_int(goro_errgroup_go(&eg, waits_for, c, GORO_FOREVER), ==, 0);
	goro_chan_close(c);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
	/* "A limit of zero will prevent any new goroutines from being added." */
	goro_errgroup_set_limit(&eg, 0);
	t_check_int(goro_errgroup_try_go(&eg, returns, NULL), ==, 0);
	t_check_int(goro_errgroup_go(&eg, returns, NULL, goro_after(MS)), ==, -ETIMEDOUT);
	goro_chan_free(c);
	t_check_int(goro_errgroup_go(&eg, NULL, NULL, GORO_FOREVER), ==, -EINVAL);
	t_check_int(goro_errgroup_go(NULL, returns, NULL, GORO_FOREVER), ==, -EINVAL);
	t_check_int(goro_errgroup_try_go(NULL, returns, NULL), ==, -EINVAL);
	t_check_int(goro_errgroup_wait(NULL, GORO_FOREVER), ==, -EINVAL);
}

START_TEST(try_go_says_whether_it_started_one)
{
	api_everywhere(try_go);
}
END_TEST

/* "The limit must not be modified while any goroutines in the group are active." */
static int modifies(void *arg)
{
	static struct goro_errgroup eg;

	goro_errgroup_set_limit(&eg, 20);
	for (int i = 0; i < 12; i++)
		goro_errgroup_go(&eg, waits_for, arg, GORO_FOREVER);
	goro_errgroup_set_limit(&eg, 3);
	return 0;
}

START_TEST(a_change_of_the_limit_while_tasks_run_panics)
{
	api_expect_fatal(modifies, NULL, "panic: errgroup: modify limit while 12 goroutines in the group are still active");
}
END_TEST

/* Without a runtime there is nobody to run a task; and the group is as before. */
START_TEST(without_a_runtime_go_fails_and_wait_does_not_hang)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;

	goro_errgroup_set_limit(&eg, 1);
	for (int i = 0; i < 3; i++)
		t_check_int(goro_errgroup_go(&eg, returns, NULL, GORO_FOREVER), ==, -EPERM);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
}
END_TEST

/* Tasks that add tasks, beside those that wait for a place: everything is done once, and no place is lost. */
static struct goro_errgroup deep;
static uint32_t done;

static int forks(void *arg)
{
	intptr_t n = (intptr_t)arg;

	__atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2 && n > 1; i++)
		if (goro_errgroup_try_go(&deep, forks, (void *)(n - 1)) != 1)
			forks((void *)(n - 1));
	return 0;
}

static void forking(void)
{
	done = 0;
	goro_errgroup_set_limit(&deep, 5);
	t_check_int(goro_errgroup_go(&deep, forks, (void *)11, GORO_FOREVER), ==, 0);
	t_check_int(goro_errgroup_wait(&deep, GORO_FOREVER), ==, 0);
	t_check_int(done, ==, (1 << 11) - 1);
}

static int exits(void *arg)
{
	(void)arg;
	goro_exit();
}

/* "Goexit runs all deferred calls before terminating the goroutine" (package runtime): a task's end is one, with and without a limit. */
static void exiting(void)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;

	for (int limit = -1; limit <= 1; limit += 2) {
		goro_errgroup_set_limit(&eg, limit);
		for (int i = 0; i < 10; i++)
			t_check_int(goro_errgroup_go(&eg, exits, NULL, GORO_FOREVER), ==, 0);
		t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
	}
	goro_errgroup_fini(&eg);
}

START_TEST(a_task_may_end_by_goro_exit)
{
	api_everywhere(exiting);
}
END_TEST

START_TEST(tasks_may_add_tasks)
{
	api_everywhere(forking);
}
END_TEST

/* Functions and arguments as for GORO_GO(). What is given is evaluated once, and copied before the call returns. */
static int sums(int a, double b, const char *c, int64_t d, float e, short f, unsigned char g, int64_t *ret)
{
	*ret = a + (int64_t)b + c[0] + d + (int64_t)(e * 2) + f + g;
	return *ret == 1000 ? 0 : -ERANGE;
}

static int five(int a, int b, int c, int d, int e)
{
	return -(a + b + c + d + e);
}

static int fails(void)
{
	return -ENOSPC;
}

static void typed(void)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;
	int64_t sum[20];
	int evaluated = 0;

	for (int i = 0; i < 20; i++)
		t_check_int(GORO_ERRGROUP_GO(&eg, sums, i, 100.5, "a", (int64_t)(1000 - 100 - 'a' - 7 - i - 2 - 200), 3.5f, (short)2,
					     (unsigned char)200, &sum[evaluated++]), ==, 0);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
	t_check_int(evaluated, ==, 20);
	for (int i = 0; i < 20; i++)
		t_check_int(sum[i], ==, 1000);
	t_check_int(GORO_ERRGROUP_GO(&eg, five, 1, 2, 3, 4, 5), ==, 0);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, -15);

	eg = (struct goro_errgroup)GORO_ERRGROUP_INIT;
	goro_errgroup_set_limit(&eg, 1);
	new_gate();
	t_check_int(GORO_ERRGROUP_GO(&eg, returns_later, (void *)0), ==, 0);
	t_check_int(GORO_ERRGROUP_GO_UNTIL(&eg, GORO_NOW, fails), ==, -EAGAIN);
	t_check_int(GORO_ERRGROUP_GO_UNTIL(&eg, goro_now() + 1, fails), ==, -ETIMEDOUT);
	t_check_int(GORO_GO(closes_gate, "semacquire"), ==, 0);
	t_check_int(GORO_ERRGROUP_GO(&eg, fails), ==, 0);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, -ENOSPC);
	t_check_int(goro_errgroup_go_args(&eg, NULL, NULL, 0, 0, GORO_FOREVER), ==, -EINVAL);
	t_check_int(goro_errgroup_go_args(&eg, (void (*)(void))fails, NULL, 9, 0, GORO_FOREVER), ==, -EINVAL);
	t_check_int(goro_errgroup_go_args(NULL, (void (*)(void))fails, NULL, 0, 0, GORO_FOREVER), ==, -EINVAL);
	goro_errgroup_fini(&eg);
}

START_TEST(a_typed_task_gets_its_arguments_and_its_error_counts)
{
	api_everywhere(typed);
}
END_TEST

static int adds(int64_t *to, int64_t n, double more, const int *go_on)
{
	while (!__atomic_load_n(go_on, __ATOMIC_ACQUIRE))
		goro_yield();
	return (int)__atomic_add_fetch(to, n + (int64_t)more, __ATOMIC_SEQ_CST) > 1000 ? -EDOM : 0;
}

static void typed_tries(void)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;
	int64_t sum = 0;
	int evaluated = 0, go_on = 0;

	goro_errgroup_set_limit(&eg, 2);
	for (int i = 0; i < 5; i++)
		t_check_int(GORO_ERRGROUP_TRY_GO(&eg, adds, &sum, (int64_t)++evaluated, 100.5, &go_on), ==, i < 2);
	t_check_int(evaluated, ==, 5); /* also where nothing was started */
	t_check_int(GORO_ERRGROUP_TRY_GO(&eg, fails), ==, 0);
	__atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, 0);
	t_check_int(sum, ==, 203);
	t_check_int(GORO_ERRGROUP_TRY_GO(&eg, adds, &sum, (int64_t)1000, 0.0, &go_on), ==, 1);
	t_check_int(goro_errgroup_wait(&eg, GORO_FOREVER), ==, -EDOM);
	t_check_int(goro_errgroup_try_go_args(&eg, NULL, NULL, 0, 0), ==, -EINVAL);
	t_check_int(goro_errgroup_try_go_args(&eg, (void (*)(void))fails, NULL, 9, 0), ==, -EINVAL);
	t_check_int(goro_errgroup_try_go_args(NULL, (void (*)(void))fails, NULL, 0, 0), ==, -EINVAL);
	goro_errgroup_fini(&eg);
}

START_TEST(a_typed_try_starts_a_task_or_says_that_the_limit_is_reached)
{
	api_everywhere(typed_tries);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("errgroup");
	TCase *tc = tcase_create("errgroup");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_zero_group_is_valid);
	tcase_add_test(tc, wait_returns_the_first_error);
	tcase_add_test(tc, the_first_error_cancels_the_context_and_so_does_wait);
	tcase_add_test(tc, no_more_than_the_limit_are_active);
	tcase_add_test(tc, try_go_says_whether_it_started_one);
	tcase_add_test(tc, a_change_of_the_limit_while_tasks_run_panics);
	tcase_add_test(tc, without_a_runtime_go_fails_and_wait_does_not_hang);
	tcase_add_test(tc, tasks_may_add_tasks);
	tcase_add_test(tc, a_task_may_end_by_goro_exit);
	tcase_add_test(tc, a_typed_task_gets_its_arguments_and_its_error_counts);
	tcase_add_test(tc, a_typed_try_starts_a_task_or_says_that_the_limit_is_reached);
	return t_main(s);
}
