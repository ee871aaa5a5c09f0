/* SPDX-License-Identifier: MIT */
/*
 * report.c: what is written when a program does what it should not: two debug modes, and how much a fatal report tells.
 *
 * GORO_REPORT_RUN_MS=n: a goroutine that has run for n milliseconds without parking or yielding is reported once, with its stack: sysmon sends its thread the
 * preemption signal with another value, and the handler writes. The time is what sysmon has seen, so it is exact to a tick; stints
 * between which the goroutine was preempted are added up.
 *
 * GORO_TRACEBACK, as Go's GOTRACEBACK: what follows the message of a panic that ends the process: none, single (the goroutine that panicked; the default),
 * all (the others as well), crash (all, and SIGABRT in place of exit status 2).
 *
 * GORO_DEADLOCK=off|declared: see deadlock.c. GORO_LEAKS=trace|report|fatal: where each goroutine was started is kept (origin.c); at the end of a run those that
 * are left are written (dump.c); and the process ends with status 2 if there are some.
 *
 * tools/lockcheck.c, preloaded (LD_PRELOAD=libgoro-lockcheck.so): a goroutine that parks or yields while its thread holds a pthread mutex is reported, each
 * goroutine once. The preloaded library counts the mutexes of each thread; we find it by a weak symbol and ask at each switch.
 */
#include "report.h"

#include <goro/runtime.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "fatal.h"
#include "origin.h"
#include "print.h"
#include "sched.h"

enum traceback goro__traceback = TRACEBACK_SINGLE;
enum deadlock goro__deadlock;
enum leaks goro__leaks;
static int64_t limit_ns; /* 0: off; constant while the runtime runs */

/* Of the enumerations, in their order. */
static const char *const levels[] = { "none", "single", "all", "crash", NULL };
static const char *const deadlocks[] = { "on", "declared", "off", NULL };
static const char *const leaks[] = { "off", "trace", "report", "fatal", NULL };

/* Which of the words the environment has; if none, what the program said. */
static unsigned choice(const char *name, const char *const *words, unsigned otherwise)
{
	const char *s = getenv(name);

	for (unsigned i = 0; s && words[i]; i++)
		if (strcmp(s, words[i]) == 0)
			return i;
	return otherwise;
}

void goro__report_init(unsigned flags)
{
	const char *s = getenv("GORO_REPORT_RUN_MS");
	long ms = s ? atol(s) : 0;

	limit_ns = ms > 0 ? ms * INT64_C(1000000) : 0;
	goro__traceback = choice("GORO_TRACEBACK", levels, TRACEBACK_SINGLE);
	goro__deadlock = choice("GORO_DEADLOCK", deadlocks,
				flags & GORO_NO_DEADLOCK ? DEADLOCK_OFF : flags & GORO_THREADS_DECLARED ? DEADLOCK_DECLARED : DEADLOCK_THREADS);
	goro__leaks = choice("GORO_LEAKS", leaks, flags & GORO_REPORT_LEAKS ? LEAKS_REPORT : flags & GORO_TRACE_SPAWNS ? LEAKS_TRACE : LEAKS_OFF);
	store_rlx(&goro__origins, goro__leaks != LEAKS_OFF);
}

/* sysmon: the goroutine of m is in its own code, for age ns in this stint. */
bool goro__report_due(struct m *m, int64_t age)
{
	struct g *g = limit_ns ? load_rlx(&m->curg) : NULL;

	if (!g || load_rlx(&m->reported) == g || age + (load_rlx(&m->ran_g) == g ? load_rlx(&m->ran_ns) : 0) < limit_ns)
		return false;
	store_rlx(&m->reported, g);
	return true;
}

/* In the signal handler. */
void goro__report_run(void)
{
	print_start();
	print_str("goro: has run for more than ");
	print_u64((uint64_t)limit_ns / 1000000);
	print_str(" ms without giving way:\n");
	print_end(2);
	goro__dump_self(2);
}

/* Its goroutine is preempted after a stint. */
void goro__report_stint(struct m *m, struct g *g, int64_t ns)
{
	if (limit_ns == 0)
		return;
	store_rlx(&m->ran_ns, load_rlx(&m->ran_g) == g ? load_rlx(&m->ran_ns) + ns : ns);
	store_rlx(&m->ran_g, g);
}

/* g is about to leave its thread, which holds n mutexes, of which this is the one locked last. */
void goro__report_held(struct g *g, int n, const void *mutex)
{
	if (g->flags & G_TOLD)
		return;
	g->flags |= G_TOLD;
	print_start();
	print_str("goro: gives up its thread, which holds ");
	print_u64((uint64_t)n);
	print_str(n == 1 ? " pthread mutex (" : " pthread mutexes (the last one ");
	print_hex((uintptr_t)mutex);
	print_str("):\n");
	print_end(2);
	goro__dump_here(g, 2);
}
