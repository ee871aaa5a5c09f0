/* SPDX-License-Identifier: MIT */
/* check_rwmutex.c: RWMutex, by the sentences of Go's package sync and of the Go memory model, and what C adds: deadlines, plain threads. */
#include <goro.h>
#include <check.h>
#include <errno.h>

#include "api.h"
#include "cases.h"
#include "t.h"

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define ADD(x, n) __atomic_add_fetch(&(x), (n), __ATOMIC_SEQ_CST)

struct shared {
	struct goro_rwmutex rw;
	struct goro_waitgroup wg;
	int inside, together, waits; /* atomic */
	long value;		     /* plain, under rw */
};

/* ---- cases ------------------------------------------------------------------------------------------------------------------------ */

static void reader_that_meets(struct shared *s)
{
	goro_rwmutex_rlock(&s->rw);
	ADD(s->together, 1);
	t_eventually(LOAD(s->together) == 10, API_PATIENCE); /* all hold it at the same time */
	goro_rwmutex_runlock(&s->rw);
	goro_waitgroup_done(&s->wg);
}

static int many_readers(void *arg)
{
	struct shared s = { .rw = GORO_RWMUTEX_INIT };

	(void)arg;
	goro_waitgroup_add(&s.wg, 10);
	for (int i = 0; i < 10; i++)
		t_check(GORO_GO(reader_that_meets, &s) == 0);
	t_check(goro_waitgroup_wait(&s.wg, GORO_FOREVER) == 0);
	t_check(goro_rwmutex_trylock(&s.rw) == 1);
	return 0;
}

static int zero_value(void *arg)
{
	static struct goro_rwmutex zero;

	(void)arg;
	t_check(goro_rwmutex_trylock(&zero) == 1);
	goro_rwmutex_unlock(&zero);
	t_check(goro_rwmutex_tryrlock(&zero) == 1);
	goro_rwmutex_runlock(&zero);
	return 0;
}

static void writer(struct shared *s)
{
	ADD(s->waits, 1);
	goro_rwmutex_lock(&s->rw);
	s->value = ADD(s->inside, 1);
	goro_rwmutex_unlock(&s->rw);
	goro_waitgroup_done(&s->wg);
}

static void reader(struct shared *s)
{
	goro_rwmutex_rlock(&s->rw);
	ADD(s->together, 1);
	t_check(LOAD(s->inside) > 0); /* the writer was first */
	goro_rwmutex_runlock(&s->rw);
	goro_waitgroup_done(&s->wg);
}

/* Waits until a lock() is on its way, which keeps readers out. */
static void until_a_writer_waits(struct shared *s)
{
	for (;;) {
		if (!goro_rwmutex_tryrlock(&s->rw))
			return;
		goro_rwmutex_runlock(&s->rw);
		goro_yield();
	}
}

static int writer_preference(void *arg)
{
	struct shared s = { .rw = GORO_RWMUTEX_INIT };

	(void)arg;
	goro_waitgroup_add(&s.wg, 6);
	goro_rwmutex_rlock(&s.rw);
	t_check(GORO_GO(writer, &s) == 0);
	until_a_writer_waits(&s);
	for (int i = 0; i < 5; i++)
		t_check(GORO_GO(reader, &s) == 0);
	t_eventually(api_waiting("sync.RWMutex.RLock") == 5, API_PATIENCE);
	t_check_int(LOAD(s.together), ==, 0);
	t_check_int(LOAD(s.inside), ==, 0);
	goro_rwmutex_runlock(&s.rw);
	t_check(goro_waitgroup_wait(&s.wg, GORO_FOREVER) == 0);
	t_check_int(LOAD(s.together), ==, 5);
	return 0;
}

static int recursive_reading(void *arg)
{
	struct shared s = { .rw = GORO_RWMUTEX_INIT };

	(void)arg;
	goro_waitgroup_add(&s.wg, 1);
	goro_rwmutex_rlock(&s.rw);
	t_check(GORO_GO(writer, &s) == 0);
	until_a_writer_waits(&s);
	t_check_int(goro_rwmutex_rlock_until(&s.rw, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	goro_rwmutex_runlock(&s.rw);
	t_check(goro_waitgroup_wait(&s.wg, GORO_FOREVER) == 0);
	return 0;
}

static int no_upgrade(void *arg)
{
	struct shared s = { .rw = GORO_RWMUTEX_INIT };

	(void)arg;
	goro_rwmutex_rlock(&s.rw);
	t_check(goro_rwmutex_trylock(&s.rw) == 0);
	t_check_int(goro_rwmutex_lock_until(&s.rw, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check(goro_rwmutex_tryrlock(&s.rw) == 1); /* who gave up keeps nobody out */
	goro_rwmutex_runlock(&s.rw);
	goro_rwmutex_runlock(&s.rw);
	return 0;
}

static int no_downgrade(void *arg)
{
	struct shared s = { .rw = GORO_RWMUTEX_INIT };

	(void)arg;
	goro_rwmutex_lock(&s.rw);
	t_check(goro_rwmutex_tryrlock(&s.rw) == 0);
	t_check_int(goro_rwmutex_rlock_until(&s.rw, goro_after(GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check_int(goro_rwmutex_rlock_until(&s.rw, 1), ==, -ETIMEDOUT);
	t_check_int(goro_rwmutex_rlock_until(&s.rw, GORO_NOW), ==, -EAGAIN);
	goro_rwmutex_unlock(&s.rw);
	t_check_int(goro_rwmutex_rlock_until(&s.rw, GORO_NOW), ==, 0);
	goro_rwmutex_runlock(&s.rw);
	return 0;
}

static int lock_waits_for_all(void *arg)
{
	struct shared s = { .rw = GORO_RWMUTEX_INIT };

	(void)arg;
	goro_waitgroup_add(&s.wg, 1);
	goro_rwmutex_rlock(&s.rw);
	goro_rwmutex_rlock(&s.rw);
	t_check(GORO_GO(writer, &s) == 0);
	until_a_writer_waits(&s);
	goro_rwmutex_runlock(&s.rw);
	t_eventually(api_waiting("sync.RWMutex.Lock") == 1, API_PATIENCE); /* one is left; were he woken he would be "runnable" */
	t_check_int(LOAD(s.inside), ==, 0);
	goro_rwmutex_runlock(&s.rw);
	t_check(goro_waitgroup_wait(&s.wg, GORO_FOREVER) == 0);
	t_check_int(LOAD(s.inside), ==, 1);
	return 0;
}

static void unlocks(struct goro_rwmutex *rw)
{
	goro_rwmutex_unlock(rw);
}

static void runlocks(struct goro_rwmutex *rw)
{
	goro_rwmutex_runlock(rw);
}

static int unlocked_by_another(void *arg)
{
	struct goro_rwmutex rw = GORO_RWMUTEX_INIT;

	(void)arg;
	goro_rwmutex_lock(&rw);
	t_check(GORO_GO(unlocks, &rw) == 0);
	goro_rwmutex_rlock(&rw);
	t_check(GORO_GO(runlocks, &rw) == 0);
	goro_rwmutex_lock(&rw);
	goro_rwmutex_unlock(&rw);
	return 0;
}

static int unlock_of_unlocked(void *arg)
{
	struct goro_rwmutex rw = GORO_RWMUTEX_INIT;

	(void)arg;
	goro_rwmutex_rlock(&rw);
	goro_rwmutex_unlock(&rw);
	return 0;
}

static int runlock_of_unlocked(void *arg)
{
	struct goro_rwmutex rw = GORO_RWMUTEX_INIT;

	(void)arg;
	goro_rwmutex_rlock(&rw);
	goro_rwmutex_runlock(&rw);
	goro_rwmutex_runlock(&rw);
	return 0;
}

static int runlock_of_a_writers(void *arg)
{
	struct goro_rwmutex rw = GORO_RWMUTEX_INIT;

	(void)arg;
	goro_rwmutex_lock(&rw);
	goro_rwmutex_runlock(&rw);
	return 0;
}

static int trying(void *arg)
{
	struct goro_rwmutex rw = GORO_RWMUTEX_INIT;

	(void)arg;
	t_check(goro_rwmutex_trylock(&rw) == 1);
	t_check(goro_rwmutex_trylock(&rw) == 0);
	t_check(goro_rwmutex_tryrlock(&rw) == 0);
	t_check_int(goro_rwmutex_lock_until(&rw, GORO_NOW), ==, -EAGAIN);
	t_check_int(goro_rwmutex_lock_until(&rw, 1), ==, -ETIMEDOUT);
	goro_rwmutex_unlock(&rw);
	t_check(goro_rwmutex_tryrlock(&rw) == 1);
	t_check(goro_rwmutex_tryrlock(&rw) == 1);
	t_check(goro_rwmutex_trylock(&rw) == 0);
	goro_rwmutex_runlock(&rw);
	t_check(goro_rwmutex_trylock(&rw) == 0);
	goro_rwmutex_runlock(&rw);
	t_check_int(goro_rwmutex_lock_until(&rw, 1), ==, 0); /* a deadline in the past tries once */
	goro_rwmutex_unlock(&rw);
	return 0;
}

/* Readers that a writer kept out go on when it gives up, and not only when it might come again. */
static int giving_up(void *arg)
{
	struct shared s = { .rw = GORO_RWMUTEX_INIT, .inside = 1 };
	int64_t deadline;

	(void)arg;
	goro_waitgroup_add(&s.wg, 3);
	goro_rwmutex_rlock(&s.rw);
	for (int i = 0; i < 3; i++)
		t_check(GORO_GO(reader, &s) == 0);
	deadline = goro_after(3 * GORO_MILLISECOND);
	t_check_int(goro_rwmutex_lock_until(&s.rw, deadline), ==, -ETIMEDOUT);
	t_check(goro_now() >= deadline);
	t_check(goro_waitgroup_wait(&s.wg, GORO_FOREVER) == 0); /* while we still read */
	goro_rwmutex_runlock(&s.rw);
	t_check(goro_rwmutex_trylock(&s.rw) == 1);
	return 0;
}

static const struct go_case cases[] = {
	{ "The lock can be held by an arbitrary number of readers or a single writer.", many_readers, NULL },
	{ "The zero value for a RWMutex is an unlocked mutex.", zero_value, NULL },
	{ "If any goroutine calls Lock while the lock is already held by one or more readers, concurrent calls to RLock will block until the "
	  "writer has acquired (and released) the lock, to ensure that the lock eventually becomes available to the writer.",
	  writer_preference, NULL },
	{ "Note that this prohibits recursive read-locking.", recursive_reading, NULL },
	{ "A RLock cannot be upgraded into a Lock,", no_upgrade, NULL },
	{ "nor can a Lock be downgraded into a RLock.", no_downgrade, NULL },
	{ "If the lock is already locked for reading or writing, Lock blocks until the lock is available.", lock_waits_for_all, NULL },
	{ "As with Mutexes, a locked RWMutex is not associated with a particular goroutine.", unlocked_by_another, NULL },
	{ "It is a run-time error if rw is not locked for writing on entry to Unlock.", unlock_of_unlocked,
	  "fatal error: sync: Unlock of unlocked RWMutex" },
	{ "It is a run-time error if rw is not locked for reading on entry to RUnlock.", runlock_of_unlocked,
	  "fatal error: sync: RUnlock of unlocked RWMutex" },
	{ "It is a run-time error if rw is not locked for reading on entry to RUnlock. (It is locked for writing.)", runlock_of_a_writers,
	  "fatal error: sync: RUnlock of unlocked RWMutex" },
	{ "TryLock tries to lock rw for writing and reports whether it succeeded. TryRLock [...] for reading", trying, NULL },
	{ "(ours) A lock that gives up lets those go on that it kept out.", giving_up, NULL },
};

START_TEST(as_the_sentence_says)
{
	go_case_run(&cases[_i]);
}
END_TEST

/* ---- many at once ----------------------------------------------------------------------------------------------------------- */

struct crowd {
	struct goro_rwmutex rw;
	long a, b;	/* plain, equal whenever nobody writes */
	int writing, reading; /* atomic */
	long rounds, wrote;   /* wrote: plain, under rw */
	long each;
};

static void write_once(struct crowd *c, unsigned kind)
{
	t_check_int(ADD(c->writing, 1), ==, 1);
	t_check_int(LOAD(c->reading), ==, 0);
	c->a++;
	if (kind == 2)
		goro_yield();
	c->b++;
	c->wrote++;
	ADD(c->writing, -1);
	goro_rwmutex_unlock(&c->rw);
}

static void read_once(struct crowd *c, unsigned kind)
{
	ADD(c->reading, 1);
	t_check_int(LOAD(c->writing), ==, 0);
	t_check_int(c->a, ==, c->b);
	if (kind == 2)
		goro_yield();
	ADD(c->reading, -1);
	goro_rwmutex_runlock(&c->rw);
}

static void member(void *arg, int who)
{
	struct crowd *c = arg;
	uint64_t rng = t_seed() + (uint64_t)who;

	for (long i = 0; i < c->each; i++) {
		unsigned kind = api_below(&rng, 8), how = api_below(&rng, 4);

		if (api_below(&rng, 4) == 0) {
			if (how == 0 && goro_rwmutex_lock_until(&c->rw, goro_after(api_below(&rng, 20000))) != 0)
				continue;
			if (how == 1 && !goro_rwmutex_trylock(&c->rw))
				continue;
			if (how > 1)
				goro_rwmutex_lock(&c->rw);
			write_once(c, kind);
		} else {
			if (how == 0 && goro_rwmutex_rlock_until(&c->rw, goro_after(api_below(&rng, 20000))) != 0)
				continue;
			if (how == 1 && !goro_rwmutex_tryrlock(&c->rw))
				continue;
			if (how > 1)
				goro_rwmutex_rlock(&c->rw);
			read_once(c, kind);
		}
	}
}

static int crowd_main(void *arg)
{
	struct crowd *c = arg;

	c->each = t_scaled(4000);
	api_crowd(8, 2, member, c);
	t_check(goro_rwmutex_trylock(&c->rw) == 1);
	t_check(c->a == c->wrote && c->b == c->wrote && c->wrote > 0);
	return 0;
}

START_TEST(readers_and_writers_on_goroutines_and_threads)
{
	struct crowd c = { .rw = GORO_RWMUTEX_INIT };

	api_run_procs(api_procs[_i], crowd_main, &c);
}
END_TEST

START_TEST(plain_threads_use_it_without_a_runtime)
{
	struct crowd c = { .rw = GORO_RWMUTEX_INIT };

	c.each = t_scaled(4000);
	api_crowd(0, 4, member, &c);
	t_check(c.a == c.wrote && c.b == c.wrote);
}
END_TEST

/* Neither side starves the other: readers that always overlap against one writer, writers without a pause against one reader. */
struct siege {
	struct goro_rwmutex rw;
	int stop, writes; /* atomic; constant */
	struct goro_waitgroup wg;
};

static void besieger(struct siege *s)
{
	while (!LOAD(s->stop)) {
		if (s->writes)
			goro_rwmutex_lock(&s->rw);
		else
			goro_rwmutex_rlock(&s->rw);
		goro_yield();
		if (s->writes)
			goro_rwmutex_unlock(&s->rw);
		else
			goro_rwmutex_runlock(&s->rw);
	}
	goro_waitgroup_done(&s->wg);
}

static int siege_main(void *arg)
{
	struct siege *s = arg;

	goro_waitgroup_add(&s->wg, 3);
	for (int i = 0; i < 3; i++)
		t_check(GORO_GO(besieger, s) == 0);
	for (int i = 0; i < 50; i++) {
		int64_t patience = goro_after(API_PATIENCE * GORO_MILLISECOND);

		if (s->writes) {
			t_check_int(goro_rwmutex_rlock_until(&s->rw, patience), ==, 0);
			goro_rwmutex_runlock(&s->rw);
		} else {
			t_check_int(goro_rwmutex_lock_until(&s->rw, patience), ==, 0);
			goro_rwmutex_unlock(&s->rw);
		}
		goro_yield();
	}
	__atomic_store_n(&s->stop, 1, __ATOMIC_SEQ_CST);
	t_check_int(goro_waitgroup_wait(&s->wg, GORO_FOREVER), ==, 0);
	return 0;
}

START_TEST(neither_readers_nor_writers_starve)
{
	struct siege s = { .rw = GORO_RWMUTEX_INIT, .writes = _i & 1 };

	api_run_procs(_i & 2 ? 0 : 1, siege_main, &s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rwmutex");
	TCase *tc = t_case(s, "sentences", 60);

	tcase_add_loop_test(tc, as_the_sentence_says, 0, GO_CASES(cases));
	tc = t_case(s, "many", 60);
	tcase_add_loop_test(tc, readers_and_writers_on_goroutines_and_threads, 0, 3);
	tcase_add_test(tc, plain_threads_use_it_without_a_runtime);
	tcase_add_loop_test(tc, neither_readers_nor_writers_starve, 0, 4);
	return t_main(s);
}
