/* SPDX-License-Identifier: MIT */
/*
 * tricky_maxprocs1: one processor means that nothing runs in parallel, not that nothing runs concurrently. Two withdrawals look before either takes,
 * and both take. (They meet in between so that it happens each time.) Right: look and take under one lock.
 *
 * Prints:
 *     unlocked: balance -100
 *     locked: balance 0
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static struct goro_waitgroup looked;
static struct goro_mutex mu;
static int balance;

static void withdraw(void)
{
	int enough = __atomic_load_n(&balance, __ATOMIC_RELAXED) >= 100;

	goro_waitgroup_done(&looked);
	goro_waitgroup_wait(&looked, GORO_FOREVER); /* the other one's turn */
	if (enough)
		__atomic_sub_fetch(&balance, 100, __ATOMIC_RELAXED);
}

static void withdraw_locked(void)
{
	goro_mutex_lock(&mu);
	defer(goro_mutex_unlock, &mu);
	if (balance >= 100)
		balance -= 100; /* others may run before this, but have to wait for the lock */
}

static int twice(void (*fn)(void))
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	balance = 100;
	GORO_WAITGROUP_GO(&wg, fn);
	GORO_WAITGROUP_GO(&wg, fn);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	return balance;
}

static int start(void *arg)
{
	(void)arg;
	goro_maxprocs(1);
	goro_waitgroup_add(&looked, 2);
	printf("unlocked: balance %d\n", twice(withdraw));
	printf("locked: balance %d\n", twice(withdraw_locked));
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
