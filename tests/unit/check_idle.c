/* SPDX-License-Identifier: MIT */
/* check_idle.c: who is woken when an M goes to sleep, on Ps that no M runs. */
#include <string.h>

#include "clock.h"
#include "netpoll.h"
#include "sched.h"
#include "t.h"

static struct p ps[3];
static struct m m;

static bool nothing_pending(struct p *p)
{
	(void)p;
	return false;
}

static const struct netpoll backend = { .name = "none", .pending = nothing_pending };

/* ps[0] is idle, ps[1] and ps[2] are not; m holds ps[2]. */
static void setup(void)
{
	memset(sched, 0, sizeof(*sched));
	memset(ps, 0, sizeof(ps));
	memset(&m, 0, sizeof(m));
	lock_init(&sched->lock, RANK_SCHED);
	goro__netpoll = &backend;
	for (uint32_t i = 0; i < 3; i++) {
		ps[i].id = i;
		ps[i].grain = UINT32_MAX;
		goro__runqs_init(&ps[i].q);
		goro__timers_init(&ps[i].timers);
		sched->ps[i] = &ps[i];
	}
	sched->nps = 3;
	sched->nprocs = 2;
	sched->nidle = 1;
	sched->idle_mask[0] = 1;
	ps[0].idle = P_PARKED_FUTEX;
	m.p = &ps[2];
}

/*
 * A lost wake-up when maxprocs was lowered (stress_mixed, every_question_gets_its_answer):
 *	injector			M woken to look for work, counted as spinning
 *					its P goes offline: it will run nothing
 *	queues a goroutine globally
 *	sees that somebody spins, so wakes nobody
 *					goes to sleep without a look: "offline, nothing to stay for"
 * and the goroutine stayed on the global queue while two Ps were idle.
 */
START_TEST(who_stops_spinning_on_an_offline_processor_wakes_another_for_the_global_queue)
{
	setup();
	ps[2].offline = true;
	m.spinning = true;
	sched->nspinning = 1;
	sched->nglobal = 1;
	goro__idle(&m, &ps[2], goro__now());
	t_check_int(ps[0].idle, ==, P_NOTIFIED);
	t_check_int(ps[0].claimed, ==, 1);
	t_check_int(sched->nidle, ==, 0);
	t_check_int(sched->nspinning, ==, 1); /* the one that was woken */
}
END_TEST

START_TEST(who_goes_idle_looks_at_the_global_queue_first)
{
	int64_t t0 = goro__now();

	setup();
	sched->nprocs = 3;
	sched->nglobal = 1;
	goro__idle(&m, &ps[2], t0 + INT64_C(60000000000));
	t_check(goro__now() - t0 < INT64_C(30000000000));
	t_check_int(ps[2].idle, ==, P_RUNNING);
	t_check_int(sched->nidle, ==, 1);
	t_check_int(sched->idle_mask[0], ==, 1);
}
END_TEST

START_TEST(a_notification_before_the_sleep_ends_it)
{
	int64_t t0 = goro__now();

	setup();
	goro__wake_p(&ps[2]);
	goro__idle(&m, &ps[2], t0 + INT64_C(60000000000));
	t_check(goro__now() - t0 < INT64_C(30000000000));
	t_check_int(ps[2].idle, ==, P_RUNNING);
	t_check_int(sched->idle_mask[0], ==, 1);
}
END_TEST

START_TEST(one_spinner_is_enough)
{
	setup();
	sched->nspinning = 1;
	goro__wake_one();
	t_check_int(ps[0].idle, ==, P_PARKED_FUTEX);
	sched->nspinning = 0;
	goro__wake_one();
	t_check_int(ps[0].idle, ==, P_NOTIFIED);
	t_check_int(sched->nspinning, ==, 1);
	goro__wake_one();
	t_check_int(sched->nspinning, ==, 1);
}
END_TEST

/* The claimer of the last idle P had cleared its bit, but lost its CPU before it counted down: a waker called itself for ever. */
START_TEST(a_waker_that_finds_nobody_to_wake_gives_up)
{
	setup();
	sched->idle_mask[0] = 0;
	sched->nglobal = 1;
	goro__wake_one();
	t_check_int(sched->nspinning, ==, 0);
	t_check_int(ps[0].idle, ==, P_PARKED_FUTEX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("idle");
	TCase *tc = tcase_create("idle");

	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, who_stops_spinning_on_an_offline_processor_wakes_another_for_the_global_queue);
	tcase_add_test(tc, who_goes_idle_looks_at_the_global_queue_first);
	tcase_add_test(tc, a_notification_before_the_sleep_ends_it);
	tcase_add_test(tc, one_spinner_is_enough);
	tcase_add_test(tc, a_waker_that_finds_nobody_to_wake_gives_up);
	suite_add_tcase(s, tc);
	return t_main(s);
}
