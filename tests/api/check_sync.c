/* SPDX-License-Identifier: MIT */
/* check_sync.c: what <goro/sync.h> promises of WaitGroup and Mutex. */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "t.h"

/* ---- WaitGroup ---------------------------------------------------------------------------------------- */

#define WORKERS 1000

static void worker(struct goro_waitgroup *wg, int *slot, int value)
{
	if (value & 1)
		goro_yield();
	*slot = value; /* plain: Done makes it visible to Wait */
	goro_waitgroup_done(wg);
}

static int workers_main(void *arg)
{
	static int slots[WORKERS];
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int round = 1; round <= 5; round++) {
		goro_waitgroup_add(&wg, WORKERS);
		for (int i = 0; i < WORKERS; i++)
			t_check(GORO_GO(worker, &wg, &slots[i], round * 10000 + i) == 0);
		t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
		for (int i = 0; i < WORKERS; i++)
			t_check_int(slots[i], ==, round * 10000 + i);
	}
	return 0;
}

START_TEST(wait_returns_when_all_are_done_and_sees_their_work_and_the_group_is_reusable)
{
	api_run(workers_main, NULL);
}
END_TEST

static void adds_up(long *sum, struct goro_mutex *mu, float a, short b, double c, char d)
{
	goro_yield();
	goro_mutex_lock(mu);
	*sum += (long)(a * 1000 + (float)b * 100 + (float)c * 10 + (float)d);
	goro_mutex_unlock(mu);
}

static void eight(long *sum, int a, int b, double c, int d, int e, int f, int g)
{
	*sum = a + 10 * b + 100 * (long)c + 1000 * d + 10000 * e + 100000 * f + 1000000 * g;
}

static void sets(void *arg)
{
	goro_yield();
	*(int *)arg = 1;
}

static void nothing(void)
{
}

static int go_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct goro_mutex mu = GORO_MUTEX_INIT;
	static int slots[WORKERS];
	long sum = 0, other = 0;

	(void)arg;
	for (int i = 0; i < 10; i++)
		t_check_int(GORO_WAITGROUP_GO(&wg, adds_up, &sum, &mu, 1.0f, (short)2, 3.0, (char)4), ==, 0);
	t_check_int(GORO_WAITGROUP_GO(&wg, eight, &other, 1, 2, 3.0, 4, 5, 6, 7), ==, 0);
	t_check_int(GORO_WAITGROUP_GO(&wg, nothing), ==, 0);
	for (int i = 0; i < WORKERS; i++)
		t_check_int(goro_waitgroup_go(&wg, sets, &slots[i]), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	t_check_int(sum, ==, 12340);
	t_check_int(other, ==, 7654321);
	for (int i = 0; i < WORKERS; i++)
		t_check_int(slots[i], ==, 1);
	/* What cannot be started is not counted. */
	t_check_int(goro_waitgroup_go(&wg, NULL, NULL), ==, -EINVAL);
	t_check_int(goro_waitgroup_go_args(&wg, nothing, NULL, 9, 0), ==, -EINVAL);
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, 0);
	return 0;
}

START_TEST(go_counts_a_goroutine_until_its_function_has_returned)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int slot = 0;

	api_run(go_main, NULL);
	t_check_int(goro_waitgroup_go(&wg, sets, &slot), ==, -EPERM); /* no runtime */
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, 0);
}
END_TEST

static int counter_main(void *arg)
{
	struct goro_waitgroup wg = { 0 };
	int64_t deadline;

	(void)arg;
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	goro_waitgroup_add(&wg, 3);
	goro_waitgroup_add(&wg, 2);
	goro_waitgroup_add(&wg, -4);
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, -EAGAIN);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check_int(goro_waitgroup_wait(&wg, deadline), ==, -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	t_check_int(goro_waitgroup_wait(&wg, 1), ==, -ETIMEDOUT);
	goro_waitgroup_add(&wg, 0);
	goro_waitgroup_done(&wg);
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, 0);
	/* A large step up and down. */
	goro_waitgroup_add(&wg, 1000000000);
	goro_waitgroup_add(&wg, -1000000000);
	t_check_int(goro_waitgroup_wait(&wg, GORO_NOW), ==, 0);
	return 0;
}

START_TEST(the_counter_counts_and_a_deadline_ends_the_wait)
{
	api_run(counter_main, NULL);
}
END_TEST

struct crowd {
	struct goro_waitgroup wg, done;
	int opened; /* plain: written before Done, read after Wait */
	int waiting; /* atomic */
};

static void crowd_waiter(struct crowd *c)
{
	__atomic_add_fetch(&c->waiting, 1, __ATOMIC_SEQ_CST);
	t_check_int(goro_waitgroup_wait(&c->wg, GORO_FOREVER), ==, 0);
	t_check_int(c->opened, ==, 1);
	goro_waitgroup_done(&c->done);
}

static void *crowd_thread(void *arg)
{
	crowd_waiter(arg);
	return NULL;
}

static int crowd_main(void *arg)
{
	struct crowd *c = arg;
	pthread_t t[3];

	goro_waitgroup_add(&c->wg, 1);
	goro_waitgroup_add(&c->done, 203);
	for (int i = 0; i < 200; i++)
		t_check(GORO_GO(crowd_waiter, c) == 0);
	for (int i = 0; i < 3; i++)
		t[i] = api_thread(crowd_thread, c);
	t_eventually(__atomic_load_n(&c->waiting, __ATOMIC_SEQ_CST) == 203, API_PATIENCE);
	/* Those who give up must not take a wake-up with them. */
	for (int i = 0; i < 10; i++)
		t_check_int(goro_waitgroup_wait(&c->wg, goro_after(1000)), ==, -ETIMEDOUT);
	c->opened = 1;
	goro_waitgroup_done(&c->wg);
	t_check_int(goro_waitgroup_wait(&c->done, GORO_FOREVER), ==, 0);
	for (int i = 0; i < 3; i++)
		api_join(t[i]);
	return 0;
}

START_TEST(many_waiters_all_go_on)
{
	struct crowd c = { .opened = 0 };

	api_run(crowd_main, &c);
}
END_TEST

static void *thread_done(void *arg)
{
	struct crowd *c = arg;

	c->opened = 1;
	goro_waitgroup_done(&c->wg);
	return NULL;
}

START_TEST(plain_threads_use_a_waitgroup_without_a_runtime)
{
	for (int i = 0; i < 200; i++) {
		struct crowd c = { .opened = 0 };
		pthread_t t;

		goro_waitgroup_add(&c.wg, 1);
		t = api_thread(thread_done, &c);
		t_check_int(goro_waitgroup_wait(&c.wg, GORO_FOREVER), ==, 0);
		t_check_int(c.opened, ==, 1);
		t_check(pthread_join(t, NULL) == 0);
	}
}
END_TEST

static int negative_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	goro_waitgroup_add(&wg, 1);
	goro_waitgroup_done(&wg);
	goro_waitgroup_done(&wg);
	return 0;
}

START_TEST(a_negative_counter_panics)
{
	api_expect_fatal(negative_main, NULL, "panic: sync: negative WaitGroup counter");
}
END_TEST

/* ---- Mutex --------------------------------------------------------------------------------------------------- */

#define LOCKERS 8
#define LOCKER_THREADS 2

struct locked {
	struct goro_mutex m;
	long counter; /* plain, under m */
	int inside;   /* plain, under m */
	long each;
	long timeouts; /* atomic */
	struct goro_waitgroup wg;
};

static void locker(struct locked *l, int way)
{
	uint64_t rng = t_seed() + (uint64_t)way;

	for (long i = 0; i < l->each;) {
		unsigned kind = api_below(&rng, 16);

		if (way & 1 && kind == 0) {
			if (!goro_mutex_trylock(&l->m))
				continue;
		} else if (way & 2 && kind == 1) {
			int ret = goro_mutex_lock_until(&l->m, goro_after(api_below(&rng, 20000)));

			t_check(ret == 0 || ret == -ETIMEDOUT, "ret is %d", ret);
			if (ret) {
				__atomic_add_fetch(&l->timeouts, 1, __ATOMIC_RELAXED);
				continue;
			}
		} else {
			goro_mutex_lock(&l->m);
		}
		t_check_int(l->inside, ==, 0);
		l->inside = 1;
		l->counter++;
		i++;
		if (kind == 2)
			goro_yield(); /* hold it across a switch */
		l->inside = 0;
		goro_mutex_unlock(&l->m);
	}
	goro_waitgroup_done(&l->wg);
}

static void *locker_thread(void *arg)
{
	locker(arg, 3);
	return NULL;
}

static int exclusion_main(void *arg)
{
	struct locked *l = arg;
	pthread_t t[LOCKER_THREADS];

	l->each = t_scaled(5000);
	goro_waitgroup_add(&l->wg, LOCKERS + LOCKER_THREADS);
	for (int i = 0; i < LOCKER_THREADS; i++)
		t[i] = api_thread(locker_thread, l);
	for (int i = 0; i < LOCKERS; i++)
		t_check(GORO_GO(locker, l, i) == 0);
	t_check_int(goro_waitgroup_wait(&l->wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < LOCKER_THREADS; i++)
		api_join(t[i]);
	t_check_int(l->counter, ==, (LOCKERS + LOCKER_THREADS) * l->each);
	t_check_int(goro_mutex_trylock(&l->m), ==, 1);
	return 0;
}

START_TEST(the_lock_excludes_goroutines_and_threads)
{
	static const unsigned procs[] = { 0, 1, 4 };
	struct locked l = { .m = GORO_MUTEX_INIT };

	api_run_procs(procs[_i], exclusion_main, &l);
}
END_TEST

static void unlocker(struct goro_mutex *m)
{
	goro_mutex_unlock(m);
}

static int single_main(void *arg)
{
	struct goro_mutex m = GORO_MUTEX_INIT;
	int64_t deadline;

	(void)arg;
	t_check_int(goro_mutex_trylock(&m), ==, 1);
	t_check_int(goro_mutex_trylock(&m), ==, 0);
	t_check_int(goro_mutex_lock_until(&m, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_mutex_lock_until(&m, 1), ==, -ETIMEDOUT);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check_int(goro_mutex_lock_until(&m, deadline), ==, -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	/* Another goroutine unlocks it: the lock belongs to nobody. */
	t_check(GORO_GO(unlocker, &m) == 0);
	goro_mutex_lock(&m);
	goro_mutex_unlock(&m);
	t_check_int(goro_mutex_lock_until(&m, GORO_NOW), ==, 0);
	goro_mutex_unlock(&m);
	t_check_int(goro_mutex_lock_until(&m, GORO_FOREVER), ==, 0);
	goro_mutex_unlock(&m);
	t_check_int(goro_mutex_trylock(&m), ==, 1);
	goro_mutex_unlock(&m);
	return 0;
}

START_TEST(trylock_deadline_and_unlock_by_another)
{
	api_run(single_main, NULL);
}
END_TEST

struct hammer {
	struct goro_mutex m;
	int stop; /* atomic */
	struct goro_waitgroup wg;
};

/*
 * Holds the lock whenever anybody else can look: it gives way only while it has it. Without a hand-over to
 * those who wait, nobody would ever find the lock free on one processor.
 */
static void hammer(struct hammer *h)
{
	while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED)) {
		goro_mutex_lock(&h->m);
		goro_yield();
		goro_mutex_unlock(&h->m);
	}
	goro_waitgroup_done(&h->wg);
}

static int starvation_main(void *arg)
{
	struct hammer *h = arg;

	goro_waitgroup_add(&h->wg, 2);
	t_check(GORO_GO(hammer, h) == 0);
	t_check(GORO_GO(hammer, h) == 0);
	for (int i = 0; i < 50; i++) {
		int ret = goro_mutex_lock_until(&h->m, goro_after(API_PATIENCE * GORO_MILLISECOND));

		t_check_int(ret, ==, 0);
		goro_yield();
		goro_mutex_unlock(&h->m);
		goro_yield();
	}
	__atomic_store_n(&h->stop, 1, __ATOMIC_RELAXED);
	t_check_int(goro_waitgroup_wait(&h->wg, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(a_waiter_gets_the_lock_although_others_hammer_it)
{
	struct hammer h = { .m = GORO_MUTEX_INIT };

	api_run_procs(_i ? 0 : 1, starvation_main, &h);
}
END_TEST

static int unlocked_main(void *arg)
{
	struct goro_mutex m = GORO_MUTEX_INIT;

	(void)arg;
	goro_mutex_lock(&m);
	goro_mutex_unlock(&m);
	goro_mutex_unlock(&m);
	return 0;
}

START_TEST(unlock_of_an_unlocked_mutex_is_fatal)
{
	api_expect_fatal(unlocked_main, NULL, "fatal error: sync: unlock of unlocked mutex");
}
END_TEST

START_TEST(plain_threads_use_a_mutex_without_a_runtime)
{
	struct locked l = { .m = GORO_MUTEX_INIT };
	pthread_t t[4];

	l.each = t_scaled(5000);
	goro_waitgroup_add(&l.wg, 4);
	for (int i = 0; i < 4; i++)
		t[i] = api_thread(locker_thread, &l);
	for (int i = 0; i < 4; i++)
		t_check(pthread_join(t[i], NULL) == 0);
	t_check_int(l.counter, ==, 4 * l.each);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sync");
	TCase *tc = tcase_create("waitgroup");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, wait_returns_when_all_are_done_and_sees_their_work_and_the_group_is_reusable);
	tcase_add_test(tc, go_counts_a_goroutine_until_its_function_has_returned);
	tcase_add_test(tc, the_counter_counts_and_a_deadline_ends_the_wait);
	tcase_add_test(tc, many_waiters_all_go_on);
	tcase_add_test(tc, plain_threads_use_a_waitgroup_without_a_runtime);
	tcase_add_test(tc, a_negative_counter_panics);
	suite_add_tcase(s, tc);
	tc = tcase_create("mutex");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, the_lock_excludes_goroutines_and_threads, 0, 3);
	tcase_add_test(tc, trylock_deadline_and_unlock_by_another);
	tcase_add_loop_test(tc, a_waiter_gets_the_lock_although_others_hammer_it, 0, 2);
	tcase_add_test(tc, unlock_of_an_unlocked_mutex_is_fatal);
	tcase_add_test(tc, plain_threads_use_a_mutex_without_a_runtime);
	suite_add_tcase(s, tc);
	return t_main(s);
}
