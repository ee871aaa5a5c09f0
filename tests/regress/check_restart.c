/* SPDX-License-Identifier: MIT */
/*
 * check_restart.c: bugs in the end of a run.
 *
 * 1 goro_run() hung in pthread_join(). It had started a second worker by pthread_create() and was not yet so far as to list it among all
 *   workers. That worker stole the main goroutine, which blocked in goro_blocking(), went on elsewhere and
 *   returned: the shutdown woke all listed workers and missed the one that now slept as a spare. In the same
 *   way a worker listed while goro_run() walked the list was never joined.
 * 2 What waited on a semaphore, of a WaitGroup for instance, when its run ended was still found there by the next run: a wait on an
 *   object at the same address went through records that were gone.
 * 3 The same with channels: the next run, or goro_chan_free() after the run, met waiters on stacks that were unmapped.
 * 4 What a select of many cases had allocated was lost when the run ended while it waited. Leak checkers see that in the test of 3.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>

#include "api.h"
#include "t.h"

static void *sleeping_thread(void *arg)
{
	goro_sleep(100 * GORO_MICROSECOND);
	return arg;
}

static int blocking_main(void *arg)
{
	api_join(api_thread(sleeping_thread, arg));
	return 0;
}

START_TEST(a_run_that_ends_right_after_a_blocking_call_ends)
{
	for (long n = t_scaled(500); n > 0; n--)
		api_run_procs(1 + (unsigned)n % 4, blocking_main, NULL);
}
END_TEST

static struct goro_waitgroup wg;
static struct goro_mutex mutex;
static int waiting; /* atomic */

static void waiter(int which)
{
	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	if (which & 1)
		goro_mutex_lock(&mutex);
	else
		goro_waitgroup_wait(&wg, GORO_FOREVER);
}

static int waiters_main(void *arg)
{
	(void)arg;
	waiting = 0;
	wg = (struct goro_waitgroup)GORO_WAITGROUP_INIT;
	mutex = (struct goro_mutex)GORO_MUTEX_INIT;
	goro_waitgroup_add(&wg, 1);
	goro_mutex_lock(&mutex);
	for (int i = 0; i < 10; i++)
		t_check_int(GORO_GO(waiter, i), ==, 0);
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < 10)
		goro_yield();
	goro_yield();
	return 0;
}

START_TEST(objects_at_the_same_address_are_new_in_the_next_run)
{
	for (long n = t_scaled(100); n > 0; n--)
		api_run(waiters_main, NULL);
}
END_TEST

static struct goro_chan *channels[2];

static void receiver(int i)
{
	int v;

	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	goro_chan_recv(channels[i & 1], &v, i & 2 ? GORO_FOREVER : goro_after(3600 * GORO_SECOND));
}

static void sender(void)
{
	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	goro_chan_send(channels[1], &waiting, GORO_FOREVER);
}

static void selector(int n)
{
	struct goro_case cases[20];
	int v;

	for (int i = 0; i < 20; i++)
		cases[i] = (struct goro_case){ .chan = i % 5 == 4 ? NULL : channels[0], .op = GORO_RECV, .elem = &v };
	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	goro_select(cases, (unsigned)n, GORO_FOREVER);
}

static void *patient_thread(void *arg)
{
	int v;

	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	while (goro_chan_recv(channels[0], &v, GORO_FOREVER) > 0)
		;
	return arg;
}

static int channels_main(void *arg)
{
	int v = 1, start = __atomic_load_n(&waiting, __ATOMIC_SEQ_CST);

	/* Nobody of the last run receives. */
	t_check(arg || goro_chan_send(channels[0], &v, GORO_NOW) == -EAGAIN);
	for (int i = 0; i < 4; i++) {
		t_check_int(GORO_GO(receiver, 2 * i), ==, 0);
		t_check_int(GORO_GO(selector, 2 + 5 * i), ==, 0);
		t_check_int(GORO_GO(sender), ==, 0);
	}
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < start + 12)
		goro_yield();
	goro_yield();
	/* One is served and does not come to run again. */
	t_check_int(goro_chan_send(channels[0], &v, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(a_channel_outlives_the_run_and_forgets_who_waited_on_it)
{
	pthread_t t;

	for (int i = 0; i < 2; i++)
		channels[i] = goro_chan_new(sizeof(int), 0);
	waiting = 0;
	for (long n = t_scaled(50); n > 0; n--)
		api_run_procs(1 + (unsigned)n % 3, channels_main, NULL);
	/* A plain thread goes on waiting from one run to the next. */
	t = api_thread(patient_thread, NULL);
	t_eventually(__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) % 12 == 1, API_PATIENCE);
	for (long n = t_scaled(50); n > 0; n--)
		api_run_procs(1 + (unsigned)n % 3, channels_main, &t);
	goro_chan_close(channels[0]);
	t_check(pthread_join(t, NULL) == 0);
	for (int i = 0; i < 2; i++)
		goro_chan_free(channels[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("regress: restart");
	TCase *tc = tcase_create("end of a run");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_run_that_ends_right_after_a_blocking_call_ends);
	tcase_add_test(tc, objects_at_the_same_address_are_new_in_the_next_run);
	tcase_add_test(tc, a_channel_outlives_the_run_and_forgets_who_waited_on_it);
	suite_add_tcase(s, tc);
	return t_main(s);
}
