/* SPDX-License-Identifier: MIT */
/*
 * timer.c: a 4-ary heap of timers per P.
 *
 * A timer belongs to the P on which it was started and fires there, on the scheduler stack of whatever M holds that P. A stop must find it in
 * the heap without a search, so its place is written down whenever it moves. Not in the timer, which lies on a stack: with 100,000 sleepers each
 * level of a sift would miss cache and TLB once (bench_sleep: 958 ms with the place in the timer, 819 so;
 * benchmarks/results/2026-11-24-timer-table.txt). A timer gets a number for as long as it is in
 * the heap, and a dense table tells the place of each number. An entry of the heap carries the time, so sifting touches heap and
 * table only. The lock is the owner's nearly always; a stop from another P takes it too.
 *
 * Invariants, under ts->lock:
 *   I1 table[heap[i].idx].at == i, table[t->idx].t == t, and no entry fires before its parent (i - 1) / 4.
 *   I2 ts->first is heap[0].when, or INT64_MAX if it is empty.
 *   I3 one M at a time runs them: the owner of the P, or an M that found them overdue because the owner computes. It sets ts->running
 *	to the timer that it took out, drops the lock, calls back, and sets it to NULL again. So a callback runs without the lock and
 *	may take any other; an M that finds ts->running set leaves.
 * Stopping:
 *	stopper: lock; in the heap? take it out, done, it never fires. Else unlock, and wait while ts->running is t [TIMER-2].
 *	runner:  lock; take t out; running = t; unlock; call; [TIMER-1] running = NULL.
 *   The stopper finds t in the heap, or t was taken out under the lock before, and then running == t until the callback is over (or t
 *   is over already). Either way t's memory is free to go when the stop returns. After the callback has begun, t may be started again
 *   by its owner's code only once that stop has returned or the callback is known to be over.
 *   A stopper that waits is on another M than the callback, since callbacks run on g0 and stop is never called there for the timer
 *   that runs. A callback is short, so the wait is.
 *
 * Rejected: a timing wheel (ticks cost an idle program CPU, or lose precision); lazy deletion as older Go had (a million deadlines
 * that never fire would all stay in the heap until they are due).
 */
#include "timer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "p.h"
#include "m.h"
#include "mem.h"
#include "sys.h"

#define FIRST_CAP 256u
#define SLOT_WORDS (sizeof(struct timer_slot) / sizeof(mem_word))
#define REF_WORDS (sizeof(struct timer_ref) / sizeof(mem_word))
_Static_assert(sizeof(struct timer_slot) % sizeof(mem_word) == 0 && sizeof(struct timer_ref) % sizeof(mem_word) == 0, "moved by words");

uint32_t goro__timers_run_no;

void goro__timers_init(struct timers *ts)
{
	memset(ts, 0, sizeof(*ts));
	lock_init(&ts->lock, RANK_TIMERS);
	ts->first = INT64_MAX;
}

/* Of a mapping that holds heap and table for cap timers. */
static size_t bytes_for(uint32_t cap)
{
	return cap * sizeof(struct timer_slot) + ((size_t)cap + 1) * sizeof(struct timer_ref);
}

void goro__timers_fini(struct timers *ts)
{
	if (ts->heap)
		sys_munmap(ts->heap, bytes_for(ts->cap));
	ts->heap = NULL;
	ts->table = NULL;
	ts->cap = ts->n = ts->free = ts->used = 0;
}

static int grow(struct timers *ts)
{
	uint32_t cap = ts->cap ? ts->cap * 2 : FIRST_CAP;
	long r = sys_mmap(NULL, bytes_for(cap), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timer_ref *table;

	if (sys_is_err(r))
		return -ENOMEM;
	table = (struct timer_ref *)((struct timer_slot *)r + cap);
	if (ts->heap) {
		goro__mem_move_words((void *)r, ts->heap, ts->n * SLOT_WORDS);
		goro__mem_move_words(table, ts->table, ((size_t)ts->used + 1) * REF_WORDS);
		sys_munmap(ts->heap, bytes_for(ts->cap));
	}
	ts->heap = (struct timer_slot *)r;
	ts->table = table;
	ts->cap = cap;
	return 0;
}

/* A number for t. There is one: no more are in use than the heap has entries, and it has room. */
static uint32_t number(struct timers *ts, struct timer *t)
{
	uint32_t idx = ts->free;

	if (idx)
		ts->free = ts->table[idx].at;
	else
		idx = ++ts->used;
	ts->table[idx].t = t;
	return idx;
}

static void place(struct timers *ts, uint32_t i, struct timer_slot s)
{
	ts->heap[i] = s;
	ts->table[s.idx].at = i;
}

static void sift_up(struct timers *ts, uint32_t i, struct timer_slot s)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / 4;

		if (ts->heap[parent].when <= s.when)
			break;
		place(ts, i, ts->heap[parent]);
		i = parent;
	}
	place(ts, i, s);
}

static void sift_down(struct timers *ts, uint32_t i, struct timer_slot s)
{
	for (;;) {
		uint32_t c = 4 * i + 1, end = c + 4, best;

		if (c >= ts->n)
			break;
		if (end > ts->n)
			end = ts->n;
		for (best = c++; c < end; c++)
			if (ts->heap[c].when < ts->heap[best].when)
				best = c;
		if (ts->heap[best].when >= s.when)
			break;
		place(ts, i, ts->heap[best]);
		i = best;
	}
	place(ts, i, s);
}

static void set_first(struct timers *ts)
{
	store_rlx(&ts->first, ts->n ? ts->heap[0].when : INT64_MAX);
}

/* Takes the entry at i out of the heap. */
static void take_out(struct timers *ts, uint32_t i)
{
	struct timer_slot last = ts->heap[--ts->n];
	struct timer_ref *gone = &ts->table[ts->heap[i].idx];

	gone->t->idx = 0;
	gone->at = ts->free;
	ts->free = (uint32_t)(gone - ts->table);
	if (i < ts->n) {
		if (i > 0 && last.when < ts->heap[(i - 1) / 4].when)
			sift_up(ts, i, last);
		else
			sift_down(ts, i, last);
	}
	set_first(ts);
}

int goro__timer_start_at(struct p *p, struct timer *t, int64_t when)
{
	struct timers *ts = &p->timers;
	struct timer_slot s = { .when = when };

	goro__lock(&ts->lock);
	if (unlikely(ts->n == ts->cap) && grow(ts) != 0) {
		goro__unlock(&ts->lock);
		return -ENOMEM;
	}
	t->when = when;
	store_rlx(&t->home, p);
	t->idx = s.idx = number(ts, t);
	sift_up(ts, ts->n++, s);
	set_first(ts);
	goro__unlock(&ts->lock);
	return 0;
}

int goro__timer_start(struct m *m, struct timer *t, int64_t when)
{
	return goro__timer_start_at(m->p, t, when);
}

bool goro__timer_cancel(struct timer *t)
{
	struct timers *ts = &load_rlx(&t->home)->timers;
	bool in;

	goro__lock(&ts->lock);
	in = t->idx != 0;
	if (in)
		take_out(ts, ts->table[t->idx].at);
	goro__unlock(&ts->lock);
	return in;
}

bool goro__timer_stop(struct timer *t)
{
	struct timers *ts = &load_rlx(&t->home)->timers;

	if (goro__timer_cancel(t))
		return true;
	/* [TIMER-2] acquire: pairs with [TIMER-1]. Without it t's memory could be reused under the callback. */
	while (load_acq(&ts->running) == t)
		arch_pause();
	return false;
}

int goro__timers_run(struct m *m, struct p *p, int64_t now)
{
	struct timers *ts = &p->timers;
	int n = 0;

	goro__lock(&ts->lock);
	while (ts->n && ts->heap[0].when <= now && !load_rlx(&ts->running)) {
		struct timer *t = ts->table[ts->heap[0].idx].t;

		take_out(ts, 0);
		store_rlx(&ts->running, t);
		goro__unlock(&ts->lock);
		t->fn(m, t);
		/* [TIMER-1] release: pairs with [TIMER-2]. */
		store_rel(&ts->running, NULL);
		n++;
		goro__lock(&ts->lock);
	}
	goro__unlock(&ts->lock);
	return n;
}
