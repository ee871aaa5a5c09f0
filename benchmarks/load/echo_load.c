/* SPDX-License-Identifier: MIT */
/*
 * A closed-loop load generator for echo servers: one thread, epoll, one frame in
 * flight per connection.
 *
 *     echo_load -c 64 -s 1024 -d 5 -p 7000
 *
 * Each frame carries its connection and sequence number, and every byte of the first
 * and last 16 is checked when it comes back, so a server that mixes up connections or loses
 * bytes shows as errors. A latency is from just before the send to the end of the
 * frame's last recv. The histogram has 64 buckets per power of two of nanoseconds: a quantile is at
 * most 1.6 % too high. `requests` counts every echo from the first connect to the end.
 */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	SUB_BITS = 6,
	SUB = 1 << SUB_BITS,
	BUCKETS = (64 - SUB_BITS + 1) * SUB,
	MARK = 16, /* bytes at each end of a frame that are checked */
	BATCH = 256,
};

struct connection {
	int fd;
	uint32_t sequence;
	size_t received; /* bytes of the current frame */
	uint64_t sent_at;
	unsigned char head[MARK], tail[MARK];
};

static const char *host = "127.0.0.1";
static size_t frame_size = 1024;
static int connections = 64, port = 7000;
static double duration = 5;

static struct connection *all;
static unsigned char *frame, *input;
static uint64_t histogram[BUCKETS], slowest, requests, errors;
static int alive;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "echo_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- histogram ---- */

/* Values below SUB have a bucket each; above, the top SUB_BITS + 1 bits choose it. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < SUB)
		return ns;
	shift = 63 - __builtin_clzll(ns) - SUB_BITS;
	return (shift + 1) * SUB + (ns >> shift) - SUB;
}

/* The largest value that falls into the bucket. */
static uint64_t top_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < SUB)
		return bucket;
	shift = bucket / SUB - 1;
	return ((uint64_t)(bucket % SUB + SUB + 1) << shift) - 1;
}

static double quantile_us(double q)
{
	uint64_t rank = q * requests, seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen > rank)
			return (top_of(i) < slowest ? top_of(i) : slowest) / 1e3;
	}
	return slowest / 1e3;
}

/* ---- one connection ---- */

static void drop(struct connection *c)
{
	errors++;
	alive--;
	close(c->fd);
	c->fd = -1;
}

static void set_marks(struct connection *c)
{
	uint32_t words[4] = {c - all, c->sequence, ~c->sequence, 0x6f726f67};

	memcpy(c->head, words, MARK);
	words[3] ^= c->sequence * 2654435761u;
	memcpy(c->tail, words, MARK);
}

static void send_frame(struct connection *c)
{
	size_t mark = frame_size < MARK ? frame_size : MARK;

	c->sequence++;
	c->received = 0;
	set_marks(c);
	memcpy(frame, c->head, mark);
	if (frame_size >= 2 * MARK)
		memcpy(frame + frame_size - MARK, c->tail, MARK);
	c->sent_at = now();
	/* The socket is empty in a closed loop, so a short send means a broken connection. */
	if (send(c->fd, frame, frame_size, MSG_NOSIGNAL) != (ssize_t)frame_size)
		drop(c);
}

/* Compares the marked bytes among the n received at offset `at` of the frame. */
static bool matches(const struct connection *c, size_t at, size_t n)
{
	for (size_t i = 0; i < n && at + i < MARK; i++)
		if (input[i] != c->head[at + i])
			return false;
	if (frame_size < 2 * MARK)
		return true;
	size_t tail = frame_size - MARK, i = at < tail ? tail - at : 0;

	for (; i < n; i++)
		if (input[i] != c->tail[at + i - tail])
			return false;
	return true;
}

static void record(uint64_t ns)
{
	histogram[bucket_of(ns)]++;
	requests++;
	if (ns > slowest)
		slowest = ns;
}

static void on_input(struct connection *c)
{
	while (c->fd >= 0) {
		ssize_t n = recv(c->fd, input, frame_size - c->received, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !matches(c, c->received, n)) {
			drop(c);
			return;
		}
		c->received += n;
		if (c->received == frame_size) {
			record(now() - c->sent_at);
			send_frame(c);
			return; /* The server sends nothing unasked: no need to ask for EAGAIN. */
		}
	}
}

static int connect_one(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int buffer = 2 * frame_size;

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
		errno = EINVAL;
		die(host);
	}
	if (fd < 0)
		die("socket");
	if (frame_size > 65536)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

/* ---- the run ---- */

static void connect_all(int epoll)
{
	for (int i = 0; i < connections; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = i};

		all[i].fd = connect_one();
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) < 0)
			die("epoll_ctl");
		/* connect had to wait; from here on nothing may. */
		if (fcntl(all[i].fd, F_SETFL, O_NONBLOCK) < 0)
			die("fcntl");
	}
	alive = connections;
}

static double run(int epoll)
{
	struct epoll_event events[BATCH];
	uint64_t start = now(), end = start + duration * 1e9, at = start;

	for (int i = 0; i < connections; i++)
		send_frame(&all[i]);
	while (alive > 0 && (at = now()) < end) {
		int n = epoll_wait(epoll, events, BATCH, 100);

		for (int i = 0; i < n; i++)
			on_input(&all[events[i].data.u32]);
	}
	return (at - start) / 1e9;
}

static int usage(void)
{
	fprintf(stderr, "usage: echo_load [-c CONNECTIONS] [-s SIZE] [-d SECONDS] [-p PORT] [-H HOST]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	int option, epoll = epoll_create1(EPOLL_CLOEXEC);
	double seconds;

	while ((option = getopt(argc, argv, "c:s:d:p:H:")) != -1)
		switch (option) {
		case 'c': connections = atoi(optarg); break;
		case 's': frame_size = strtoul(optarg, NULL, 10); break;
		case 'd': duration = strtod(optarg, NULL); break;
		case 'p': port = atoi(optarg); break;
		case 'H': host = optarg; break;
		default: return usage();
		}
	if (optind != argc || connections < 1 || frame_size < 1 || frame_size > 1 << 20 ||
	    duration <= 0 || port < 1 || port > 65535)
		return usage();
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	all = calloc(connections, sizeof *all);
	frame = calloc(1, frame_size);
	input = calloc(1, frame_size);
	if (epoll < 0 || all == NULL || frame == NULL || input == NULL)
		die("set-up");
	connect_all(epoll);
	seconds = run(epoll);
	printf("requests=%llu seconds=%.3f rps=%.0f p50=%.1f p99=%.1f p999=%.1f max=%.1f errors=%llu\n",
	       (unsigned long long)requests, seconds, requests / seconds, quantile_us(0.5),
	       quantile_us(0.99), quantile_us(0.999), slowest / 1e3, (unsigned long long)errors);
	return errors > 0;
}
