/* SPDX-License-Identifier: MIT */
/*
 * model_timer.c: timers that are stopped, reset, received from and freed while they fire: lib/timer.c, lib/utimer.c
 * and lib/chan.c as they are, on one or two Ps, each with a thread that runs what is due there.
 *
 * The claim: what stop and reset return fits what was delivered. A start is answered by exactly one of: a value
 * received or a call made; a stop or reset that returned 1; a timer that is still armed. Nobody hangs, no value comes
 * after a stop, and memory that was given back is not touched.
 *
 * Time stands still. A timer is due if it was started for DUE or before; what a runner does, it does when it is
 * scheduled, so a timer fires at every point between its start and never. A stopper that has to wait for a callback
 * does not spin here but waits for the end of a runner's round: it would hang if no callback were on its way.
 */
#define MODEL_UTIMER
#include "doors.h"

#include "attr.h"
#include "timer.h"

#define DUE 50
#define LATER 80 /* a period: the first tick of a ticker made for half of it is due, the second one is not */

/* p.h, sys.h, mem.h, spawn.h, and the rest of park.h */
#define LIB_P_H
#define LIB_SYS_H
#define LIB_MEM_H

struct p {
	struct timers timers;
};

static struct p ps[2];
static uint32_t kick[2];	     /* something was started there, or more is to be run */
static uint32_t round_over[MODEL_THREADS]; /* a runner has ended a round */
static uint32_t calls;		     /* of a timer's function */
static char heap_of[2][16384] __attribute__((aligned(64)));
static char arena[2048] __attribute__((aligned(64)));
static unsigned heaps, arena_used;

static long sys_mmap(void *addr, size_t len, int prot, int flags, int fd, long off)
{
	(void)addr, (void)prot, (void)flags, (void)fd, (void)off;
	model_check(heaps < 2 && len <= sizeof(heap_of[0]));
	return (long)heap_of[heaps++];
}

static inline bool sys_is_err(long r)
{
	return r < 0;
}

static inline void sys_munmap(void *p, size_t n)
{
	(void)p, (void)n;
}

static void sys_sched_yield(void)
{
}

/* Memory that was freed must not be accessed; it is not given away again. */
static size_t size_of_timer(void);

typedef uint64_t mem_word;

static void goro__mem_move_words(void *dst, const void *src, size_t n)
{
	memmove(dst, src, n * sizeof(mem_word));
}

static void *goro__mem_alloc(size_t n)
{
	void *p = arena + arena_used;

	arena_used += (unsigned)(n + 63) & ~63u;
	return arena_used <= sizeof(arena) ? p : NULL;
}

static void goro__mem_free(void *p)
{
	model_forbid(p, size_of_timer());
}

static bool goro__guest_enter(struct m *m)
{
	(void)m;
	return true;
}

static void goro__guest_leave(struct m *m)
{
	(void)m;
}

static int goro__timer_add(struct m *m, struct timer *t, int64_t when, struct p **ret_wake)
{
	*ret_wake = m->p;
	return goro__timer_start_at(m->p, t, when);
}

static void goro__wake_p(struct p *p)
{
	store_rlx(&kick[p - ps], 1);
}

static int goro__spawn_in(struct m *m, void (*fn)(void *), void *arg, const void *pc)
{
	(void)m, (void)fn, (void)arg, (void)pc;
	add_rlx(&calls, 1u);
	return 0;
}

#include "arch.h"
#define arch_pause() model_wait(&round_over[model_self()], MODEL_HERE)

#include "../../lib/timer.c"
#include "../../lib/chan.c"
#include "../../lib/utimer.c"

#include "t.h"

static size_t size_of_timer(void)
{
	return sizeof(struct goro_timer);
}

static struct goro_timer *timer;
static struct goro_ticker *ticker;
static int ret[MODEL_THREADS], got[MODEL_THREADS]; /* what each thread's stop or reset returned, and how often it received */

static void nothing(void *arg)
{
	(void)arg;
}

static void reset(void)
{
	model_doors_reset();
	memset(ps, 0, sizeof(ps));
	memset(kick, 0, sizeof(kick));
	memset(round_over, 0, sizeof(round_over));
	memset(ret, 0, sizeof(ret));
	memset(got, 0, sizeof(got));
	calls = heaps = arena_used = 0;
	for (int i = 0; i < 2; i++)
		goro__timers_init(&ps[i].timers);
	for (int i = 0; i < MODEL_THREADS; i++)
		model_ms[i].p = &ps[0];
}

static void with_a_timer(void)
{
	reset();
	timer = goro_timer_new(1);
}

static void with_a_function(void)
{
	reset();
	timer = goro_timer_func(1, nothing, NULL);
}

static void with_a_ticker(void)
{
	reset();
	ticker = goro_ticker_new(LATER / 2);
	timer = &ticker->t;
}

/* A P's owner, a daemon. */
static void runs(unsigned p)
{
	for (;;) {
		model_wait(&kick[p], MODEL_HERE);
		goro__timers_run(rt_enter(), &ps[p], DUE);
		for (int i = 0; i < MODEL_THREADS; i++)
			store_rlx(&round_over[i], 1);
	}
}

static void runs_first(void)
{
	runs(0);
}

static void runs_second(void)
{
	runs(1);
}

/* Somebody who finds the first P's timers overdue, once. */
static void helps_first(void)
{
	goro__timers_run(rt_enter(), &ps[0], DUE);
	for (int i = 0; i < MODEL_THREADS; i++)
		store_rlx(&round_over[i], 1);
}

static void stops(void)
{
	ret[model_self()] += goro_timer_stop(timer);
}

static void resets(void)
{
	int r = goro_timer_reset(timer, 1);

	model_check(r >= 0);
	ret[model_self()] += r;
}

static void takes(void)
{
	got[model_self()] += goro_chan_recv(&timer->c, NULL, GORO_NOW) == 1;
}

static void receives(void)
{
	model_check(goro_chan_recv(&timer->c, NULL, GORO_FOREVER) == 1);
	got[model_self()]++;
}

static void is_silent(void)
{
	model_check(goro_chan_recv(&timer->c, NULL, GORO_NOW) == -EAGAIN);
}

/* starts: how often it was started. What is left over is armed still, or, of a channel, in its buffer. */
static void accounts(int starts)
{
	int n = (int)calls + timer->u.armed + (int)timer->c.count;

	for (int i = 0; i < MODEL_THREADS; i++)
		n += ret[i] + got[i];
	model_check(n == starts);
	model_check(timer->u.armed || timer->u.t.idx == 0);
}

static void one_start(void)
{
	accounts(1);
}

static void two_starts(void)
{
	accounts(2);
}

static void three_starts(void)
{
	accounts(3);
}

/* ---- stop ------------------------------------------------------------------------------------------------------- */

static void stops_and_is_silent(void)
{
	stops();
	model_check(ret[model_self()] == 1); /* nobody has received */
	is_silent();
	stops();
	model_check(ret[model_self()] == 1);
	is_silent();
}

static void frees(void)
{
	goro_timer_free(timer);
}

static void stops_and_frees(void)
{
	stops();
	goro_timer_free(timer);
}

START_TEST(after_a_stop_nothing_comes)
{
	static const struct model m = { with_a_timer, { stops_and_is_silent, runs_first, helps_first }, one_start, .daemons = 2 };

	model_explore(&m);
}
END_TEST

START_TEST(of_two_stops_and_a_firing_one_counts)
{
	static const struct model value = { with_a_timer, { stops, stops, runs_first }, one_start, .daemons = 4 };
	static const struct model call = { with_a_function, { stops, stops, runs_first }, one_start, .daemons = 4 };

	model_explore(&value);
	model_explore(&call);
}
END_TEST

START_TEST(a_value_is_received_or_taken_back)
{
	static const struct model m = { with_a_timer, { takes, stops, runs_first }, one_start, .daemons = 4 };
	static const struct model waiting = { with_a_timer, { receives, stops, runs_first }, one_start, .daemons = 5 };

	model_explore(&m);
	model_explore(&waiting);
}
END_TEST

START_TEST(memory_may_go_as_soon_as_it_is_stopped)
{
	static const struct model value = { with_a_timer, { frees, runs_first, helps_first }, NULL, .daemons = 2 };
	static const struct model call = { with_a_function, { frees, runs_first, helps_first }, NULL, .daemons = 2 };
	static const struct model stopped = { with_a_function, { stops_and_frees, runs_first }, NULL, .daemons = 2 };
	static const struct model ticks = { with_a_ticker, { frees, runs_first, helps_first }, NULL, .daemons = 2 };

	model_explore(&value);
	model_explore(&call);
	model_explore(&stopped);
	model_explore(&ticks);
}
END_TEST

/* ---- reset ------------------------------------------------------------------------------------------------------ */

static void resets_and_receives(void)
{
	resets();
	model_check(ret[0] == 1); /* nobody has received */
	receives();
	is_silent();
}

static void on_two_ps(void)
{
	with_a_function();
	model_ms[1].p = &ps[1];
}

START_TEST(after_a_reset_one_value_comes_and_no_older_one)
{
	static const struct model m = { with_a_timer, { resets_and_receives, runs_first }, two_starts, .daemons = 2 };
	static const struct model helped = { with_a_timer, { resets_and_receives, runs_first, helps_first }, two_starts, .daemons = 2 };

	model_explore(&m);
	model_explore(&helped);
}
END_TEST

START_TEST(resets_and_stops_at_once_agree)
{
	static const struct model value = { with_a_timer, { resets, stops, runs_first }, two_starts, .daemons = 4 };
	static const struct model call = { with_a_function, { resets, stops, runs_first }, two_starts, .daemons = 4 };
	static const struct model twice = { with_a_function, { resets, resets, runs_first }, three_starts, .daemons = 4 };

	model_explore(&value);
	model_explore(&call);
	model_explore(&twice);
}
END_TEST

/* It moves to the other P's heap, and may be on its way out of the first one's. */
START_TEST(a_reset_on_another_P_agrees)
{
	static const struct model m = { on_two_ps, { stops, resets, runs_first, runs_second }, two_starts, .daemons = 12 };
	static const struct model twice = { on_two_ps, { resets, resets, runs_first, runs_second }, three_starts, .daemons = 12 };

	model_explore(&m);
	model_explore(&twice);
}
END_TEST

/* ---- tickers ---------------------------------------------------------------------------------------------------- */

static void stops_the_ticker(void)
{
	goro_ticker_stop(ticker);
	is_silent();
	model_check(!timer->u.armed && timer->u.t.idx == 0);
}

static void resets_the_ticker(void)
{
	model_check(goro_ticker_reset(ticker, LATER / 2) == 0);
	receives();
	is_silent(); /* the tick after it is not due */
}

static void in_a_heap(void)
{
	model_check(timer->u.armed && timer->u.t.idx != 0);
	model_check(ps[0].timers.n == 1);
}

START_TEST(a_ticker_that_is_stopped_ticks_no_more)
{
	static const struct model m = { with_a_ticker, { stops_the_ticker, runs_first, helps_first }, NULL, .daemons = 2 };
	static const struct model r = { with_a_ticker, { resets_the_ticker, runs_first }, in_a_heap, .daemons = 2 };

	model_explore(&m);
	model_explore(&r);
}
END_TEST

/* ---- timers of the runtime -------------------------------------------------------------------------------------- */

static struct timer sleeper[2];

static void wakes(struct m *m, struct timer *t)
{
	(void)m;
	add_rlx((uint32_t *)t->arg, 1u);
	(void)load_rlx(&t->home); /* it is there until the callback returns */
}

static void sleeps(void)
{
	struct timer *t = &sleeper[model_self()];
	int *fired = &got[model_self()];

	t->fn = wakes;
	t->arg = fired;
	model_check(goro__timer_start(rt_enter(), t, 1 + model_self()) == 0);
	goro__wake_p(model_ms[model_self()].p);
	model_check(goro__timer_stop(t) == (*fired == 0));
	model_forbid(t, sizeof(*t));
}

static void heap_is_empty(void)
{
	model_check(ps[0].timers.n == 0 && ps[0].timers.first == INT64_MAX);
}

START_TEST(a_sleepers_memory_may_go_as_soon_as_it_is_stopped)
{
	static const struct model m = { reset, { sleeps, runs_first, helps_first }, heap_is_empty, .daemons = 2 };
	static const struct model two = { reset, { sleeps, sleeps, runs_first }, heap_is_empty, .daemons = 4 };

	model_explore(&m);
	model_explore(&two);
}
END_TEST

static void with_two_that_are_due(void)
{
	reset();
	for (int i = 0; i < 2; i++) {
		sleeper[i].fn = wakes;
		sleeper[i].arg = &got[i];
		goro__timer_start_at(&ps[0], &sleeper[i], 1 + i);
	}
}

static void stops_the_first(void)
{
	model_check(goro__timer_stop(&sleeper[0]) == (got[0] == 0));
	model_forbid(&sleeper[0], sizeof(sleeper[0]));
}

static void the_second_has_fired(void)
{
	model_check(got[1] == 1);
	heap_is_empty();
}

/* If the second runner took the other timer meanwhile, the word would say of the first one's callback that it is over. */
START_TEST(of_two_runners_one_waits_for_the_others_callback)
{
	static const struct model m = {
		.setup = with_two_that_are_due, .thread = { stops_the_first, helps_first, helps_first }, .check = the_second_has_fired
	};

	model_explore(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model timer");
	TCase *tc = tcase_create("interleavings");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, after_a_stop_nothing_comes);
	tcase_add_test(tc, of_two_stops_and_a_firing_one_counts);
	tcase_add_test(tc, a_value_is_received_or_taken_back);
	tcase_add_test(tc, memory_may_go_as_soon_as_it_is_stopped);
	tcase_add_test(tc, after_a_reset_one_value_comes_and_no_older_one);
	tcase_add_test(tc, resets_and_stops_at_once_agree);
	tcase_add_test(tc, a_reset_on_another_P_agrees);
	tcase_add_test(tc, a_ticker_that_is_stopped_ticks_no_more);
	tcase_add_test(tc, a_sleepers_memory_may_go_as_soon_as_it_is_stopped);
	tcase_add_test(tc, of_two_runners_one_waits_for_the_others_callback);
	suite_add_tcase(s, tc);
	return model_main(s);
}
