/* SPDX-License-Identifier: MIT */
/* options.c: the command line, by argp, with sizes such as 64k and times such as 0.5. */
#include "options.h"

#include <argp.h>
#include <goro.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_BACKEND = 256, OPT_PROCS, OPT_BACKLOG, OPT_HEAD, OPT_TARGET, OPT_FIELDS, OPT_BODY, OPT_ITEMS, OPT_CONNS,
	OPT_REQUEST, OPT_IDLE, OPT_WRITE, OPT_DRAIN, OPT_BURST, OPT_BURST_CONNS, OPT_ONCE, OPT_HOGS,
};

static const struct argp_option table[] = {
	{ "host", 'H', "ADDRESS", 0, "numeric address to listen on, \"*\" for all (127.0.0.1)", 1 },
	{ "port", 'p', "PORT", 0, "port to listen on, 0 for any (8080)", 1 },
	{ "backlog", OPT_BACKLOG, "N", 0, "connections that the kernel may queue (4096)", 1 },
	{ "procs", OPT_PROCS, "N", 0, "processors of the runtime (all)", 1 },
	{ "backend", OPT_BACKEND, "WHICH", 0, "auto, uring or epoll (auto)", 1 },
	{ "max-head", OPT_HEAD, "BYTES", 0, "request line and header section (16k)", 2 },
	{ "max-target", OPT_TARGET, "BYTES", 0, "request target (8k)", 2 },
	{ "max-fields", OPT_FIELDS, "N", 0, "header fields (100)", 2 },
	{ "max-body", OPT_BODY, "BYTES", 0, "decoded body (1m)", 2 },
	{ "max-items", OPT_ITEMS, "N", 0, "items in the store (100000)", 2 },
	{ "max-conns", OPT_CONNS, "N", 0, "connections at once, 0 for no limit (0)", 2 },
	{ "request-timeout", OPT_REQUEST, "SECONDS", 0, "for a whole request, from its first byte (10)", 3 },
	{ "idle-timeout", OPT_IDLE, "SECONDS", 0, "between requests (60)", 3 },
	{ "write-timeout", OPT_WRITE, "SECONDS", 0, "for a client to take an answer (30)", 3 },
	{ "drain-timeout", OPT_DRAIN, "SECONDS", 0, "for requests in flight at the end (30)", 3 },
	{ "burst", OPT_BURST, "N", 0, "send N requests to this very server and print a result", 4 },
	{ "burst-conns", OPT_BURST_CONNS, "N", 0, "connections that the burst uses (64)", 4 },
	{ "once", OPT_ONCE, NULL, 0, "end after the burst instead of serving on", 4 },
	{ "hogs", OPT_HOGS, "N", 0, "start N goroutines that compute for ever, to see what the others feel of it", 4 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

/* A whole number in [min, max], with k or m for powers of 1024 if scaled. */
static uint64_t number(struct argp_state *state, const char *what, const char *arg, uint64_t min, uint64_t max, bool scaled)
{
	char *end;
	uint64_t v = strtoull(arg, &end, 10), unit = 1;

	if (arg[0] < '0' || arg[0] > '9')
		argp_error(state, "--%s: \"%s\" is no number", what, arg);
	if (scaled && (*end == 'k' || *end == 'm'))
		unit = *end++ == 'k' ? 1024 : 1024 * 1024;
	if (*end != '\0' || v > max / unit || v * unit < min)
		argp_error(state, "--%s: \"%s\" is not between %llu and %llu", what, arg, (unsigned long long)min,
			   (unsigned long long)max);
	return v * unit;
}

static int64_t seconds(struct argp_state *state, const char *what, const char *arg)
{
	char *end;
	double v = strtod(arg, &end);

	if (end == arg || *end != '\0' || !(v > 0) || v > 86400)
		argp_error(state, "--%s: \"%s\" is no time between 0 and 86400 seconds", what, arg);
	return (int64_t)(v * 1e9);
}

static uint32_t backend(struct argp_state *state, const char *arg)
{
	if (strcmp(arg, "auto") == 0)
		return GORO_BACKEND_AUTO;
	if (strcmp(arg, "uring") == 0)
		return GORO_BACKEND_URING;
	if (strcmp(arg, "epoll") != 0)
		argp_error(state, "--backend: \"%s\" is neither auto, uring nor epoll", arg);
	return GORO_BACKEND_EPOLL;
}

static error_t parse_limit(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case OPT_HEAD:
		o->limits.head = (uint32_t)number(state, "max-head", arg, 256, 1 << 24, true);
		return 0;
	case OPT_TARGET:
		o->limits.target = (uint32_t)number(state, "max-target", arg, 64, 1 << 24, true);
		return 0;
	case OPT_FIELDS:
		o->limits.fields = (uint32_t)number(state, "max-fields", arg, 1, 1 << 20, false);
		return 0;
	case OPT_BODY:
		o->limits.body = number(state, "max-body", arg, 0, 1 << 30, true);
		return 0;
	case OPT_ITEMS:
		o->max_items = number(state, "max-items", arg, 0, UINT32_MAX, false);
		return 0;
	case OPT_CONNS:
		o->max_conns = number(state, "max-conns", arg, 0, UINT32_MAX, false);
		return 0;
	case OPT_REQUEST:
		o->request_ns = seconds(state, "request-timeout", arg);
		return 0;
	case OPT_IDLE:
		o->idle_ns = seconds(state, "idle-timeout", arg);
		return 0;
	case OPT_WRITE:
		o->write_ns = seconds(state, "write-timeout", arg);
		return 0;
	case OPT_DRAIN:
		o->drain_ns = seconds(state, "drain-timeout", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'H':
		o->host = strcmp(arg, "*") == 0 ? NULL : arg;
		return 0;
	case 'p':
		o->port = (unsigned)number(state, "port", arg, 0, 65535, false);
		return 0;
	case OPT_BACKLOG:
		o->backlog = (int)number(state, "backlog", arg, 1, 1 << 20, false);
		return 0;
	case OPT_PROCS:
		o->procs = (uint32_t)number(state, "procs", arg, 1, 4096, false);
		return 0;
	case OPT_BACKEND:
		o->backend = backend(state, arg);
		return 0;
	case OPT_BURST:
		o->burst = number(state, "burst", arg, 1, 100000000, false);
		return 0;
	case OPT_BURST_CONNS:
		o->burst_conns = (unsigned)number(state, "burst-conns", arg, 1, 100000, false);
		return 0;
	case OPT_HOGS:
		o->hogs = (unsigned)number(state, "hogs", arg, 0, 1000, false);
		return 0;
	case OPT_ONCE:
		o->once = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is \"%s\"?", arg);
		return 0;
	case ARGP_KEY_END:
		if (o->once && o->burst == 0)
			argp_error(state, "--once goes with --burst");
		return 0;
	default:
		return parse_limit(key, arg, state);
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	static const char doc[] = "An HTTP/1.1 API server on goroutines: / /items /items/ID /slow /burn /fail /metrics.";
	const struct argp argp = { table, parse, NULL, doc, NULL, NULL, NULL };

	*o = (struct options){
		.host = "127.0.0.1",
		.port = 8080,
		.backlog = 4096,
		.limits = { .head = 16 * 1024, .target = 8 * 1024, .fields = 100, .body = 1024 * 1024 },
		.max_items = 100000,
		.request_ns = 10 * GORO_SECOND,
		.idle_ns = 60 * GORO_SECOND,
		.write_ns = 30 * GORO_SECOND,
		.drain_ns = 30 * GORO_SECOND,
		.burst_conns = 64,
	};
	argp_parse(&argp, argc, argv, 0, NULL, o);
}
