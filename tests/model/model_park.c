/* SPDX-License-Identifier: MIT */
/*
 * model_park.c: park and ready, the token, and the sleep of plain threads, with x86's store queues. lib/park.c is as it is; what it uses of
 * the scheduler is here: a goroutine that is left has its context saved, what it asked for is done behind it, and it
 * goes on when somebody has put it on a queue.
 */
#include "model.h"

#define RUNQ_SIZE 4u
#define CLAIM_SPINS 1
#define MEMBARRIER() model_membarrier()
#include "../../lib/bias.c"
#include "../../lib/runq.c"

#define LIB_SWITCH_H
#define LIB_SCHED_H
#include "m.h"
#include "p.h"
#include "spawn.h"
#include "context.h"
#include "fatal.h"

static struct {
	int64_t coarse_now;
	uint32_t ext_users;
} model_sched;
#define sched (&model_sched)
#undef goro__san
#define goro__san model_san
#define goro__throw(msg) model_fail(__FILE__, __LINE__, msg)
#define goro__fork_check() ((void)0)
static uint32_t model_san;

/* ---- the scheduler ---------------------------------------------------------------------------------------- */

static struct g gs[MODEL_THREADS];
static struct m ms[MODEL_THREADS];
static struct p ps[MODEL_THREADS];
static uint32_t runnable[MODEL_THREADS];
static bool saved[MODEL_THREADS]; /* the context may be resumed */

static void make_runnable(struct g *g)
{
	long i = g - gs;

	/* A queue is written in order with what came before; a goroutine on its own M's queue may find all of it still in the store buffer. */
	model_point(&saved[i], sizeof(saved[i]), i == model_self() ? MODEL_READ : MODEL_LOCKED, MODEL_HERE);
	model_check(saved[i]);
	model_check(!runnable[i]);
	saved[i] = false;
	runnable[i] = 1;
}

static void push_tail(struct p *p, struct g *g)
{
	(void)p;
	make_runnable(g);
}

static void goro__inject_model(struct g *g)
{
	make_runnable(g);
}
#define goro__inject(g) goro__inject_model(g)
#define goro__inject_surplus(p, v, n) ((void)(p), (void)(v), (void)(n))
#define goro__backlog_note(p) ((void)(p))
#define goro__san_detach(g) ((void)(g))
#define goro__g_free(m, g) ((void)(g))
#define stk_put(c, s) ((void)(c))
#define pick_local(p) ((void)(p), (struct g *)NULL)

void goro__post_slow(struct m *m, enum post post, struct g *g);
void goro__push_overflow(struct p *p, struct runq *q, struct g *g);

static struct m *switch_to(struct m *m, struct g *g, struct g *next)
{
	enum post post = m->post;
	long i = g - gs;

	(void)next;
	model_point(&saved[i], sizeof(saved[i]), MODEL_WRITE, MODEL_HERE);
	saved[i] = true;
	m->post = POST_NONE;
	if (post == POST_UNLOCK)
		goro__unlock(m->post_lock);
	else if (post == POST_YIELD)
		push_tail(m->p, g);
	else if (post != POST_NONE)
		goro__post_slow(m, post, g);
	model_wait(&runnable[i], MODEL_HERE);
	return m;
}

/* ---- futex and timer ---------------------------------------------------------------------------------------- */

static uint32_t asleep[MODEL_THREADS], awake[MODEL_THREADS]; /* in futex_wait; its return is due */
static const void *asleep_on[MODEL_THREADS];
static bool timed_out[MODEL_THREADS];
static uint32_t armed, over;
static struct timer *timer;
static uint32_t *timed_word; /* a futex sleep with a deadline */

static int model_futex_wait(uint32_t *word, uint32_t val, int64_t deadline)
{
	int me = model_self();

	model_point(word, sizeof(*word), MODEL_LOCKED, MODEL_HERE);
	if (*word != val)
		return 0;
	asleep[me] = 1;
	asleep_on[me] = word;
	timed_out[me] = false;
	if (deadline >= 0) {
		timed_word = word;
		timer = NULL;
		store_rlx(&armed, 1);
	}
	model_wait(&awake[me], MODEL_HERE);
	if (deadline >= 0)
		store_rlx(&armed, 0);
	return timed_out[me] ? -110 : 0;
}

static void wake_sleepers(uint32_t *word, bool by_time)
{
	model_point(word, sizeof(*word), MODEL_LOCKED, MODEL_HERE);
	for (int i = 0; i < MODEL_THREADS; i++)
		if (asleep[i] && asleep_on[i] == word) {
			asleep[i] = 0;
			timed_out[i] = by_time;
			awake[i] = 1;
		}
}
#define LIB_FUTEX_H
#define goro__futex_wait(w, v, d) model_futex_wait(w, v, d)
#define goro__futex_wake(w, n) wake_sleepers(w, false)

/* The thread that lets the deadline pass, at any point or never; a daemon. */
static void the_deadline(void)
{
	int me = model_self();

	model_wait(&armed, MODEL_HERE);
	if (!timer) {
		wake_sleepers(timed_word, true);
		return;
	}
	timer->fn(&ms[me], timer);
	store_rlx(&over, 1);
}

static int model_timer_start(struct timer *t)
{
	timer = t;
	store_rlx(&armed, 1);
	return 0;
}

static bool model_timer_stop(void)
{
	uint32_t one = 1;

	if (cas_ar(&armed, &one, 0))
		return true;
	model_wait(&over, MODEL_HERE);
	return false;
}
#define goro__timer_start(m, t, when) ((void)(m), model_timer_start(t))
#define goro__timer_stop(t) ((void)(t), model_timer_stop())

#include "../../lib/park.c"

#include "t.h"

bool goro__probe(enum feature f)
{
	(void)f;
	return true;
}

/* ---- scenarios ------------------------------------------------------------------------------------------------ */

static bool foreign; /* the parker is a plain thread */
static uint32_t cond[2];
static struct lock lock;
static bool listed;
static int result;
static bool expiring, over_with;

static void reset(void)
{
	memset(gs, 0, sizeof(gs));
	memset(ms, 0, sizeof(ms));
	memset(runnable, 0, sizeof(runnable));
	memset(saved, 0, sizeof(saved));
	memset(asleep, 0, sizeof(asleep));
	memset(awake, 0, sizeof(awake));
	memset(cond, 0, sizeof(cond));
	armed = over = 0;
	lock.v = 0;
	listed = false;
	result = -1;
	expiring = over_with = false;
	for (int i = 0; i < MODEL_THREADS; i++) {
		ms[i].curg = &gs[i];
		gs[i].m = &ms[i];
	}
	/* The wakers have no P: whom they wake goes to the global queue. */
	ms[0].p = foreign ? NULL : &ps[0];
	ms[0].foreign = foreign;
	gs[0].flags = foreign ? G_FOREIGN : 0;
}

/* With .tso where words are written without a lock; elsewhere it would only take longer. */
static void explore(bool plain_thread, struct model m)
{
	foreign = plain_thread;
	m.setup = reset;
	model_explore(&m);
}

/* The parker is always thread 0. */
static void waits_for_both(void)
{
	for (int i = 0; i < 2; i++)
		while (!load_acq(&cond[i]))
			goro__park_token(&ms[0], WAIT_SELECT);
}

static void notifies(int i)
{
	store_rlx(&cond[i], 1);
	goro__notify(&ms[model_self()], &gs[0]);
}

static void notifies_first(void)
{
	notifies(0);
}

static void notifies_second(void)
{
	notifies(1);
}

static void notifies_both(void)
{
	notifies(0);
	notifies(1);
}

START_TEST(no_notification_is_lost_of_two_wakers)
{
	explore(_i, (struct model){ .thread = { waits_for_both, notifies_first, notifies_second }, .tso = true });
}
END_TEST

START_TEST(no_notification_is_lost_of_one_waker)
{
	explore(_i, (struct model){ .thread = { waits_for_both, notifies_both }, .tso = true });
}
END_TEST

static bool passed;

static void waits_or_gives_up(void)
{
	passed = false;
	while (!load_acq(&cond[0]) && !passed) {
		goro__park_token_until(&ms[0], WAIT_SELECT, 5);
		passed = !load_acq(&cond[0]);
	}
	/* A late notification must not harm the next wait. */
	while (!load_acq(&cond[1]))
		goro__park_token(&ms[0], WAIT_SELECT);
}

START_TEST(a_deadline_of_a_token_loses_nothing_that_comes_after_it)
{
	explore(_i, (struct model){ .thread = { waits_or_gives_up, notifies_both, the_deadline }, .daemons = 4 });
}
END_TEST

/* Protocol A, and its next wait too: exactly one ready for each. */
static void parks_twice(void)
{
	for (int i = 0; i < 2; i++) {
		goro__lock(&lock);
		if (cond[0] > (uint32_t)i) {
			goro__unlock(&lock);
			continue;
		}
		listed = true;
		goro__park(&ms[0], &lock, WAIT_CHAN_RECV);
	}
	model_check(cond[0] == 2);
}

static void readies(void)
{
	bool was;

	goro__lock(&lock);
	was = listed;
	listed = false;
	cond[0]++;
	goro__unlock(&lock);
	if (was)
		goro__ready(&ms[model_self()], &gs[0]);
}

static void readies_twice(void)
{
	readies();
	readies();
}

START_TEST(who_parks_under_a_lock_is_readied_once_and_not_before_its_context_is_saved)
{
	explore(_i, (struct model){ .thread = { parks_twice, readies_twice }, .tso = true });
	explore(_i, (struct model){ .thread = { parks_twice, readies, readies }, .tso = true });
}
END_TEST

static void expire_it(struct m *m, void *arg)
{
	bool was;

	(void)arg;
	model_point(&over_with, sizeof(over_with), MODEL_READ, MODEL_HERE);
	model_check(!over_with);
	expiring = true;
	goro__lock(&lock);
	was = listed;
	listed = false;
	if (was)
		result = 2;
	goro__unlock(&lock);
	if (was)
		goro__ready(m, &gs[0]);
	model_point(&over_with, sizeof(over_with), MODEL_READ, MODEL_HERE);
	expiring = false;
}

static void parks_until(void)
{
	goro__lock(&lock);
	if (cond[0]) {
		goro__unlock(&lock);
		return;
	}
	listed = true;
	goro__park_until(&ms[0], &lock, WAIT_CHAN_RECV, 5, expire_it, NULL);
	model_check(!listed);
	model_check(result == 1 || result == 2);
	/* Our waiter goes now: the expiry has happened whole or never will. */
	model_point(&over_with, sizeof(over_with), MODEL_WRITE, MODEL_HERE);
	model_check(!expiring);
	over_with = true;
}

static void serves(void)
{
	bool was;

	goro__lock(&lock);
	was = listed;
	listed = false;
	cond[0] = 1;
	if (was)
		result = 1;
	goro__unlock(&lock);
	if (was)
		goro__ready(&ms[model_self()], &gs[0]);
}

START_TEST(a_deadline_and_a_waker_do_not_both_ready)
{
	explore(_i, (struct model){ .thread = { parks_until, serves, the_deadline }, .daemons = 4, .tso = true });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of park");
	TCase *tc = tcase_create("park");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, no_notification_is_lost_of_one_waker, 0, 2);
	tcase_add_loop_test(tc, no_notification_is_lost_of_two_wakers, 0, 2);
	tcase_add_loop_test(tc, a_deadline_of_a_token_loses_nothing_that_comes_after_it, 0, 2);
	tcase_add_loop_test(tc, who_parks_under_a_lock_is_readied_once_and_not_before_its_context_is_saved, 0, 2);
	tcase_add_loop_test(tc, a_deadline_and_a_waker_do_not_both_ready, 0, 2);
	suite_add_tcase(s, tc);
	return model_main(s);
}
