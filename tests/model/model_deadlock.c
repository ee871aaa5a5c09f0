/* SPDX-License-Identifier: MIT */
/*
 * model_deadlock.c: "all goroutines are asleep", asked while somebody is about to wake one, with x86's store queues. lib/deadlock.c and the sleep of plain
 * threads in lib/park.c are as they are. Thread 0 is sysmon, which asks; the others wake a goroutine, each in a way of its own, and sleep or
 * end right behind that. Nobody runs the goroutine that was woken, so whenever and however often sysmon asks, the answer must not be that all are asleep.
 *
 * What stands in for the rest: a world that is stopped when the P has come to its next switch, a list of plain threads, a list of threads that
 * nobody knows, which is read one after the other.
 */
#include "model.h"

#define RUNQ_SIZE 4u
#define CLAIM_SPINS 1
#define MEMBARRIER() model_membarrier()
#include "../../lib/bias.c"
#include "../../lib/runq.c"

#define LIB_SWITCH_H
#include "m.h"
#include "p.h"
#include "spawn.h"
#include "context.h"
#include "fatal.h"
#include "sched.h"

#undef goro__san
#define goro__san 0u
#define goro__throw(msg) model_fail(__FILE__, __LINE__, msg)
#define goro__fork_check() ((void)0)

struct scheduler goro__sched;
static struct m ms[MODEL_THREADS];
static struct p ps[1];

/* ---- what lib/park.c needs; of it only plain threads are used ------------------------------------------------------------ */

#define goro__inject(g) ((void)(g))
#define goro__inject_surplus(p, v, n) ((void)(p), (void)(v), (void)(n))
#define goro__backlog_note(p) ((void)(p))
#define goro__san_detach(g) ((void)(g))
#define goro__g_free(m, g) ((void)(g))
#define stk_put(c, s) ((void)(c))
#define pick_local(p) ((void)(p), (struct g *)NULL)
#define switch_to(m, g, next) ((void)(g), (void)(next), (m))
#define goro__timer_start(m, t, when) ((void)(m), (void)(t), 0)
#define goro__timer_stop(t) ((void)(t))
#define push_tail(p, g) ((void)(p), (void)(g))
#define sys_sched_yield() ((void)0)
void goro__post_slow(struct m *m, enum post post, struct g *g);

static uint32_t asleep[MODEL_THREADS], awake[MODEL_THREADS];
static const void *asleep_on[MODEL_THREADS];

static int model_futex_wait(uint32_t *word, uint32_t val)
{
	int me = model_self();

	model_point(word, sizeof(*word), MODEL_LOCKED, MODEL_HERE);
	if (*word != val)
		return 0;
	asleep[me] = 1;
	asleep_on[me] = word;
	model_wait(&awake[me], MODEL_HERE);
	return 0;
}

static void model_futex_wake(uint32_t *word)
{
	model_point(word, sizeof(*word), MODEL_LOCKED, MODEL_HERE);
	for (int i = 0; i < MODEL_THREADS; i++)
		if (asleep[i] && asleep_on[i] == word) {
			asleep[i] = 0;
			awake[i] = 1;
		}
}
#define LIB_FUTEX_H
#define goro__futex_wait(w, v, d) ((void)(d), model_futex_wait(w, v))
#define goro__futex_wake(w, n) model_futex_wake(w)

#include "../../lib/park.c"

/* ---- what lib/deadlock.c needs ------------------------------------------------------------------------------------------- */

#include "asleep.h"
#include "clock.h"
#include "report.h"
#include <goro/go.h>

static bool dead;	       /* it was said */
static uint32_t stop, stopped; /* the world */
static bool has_p;	       /* a thread of the model is the P's */
static uint32_t unknown[2];    /* threads that are not listed, in the order in which they were made; atomic */
static struct lock list_lock;
static bool listed[MODEL_THREADS]; /* plain threads with a descriptor; under list_lock */

#define goro__throw_asleep(msg) ((void)(msg), dead = true)

void goro__foreign_each(void (*f)(struct m *m, void *arg), void *arg)
{
	goro__lock(&list_lock);
	for (int i = MODEL_THREADS - 1; i >= 0; i--) /* those who are woken before those who wake them: the order that is harder to get right */
		if (listed[i])
			f(&ms[i], arg);
	goro__unlock(&list_lock);
}

static int model_threads_unknown(void)
{
	return (load_rlx(&unknown[0]) != 0) + (load_rlx(&unknown[1]) != 0);
}
#define goro__threads_unknown(known, tsan) ((void)(known), (void)(tsan), model_threads_unknown())

bool goro__world_stop(struct m *m, int64_t patience_ns)
{
	(void)m;
	(void)patience_ns;
	if (has_p) {
		store_seq(&stop, 1);
		model_wait(&stopped, MODEL_HERE);
	}
	return true;
}

void goro__world_start(struct m *m)
{
	(void)m;
}

enum deadlock goro__deadlock;
int goro__helper_tid[HELPERS];
uint32_t goro__sysmon_asleep;

void goro__sysmon_poke(void)
{
}

long goro_count(void)
{
	return 1;
}

#include "../../lib/deadlock.c"

#include "t.h"

bool goro__probe(enum feature f)
{
	(void)f;
	return true;
}

/* ---- scenarios ------------------------------------------------------------------------------------------------------------ */

static struct lock lock;
static bool waiting, served; /* under lock */
static uint32_t cond;

static void reset(void)
{
	memset(ms, 0, sizeof(ms));
	memset(ps, 0, sizeof(ps));
	memset(&goro__sched, 0, sizeof(goro__sched));
	memset(asleep, 0, sizeof(asleep));
	memset(awake, 0, sizeof(awake));
	memset(listed, 0, sizeof(listed));
	memset(unknown, 0, sizeof(unknown));
	for (int i = 0; i < MODEL_THREADS; i++) {
		ms[i].curg = &ms[i].proxy;
		ms[i].proxy.m = &ms[i];
		ms[i].proxy.flags = G_FOREIGN;
		ms[i].foreign = true;
	}
	goro__sched.ps[0] = &ps[0];
	goro__sched.nps = 1;
	ps[0].timers.first = INT64_MAX;
	goro__deadlock = DEADLOCK_THREADS;
	dead = has_p = waiting = served = false;
	stop = stopped = cond = holds = 0;
	list_lock.v = lock.v = 0;
}

/* Thread 0. One look, as in a stopped world; that there is another one before might hide what is wrong with it. */
static void looks(void)
{
	model_check(look() != DEAD);
}

static void asks(void)
{
	goro__deadlock_check();
	model_check(!dead);
}

static void push_now(struct p *p)
{
	store_rlx(&p->q.woken.tail, 1);
}

static void wakes_a_goroutine(void)
{
	goro__lock(&sched->lock);
	store_rlx(&sched->nglobal, 1);
	goro__unlock(&sched->lock);
}

static void sleeps(void)
{
	goro__park(&ms[model_self()], NULL, WAIT_CHAN_RECV);
}

static void wakes_and_sleeps(void)
{
	wakes_a_goroutine();
	sleeps();
}

/* 2 and 1: one wakes the other, which wakes the goroutine. Under a lock, as channels do. */
static void waits_under_a_lock(void)
{
	goro__lock(&lock);
	if (served) {
		goro__unlock(&lock);
	} else {
		waiting = true;
		goro__park(&ms[2], &lock, WAIT_CHAN_RECV);
	}
	wakes_and_sleeps();
}

static void serves_and_sleeps(void)
{
	bool was;

	goro__lock(&lock);
	was = waiting;
	served = true;
	goro__unlock(&lock);
	if (was)
		goro__ready(&ms[1], &ms[2].proxy);
	sleeps();
}

static void waits_by_token(void)
{
	while (!load_acq(&cond))
		goro__park_token(&ms[2], WAIT_SELECT);
	wakes_and_sleeps();
}

static void notifies_and_sleeps(void)
{
	store_rlx(&cond, 1);
	goro__notify(&ms[1], &ms[2].proxy);
	sleeps();
}

static void one_listed(void)
{
	reset();
	listed[1] = true;
}

static void two_listed(void)
{
	reset();
	listed[1] = listed[2] = true;
}

START_TEST(a_plain_thread_that_wakes_a_goroutine_and_sleeps_is_not_overlooked)
{
	model_explore(&(struct model){ .setup = one_listed, .thread = { looks, wakes_and_sleeps }, .daemons = 2, .tso = true });
}
END_TEST

START_TEST(one_that_wakes_another_one_first_is_not_either)
{
	model_explore(&(struct model){ .setup = two_listed, .thread = { looks, serves_and_sleeps, waits_under_a_lock }, .daemons = 6 });
	model_explore(&(struct model){ .setup = two_listed, .thread = { looks, notifies_and_sleeps, waits_by_token }, .daemons = 6 });
}
END_TEST

static uint32_t made;

static void makes_a_thread_and_sleeps(void)
{
	store_seq(&unknown[1], 1);
	store_seq(&made, 1);
	sleeps();
}

static void is_made(void)
{
	model_wait(&made, MODEL_HERE);
	wakes_a_goroutine();
	store_seq(&unknown[1], 0);
}

static void makes_a_thread_and_ends(void)
{
	store_seq(&unknown[1], 1);
	store_seq(&made, 1);
	store_seq(&unknown[0], 0);
}

static void one_unknown(void)
{
	reset();
	unknown[0] = 1;
	made = 0;
}

static void one_listed_that_makes(void)
{
	one_listed();
	made = 0;
}

START_TEST(a_thread_that_was_just_made_is_not_overlooked)
{
	model_explore(&(struct model){ .setup = one_listed_that_makes, .thread = { looks, makes_a_thread_and_sleeps, is_made }, .daemons = 2, .tso = true });
	model_explore(&(struct model){ .setup = one_unknown, .thread = { looks, makes_a_thread_and_ends, is_made }, .tso = true });
}
END_TEST

static void wakes_and_unholds(void)
{
	wakes_a_goroutine();
	goro_unhold();
}

static void one_declared(void)
{
	reset();
	goro__deadlock = DEADLOCK_DECLARED;
	holds = 1;
}

START_TEST(a_hold_that_ends_behind_the_waking_is_enough)
{
	model_explore(&(struct model){ .setup = one_declared, .thread = { looks, wakes_and_unholds }, .tso = true });
}
END_TEST

/* On g0, in the backend's poll(); then the goroutine is on the queue, and nobody is awake until the world stops. */
static void takes_a_completion(void)
{
	store_rlx(&ps[0].io_inflight, 0);
	push_now(&ps[0]);
	model_wait(&stop, MODEL_HERE);
	store_seq(&stopped, 1);
}

/* The same with a timer that fires. */
static void runs_a_timer(void)
{
	store_rlx(&ps[0].timers.first, INT64_MAX);
	push_now(&ps[0]);
	model_wait(&stop, MODEL_HERE);
	store_seq(&stopped, 1);
}

static void one_in_flight(void)
{
	reset();
	has_p = true;
	ps[0].io_inflight = 1;
}

static void one_timer(void)
{
	reset();
	has_p = true;
	ps[0].timers.first = 1;
}

START_TEST(a_completion_and_a_timer_are_not_lost_between_the_backend_and_the_queue)
{
	model_explore(&(struct model){ .setup = one_in_flight, .thread = { asks, takes_a_completion }, .daemons = 2, .tso = true });
	model_explore(&(struct model){ .setup = one_timer, .thread = { asks, runs_a_timer }, .daemons = 2, .tso = true });
}
END_TEST

/* An M without a P, whose blocking call is over. */
static void comes_back(void)
{
	wakes_a_goroutine();
	store_rlx(&ms[1].curg, NULL);
	goro__lock(&sched->lock);
	ms[1].link = sched->spare;
	sched->spare = &ms[1];
	goro__unlock(&sched->lock);
}

static void one_blocked(void)
{
	reset();
	ms[1].foreign = false;
	goro__sched.allm = &ms[1];
}

START_TEST(an_M_that_comes_back_from_a_blocking_call_is_not_overlooked)
{
	model_explore(&(struct model){ .setup = one_blocked, .thread = { looks, comes_back }, .tso = true });
}
END_TEST

static void it_is_said(void)
{
	goro__deadlock_check();
	model_check(dead);
}

static void asks_without_claim(void)
{
	goro__deadlock_check();
	dead = false;
}

START_TEST(when_all_are_asleep_it_is_said)
{
	model_explore(&(struct model){ .setup = two_listed, .thread = { asks_without_claim, sleeps, sleeps }, .daemons = 6, .check = it_is_said });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of deadlock detection");
	TCase *tc = tcase_create("deadlock");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, a_plain_thread_that_wakes_a_goroutine_and_sleeps_is_not_overlooked);
	tcase_add_test(tc, one_that_wakes_another_one_first_is_not_either);
	tcase_add_test(tc, a_thread_that_was_just_made_is_not_overlooked);
	tcase_add_test(tc, a_hold_that_ends_behind_the_waking_is_enough);
	tcase_add_test(tc, a_completion_and_a_timer_are_not_lost_between_the_backend_and_the_queue);
	tcase_add_test(tc, an_M_that_comes_back_from_a_blocking_call_is_not_overlooked);
	tcase_add_test(tc, when_all_are_asleep_it_is_said);
	suite_add_tcase(s, tc);
	return model_main(s);
}
