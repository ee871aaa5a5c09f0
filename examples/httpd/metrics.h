/* SPDX-License-Identifier: MIT */
/* metrics.h: the server's counters, and their Prometheus text. */
#ifndef HTTPD_METRICS_H
#define HTTPD_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reply.h"

#define METRICS_BUCKETS 16u /* with the last one, +Inf */
#define METRICS_SHARDS 16u  /* a power of two */

/* What ended a connection that was not in order; the values of the label "reason". */
#define METRICS_CUTS(X) \
	X(IDLE, "idle") X(REQUEST, "request_timeout") X(WRITE, "write_timeout") X(ABANDONED, "abandoned") X(FULL, "too_many")

enum {
#define METRICS_CUT(name, text) CUT_##name,
	METRICS_CUTS(METRICS_CUT)
#undef METRICS_CUT
	CUT_COUNT
};

/* Counters of the connections with the same low bits of their number. All atomic, relaxed: nothing is ordered by them. */
struct metrics_shard {
	_Alignas(64) uint64_t started; /* requests whose head is complete */
	uint64_t finished;	       /* answers handed to the output */
	uint64_t received, sent;       /* bytes */
	uint64_t nanoseconds;	       /* sum of durations */
	uint64_t codes[REPLY_COUNT];
	uint64_t buckets[METRICS_BUCKETS]; /* not cumulative */
};

struct metrics {
	struct metrics_shard shards[METRICS_SHARDS];
	uint64_t accepted, closed; /* connections */
	uint64_t accept_errors;
	uint64_t cuts[CUT_COUNT];
};

static inline void metrics_add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static inline uint64_t metrics_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* One answer with this status (an index of reply.h) after ns nanoseconds. */
void metrics_answer(struct metrics_shard *m, unsigned index, int64_t ns);

/* All counters as text, with the runtime's own; items is what the store holds. To be freed; NULL if memory is short. */
char *metrics_text(struct metrics *m, size_t items, size_t *ret_len);

#endif
