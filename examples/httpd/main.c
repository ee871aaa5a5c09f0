/* SPDX-License-Identifier: MIT */
/*
 * main.c: an HTTP/1.1 API server on goroutines.
 *
 *     httpd                              serves on http://127.0.0.1:8080/ until SIGTERM or Ctrl-C
 *     httpd --burst 100000 --once        sends itself 100,000 requests, prints a table, ends
 *     curl -d '{"name":"gopher"}' http://127.0.0.1:8080/items
 *
 * Signals. A goroutine cannot wait for one: sigwait() would block its thread, and a handler may do next to nothing. So the signals
 * are blocked in all threads (before goro_run(), whose threads inherit that), one plain thread sits in sigwait(), and what
 * it gets it sends into a channel, which is legal from any thread. The main goroutine receives events from that channel:
 * signals, the end of the burst, the end of draining.
 *
 * The first SIGTERM or SIGINT drains: no new connections, requests in flight end, bounded by --drain-timeout; status 0. A
 * second one cuts that short.
 */
#include "api.h"
#include "burst.h"
#include "metrics.h"
#include "options.h"
#include "server.h"
#include "store.h"

#include <goro.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* What the main goroutine waits for. */
enum { SIGNAL, BURST_OK, BURST_FAILED, DRAINED };

#define CUT_GRACE_NS GORO_SECOND /* for connections to end after they were cut */

struct app {
	struct options opts;
	struct goro_chan *events; /* int */
	pthread_t signals;
	bool signals_run;
	uint32_t stopping; /* atomic: the signal thread is to end */
	struct server server;
	struct metrics metrics;
	struct conn_date date;
	struct api api;
};

static void post(struct app *a, int event)
{
	goro_chan_send(a->events, &event, GORO_FOREVER);
}

/* ------------------------------------------------------------------ signals */

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

/* A plain thread. */
static void *wait_for_signals(void *arg)
{
	struct app *a = arg;
	sigset_t set;
	int sig;

	signal_set(&set);
	for (;;) {
		sigwait(&set, &sig);
		/* [STOP-1] acquire: pairs with [STOP-2], so that nothing is sent to a runtime that has ended. */
		if (__atomic_load_n(&a->stopping, __ATOMIC_ACQUIRE) != 0)
			return NULL;
		post(a, SIGNAL);
	}
}

static void stop_signals(struct app *a)
{
	if (!a->signals_run)
		return;
	/* [STOP-2] release: pairs with [STOP-1]. */
	__atomic_store_n(&a->stopping, 1, __ATOMIC_RELEASE);
	pthread_kill(a->signals, SIGTERM);
	pthread_join(a->signals, NULL);
}

/* ------------------------------------------------------------------ goroutines */

static void run_burst(struct app *a, unsigned port)
{
	struct burst b = { a->opts.host, port, a->opts.burst, a->opts.burst_conns };
	int64_t bad = burst_run(&b);

	if (bad < 0)
		fprintf(stderr, "httpd: burst: %s\n", strerrordesc_np((int)-bad));
	post(a, bad == 0 ? BURST_OK : BURST_FAILED);
}

static void wait_drained(struct app *a)
{
	server_wait(&a->server);
	post(a, DRAINED);
}

/* Ends all connections in order, or, after a second signal or too long a time, not in order. */
static void drain(struct app *a)
{
	int64_t deadline = goro_after(a->opts.drain_ns);
	int event = -1;
	size_t n;

	fprintf(stderr, "httpd: draining\n");
	server_drain(&a->server);
	if (GORO_GO(wait_drained, a) < 0)
		return;
	do {
		if (goro_chan_recv(a->events, &event, deadline) <= 0)
			event = SIGNAL; /* the time is up */
	} while (event != DRAINED && event != SIGNAL);
	if (event == DRAINED)
		return;
	n = server_cut(&a->server);
	fprintf(stderr, "httpd: cut %zu connections that did not end in time\n", n);
	deadline = goro_after(CUT_GRACE_NS);
	while (event != DRAINED && goro_chan_recv(a->events, &event, deadline) > 0)
		;
}

/* Serves until something says that it is enough. Returns the exit status. */
static int serve_on(struct app *a)
{
	int event = -1, status = 0;

	while (goro_chan_recv(a->events, &event, GORO_FOREVER) > 0) {
		if (event == BURST_FAILED)
			status = 1;
		if (event == SIGNAL || (event != DRAINED && a->opts.once))
			break;
	}
	drain(a);
	return status;
}

static void announce(const struct app *a, int port)
{
	const char *why = "", *backend = goro_backend(&why);
	const char *host = a->opts.host != NULL ? a->opts.host : "*";
	bool six = strchr(host, ':') != NULL;

	printf("httpd: listening on http://%s%s%s:%d/ (%s: %s)\n", six ? "[" : "", host, six ? "]" : "", port,
	       backend != NULL ? backend : "?", why);
	fflush(stdout);
}

static void compute_for_ever(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

static int main_goroutine(void *arg)
{
	struct app *a = arg;
	int err, port;

	a->events = goro_chan_new(sizeof(int), 16);
	if (a->events == NULL) {
		fprintf(stderr, "httpd: out of memory\n");
		return 1;
	}
	err = server_start(&a->server, a->opts.host, a->opts.port, a->opts.backlog);
	if (err < 0) {
		fprintf(stderr, "httpd: cannot listen on %s port %u: %s\n", a->opts.host != NULL ? a->opts.host : "*",
			a->opts.port, strerrordesc_np(-err));
		return 1;
	}
	a->signals_run = pthread_create(&a->signals, NULL, wait_for_signals, a) == 0;
	port = goro_tcp_port(a->server.listener);
	announce(a, port);
	for (unsigned i = 0; i < a->opts.hogs; i++)
		if (GORO_GO(compute_for_ever) < 0)
			fprintf(stderr, "httpd: no memory for a hog\n");
	if (a->opts.burst > 0 && GORO_GO(run_burst, a, (unsigned)port) < 0)
		post(a, BURST_FAILED);
	return serve_on(a);
}

/* ------------------------------------------------------------------ the process */

static void prepare_process(void)
{
	struct rlimit rl;
	sigset_t set;

	/* Each connection is a descriptor. */
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	/* goro's calls do not raise it; writing to a closed stdout would. */
	signal(SIGPIPE, SIG_IGN);
	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void configure(struct app *a)
{
	const struct options *o = &a->opts;
	struct conn_config *c = &a->server.conf;

	a->server.max_conns = o->max_conns;
	c->limits = o->limits;
	c->request_ns = o->request_ns;
	c->idle_ns = o->idle_ns;
	c->write_ns = o->write_ns;
	c->api = &a->api;
	c->metrics = &a->metrics;
	c->date = &a->date;
	a->api.metrics = &a->metrics;
}

int main(int argc, char **argv)
{
	static struct app app;
	struct goro_config cfg = GORO_CONFIG_INIT;
	int status;

	options_parse(&app.opts, argc, argv);
	configure(&app);
	app.api.store = store_new(app.opts.max_items);
	if (app.api.store == NULL) {
		fprintf(stderr, "httpd: out of memory\n");
		return 1;
	}
	http_init(&app.opts.limits);
	api_init();
	prepare_process();
	cfg.maxprocs = app.opts.procs;
	cfg.backend = app.opts.backend;
	status = goro_run(&cfg, main_goroutine, &app);
	stop_signals(&app);
	if (status < 0) {
		fprintf(stderr, "httpd: the runtime does not start: %s\n", strerrordesc_np(-status));
		return 1;
	}
	goro_chan_free(app.events);
	store_free(app.api.store);
	return status;
}
