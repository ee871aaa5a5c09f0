/* SPDX-License-Identifier: MIT */
/*
 * sysmon.c: a thread without a P that looks after the others.
 *
 * At each tick, for each P that is not idle:
 *   - has its slice_tick stood still for a whole slice? Then ATT_SLICE: the pair that keeps waking each other waits its turn.
 *   - does somebody wait there although another P is idle, and has it not switched since the last tick? Then an idle P is woken: its
 *     goroutine computes, and the others need not wait for it.
 *   - are its timers due, or is there I/O to submit or take, and has it not looked for a millisecond? Then it is asked to at its next switch.
 * The tick is FAST while some Ps are busy and some idle, and for a while after a P was found that had overlooked something; SLOW while all are busy, and there is none after QUIET ticks during which all
 * were idle: sysmon then sleeps until an M that stops being idle pokes it [SYSMON-1], [SYSMON-2]. On the way it has
 * the surplus stacks trimmed. So an idle process costs nothing.
 *
 * It also writes the dump that SIGQUIT asks for: the signal handler only sets a word and wakes it.
 *
 * Its thread blocks all signals and runs no user code. It takes no lock that ordinary code holds.
 */
#include <goro/debug.h>
#include <goro/time.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "futex.h"
#include "netpoll.h"
#include "print.h"
#include "sched.h"
#include "stack.h"
#include "sys.h"

#define FAST (GORO_MILLISECOND)
#define SLOW (10 * GORO_MILLISECOND)
#define HURRY 100		/* FAST ticks after a P was found that had overlooked something */
#define QUIET 5			/* all-idle ticks before it sleeps */
#define TRIM_AFTER (2 * GORO_SECOND) /* of idleness */

uint32_t goro__sysmon_asleep;

static struct {
	pthread_t thread;
	uint32_t word;	/* atomic futex word: bumped to wake it */
	uint32_t stop;	/* atomic */
	uint32_t dump;	/* atomic: SIGQUIT came */
	bool running;
	int hurry;	/* FAST ticks to come: a P was found that had overlooked something */
	struct {
		uint32_t slice_tick;
		uint64_t switches;
		int64_t since; /* when slice_tick was first seen */
	} seen[P_MAX];
} mon;

void goro__sysmon_poke(void)
{
	store_rlx(&goro__sysmon_asleep, 0);
	add_seq(&mon.word, 1); /* [SYSMON-1] seq_cst: pairs with [SYSMON-2] */
	goro__futex_wake(&mon.word, 1);
}

void goro__sysmon_dump(void)
{
	store_seq(&mon.dump, 1);
	goro__sysmon_poke();
}

/* Looks at P i, which is busy. */
static void look_at(uint32_t i, struct p *p, int64_t now, bool idle_ps)
{
	uint32_t tick = load_rlx(&p->slice_tick);
	uint64_t sw = load_rlx(&p->switches);
	bool waiting = runqs_any(&p->q) ||
		       load_rlx(&p->timers.first) <= now || goro__netpoll->overdue(p);

	if ((load_rlx(&p->timers.first) <= now || goro__netpoll->overdue(p)) &&
	    arch_ticks() - load_rlx(&p->look_ticks) > 1000 * goro__ticks_per_us) {
		or_seq(&p->attention, ATT_LOOK);
		mon.hurry = HURRY;
	}
	if (idle_ps && waiting && sw == mon.seen[i].switches)
		goro__wake_one();
	mon.seen[i].switches = sw;
	if (tick != mon.seen[i].slice_tick || mon.seen[i].since == 0) {
		mon.seen[i].slice_tick = tick;
		mon.seen[i].since = now;
	} else if (now - mon.seen[i].since >= sched->slice_ns) {
		mon.seen[i].since = now;
		or_seq(&p->attention, ATT_SLICE);
	}
}

/* One round: whether all Ps were idle. */
static bool tick(int64_t now)
{
	uint32_t n = load_acq(&sched->nps), nidle = load_rlx(&sched->nidle);
	bool quiet = true;

	store_rlx(&sched->coarse_now, now);
	for (uint32_t i = 0; i < n; i++) {
		struct p *p = sched->ps[i];
		uint32_t idle = load_rlx(&p->idle);

		if (idle == P_PARKED_FUTEX || idle == P_PARKED_POLL) {
			mon.seen[i].since = 0;
			continue;
		}
		quiet = false;
		look_at(i, p, now, nidle != 0);
	}
	return quiet;
}

static void write_dump(void)
{
	store_seq(&mon.dump, 0);
	print_start();
	print_str("SIGQUIT: quit\n\n");
	print_end(2);
	goro__dump_all(2, true);
	_exit(2);
}

/* Sleeps without ticks until poked; trims stacks once after a while. */
static void sleep_deep(uint32_t w)
{
	int64_t trim_at = goro__now() + TRIM_AFTER;
	bool trimmed = false;

	while (load_seq(&mon.word) == w && !load_seq(&mon.stop)) {
		if (goro__futex_wait(&mon.word, w, trimmed ? -1 : trim_at) == 0)
			continue;
		trimmed = !goro__stack_trim();
		trim_at = goro__now() + (trimmed ? 0 : GORO_MILLISECOND);
	}
}

static void *main_loop(void *arg)
{
	int quiet = 0;

	(void)arg;
	while (!load_seq(&mon.stop)) {
		uint32_t w = load_seq(&mon.word), nidle;
		int64_t now = goro__now();

		if (load_seq(&mon.dump))
			write_dump();
		quiet = tick(now) ? quiet + 1 : 0;
		if (quiet >= QUIET) {
			store_seq(&goro__sysmon_asleep, 1); /* [SYSMON-2] seq_cst: then the Ps are looked at once more */
			if (tick(now))
				sleep_deep(w);
			store_rlx(&goro__sysmon_asleep, 0);
			quiet = 0;
			continue;
		}
		nidle = load_rlx(&sched->nidle);
		goro__futex_wait(&mon.word, w, now + ((nidle && nidle < load_rlx(&sched->nprocs)) || mon.hurry > 0 ? FAST : SLOW));
		mon.hurry -= mon.hurry > 0;
	}
	return NULL;
}

int goro__sysmon_start(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	mon.stop = mon.dump = 0;
	goro__sysmon_asleep = 0;
	for (uint32_t i = 0; i < P_MAX; i++)
		mon.seen[i].since = 0;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&mon.thread, &attr, main_loop, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	mon.running = r == 0;
	return -r;
}

void goro__sysmon_stop(void)
{
	if (!mon.running)
		return;
	store_seq(&mon.stop, 1);
	goro__sysmon_poke();
	pthread_join(mon.thread, NULL);
	mon.running = false;
}
