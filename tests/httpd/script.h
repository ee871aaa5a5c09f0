/* SPDX-License-Identifier: MIT */
/*
 * script.h: a connection of examples/httpd without a socket. The client's bytes are given beforehand, cut into reads as the
 * test wants; what the server sends is kept. Time is a number that only the script moves, so timeouts are tested exactly.
 */
#ifndef TESTS_HTTPD_SCRIPT_H
#define TESTS_HTTPD_SCRIPT_H

#include <goro.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conn.h"

/* How the client ends after its last byte. */
enum script_end {
	SCRIPT_CLOSES, /* end of stream: a close, or a half-close */
	SCRIPT_SILENT, /* nothing more, for ever */
	SCRIPT_RESETS,
};

struct script {
	/* Set by the test; zero is a client that sends everything in one piece and closes. */
	const char *in;
	size_t in_len;
	size_t piece;	    /* bytes per read at most; 0: no limit */
	uint64_t random;    /* not 0: each read gets a random number of bytes, from this seed */
	int64_t gap_ns;	    /* time that passes before each read succeeds */
	enum script_end end;
	size_t write_limit; /* the client takes so many bytes and then no more; 0: all */

	/* Results. */
	char *out;
	size_t out_len;
	unsigned writes; /* calls, each of which would be a system call */
	unsigned reads;
	bool finished;	  /* the server shut its side down before it closed */
	int64_t ended_at; /* the clock when conn_run() returned */
};

/* The state behind the connections: empty store, zero counters, default limits. */
struct script_server {
	struct conn_config conf;
	uint32_t draining;
};

struct script_server *script_server_new(void);
void script_server_free(struct script_server *s);

/* Runs one connection to its end. The output is to be freed by script_done(). */
void script_run(struct script_server *server, struct script *s);
void script_done(struct script *s);

/*
 * Sums the answers up in words: "200 405 400 close"; a status is followed by '*' for each 100 (Continue) before it. "garbage" if
 * the output is not a sequence of whole answers. heads: bit i says that answer i is to a HEAD request.
 */
void script_summary(const struct script *s, unsigned heads, char *ret, size_t size);

#endif
