/* SPDX-License-Identifier: MIT */
/* go.c: the small public calls of <goro/go.h>, <goro/time.h> and <goro/debug.h>. */
#include <goro/go.h>

#include <errno.h>
#include <goro/debug.h>
#include <goro/time.h>
#include <string.h>

#include "cancel.h"
#include "clock.h"
#include "park.h"
#include "sched.h"

void goro_yield(void)
{
	struct m *m = rt_enter();

	m = goro__yield(m);
	rt_exit(m);
}

uint64_t goro_id(void)
{
	struct m *m = goro__tls_m();

	return m && !m->foreign && m->curg ? m->curg->id : 0;
}

long goro_count(void)
{
	uint64_t n = load_rlx(&sched->ext_spawned);
	uint32_t nps = load_acq(&sched->nps);

	if (!load_acq(&sched->running))
		return 0;
	/* The exits first: a goroutine that comes and goes meanwhile must not make the sum negative. */
	for (uint32_t i = 0; i < nps; i++)
		n -= load_acq(&sched->ps[i]->exited);
	for (uint32_t i = 0; i < nps; i++)
		n += load_acq(&sched->ps[i]->spawned);
	return (long)n;
}

void goro_set_name(const char *name)
{
	struct m *m = goro__tls_m();

	if (!m || m->foreign || !m->curg)
		return;
	strncpy(m->curg->name, name ? name : "", G_NAME_MAX);
}

int64_t goro_now(void)
{
	return goro__now();
}

int64_t goro_after(int64_t ns)
{
	int64_t now;

	if (ns < 0)
		return GORO_FOREVER;
	now = goro__now();
	return ns > INT64_MAX - now ? GORO_FOREVER : now + ns;
}

/* In a context's scope, whose cancellation ends the sleep. In the runtime, which it leaves. */
static NOINLINE int sleep_in_scope(struct m *m, int64_t deadline)
{
	struct cancel_watch w;
	int r = goro__cancel_watch(m, goro__self(m)->run.context, &w, -1);

	if (r == 0) {
		while (!cancel_fired(&w) && (deadline < 0 || goro__now() < deadline))
			m = goro__park_token_until(m, WAIT_SLEEP, deadline);
		if (cancel_fired(&w))
			r = goro__cancel_err(w.ctx);
		m = goro__cancel_unwatch(m, &w);
	}
	rt_exit(m);
	return r;
}

int goro_sleep_until(int64_t deadline)
{
	struct m *m;

	m = rt_enter();
	if (unlikely(goro__self(m)->run.context))
		return sleep_in_scope(m, deadline);
	if (deadline >= 0 && goro__now() >= deadline) {
		rt_exit(m);
		return 0;
	}
	do
		m = goro__park_token_until(m, WAIT_SLEEP, deadline);
	while (deadline < 0 || goro__now() < deadline);
	rt_exit(m);
	return 0;
}

int goro_sleep(int64_t ns)
{
	return goro_sleep_until(ns > 0 ? goro_after(ns) : GORO_NOW);
}

int goro_get_stats(struct goro_stats *st)
{
	struct goro_stats s;
	uint32_t size;

	if (!st || st->size == 0)
		return -EINVAL;
	size = st->size;
	for (size_t i = sizeof(s); i < size; i++)
		if (((const char *)st)[i])
			return -E2BIG;
	memset(&s, 0, sizeof(s));
	s.size = size;
	if (load_acq(&sched->running)) {
		uint32_t nps = load_acq(&sched->nps);

		s.procs = load_rlx(&sched->nprocs);
		s.goroutines = (uint64_t)goro_count();
		s.threads = load_rlx(&sched->nms);
		s.spawned = load_rlx(&sched->ext_spawned);
		s.preemptions = load_rlx(&sched->preemptions);
		s.retakes = load_rlx(&sched->retakes);
		s.stopped = load_rlx(&sched->nstopped);
		for (uint32_t i = 0; i < nps; i++) {
			struct p *p = sched->ps[i];

			s.spawned += load_rlx(&p->spawned);
			s.switches += load_rlx(&p->switches);
			s.steals += load_rlx(&p->steals);
			s.wakeups += load_rlx(&p->wakeups);
			s.sleeps += load_rlx(&p->sleeps);
			s.io_ops += load_rlx(&p->io_ops);
			s.handoffs += load_rlx(&p->handoffs);
		}
	}
	memcpy(st, &s, size < sizeof(s) ? size : sizeof(s));
	return 0;
}
