/* SPDX-License-Identifier: MIT */
/*
 * metrics.c: counters in the text format of Prometheus (version 0.0.4).
 *
 * A counter that every request touches on every processor would cost a cache line transfer a request, so those stand in
 * shards, picked by the connection's number; a scrape adds them up. The sums are of one moment for each counter, not of one
 * for all: a gauge that is a difference is clamped at zero.
 */
#include "metrics.h"

#include <goro.h>
#include <stdio.h>
#include <stdlib.h>

/* Upper bounds in nanoseconds. From the cost of a cheap answer to the longest that a client may ask for. */
static const int64_t bounds[METRICS_BUCKETS - 1] = {
	1000, 5000, 25000, 100000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 100000000, 250000000,
	500000000, 1000000000, 5000000000,
};

void metrics_answer(struct metrics_shard *m, unsigned index, int64_t ns)
{
	unsigned b = 0;

	while (b < METRICS_BUCKETS - 1 && ns > bounds[b])
		b++;
	metrics_add(&m->buckets[b], 1);
	metrics_add(&m->nanoseconds, (uint64_t)(ns > 0 ? ns : 0));
	metrics_add(&m->codes[index], 1);
	metrics_add(&m->finished, 1);
}

/* Writes NAME's HELP and TYPE lines. */
static void describe(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(FILE *f, const char *name, const char *type, const char *help, uint64_t v)
{
	describe(f, name, type, help);
	fprintf(f, "%s %llu\n", name, (unsigned long long)v);
}

static void add_up(struct metrics_shard *sum, const struct metrics *m)
{
	unsigned i, k;

	for (i = 0; i < METRICS_SHARDS; i++) {
		const struct metrics_shard *s = &m->shards[i];

		sum->finished += metrics_get(&s->finished);
		sum->started += metrics_get(&s->started);
		sum->received += metrics_get(&s->received);
		sum->sent += metrics_get(&s->sent);
		sum->nanoseconds += metrics_get(&s->nanoseconds);
		for (k = 0; k < REPLY_COUNT; k++)
			sum->codes[k] += metrics_get(&s->codes[k]);
		for (k = 0; k < METRICS_BUCKETS; k++)
			sum->buckets[k] += metrics_get(&s->buckets[k]);
	}
}

static void requests(FILE *f, const struct metrics_shard *sum)
{
	uint64_t below = 0;
	unsigned k;

	describe(f, "httpd_requests_total", "counter", "Requests answered, by status code.");
	for (k = 0; k < REPLY_COUNT; k++)
		if (sum->codes[k] != 0)
			fprintf(f, "httpd_requests_total{code=\"%u\"} %llu\n", reply_code(k),
				(unsigned long long)sum->codes[k]);
	single(f, "httpd_requests_in_flight", "gauge", "Requests read and not yet answered.",
	       sum->started > sum->finished ? sum->started - sum->finished : 0);
	describe(f, "httpd_request_duration_seconds", "histogram",
		 "Time from the request being complete to its answer being in the output buffer.");
	for (k = 0; k < METRICS_BUCKETS - 1; k++) {
		below += sum->buckets[k];
		fprintf(f, "httpd_request_duration_seconds_bucket{le=\"%.9g\"} %llu\n", (double)bounds[k] / 1e9,
			(unsigned long long)below);
	}
	below += sum->buckets[k];
	fprintf(f, "httpd_request_duration_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long)below);
	fprintf(f, "httpd_request_duration_seconds_sum %.9f\n", (double)sum->nanoseconds / 1e9);
	fprintf(f, "httpd_request_duration_seconds_count %llu\n", (unsigned long long)below);
	single(f, "httpd_received_bytes_total", "counter", "Bytes read from clients.", sum->received);
	single(f, "httpd_sent_bytes_total", "counter", "Bytes written to clients.", sum->sent);
}

static void connections(FILE *f, const struct metrics *m)
{
	static const char *const reasons[] = {
#define METRICS_REASON(name, text) text,
		METRICS_CUTS(METRICS_REASON)
#undef METRICS_REASON
	};
	uint64_t closed = metrics_get(&m->closed), accepted = metrics_get(&m->accepted);
	unsigned k;

	single(f, "httpd_connections_total", "counter", "Connections accepted.", accepted);
	single(f, "httpd_connections_open", "gauge", "Connections now.", accepted > closed ? accepted - closed : 0);
	single(f, "httpd_accept_errors_total", "counter", "Failures of accept, such as EMFILE, each followed by a pause.",
	       metrics_get(&m->accept_errors));
	describe(f, "httpd_connections_cut_total", "counter", "Connections that the server ended early, by reason.");
	for (k = 0; k < CUT_COUNT; k++)
		fprintf(f, "httpd_connections_cut_total{reason=\"%s\"} %llu\n", reasons[k],
			(unsigned long long)metrics_get(&m->cuts[k]));
}

static void runtime(FILE *f)
{
	struct goro_stats st = GORO_STATS_INIT;
	const char *backend = goro_backend(NULL);

	if (backend == NULL || goro_get_stats(&st) < 0)
		return;
	describe(f, "goro_backend_info", "gauge", "The I/O backend in use.");
	fprintf(f, "goro_backend_info{backend=\"%s\"} 1\n", backend);
	single(f, "goro_procs", "gauge", "Processors in use.", st.procs);
	single(f, "goro_goroutines", "gauge", "Goroutines alive.", st.goroutines);
	single(f, "goro_threads", "gauge", "Worker threads made.", st.threads);
	single(f, "goro_spawned_total", "counter", "Goroutines started.", st.spawned);
	single(f, "goro_switches_total", "counter", "Goroutines dispatched.", st.switches);
	single(f, "goro_steals_total", "counter", "Batches taken from another processor.", st.steals);
	single(f, "goro_wakeups_total", "counter", "Idle workers woken.", st.wakeups);
	single(f, "goro_sleeps_total", "counter", "Times that a worker went to sleep.", st.sleeps);
	single(f, "goro_io_operations_total", "counter", "Operations handed to the backend.", st.io_ops);
	single(f, "goro_handoffs_total", "counter", "Processors handed over for blocking calls.", st.handoffs);
}

char *metrics_text(struct metrics *m, size_t items, size_t *ret_len)
{
	struct metrics_shard sum = { .started = 0 };
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (f == NULL)
		return NULL;
	add_up(&sum, m);
	requests(f, &sum);
	connections(f, m);
	single(f, "httpd_items", "gauge", "Items in the store.", items);
	runtime(f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
