/* SPDX-License-Identifier: MIT */
/*
 * cases.h: tables of cases that are drawn from Go's specification, its memory model and the documentation of its
 * packages, sentence by sentence. A case quotes its sentence, which is printed before it runs, so that a failure says
 * which promise is broken. A sentence that begins with "C:" is ours: where C differs, or what somebody might try.
 */
#ifndef CASES_H
#define CASES_H

#include <goro.h>

#include "api.h"

struct go_case {
	const char *sentence;
	goro_main_fn fn;   /* returns 0; the main goroutine, or a thread's function for go_case_everywhere() */
	const char *fatal; /* NULL, or what the process must end with */
};

#define GO_CASES(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* In the main goroutine, on as many processors as there are. */
void go_case_run(const struct go_case *c);

/* In the main goroutine on 1, 2 and 8 processors, then in a plain thread beside a runtime of two. */
void go_case_everywhere(const struct go_case *c);

/*
 * A call that is expected to wait: go_begin() starts fn(arg), in a goroutine, or in a plain thread if `thread` is
 * set. go_still_waits() gives it some turns and fails if it has ended all the same; go_ends() waits for its end,
 * which happens before its own return, and may be called once.
 */
struct go_wait {
	void (*fn)(void *arg);
	void *arg;
	int thread;
	pthread_t id;
	struct goro_chan *begun, *over;
};

void go_begin(struct go_wait *w, void (*fn)(void *arg), void *arg);
void go_still_waits(struct go_wait *w);
void go_ends(struct go_wait *w);

/* fn(arg) must panic with the text. */
void go_panics(void (*fn)(void *arg), void *arg, const char *text);

#endif
