/* SPDX-License-Identifier: MIT */
/* burst.h: a burst of load on the server by goroutines of the same process. */
#ifndef HTTPD_BURST_H
#define HTTPD_BURST_H

#include <stdint.h>

struct burst {
	const char *host; /* NULL: loopback */
	unsigned port;
	uint64_t requests;
	unsigned conns;
};

/*
 * Sends the requests over the connections, prints a table to stdout. Returns how many did not get the
 * answer that they should, or a negative errno. Parks. From: a goroutine.
 */
int64_t burst_run(const struct burst *b);

#endif
