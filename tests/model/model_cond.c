/* SPDX-License-Identifier: MIT */
/* model_cond.c: Cond, in all interleavings of those who wait and those who signal. */
#include "doors.h"

#include "../../lib/sema.c"
#include "../../lib/cond.c"

#include "t.h"

/* The locks are the explorer's own: model_sema.c and model_rwmutex.c look at ours, and here they would only multiply the orders. */
void goro_mutex_lock(struct goro_mutex *l)
{
	goro__lock((struct lock *)&l->state);
}

void goro_mutex_unlock(struct goro_mutex *l)
{
	goro__unlock((struct lock *)&l->state);
}

void goro_rwmutex_lock(struct goro_rwmutex *l)
{
	goro_mutex_lock(&l->w);
}

void goro_rwmutex_unlock(struct goro_rwmutex *l)
{
	goro_mutex_unlock(&l->w);
}

void goro_rwmutex_rlock(struct goro_rwmutex *l)
{
	goro_mutex_lock(&l->w);
}

void goro_rwmutex_runlock(struct goro_rwmutex *l)
{
	goro_mutex_unlock(&l->w);
}

static struct goro_mutex mu;
static struct goro_rwmutex rw;
static struct goro_cond cond;
static int items, taken; /* plain, under mu, or the rwmutex */
static int timeouts, signals;
static int ret[MODEL_THREADS];

static void reset(void)
{
	model_doors_reset();
	memset(table, 0, sizeof(table));
	memset(&mu, 0, sizeof(mu));
	memset(&rw, 0, sizeof(rw));
	memset(&cond, 0, sizeof(cond));
	items = taken = timeouts = signals = 0;
	for (int i = 0; i < MODEL_THREADS; i++)
		ret[i] = 99;
}

static void quiet_again(void)
{
	model_check(mu.state == 0 && rw.state == 0 && rw.w.state == 0 && cond.state == 0);
	for (unsigned i = 0; i < BUCKETS; i++)
		model_check(!table[i].first);
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i]);
}

static void explore(struct model m)
{
	m.setup = reset;
	if (!m.check)
		m.check = quiet_again;
	if (!m.limit)
		m.limit = 20000000;
	model_explore(&m);
}

static void takes_one(void)
{
	goro_mutex_lock(&mu);
	while (items == 0)
		model_check(goro_cond_wait(&cond, &mu, GORO_FOREVER) == 0);
	items--;
	taken++;
	goro_mutex_unlock(&mu);
}

static void adds_one(void)
{
	goro_mutex_lock(&mu);
	items++;
	goro_mutex_unlock(&mu);
	goro_cond_signal(&cond);
}

static void adds_one_inside(void)
{
	goro_mutex_lock(&mu);
	items++;
	goro_cond_signal(&cond);
	goro_mutex_unlock(&mu);
}

START_TEST(a_signal_after_the_change_is_never_missed)
{
	explore((struct model){ .thread = { takes_one, _i ? adds_one : adds_one_inside } });
}
END_TEST

static void adds_two(void)
{
	goro_mutex_lock(&mu);
	items += 2;
	goro_mutex_unlock(&mu);
	goro_cond_broadcast(&cond);
}

START_TEST(a_broadcast_ends_all_waits)
{
	explore((struct model){ .thread = { takes_one, takes_one, adds_two } });
}
END_TEST

START_TEST(two_signals_end_two_waits)
{
	explore((struct model){ .thread = { takes_one, takes_one, adds_one, adds_one }, .limit = 60000000 });
}
END_TEST

/* Waits once, without a condition: 0 only by a signal. */
static void waits_once(void)
{
	int me = model_self();

	goro_mutex_lock(&mu);
	ret[me] = goro_cond_wait(&cond, &mu, MODEL_DEADLINE);
	model_check(mu.state == 1);
	model_check(ret[me] == 0 || ret[me] == -ETIMEDOUT);
	signals += ret[me] == 0;
	goro_mutex_unlock(&mu);
}

static void waits_for_ever(void)
{
	goro_mutex_lock(&mu);
	items++;
	ret[model_self()] = goro_cond_wait(&cond, &mu, GORO_FOREVER);
	signals++;
	goro_mutex_unlock(&mu);
}

static void signals_once(void)
{
	goro_cond_signal(&cond);
}

/* It may have come too early; then only the deadline ends the wait, which may never come. */
static void nothing_left(void)
{
	model_check(signals <= 1);
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i]);
}

START_TEST(a_signal_ends_at_most_one_wait)
{
	if (_i == 0)
		explore((struct model){ .thread = { waits_once, signals_once, the_deadline }, .daemons = 5, .check = nothing_left });
	else
		explore((struct model){ .thread = { waits_once, signals_once, waits_for_ever }, .daemons = 5, .check = nothing_left });
}
END_TEST

static void signals_twice_when_somebody_waits(void)
{
	goro_mutex_lock(&mu);
	taken = items;
	goro_cond_signal(&cond);
	goro_mutex_unlock(&mu);
	goro_cond_signal(&cond);
}

/* At most two wait, so the second signal reaches the one without a deadline if the first has not: neither ends with the one that times out. */
static void the_patient_one_has_gone_on(void)
{
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i]);
	model_check(!taken || ret[1] == 0);
}

START_TEST(a_deadline_takes_no_signal_from_another)
{
	explore((struct model){ .thread = { waits_once, waits_for_ever, signals_twice_when_somebody_waits, the_deadline }, .daemons = 8 | 3,
				.check = the_patient_one_has_gone_on });
}
END_TEST

/* The same with an RWMutex that is held for reading while it waits. */
static void reads_one(void)
{
	goro_rwmutex_rlock(&rw);
	while (items == 0)
		model_check(goro_cond_wait_rlock(&cond, &rw, GORO_FOREVER) == 0);
	goro_rwmutex_runlock(&rw);
}

static void writes_one(void)
{
	goro_rwmutex_lock(&rw);
	items++;
	goro_rwmutex_unlock(&rw);
	goro_cond_broadcast(&cond);
}

START_TEST(waiting_with_an_rwmutex)
{
	explore((struct model){ .thread = { reads_one, writes_one } });
}
END_TEST

/* Whose wait has ended may free the Cond when no other call is on its way but that which ended it. */
static void waits_and_frees(void)
{
	goro_mutex_lock(&mu);
	while (items == 0)
		goro_cond_wait(&cond, &mu, GORO_FOREVER);
	goro_mutex_unlock(&mu);
	model_forbid(&cond, sizeof(cond));
}

START_TEST(whose_wait_has_ended_may_free_the_cond)
{
	explore((struct model){ .thread = { waits_and_frees, adds_one_inside } });
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model of Cond");
	TCase *tc = tcase_create("cond");

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, a_signal_after_the_change_is_never_missed, 0, 2);
	tcase_add_test(tc, a_broadcast_ends_all_waits);
	tcase_add_test(tc, two_signals_end_two_waits);
	tcase_add_loop_test(tc, a_signal_ends_at_most_one_wait, 0, 2);
	tcase_add_test(tc, a_deadline_takes_no_signal_from_another);
	tcase_add_test(tc, waiting_with_an_rwmutex);
	tcase_add_test(tc, whose_wait_has_ended_may_free_the_cond);
	suite_add_tcase(suite, tc);
	return model_main(suite);
}
