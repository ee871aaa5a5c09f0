/* SPDX-License-Identifier: MIT */
/* server.h: the listening socket, a goroutine per connection, and the end of it all. */
#ifndef HTTPD_SERVER_H
#define HTTPD_SERVER_H

#include <goro.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn.h"

struct peer;

/* Set conf (but for draining) and max_conns; zero the rest. */
struct server {
	struct conn_config conf;
	size_t max_conns;

	int listener;
	uint32_t draining;		/* atomic; see the head of server.c */
	uint64_t open;			/* atomic: connections now */
	struct goro_waitgroup accepting; /* the accept loop */
	struct goro_waitgroup serving;	/* one for each connection */
	struct goro_mutex lock;		/* peers and their links */
	struct peer *peers;
};

/* Listens and starts the accept loop. 0 or a negative errno. From: a goroutine. */
int server_start(struct server *s, const char *host, unsigned port, int backlog);

/*
 * Ends in order: accepts no more, lets requests in flight end, closes what is idle. Returns when that is asked for;
 * server_wait() parks until the last connection is gone.
 */
void server_drain(struct server *s);
void server_wait(struct server *s);

/* Cuts the connections that are left. Returns how many. */
size_t server_cut(struct server *s);

#endif
