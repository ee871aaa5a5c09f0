/* SPDX-License-Identifier: MIT */
/* model_rwmutex.c: RWMutex, in all interleavings of two or three goroutines that read and write. */
#include "doors.h"

#include "../../lib/sema.c"
#define SPINS 1
#include "../../lib/mutex.c"
#include "../../lib/rwmutex.c"

#include "t.h"

static struct goro_rwmutex rw;
static int readers, writers; /* plain: inside */
static int wrote, reads;
static int ret[MODEL_THREADS];
static uint32_t place; /* something that is touched under the lock, so that others may run meanwhile */

static void reset(void)
{
	model_doors_reset();
	memset(table, 0, sizeof(table));
	memset(&rw, 0, sizeof(rw));
	readers = writers = wrote = reads = 0;
	for (int i = 0; i < MODEL_THREADS; i++)
		ret[i] = 99;
}

/* Not locked, nobody forgotten, and no bit left over. */
static void quiet_again(void)
{
	model_check(rw.state == 0 && rw.w.state == 0);
	for (unsigned i = 0; i < BUCKETS; i++)
		model_check(!table[i].first);
	for (int i = 0; i < MODEL_THREADS; i++)
		model_check(!model_panics[i]);
}

static void explore(struct model m)
{
	m.setup = reset;
	if (!m.check)
		m.check = quiet_again;
	model_explore(&m);
}

static void read_inside(void)
{
	model_check(writers == 0);
	readers++;
	(void)load_rlx(&place);
	model_check(writers == 0);
	readers--;
	reads++;
}

static void write_inside(void)
{
	model_check(readers == 0 && writers == 0);
	writers++;
	store_rlx(&place, 1);
	model_check(readers == 0 && writers == 1);
	writers--;
	wrote++;
}

static void reads_once(void)
{
	goro_rwmutex_rlock(&rw);
	read_inside();
	goro_rwmutex_runlock(&rw);
}

static void writes_once(void)
{
	goro_rwmutex_lock(&rw);
	write_inside();
	goro_rwmutex_unlock(&rw);
}

static void reads_twice(void)
{
	reads_once();
	reads_once();
}

START_TEST(a_writer_excludes_readers_and_none_is_forgotten)
{
	explore((struct model){ .thread = { reads_twice, writes_once } });
}
END_TEST

START_TEST(two_readers_and_a_writer)
{
	explore((struct model){ .thread = { reads_once, reads_once, writes_once } });
}
END_TEST

START_TEST(two_writers_and_a_reader)
{
	explore((struct model){ .thread = { writes_once, writes_once, reads_once } });
}
END_TEST

static int seen; /* in how many executions the writer came while there was a reader */

/* Once a lock waits for this reader nobody else gets in. */
static void reads_and_tries_again(void)
{
	goro_rwmutex_rlock(&rw);
	read_inside();
	if (load_rlx(&rw.state) & WRITER) {
		seen++;
		model_check(goro_rwmutex_tryrlock(&rw) == 0);
		model_check(goro_rwmutex_rlock_until(&rw, GORO_NOW) == -EAGAIN);
		model_check(wrote == 0);
	}
	goro_rwmutex_runlock(&rw);
}

START_TEST(a_lock_that_waits_keeps_new_readers_out)
{
	seen = 0;
	explore((struct model){ .thread = { reads_and_tries_again, writes_once } });
	t_check(seen > 0);
}
END_TEST

static void writes_until(void)
{
	int me = model_self();

	ret[me] = goro_rwmutex_lock_until(&rw, MODEL_DEADLINE);
	model_check(ret[me] == 0 || ret[me] == -ETIMEDOUT);
	if (ret[me] == 0) {
		write_inside();
		goro_rwmutex_unlock(&rw);
	}
}

static void reads_until(void)
{
	int me = model_self();

	ret[me] = goro_rwmutex_rlock_until(&rw, MODEL_DEADLINE);
	model_check(ret[me] == 0 || ret[me] == -ETIMEDOUT);
	if (ret[me] == 0) {
		read_inside();
		goro_rwmutex_runlock(&rw);
	}
}

START_TEST(a_writer_that_gives_up_lets_the_others_go_on)
{
	if (_i == 0)
		explore((struct model){ .thread = { writes_until, reads_once, the_deadline }, .daemons = 4 });
	else if (_i == 1)
		explore((struct model){ .thread = { writes_until, reads_once, reads_once, the_deadline }, .daemons = 8 });
	else
		explore((struct model){ .thread = { writes_until, reads_once, writes_once, the_deadline }, .daemons = 8,
					.limit = 20000000 });
}
END_TEST

START_TEST(a_reader_that_gives_up_leaves_nothing)
{
	if (_i == 0)
		explore((struct model){ .thread = { reads_until, writes_once, the_deadline }, .daemons = 4 });
	else
		explore((struct model){ .thread = { reads_until, writes_once, reads_once, the_deadline }, .daemons = 8 });
}
END_TEST

static void tries_to_write(void)
{
	ret[model_self()] = goro_rwmutex_trylock(&rw);
	if (ret[model_self()]) {
		write_inside();
		goro_rwmutex_unlock(&rw);
	}
}

static void tries_to_read(void)
{
	ret[model_self()] = goro_rwmutex_tryrlock(&rw);
	if (ret[model_self()]) {
		read_inside();
		goro_rwmutex_runlock(&rw);
	}
}

START_TEST(trying_takes_it_or_leaves_it)
{
	explore((struct model){ .thread = { _i ? tries_to_write : tries_to_read, writes_once, reads_once } });
}
END_TEST

/* The last writer frees it: the reader before it must be out, as must the other writer. */
static void writes_and_frees(void)
{
	bool last;

	goro_rwmutex_lock(&rw);
	write_inside();
	last = wrote + reads == 2;
	goro_rwmutex_unlock(&rw);
	if (last)
		model_forbid(&rw, sizeof(rw));
}

START_TEST(the_last_writer_may_free_it)
{
	explore((struct model){ .thread = { _i ? writes_and_frees : reads_once, writes_and_frees } });
}
END_TEST

static void unlocks(void)
{
	goro_rwmutex_unlock(&rw);
}

static void runlocks(void)
{
	goro_rwmutex_runlock(&rw);
}

static const char *wanted;

static void thrown(void)
{
	model_check(model_panics[0] && strcmp(model_panics[0], wanted) == 0);
}

START_TEST(unlocking_what_is_not_locked_is_fatal)
{
	wanted = "sync: Unlock of unlocked RWMutex";
	explore((struct model){ .thread = { unlocks }, .check = thrown });
	wanted = "sync: RUnlock of unlocked RWMutex";
	explore((struct model){ .thread = { runlocks }, .check = thrown });
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model of RWMutex");
	TCase *tc = tcase_create("rwmutex");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, a_writer_excludes_readers_and_none_is_forgotten);
	tcase_add_test(tc, two_readers_and_a_writer);
	tcase_add_test(tc, two_writers_and_a_reader);
	tcase_add_test(tc, a_lock_that_waits_keeps_new_readers_out);
	tcase_add_loop_test(tc, a_writer_that_gives_up_lets_the_others_go_on, 0, 3);
	tcase_add_loop_test(tc, a_reader_that_gives_up_leaves_nothing, 0, 2);
	tcase_add_loop_test(tc, trying_takes_it_or_leaves_it, 0, 2);
	tcase_add_loop_test(tc, the_last_writer_may_free_it, 0, 2);
	tcase_add_test(tc, unlocking_what_is_not_locked_is_fatal);
	suite_add_tcase(suite, tc);
	return model_main(suite);
}
