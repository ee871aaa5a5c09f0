/* SPDX-License-Identifier: MIT */
/*
 * stress_sync.c: all objects of <goro/sync.h> together with channels, select, contexts and timers, used by goroutines
 * and plain threads at once. Each actor takes locks in one order and does something at random below them, so that
 * waits of all kinds end by each other. GORO_SEED repeats a run's choices.
 *
 * What must hold:
 *   - the ledger: `accounts` is read and written under the RWMutex only, and its sum is 0 whenever somebody can look; each account
 *     has a mutex of its own, and moving money takes two of them, the one with the lower number first;
 *   - no more than TOKENS tokens of the semaphore are out, and in the end none is;
 *   - each ticket that is put into the shelf (mutex, two conds, room for SHELF) or sent through a channel is taken out once;
 *   - a Once has called its function once, and it was over when goro_once_do() returned;
 *   - a WaitGroup lets nobody on before its goroutines are done; a call that timed out has nothing and owes nothing.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <string.h>

#include "api.h"
#include "t.h"

#define PATIENCE (API_PATIENCE + (int)(api_stress_ns() / GORO_MILLISECOND))
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_RELAXED)

enum { ACTORS = 14, THREADS = 3, ACCOUNTS = 5, TOKENS = 4, SHELF = 3, ONCES = 64 };

static struct {
	struct goro_rwmutex rw;
	struct goro_mutex of[ACCOUNTS];
	long account[ACCOUNTS]; /* plain: under rw for reading and of[i], or under rw for writing */

	struct goro_semaphore sem;
	int out; /* atomic: tokens */

	struct goro_mutex mu;
	struct goro_cond full, empty;
	int shelf; /* plain, under mu */

	struct goro_once once[ONCES];
	int called[ONCES]; /* plain, by once */

	struct goro_chan *c, *d; /* without a buffer and with one */
	long in, taken;		 /* atomic: tickets */
	int64_t until;
} w;

/* A deadline, mostly none, for those who then try something else. */
static int64_t some_deadline(uint64_t *rng)
{
	switch (api_below(rng, 4)) {
	case 0:
		return GORO_NOW;
	case 1:
		return goro_after(api_below(rng, 200) * 1000);
	default:
		return goro_after(PATIENCE * GORO_MILLISECOND);
	}
}

/* Time is up and the others may have ended: whoever waits for a partner has to look at the clock. */
static int64_t short_deadline(uint64_t *rng)
{
	return goro_after(api_below(rng, 300) * 1000);
}

static void check_late(int ret, int64_t deadline)
{
	t_check_int(ret, ==, deadline == GORO_NOW ? -EAGAIN : -ETIMEDOUT);
	t_check(deadline <= goro_now());
}

/* ---- the ledger: RWMutex and Mutex ---------------------------------------------------------------------------- */

static void audits(uint64_t *rng)
{
	int64_t deadline = some_deadline(rng);
	int ret = goro_rwmutex_lock_until(&w.rw, deadline);
	long sum = 0;

	if (ret != 0) {
		check_late(ret, deadline);
		return;
	}
	for (int i = 0; i < ACCOUNTS; i++)
		sum += w.account[i];
	t_check_int(sum, ==, 0);
	if (api_below(rng, 4) == 0)
		goro_yield();
	w.account[0]++; /* nobody else is there */
	w.account[0]--;
	goro_rwmutex_unlock(&w.rw);
}

static int lock_account(unsigned i, uint64_t *rng)
{
	int64_t deadline = some_deadline(rng);
	int ret;

	if (api_below(rng, 3) == 0)
		return goro_mutex_trylock(&w.of[i]);
	ret = goro_mutex_lock_until(&w.of[i], deadline);
	if (ret != 0)
		check_late(ret, deadline);
	return ret == 0;
}

static void moves(uint64_t *rng)
{
	unsigned a = api_below(rng, ACCOUNTS - 1), b = a + 1 + api_below(rng, ACCOUNTS - 1 - a);
	long sum = (long)api_below(rng, 1000) - 500;
	int64_t deadline = some_deadline(rng);
	int ret = goro_rwmutex_rlock_until(&w.rw, deadline);

	if (ret != 0) {
		check_late(ret, deadline);
		return;
	}
	if (lock_account(a, rng)) {
		if (lock_account(b, rng)) {
			w.account[a] -= sum;
			if (api_below(rng, 8) == 0)
				goro_yield();
			w.account[b] += sum;
			goro_mutex_unlock(&w.of[b]);
		}
		goro_mutex_unlock(&w.of[a]);
	}
	goro_rwmutex_runlock(&w.rw);
}

/* ---- the semaphore, with a timer while the tokens are out ------------------------------------------------------- */

static void borrows(uint64_t *rng)
{
	int n = 1 + (int)api_below(rng, TOKENS);
	int64_t deadline = some_deadline(rng);
	int ret = goro_semaphore_acquire(&w.sem, (uint64_t)n, deadline);

	if (ret != 0) {
		check_late(ret, deadline);
		return;
	}
	t_check_int(ADD(w.out, n), <=, TOKENS);
	if (api_below(rng, 8) == 0) {
		struct goro_timer *t = goro_timer_new(api_below(rng, 50) * 1000);

		t_check_int(goro_chan_recv(goro_timer_chan(t), NULL, GORO_FOREVER), ==, 1);
		goro_timer_free(t);
	}
	ADD(w.out, -n);
	for (; n > 1 && api_below(rng, 2); n--)
		goro_semaphore_release(&w.sem, 1); /* bit by bit */
	goro_semaphore_release(&w.sem, (uint64_t)n);
}

/* ---- the shelf: Cond -------------------------------------------------------------------------------------------- */

static void puts_up(uint64_t *rng)
{
	goro_mutex_lock(&w.mu);
	while (w.shelf == SHELF)
		if (goro_cond_wait(&w.full, &w.mu, short_deadline(rng)) != 0) {
			goro_mutex_unlock(&w.mu);
			return;
		}
	t_check_int(++w.shelf, <=, SHELF);
	ADD(w.in, 1);
	if (api_below(rng, 2))
		goro_cond_signal(&w.empty);
	else
		goro_cond_broadcast(&w.empty);
	goro_mutex_unlock(&w.mu);
}

static void takes_down(uint64_t *rng)
{
	goro_mutex_lock(&w.mu);
	while (w.shelf == 0)
		if (goro_cond_wait(&w.empty, &w.mu, short_deadline(rng)) != 0) {
			goro_mutex_unlock(&w.mu);
			return;
		}
	t_check_int(--w.shelf, >=, 0);
	ADD(w.taken, 1);
	goro_mutex_unlock(&w.mu);
	goro_cond_signal(&w.full);
}

/* ---- channels, select, contexts --------------------------------------------------------------------------------- */

/* Sends or receives on either channel, until a context ends it. */
static void communicates(uint64_t *rng)
{
	struct goro_context *ctx = goro_context_with_timeout(goro_context_background(), api_below(rng, 300) * 1000);
	int v = 1, got = 0;
	struct goro_case cases[] = { { .chan = w.c, .op = GORO_SEND, .elem = &v }, { .chan = w.d, .op = GORO_RECV, .elem = &got }, { .chan = goro_context_done(ctx), .op = GORO_RECV },
				     { .chan = w.c, .op = GORO_RECV, .elem = &got }, { .chan = w.d, .op = GORO_SEND, .elem = &v } };
	int i;

	if (api_below(rng, 3) == 0)
		goro_context_cancel(ctx);
	i = goro_select(cases, 5, GORO_FOREVER);
	t_check(i >= 0 && i < 5);
	if (i == 2) {
		t_check(cases[2].ret == 0 && goro_context_err(ctx) != 0);
	} else if (cases[i].op == GORO_SEND) {
		t_check_int(cases[i].ret, ==, 0);
		ADD(w.in, 1);
	} else {
		t_check(cases[i].ret == 1 && got == 1);
		ADD(w.taken, 1);
	}
	goro_context_unref(ctx);
}

static void sends_or_receives(uint64_t *rng)
{
	struct goro_chan *c = api_below(rng, 2) ? w.c : w.d;
	int64_t deadline = api_below(rng, 4) ? short_deadline(rng) : GORO_NOW;
	bool sends = api_below(rng, 2);
	int v = 1, ret = sends ? goro_chan_send(c, &v, deadline) : goro_chan_recv(c, &v, deadline);

	if (ret < 0)
		check_late(ret, deadline);
	else if (sends)
		ADD(w.in, 1);
	else
		ADD(w.taken, 1);
	t_check_int(v, ==, 1);
}

/* ---- Once, WaitGroup -------------------------------------------------------------------------------------------- */

static void calls(void *arg)
{
	++*(int *)arg;
	goro_yield();
	++*(int *)arg;
}

static void asks_once(uint64_t *rng)
{
	unsigned i = api_below(rng, ONCES);

	if (goro_once_do_until(&w.once[i], calls, &w.called[i], some_deadline(rng)) == 0)
		t_check_int(w.called[i], ==, 2);
}

static void adds_one(long *slot, uint64_t rng)
{
	if (api_below(&rng, 2))
		moves(&rng);
	*slot += 1;
}

static void forks_and_joins(uint64_t *rng)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	long slot[4] = { 0 };
	int n = 1 + (int)api_below(rng, 4);

	for (int i = 0; i < n; i++)
		t_check_int(GORO_WAITGROUP_GO(&wg, adds_one, &slot[i], t_rand(rng)), ==, 0);
	while (goro_waitgroup_wait(&wg, short_deadline(rng)) != 0)
		;
	for (int i = 0; i < n; i++)
		t_check_int(slot[i], ==, 1);
}

/* ---- the actors ------------------------------------------------------------------------------------------------- */

static void actor(void *arg, int who)
{
	static void (*const acts[])(uint64_t *rng) = { moves, moves, moves, audits, borrows, borrows, puts_up, takes_down, communicates,
						       sends_or_receives, asks_once, forks_and_joins };
	uint64_t rng = t_seed() + (uint64_t)who * 1001;

	(void)arg;
	while (goro_now() < w.until)
		acts[api_below(&rng, sizeof acts / sizeof acts[0])](&rng);
}

/* When all have gone, every object is as it was, and every ticket is accounted for. */
static void settle(void)
{
	int v;

	while (goro_chan_recv(w.d, &v, GORO_NOW) == 1)
		w.taken++;
	t_check_int(goro_chan_recv(w.c, &v, GORO_NOW), ==, -EAGAIN);
	t_check_int(w.in, ==, w.taken + w.shelf);
	t_check_int(w.out, ==, 0);
	t_check_int(goro_semaphore_tryacquire(&w.sem, TOKENS), ==, 1);
	t_check(goro_rwmutex_trylock(&w.rw) == 1 && goro_mutex_trylock(&w.mu) == 1);
	for (int i = 0; i < ACCOUNTS; i++)
		t_check_int(goro_mutex_trylock(&w.of[i]), ==, 1);
	for (int i = 0; i < ONCES; i++)
		t_check(w.called[i] == 0 || w.called[i] == 2);
	goro_chan_free(w.c);
	goro_chan_free(w.d);
}

static int stress_main(void *arg)
{
	(void)arg;
	memset(&w, 0, sizeof w);
	w.sem = (struct goro_semaphore)GORO_SEMAPHORE_INIT(TOKENS);
	w.c = goro_chan_new(sizeof(int), 0);
	w.d = goro_chan_new(sizeof(int), 2);
	w.until = goro_after(api_stress_ns());
	api_crowd(ACTORS, THREADS, actor, NULL);
	t_eventually(goro_count() == 1, PATIENCE); /* those that run a timeout, or were about to end */
	settle();
	return 0;
}

START_TEST(everything_that_waits_goes_on_and_nothing_is_lost)
{
	api_run_procs(api_procs[_i], stress_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress sync");
	TCase *tc = t_case(s, "sync", 60 + api_stress_limit());

	tcase_add_loop_test(tc, everything_that_waits_goes_on_and_nothing_is_lost, 0, 3);
	return t_main(s);
}
