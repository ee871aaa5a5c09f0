/* SPDX-License-Identifier: MIT */
/*
 * check_sqlite.c: databases in many goroutines that are stopped anywhere in SQLite, with its mutexes and file locks held. Issue 3: "SQLite in
 * memory and on disk"; hazards 1, 8 and 9. fsync() and fcntl() locks block threads on the way.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define GOROUTINES 6

static void run_sql(sqlite3 *db, const char *sql)
{
	char *err = NULL;
	int ret = sqlite3_exec(db, sql, NULL, NULL, &err);

	t_check(ret == SQLITE_OK, "%s: %s", sql, err);
}

/* Inserts rows and asks for sums of them; the hash of all answers. */
static uint64_t work(sqlite3 *db, uint64_t seed, long rows)
{
	uint64_t rng = seed, h = PRE_HASH;
	sqlite3_stmt *st;
	int ret;

	run_sql(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, who INTEGER, word TEXT, x REAL)");
	run_sql(db, "CREATE INDEX i ON t (word)");
	run_sql(db, "BEGIN");
	t_check_int(sqlite3_prepare_v2(db, "INSERT INTO t (who, word, x) VALUES (?, ?, ?)", -1, &st, NULL), ==, SQLITE_OK);
	for (long n = 0; n < rows; n++) {
		char word[24];

		snprintf(word, sizeof word, "w%u", api_below(&rng, 100));
		sqlite3_bind_int(st, 1, (int)seed);
		sqlite3_bind_text(st, 2, word, -1, SQLITE_TRANSIENT);
		sqlite3_bind_double(st, 3, (double)api_below(&rng, 100000) / 8);
		t_check_int(sqlite3_step(st), ==, SQLITE_DONE);
		t_check_int(sqlite3_reset(st), ==, SQLITE_OK);
	}
	sqlite3_finalize(st);
	run_sql(db, "COMMIT");
	t_check_int(sqlite3_prepare_v2(db, "SELECT word, count(*), sum(x), printf('%g', max(x)) FROM t GROUP BY word ORDER BY 3, 1", -1, &st,
				       NULL), ==, SQLITE_OK);
	while ((ret = sqlite3_step(st)) == SQLITE_ROW)
		for (int c = 0; c < 4; c++) {
			const unsigned char *text = sqlite3_column_text(st, c);

			h = pre_hash(h, text, (size_t)sqlite3_column_bytes(st, c));
		}
	t_check_int(ret, ==, SQLITE_DONE);
	sqlite3_finalize(st);
	return h;
}

static uint64_t memory_job(uint64_t seed)
{
	sqlite3 *db;
	uint64_t h;

	t_check_int(sqlite3_open(":memory:", &db), ==, SQLITE_OK);
	h = work(db, seed, t_scaled(6000));
	t_check_int(sqlite3_close(db), ==, SQLITE_OK);
	return h;
}

START_TEST(databases_in_memory_give_the_same_answers)
{
	pre_agree(memory_job, GOROUTINES);
}
END_TEST

static uint64_t disk_job(uint64_t seed)
{
	char dir[64], path[96];
	sqlite3 *db;
	uint64_t h;

	api_temp_dir(dir, sizeof dir);
	snprintf(path, sizeof path, "%s/db", dir);
	t_check_int(sqlite3_open(path, &db), ==, SQLITE_OK);
	run_sql(db, "PRAGMA cache_size = 10"); /* so that it goes to its file */
	h = work(db, seed, t_scaled(3000));
	t_check_int(sqlite3_close(db), ==, SQLITE_OK);
	t_check(unlink(path) == 0 && rmdir(dir) == 0);
	return h;
}

START_TEST(databases_on_disk_give_the_same_answers)
{
	pre_agree(disk_job, GOROUTINES);
}
END_TEST

/* ---- one connection, and one file, for all --------------------------------------------------------------------- */

struct store {
	char path[96];
	sqlite3 *db;
	int adds; /* atomic */
	struct goro_waitgroup wg;
};

#define ADDS 40

/* All through one connection, whose mutex is held while it is in SQLite. */
static void add_through_one(struct store *s)
{
	for (long n = t_scaled(ADDS); n > 0 || pre_unseen(); n--) {
		run_sql(s->db, "UPDATE c SET n = n + 1");
		pre_add(&s->adds, 1);
	}
	goro_waitgroup_done(&s->wg);
}

/* Each with its own connection: file locks, and a busy handler that sleeps in the kernel. */
static void add_through_own(struct store *s)
{
	sqlite3 *db;

	t_check_int(sqlite3_open(s->path, &db), ==, SQLITE_OK);
	t_check_int(sqlite3_busy_timeout(db, API_PATIENCE), ==, SQLITE_OK);
	run_sql(db, "PRAGMA synchronous = OFF");
	for (long n = t_scaled(ADDS); n > 0 || pre_unseen(); n--) {
		run_sql(db, "BEGIN IMMEDIATE; UPDATE c SET n = n + 1; COMMIT");
		pre_add(&s->adds, 1);
	}
	t_check_int(sqlite3_close(db), ==, SQLITE_OK);
	goro_waitgroup_done(&s->wg);
}

static int take_number(void *ret, int n, char **text, char **names)
{
	(void)names;
	t_check_int(n, ==, 1);
	*(int *)ret = atoi(text[0]);
	return 0;
}

static int store_main(void *arg)
{
	struct store *s = arg;

	goro_waitgroup_add(&s->wg, 2 * GOROUTINES);
	for (int i = 0; i < GOROUTINES; i++) {
		t_check_int(GORO_GO(add_through_one, s), ==, 0);
		t_check_int(GORO_GO(add_through_own, s), ==, 0);
	}
	t_check_int(goro_waitgroup_wait(&s->wg, GORO_FOREVER), ==, 0);
	t_check_int(pre_stats().preemptions, >, 0);
	return 0;
}

START_TEST(nothing_is_lost_in_a_database_that_all_share)
{
	struct store s = { .db = NULL };
	struct goro_config cfg;
	char dir[64];
	int n = 0;

	api_temp_dir(dir, sizeof dir);
	snprintf(s.path, sizeof s.path, "%s/db", dir);
	t_check_int(sqlite3_open(s.path, &s.db), ==, SQLITE_OK);
	t_check_int(sqlite3_busy_timeout(s.db, API_PATIENCE), ==, SQLITE_OK);
	run_sql(s.db, "PRAGMA synchronous = OFF; CREATE TABLE c (n INTEGER); INSERT INTO c VALUES (0)");
	pre_config(&cfg, 1 + (unsigned)_i, PRE_SHORT);
	cfg.stack_size = 1 << 20;
	t_check_int(goro_run(&cfg, store_main, &s), ==, 0);
	t_check_int(sqlite3_exec(s.db, "SELECT n FROM c", take_number, &n, NULL), ==, SQLITE_OK);
	t_check_int(n, ==, s.adds);
	t_check_int(n, >=, 2 * GOROUTINES * t_scaled(ADDS));
	t_check_int(sqlite3_close(s.db), ==, SQLITE_OK);
	t_check(unlink(s.path) == 0 && rmdir(dir) == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: sqlite");
	TCase *tc = tcase_create("sqlite");

	t_skip_unless(sqlite3_threadsafe() == 1, "this SQLite is not for many threads");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, databases_in_memory_give_the_same_answers);
	tcase_add_test(tc, databases_on_disk_give_the_same_answers);
	tcase_add_loop_test(tc, nothing_is_lost_in_a_database_that_all_share, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
