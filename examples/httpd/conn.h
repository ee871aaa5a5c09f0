/* SPDX-License-Identifier: MIT */
/* conn.h: one connection, from its first byte to its last, over any stream of bytes. */
#ifndef HTTPD_CONN_H
#define HTTPD_CONN_H

#include <goro.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "http.h"
#include "reply.h"

struct api;
struct metrics;
struct stream;

/*
 * Where the bytes come from and go to. The server's is a socket (server.c), the tests' a script in memory with a clock of
 * its own. All of these park. Deadlines and times as in <goro/time.h>.
 */
struct stream_ops {
	ssize_t (*read)(struct stream *s, void *buf, size_t n, int64_t deadline);
	/* All of it, or a negative errno. */
	ssize_t (*write)(struct stream *s, const struct iovec *iov, int n, int64_t deadline);
	/* No more will be written. */
	void (*finish)(struct stream *s);
	/* Says that the connection now waits for a request (or no longer does). False: it is not to wait, but to close. */
	bool (*idle)(struct stream *s, bool on);
	int64_t (*now)(struct stream *s);
	/* Nanoseconds since 1970. */
	int64_t (*wall)(struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
};

/* The Date field is the same for all within a second. Zero it. */
struct conn_date {
	struct goro_mutex lock;
	int64_t until; /* monotonic; under the lock, as the next */
	char text[REPLY_DATE_LEN];
};

struct conn_config {
	struct http_limits limits;
	int64_t request_ns; /* from the first byte of a request to its last */
	int64_t idle_ns;    /* between requests */
	int64_t write_ns;   /* for one write of gathered answers */
	struct api *api;
	struct metrics *metrics;
	struct conn_date *date;
	const uint32_t *draining; /* atomic: non-zero once the server is to end */
};

/* Serves until the connection is to be closed, which is left to the caller. number picks the metrics shard. Parks. */
void conn_run(struct stream *io, const struct conn_config *cfg, uint64_t number);

#endif
