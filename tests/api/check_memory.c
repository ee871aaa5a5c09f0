/* SPDX-License-Identifier: MIT */
/*
 * check_memory.c: the Go memory model, sentence by sentence: channels, locks, once, the go statement, and what
 * package sync says "in the terminology of the Go memory model". What is passed on is plain memory, so a run under
 * ThreadSanitizer tells whether the order that is promised is there, and the values tell it elsewhere. Each case runs
 * in a main goroutine on 1, 2 and 8 processors, and in a plain thread beside a runtime.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <string.h>

#include "api.h"
#include "cases.h"
#include "t.h"

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_RELAXED)

/* ---- Channels ---------------------------------------------------------------------------------------------------- */

#define ROUNDS t_scaled(300)
#define ROOM 3

struct memory {
	struct goro_chan *c, *back;
	int data;    /* plain */
	int running; /* atomic */
};

static void writes_then_sends(void *arg)
{
	struct memory *m = arg;

	for (int i = 1; i <= ROUNDS; i++) {
		m->data = i;
		t_check_int(goro_chan_send(m->c, NULL, GORO_FOREVER), ==, 0);
		t_check_int(goro_chan_recv(m->back, NULL, GORO_FOREVER), ==, 1);
	}
}

/*
 * Runs fn in a goroutine, in other rounds in a thread, and then body; both channels are made anew, of such
 * capacities.
 */
static void beside(struct memory *m, size_t capacity, size_t back, void (*fn)(void *), void (*body)(struct memory *))
{
	for (int thread = 0; thread < 2; thread++) {
		struct go_wait w = { .thread = thread };

		memset(m, 0, sizeof *m);
		m->c = goro_chan_new(0, capacity);
		m->back = goro_chan_new(0, back);
		go_begin(&w, fn, m);
		body(m);
		go_ends(&w);
		goro_chan_free(m->c);
		goro_chan_free(m->back);
	}
}

static void receives_then_reads(struct memory *m)
{
	for (int i = 1; i <= ROUNDS; i++) {
		t_check_int(goro_chan_recv(m->c, NULL, GORO_FOREVER), ==, 1);
		t_check_int(m->data, ==, i);
		t_check_int(goro_chan_send(m->back, NULL, GORO_FOREVER), ==, 0);
	}
}

static int send_before_receive(void *arg)
{
	struct memory m;

	(void)arg;
	beside(&m, 0, 0, writes_then_sends, receives_then_reads);
	beside(&m, ROOM, ROOM, writes_then_sends, receives_then_reads);
	return 0;
}

static void writes_then_closes(void *arg)
{
	struct memory *m = arg;

	m->data = 42;
	goro_chan_close(m->c);
}

static void reads_when_closed(struct memory *m)
{
	t_check_int(goro_chan_recv(m->c, NULL, GORO_FOREVER), ==, 0);
	t_check_int(m->data, ==, 42);
}

static int close_before_zero(void *arg)
{
	struct memory m;

	(void)arg;
	for (int i = 0; i < t_scaled(30); i++)
		beside(&m, (size_t)i & 1, 0, writes_then_closes, reads_when_closed);
	return 0;
}

static void writes_then_receives(void *arg)
{
	struct memory *m = arg;

	for (int i = 1; i <= ROUNDS; i++) {
		m->data = i;
		t_check_int(goro_chan_recv(m->c, NULL, GORO_FOREVER), ==, 1);
		t_check_int(goro_chan_send(m->back, NULL, GORO_FOREVER), ==, 0);
	}
}

static void sends_then_reads(struct memory *m)
{
	for (int i = 1; i <= ROUNDS; i++) {
		t_check_int(goro_chan_send(m->c, NULL, GORO_FOREVER), ==, 0);
		t_check_int(m->data, ==, i);
		t_check_int(goro_chan_recv(m->back, NULL, GORO_FOREVER), ==, 1);
	}
}

static int receive_before_unbuffered_send(void *arg)
{
	struct memory m;

	(void)arg;
	beside(&m, 0, 0, writes_then_receives, sends_then_reads);
	return 0;
}

/* The channel as a semaphore: the send takes one of ROOM places, the receive gives it back. */
static void limited(struct memory *m)
{
	for (int i = 0; i < ROUNDS; i++) {
		t_check_int(goro_chan_send(m->c, NULL, GORO_FOREVER), ==, 0);
		t_check_int(ADD(m->running, 1), <=, ROOM);
		if (i % 8 == 0)
			goro_yield();
		ADD(m->running, -1);
		t_check_int(goro_chan_recv(m->c, NULL, GORO_FOREVER), ==, 1);
	}
}

static void limited_in_goroutine(void *arg)
{
	limited(arg);
}

static int room_limits(void *arg)
{
	struct memory m = { .c = goro_chan_new(0, ROOM) };
	struct go_wait w[6] = { { .thread = 1 } };

	(void)arg;
	for (int i = 0; i < 6; i++)
		go_begin(&w[i], limited_in_goroutine, &m);
	limited(&m);
	for (int i = 0; i < 6; i++)
		go_ends(&w[i]);
	goro_chan_free(m.c);
	return 0;
}

/* Plain memory under a channel of capacity 1, which is a mutex by the same rule. */
static void adds(void *arg)
{
	struct memory *m = arg;

	for (int i = 0; i < ROUNDS; i++) {
		t_check_int(goro_chan_send(m->c, NULL, GORO_FOREVER), ==, 0);
		m->data++;
		t_check_int(goro_chan_recv(m->c, NULL, GORO_FOREVER), ==, 1);
	}
}

static int room_of_one_is_a_mutex(void *arg)
{
	struct memory m = { .c = goro_chan_new(0, 1) };
	struct go_wait w[4] = { { .thread = 1 } };

	(void)arg;
	for (int i = 0; i < 4; i++)
		go_begin(&w[i], adds, &m);
	for (int i = 0; i < 4; i++)
		go_ends(&w[i]);
	t_check_int(m.data, ==, 4 * ROUNDS);
	goro_chan_free(m.c);
	return 0;
}

/* ---- Locks ------------------------------------------------------------------------------------------------------ */

#define WORKERS 5 /* the last of them is a plain thread */

struct locked {
	struct goro_mutex mu;
	struct goro_rwmutex rw;
	struct goro_semaphore sem;
	struct goro_cond cond;
	struct goro_once once;
	struct goro_waitgroup wg;
	void (*step)(struct locked *l, int i);
	long data, more; /* plain */
	long seen;	 /* atomic, relaxed: it orders nothing */
};

static void steps(void *arg)
{
	struct locked *l = arg;

	for (int i = 0; i < ROUNDS; i++)
		l->step(l, i);
}

/* All take the same steps at once, ROUNDS of them. */
static void all_step(struct locked *l, void (*step)(struct locked *l, int i))
{
	struct go_wait w[WORKERS] = { { .thread = 0 } };

	memset(l, 0, sizeof *l);
	l->sem = (struct goro_semaphore)GORO_SEMAPHORE_INIT(2);
	l->step = step;
	w[WORKERS - 1].thread = 1;
	for (int i = 0; i < WORKERS; i++)
		go_begin(&w[i], steps, l);
	for (int i = 0; i < WORKERS; i++)
		go_ends(&w[i]);
}

static void locks_in_every_way(struct locked *l, int i)
{
	if (i % 4 == 1)
		while (!goro_mutex_trylock(&l->mu))
			goro_yield();
	else if (i % 4 == 2)
		t_check_int(goro_mutex_lock_until(&l->mu, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==, 0);
	else
		goro_mutex_lock(&l->mu);
	l->data++;
	if (i % 16 == 0)
		goro_yield();
	t_check_int(++l->more, ==, l->data);
	goro_mutex_unlock(&l->mu);
}

static int unlock_before_lock(void *arg)
{
	struct locked l;

	(void)arg;
	all_step(&l, locks_in_every_way);
	t_check_int(l.data, ==, WORKERS * ROUNDS);
	return 0;
}

static void reads_and_writes(struct locked *l, int i)
{
	if (i % 4 == 0) {
		if (i % 8 == 0)
			goro_rwmutex_lock(&l->rw);
		else
			while (!goro_rwmutex_trylock(&l->rw))
				goro_yield();
		l->data++;
		if (i % 16 == 0)
			goro_yield();
		t_check_int(++l->more, ==, l->data);
		goro_rwmutex_unlock(&l->rw);
	} else {
		if (i % 4 == 1)
			goro_rwmutex_rlock(&l->rw);
		else
			while (!goro_rwmutex_tryrlock(&l->rw))
				goro_yield();
		t_check_int(l->data, ==, l->more);
		ADD(l->seen, 1);
		goro_rwmutex_runlock(&l->rw);
	}
}

static int unlock_before_rlock_before_lock(void *arg)
{
	struct locked l;

	(void)arg;
	all_step(&l, reads_and_writes);
	t_check_int(l.data + l.seen, ==, WORKERS * ROUNDS);
	return 0;
}

/* Two tokens: who has both is alone; one token of two is not enough to write. */
static void takes_both_tokens(struct locked *l, int i)
{
	uint64_t n = i % 3 ? 1 : 2;

	if (i % 2)
		while (!goro_semaphore_tryacquire(&l->sem, n))
			goro_yield();
	else
		t_check_int(goro_semaphore_acquire(&l->sem, n, GORO_FOREVER), ==, 0);
	if (n == 2) {
		l->data++;
		l->more++;
	} else {
		t_check_int(l->data, ==, l->more);
		ADD(l->seen, 1);
	}
	goro_semaphore_release(&l->sem, n);
}

static int release_before_acquire(void *arg)
{
	struct locked l;

	(void)arg;
	all_step(&l, takes_both_tokens);
	t_check_int(l.data + l.seen, ==, WORKERS * ROUNDS);
	return 0;
}

/* ---- Once, WaitGroup, Cond, the go statement --------------------------------------------------------------------- */

static void writes_once(void *arg)
{
	struct locked *l = arg;

	l->data++;
	goro_yield();
	l->more = 7;
}

static void asks_once(void *arg)
{
	struct locked *l = arg;

	goro_once_do(&l->once, writes_once, l);
	t_check(l->data == 1 && l->more == 7);
}

static int call_before_return_of_do(void *arg)
{
	(void)arg;
	for (int i = 0; i < t_scaled(30); i++) {
		struct locked l = { .data = 0 };
		struct go_wait w[3] = { { .thread = i % 4 == 0 } };

		for (int k = 0; k < 3; k++)
			go_begin(&w[k], asks_once, &l);
		asks_once(&l);
		for (int k = 0; k < 3; k++)
			go_ends(&w[k]);
	}
	return 0;
}

struct group {
	struct goro_waitgroup wg;
	long slot[8]; /* plain: each is one goroutine's, until it is done */
};

static void fills(struct goro_waitgroup *wg, long *slot, long v)
{
	if (v & 1)
		goro_yield();
	*slot = v;
	goro_waitgroup_done(wg);
}

static void just_fills(long *slot, long v)
{
	*slot = v;
}

static void waits_and_reads(void *arg)
{
	struct group *g = arg;
	long sum = 0;

	t_check_int(goro_waitgroup_wait(&g->wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < 8; i++)
		sum += g->slot[i];
	t_check_int(sum, ==, 36);
}

/* Two waits at the same time, one of them in a goroutine, or in a thread. */
static int done_before_return_of_wait(void *arg)
{
	(void)arg;
	for (int i = 0; i < t_scaled(40); i++) {
		struct group g = { .wg = GORO_WAITGROUP_INIT };
		struct go_wait w = { .thread = i % 8 == 0 };

		goro_waitgroup_add(&g.wg, 4);
		for (int k = 0; k < 8; k++)
			t_check_int(k < 4 ? GORO_GO(fills, &g.wg, &g.slot[k], k + 1L)
					  : GORO_WAITGROUP_GO(&g.wg, just_fills, &g.slot[k], k + 1L), ==, 0);
		go_begin(&w, waits_and_reads, &g);
		waits_and_reads(&g);
		go_ends(&w);
	}
	return 0;
}

static void waits_for_data(void *arg)
{
	struct locked *l = arg;

	goro_mutex_lock(&l->mu);
	ADD(l->seen, 1);
	t_check_int(goro_cond_wait(&l->cond, &l->mu, GORO_FOREVER), ==, 0);
	goro_mutex_unlock(&l->mu);
	t_check_int(l->data, ==, 9); /* written without the lock */
}

static int signal_before_return_of_wait(void *arg)
{
	(void)arg;
	for (int i = 0; i < t_scaled(40); i++) {
		struct locked l = { .data = 0 };
		struct go_wait w = { .thread = i % 8 == 0 };

		go_begin(&w, waits_for_data, &l);
		while (LOAD(l.seen) == 0)
			goro_yield();
		goro_mutex_lock(&l.mu); /* it waits, or it would have the lock */
		goro_mutex_unlock(&l.mu);
		l.data = 9;
		if (i & 1)
			goro_cond_signal(&l.cond);
		else
			goro_cond_broadcast(&l.cond);
		go_ends(&w);
	}
	return 0;
}

/* Takes turns: `more` counts them. Each writes after its signal, so it is the lock alone that orders what is written. */
static void takes_turns(struct locked *l, int me)
{
	for (int i = 0; i < ROUNDS; i++) {
		goro_mutex_lock(&l->mu);
		while (l->more % 2 != me)
			t_check_int(goro_cond_wait(&l->cond, &l->mu, GORO_FOREVER), ==, 0);
		goro_cond_signal(&l->cond);
		l->more++;
		t_check_int(++l->data, ==, l->more);
		goro_mutex_unlock(&l->mu);
	}
}

static void takes_odd_turns(void *arg)
{
	takes_turns(arg, 1);
}

static int lock_of_a_wait(void *arg)
{
	(void)arg;
	for (int thread = 0; thread < 2; thread++) {
		struct locked l = { .data = 0 };
		struct go_wait w = { .thread = thread };

		go_begin(&w, takes_odd_turns, &l);
		takes_turns(&l, 0);
		go_ends(&w);
		t_check_int(l.data, ==, 2 * ROUNDS);
	}
	return 0;
}

static void sees(struct memory *m, int expected)
{
	t_check_int(m->data, ==, expected);
	m->data++;
	t_check_int(goro_chan_send(m->c, NULL, GORO_FOREVER), ==, 0);
}

static int go_before_start(void *arg)
{
	struct memory m = { .c = goro_chan_new(0, 0) };

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		m.data = i;
		t_check_int(GORO_GO(sees, &m, i), ==, 0);
		t_check_int(goro_chan_recv(m.c, NULL, GORO_FOREVER), ==, 1);
		t_check_int(m.data, ==, i + 1);
	}
	t_keep(m.c);
	return 0;
}

/* The same for the communications of a select: one that waits, and one that finds the other. */
static void selects(void *arg)
{
	struct memory *m = arg;
	struct goro_case there[] = { { .chan = NULL, .op = GORO_RECV }, { .chan = m->c, .op = GORO_SEND } };
	struct goro_case back[] = { { .chan = m->back, .op = GORO_RECV }, { .chan = NULL, .op = GORO_SEND } };

	for (int i = 1; i <= ROUNDS; i++) {
		m->data = i;
		t_check_int(goro_select(there, 2, GORO_FOREVER), ==, 1);
		t_check_int(goro_select(back, 2, GORO_FOREVER), ==, 0);
	}
}

static void selects_and_reads(struct memory *m)
{
	struct goro_case there[] = { { .chan = m->c, .op = GORO_RECV }, { .chan = NULL, .op = GORO_RECV } };

	for (int i = 1; i <= ROUNDS; i++) {
		t_check_int(goro_select(there, 2, GORO_FOREVER), ==, 0);
		t_check_int(m->data, ==, i);
		t_check_int(goro_chan_send(m->back, NULL, GORO_FOREVER), ==, 0);
	}
}

static int select_too(void *arg)
{
	struct memory m;

	(void)arg;
	beside(&m, 0, 0, selects, selects_and_reads);
	beside(&m, ROOM, 1, selects, selects_and_reads);
	return 0;
}
static const struct go_case cases[] = {
	{ "A send on a channel is synchronized before the completion of the corresponding receive from that channel.", send_before_receive, NULL },
	{ "The closing of a channel is synchronized before a receive that returns a zero value because the channel is closed.", close_before_zero,
	  NULL },
	{ "A receive from an unbuffered channel is synchronized before the completion of the corresponding send on that channel.",
	  receive_before_unbuffered_send, NULL },
	{ "The kth receive on a channel with capacity C is synchronized before the completion of the k+Cth send from that channel completes. [...] a "
	  "counting semaphore", room_limits, NULL },
	{ "C: so a channel of capacity 1 is a mutex", room_of_one_is_a_mutex, NULL },
	{ "(of a select) A send on a channel is synchronized before the completion of the corresponding receive from that channel.", select_too, NULL },
	{ "For any sync.Mutex or sync.RWMutex variable l and n < m, call n of l.Unlock() is synchronized before call m of l.Lock() returns. [...] A "
	  "successful call to l.TryLock (or l.TryRLock) is equivalent to a call to l.Lock (or l.RLock).", unlock_before_lock, NULL },
	{ "For any call to l.RLock on a sync.RWMutex variable l, there is an n such that the nth call to l.Unlock is synchronized before the return "
	  "from l.RLock and the matching call to l.RUnlock is synchronized before the return from call n+1 to l.Lock.",
	  unlock_before_rlock_before_lock, NULL },
	{ "C: what happens before a release is visible after the acquires that its tokens made possible", release_before_acquire, NULL },
	{ "The completion of a single call of f() from once.Do(f) is synchronized before the return of any call of once.Do(f).",
	  call_before_return_of_do, NULL },
	{ "In the terminology of the Go memory model, a call to Done is synchronized before the return of any Wait call that it unblocks. [...] the "
	  "return from f is synchronized before the return of any Wait call that it unblocks.", done_before_return_of_wait, NULL },
	{ "In the terminology of the Go memory model, Cond arranges that a call to Broadcast or Signal synchronizes before any Wait call that it "
	  "unblocks.", signal_before_return_of_wait, NULL },
	{ "After later resuming execution, Wait locks c.L before returning.", lock_of_a_wait, NULL },
	{ "The go statement that starts a new goroutine is synchronized before the start of the goroutine's execution.", go_before_start, NULL },
};

START_TEST(as_the_sentence_says)
{
	go_case_everywhere(&cases[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory model");
	TCase *tc = tcase_create("sentences");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	suite_add_tcase(s, tc);
	return t_main(s);
}
