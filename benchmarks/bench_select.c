/* SPDX-License-Identifier: MIT */
/*
 * bench_select: a select of two and of eight receives. Ready: each has an element, and the one that was taken is put back. One: a single element, which goes
 * to the next channel. Blocked: two goroutines, each selects from channels of its own and finds nothing; then the other one sends to one of
 * them, and selects. The cases are written anew for each select, as Go does. Go's twins are in peers/go/sync.go.
 */
#include "bench.h"

#define MAX_CASES 8

static void make_chans(struct goro_chan **c, int cases, size_t capacity)
{
	for (int i = 0; i < cases; i++)
		bench_check((c[i] = goro_chan_new(sizeof(int64_t), capacity)) != NULL, "goro_chan_new");
}

static void free_chans(struct goro_chan **c, int cases)
{
	for (int i = 0; i < cases; i++)
		goro_chan_free(c[i]);
}

static inline int receive(struct goro_chan **c, int cases, int64_t *ret_v)
{
	struct goro_case k[MAX_CASES];

	for (int i = 0; i < cases; i++)
		k[i] = (struct goro_case){ .chan = c[i], .op = GORO_RECV, .elem = ret_v };
	return goro_select(k, (unsigned)cases, GORO_FOREVER);
}

/* step: how many channels further the element goes. */
static inline void ready(long n, int cases, int full, int step)
{
	struct goro_chan *c[MAX_CASES];
	int64_t v = 0, sum = 0;

	make_chans(c, cases, 1);
	for (int i = 0; i < full; i++)
		goro_chan_send(c[i], &v, GORO_FOREVER);
	for (long i = 0; i < n; i++) {
		int at = receive(c, cases, &v);

		v++;
		goro_chan_send(c[(at + step) % cases], &v, GORO_FOREVER);
	}
	for (int i = 0; i < cases; i++) {
		v = 0;
		goro_chan_recv(c[i], &v, GORO_NOW);
		sum += v;
	}
	bench_check(sum == n, "a select lost an element");
	free_chans(c, cases);
}

static inline void turns(struct goro_chan **mine, struct goro_chan **others, long n, int cases)
{
	int64_t v = 0;

	for (long i = 0; i < n; i++) {
		receive(mine, cases, &v);
		v++;
		goro_chan_send(others[i % cases], &v, GORO_FOREVER);
	}
}

static void turns2(struct goro_chan **mine, struct goro_chan **others, long n, struct goro_waitgroup *wg)
{
	turns(mine, others, n, 2);
	goro_waitgroup_done(wg);
}

static void turns8(struct goro_chan **mine, struct goro_chan **others, long n, struct goro_waitgroup *wg)
{
	turns(mine, others, n, 8);
	goro_waitgroup_done(wg);
}

static void blocked(long n, long cases)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct goro_chan *a[MAX_CASES], *b[MAX_CASES];
	int64_t v = 0;
	int err;

	make_chans(a, (int)cases, 0);
	make_chans(b, (int)cases, 0);
	goro_waitgroup_add(&wg, 1);
	err = cases == 2 ? go(turns2, a, b, n / 2, &wg) : go(turns8, a, b, n / 2, &wg);
	bench_check(err == 0, "go");
	for (long i = 0; i < n / 2; i++) {
		v++;
		goro_chan_send(a[i % cases], &v, GORO_FOREVER);
		if (cases == 2)
			receive(b, 2, &v);
		else
			receive(b, 8, &v);
	}
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	bench_check(v == n / 2 * 2, "a select lost an element");
	free_chans(a, (int)cases);
	free_chans(b, (int)cases);
}

static void work_ready2(long n, long arg) { (void)arg; ready(n, 2, 2, 0); }
static void work_ready8(long n, long arg) { (void)arg; ready(n, 8, 8, 0); }
static void work_one2(long n, long arg) { (void)arg; ready(n, 2, 1, 1); }
static void work_one8(long n, long arg) { (void)arg; ready(n, 8, 1, 1); }

static void ready2(long n) { bench_repeat("SelectReady2", n, work_ready2, 0); }
static void ready8(long n) { bench_repeat("SelectReady8", n, work_ready8, 0); }
static void one2(long n) { bench_repeat("SelectOne2", n, work_one2, 0); }
static void one8(long n) { bench_repeat("SelectOne8", n, work_one8, 0); }
static void blocked2(long n) { bench_repeat("SelectBlocked2", n, blocked, 2); }
static void blocked8(long n) { bench_repeat("SelectBlocked8", n, blocked, 8); }

static const struct bench_subject subjects[] = {
	{ "select_ready2", 5000000, ready2 },	  { "select_ready8", 5000000, ready8 },	    { "select_one2", 5000000, one2 },
	{ "select_one8", 5000000, one8 },	  { "select_blocked2", 2000000, blocked2 }, { "select_blocked8", 1000000, blocked8 },
};

BENCH_MAIN(subjects, 0)
