/* SPDX-License-Identifier: MIT */
/* options.h: the command line. */
#ifndef HTTPD_OPTIONS_H
#define HTTPD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

struct options {
	const char *host; /* NULL: all addresses */
	unsigned port;
	int backlog;
	uint32_t procs;	  /* 0: the runtime decides */
	uint32_t backend; /* GORO_BACKEND_... */
	struct http_limits limits;
	size_t max_items, max_conns;
	int64_t request_ns, idle_ns, write_ns, drain_ns;
	uint64_t burst; /* requests; 0: none */
	unsigned burst_conns;
	unsigned hogs; /* goroutines that compute for ever */
	bool once;
};

/* Fills *o from the command line; on a mistake it says so and exits. */
void options_parse(struct options *o, int argc, char **argv);

#endif
