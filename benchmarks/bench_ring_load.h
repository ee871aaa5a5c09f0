/* SPDX-License-Identifier: MIT */
/*
 * The load of bench_ring_topology: closed loop, one frame in flight on each connection, one epoll thread in the
 * server's own process, so that no other program has to be started. Included by that one file.
 */
#ifndef BENCH_RING_LOAD_H
#define BENCH_RING_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME 1024
#define MAX_CONNS 1000
#define HISTOGRAM 2048

struct conn {
	int server, client;
	size_t got;	 /* client: bytes of the answer so far */
	int64_t sent_at; /* client */
	char buf[FRAME];
};

static struct conn conns[MAX_CONNS];
static int nconns;
static unsigned histogram[HISTOGRAM];

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_ring_topology: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void connect_all(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 1024) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		die("listen", errno);
	for (int i = 0; i < nconns; i++) {
		conns[i].client = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(conns[i].client, (struct sockaddr *)&a, sizeof a) < 0)
			die("connect", errno);
		conns[i].server = accept(listener, NULL, NULL);
		if (conns[i].server < 0)
			die("accept", errno);
		setsockopt(conns[i].client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(conns[i].server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		conns[i].got = 0;
	}
	close(listener);
}

/* Buckets of 1/16 of a power of two, from 1 us: 6 % resolution up to hours. */
static void record(int64_t ns)
{
	uint64_t us16 = ns > 0 ? (uint64_t)ns / 62 + 1 : 1;
	unsigned top = 63u - (unsigned)__builtin_clzll(us16);
	unsigned slot = top < 4 ? (unsigned)us16 : (top - 3) * 16 + (unsigned)(us16 >> (top - 4) & 15);

	histogram[slot < HISTOGRAM ? slot : HISTOGRAM - 1]++;
}

static double quantile(double q)
{
	unsigned long total = 0, sum = 0;
	unsigned i;

	for (i = 0; i < HISTOGRAM; i++)
		total += histogram[i];
	for (i = 0; i < HISTOGRAM; i++) {
		sum += histogram[i];
		if ((double)sum >= q * (double)total)
			break;
	}
	return (i < 16 ? i : (double)((16 + i % 16) * (1ull << (i / 16 - 1)))) * 0.062;
}

static void send_request(int c, int64_t now)
{
	static char frame[FRAME];

	conns[c].sent_at = now;
	conns[c].got = 0;
	if (send(conns[c].client, frame, FRAME, MSG_NOSIGNAL) != FRAME)
		die("send", errno);
}

/* Runs the closed loop for ms milliseconds after a tenth of that to warm up; returns requests done in warm state. */
static long drive(int ms, int64_t *ret_ns)
{
	int ep = epoll_create1(0), n;
	struct epoll_event ev[256];
	static char sink[FRAME];
	int64_t t, start, from = 0;
	long requests = 0;

	for (int i = 0; i < nconns; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].client, &e);
		send_request(i, clock_ns(CLOCK_MONOTONIC));
	}
	start = clock_ns(CLOCK_MONOTONIC);
	for (t = start; t - start < ms * INT64_C(1100000);) {
		n = epoll_wait(ep, ev, 256, 1000);
		if (n <= 0)
			die("a server that does not answer", ETIMEDOUT);
		for (int i = 0; i < n; i++) {
			int c = (int)ev[i].data.u32;
			ssize_t got = recv(conns[c].client, sink, FRAME, MSG_DONTWAIT);

			t = clock_ns(CLOCK_MONOTONIC);
			conns[c].got += got > 0 ? (size_t)got : 0;
			if (conns[c].got < FRAME)
				continue;
			if (t - start > ms * INT64_C(100000)) {
				from = from ? from : t;
				record(t - conns[c].sent_at);
				requests++;
			}
			send_request(c, t);
		}
	}
	close(ep);
	*ret_ns = t - from;
	return requests;
}

#endif
