/* SPDX-License-Identifier: MIT */
/*
 * cases.h: tables of cases that are drawn from the documentation of Go's packages, sentence by sentence. A case quotes its sentence, which is
 * printed before it runs, so that a failure says which promise is broken.
 */
#ifndef CASES_H
#define CASES_H

#include <goro.h>
#include <stdio.h>

#include "api.h"

struct go_case {
	const char *sentence;
	goro_main_fn fn;   /* the main goroutine; returns 0 */
	const char *fatal; /* NULL, or what the process must end with */
};

static inline void go_case_run(const struct go_case *c)
{
	printf("Go: %s\n", c->sentence);
	if (c->fatal)
		api_expect_fatal(c->fn, NULL, c->fatal);
	else
		api_run(c->fn, NULL);
}

#define GO_CASES(table) ((int)(sizeof(table) / sizeof((table)[0])))

#endif
