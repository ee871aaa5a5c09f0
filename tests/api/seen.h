/* SPDX-License-Identifier: MIT */
/*
 * seen.h: what the tests of deferred calls, panics and goro_exit() share: a record of what has run, in which order, and of the panics that were
 * recovered from; functions to defer that write into it; and tables of cases, which are run in goroutines on 1, 2 and 8 processors, on a plain thread
 * beside them, and without any runtime.
 */
#ifndef SEEN_H
#define SEEN_H

#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "t.h"

/* What a case has seen. The text of a panic is copied: it is valid in the deferred call only. */
struct seen {
	char order[256]; /* a letter of each that has run */
	char text[600];
	void *value;
	unsigned flags;
	int calls, panics; /* of keep(), and those in which there was a panic */
};

#define SAW(s, what) t_check(strcmp((s)->text, what) == 0, "%s", (s)->text)
#define ORDER(s, what) t_check(strcmp((s)->order, what) == 0, "%s", (s)->order)

static inline void note(struct seen *s, char c)
{
	size_t n = strlen(s->order);

	t_check(n + 1 < sizeof s->order);
	s->order[n] = c;
	s->order[n + 1] = 0;
}

static inline void keep(struct seen *s, const struct goro_panicked *p)
{
	s->calls++;
	if (!p) {
		note(s, '-');
		return;
	}
	s->panics++;
	snprintf(s->text, sizeof s->text, "%s", p->text);
	s->value = p->value;
	s->flags = p->flags;
	note(s, 'R');
}

/* ---- functions to defer ----------------------------------------------------------------------------------------------- */

static inline void note_a(struct seen *s) { note(s, 'a'); }
static inline void note_b(struct seen *s) { note(s, 'b'); }
static inline void note_c(struct seen *s) { note(s, 'c'); }

static inline void catcher(struct seen *s)
{
	keep(s, recover());
}

static inline void panics_again(struct seen *s)
{
	note(s, 'p');
	panic("second");
}

static inline void recovers_and_panics(struct seen *s)
{
	keep(s, recover());
	panic("after %s", s->text);
}

/* ---- tables of cases -------------------------------------------------------------------------------------------------- */

enum { NOT_AT_ONCE = 1, NOT_IN_THREADS = 2 };

struct seen_case {
	const char *sentence;
	void (*run)(struct seen *s);
	unsigned not; /* what it uses is static, or a goroutine's */
};

struct seen_table {
	const struct seen_case *cases;
	int n, rounds; /* rounds: how often each is run when all are at once */
};

static inline void run_case(const struct seen_case *c)
{
	struct seen s = { .calls = 0 };

	c->run(&s);
}

/* The main goroutine's function, for one case. */
static inline int main_of_case(void *c)
{
	fprintf(stderr, "%s\n", ((const struct seen_case *)c)->sentence); /* the log of a failure tells which */
	run_case(c);
	return 0;
}

/* A plain thread's, for a table: one after the other. */
static inline void *in_thread(void *table)
{
	const struct seen_table *t = table;

	for (int i = 0; i < t->n; i++)
		if (!(t->cases[i].not & NOT_IN_THREADS))
			run_case(&t->cases[i]);
	return NULL;
}

static inline void in_goroutine(const struct seen_case *c, struct goro_waitgroup *wg)
{
	run_case(c);
	goro_waitgroup_done(wg);
}

/* The main goroutine's, for a table: in a goroutine each, beside a plain thread. */
static inline int all_at_once(void *table)
{
	const struct seen_table *t = table;
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	pthread_t thread = api_thread(in_thread, table);

	for (int i = 0; i < t->rounds * t->n; i++) {
		const struct seen_case *c = &t->cases[i % t->n];

		if (c->not & NOT_AT_ONCE)
			continue;
		goro_waitgroup_add(&wg, 1);
		t_check_int(go(in_goroutine, c, &wg), ==, 0);
	}
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	api_join(thread);
	return 0;
}

#endif
