/* SPDX-License-Identifier: MIT */
/*
 * philosophers: five of them at a round table, a fork between each two, and to eat one needs both. Everybody takes the fork with the smaller number first; so the one who
 * holds the fork with the highest number can always eat, and they never all wait for each other.
 *
 * Prints:
 *     5 philosophers have eaten 2000 times each
 *     neighbours at the same time: never
 */
#include <goro.h>
#include <goro/short.h>
#include <stdatomic.h>
#include <stdio.h>

#define PHILOSOPHERS 5
#define MEALS 2000

struct table {
	struct goro_mutex fork[PHILOSOPHERS];
	atomic_int eating[PHILOSOPHERS];
	int meals[PHILOSOPHERS]; /* each his own, until the end */
	atomic_int conflicts;
};

static void eat(struct table *t, int who)
{
	atomic_store(&t->eating[who], 1);
	if (atomic_load(&t->eating[(who + 1) % PHILOSOPHERS]) || atomic_load(&t->eating[(who + PHILOSOPHERS - 1) % PHILOSOPHERS]))
		atomic_fetch_add(&t->conflicts, 1);
	if (t->meals[who]++ % 16 == 0)
		goro_yield(); /* with both forks in hand */
	atomic_store(&t->eating[who], 0);
}

static void philosopher(struct table *t, int who)
{
	int left = who, right = (who + 1) % PHILOSOPHERS;
	struct goro_mutex *first = &t->fork[left < right ? left : right], *second = &t->fork[left < right ? right : left];

	for (int i = 0; i < MEALS; i++) {
		goro_mutex_lock(first);
		goro_mutex_lock(second);
		eat(t, who);
		goro_mutex_unlock(second);
		goro_mutex_unlock(first);
		if (i % 8 == 0)
			goro_yield(); /* thinks */
	}
}

static int dinner(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	static struct table t;
	int conflicts;

	(void)arg;
	for (int i = 0; i < PHILOSOPHERS; i++)
		GORO_WAITGROUP_GO(&wg, philosopher, &t, i);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	for (int i = 0; i < PHILOSOPHERS; i++)
		if (t.meals[i] != MEALS)
			return 1;
	conflicts = atomic_load(&t.conflicts);
	printf("%d philosophers have eaten %d times each\n", PHILOSOPHERS, MEALS);
	printf("neighbours at the same time: %s\n", conflicts ? "yes" : "never");
	return conflicts != 0;
}

int main(void)
{
	return goro_run(NULL, dinner, NULL);
}
