/* SPDX-License-Identifier: MIT */
/*
 * Command line, listening socket and answers of the bare servers.
 *
 *     floor -m epoll -a echo -p 7000
 *     floor -m uring -a http -p 7000
 */
#define _GNU_SOURCE

#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nhello, world\n"

enum {
	ANSWER_SIZE = sizeof ANSWER - 1,
	/* A head takes at least "x\n\r\n"; wrk's take 40 bytes and more. */
	MOST_ANSWERS = FLOOR_BUFFER / 4 + 1,
};

static char answers[MOST_ANSWERS * ANSWER_SIZE];

/* Bytes of the line that the last read of this connection left unfinished. */
static unsigned unfinished[FLOOR_FDS];

void floor_die(const char *what, int error)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
	exit(1);
}

void floor_nodelay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

void floor_forget(int fd)
{
	unfinished[fd] = 0;
}

static struct bytes echo(int fd, struct bytes in)
{
	(void)fd;
	return in;
}

/*
 * Counts the heads that end in this read and answers them all at once. A head ends
 * with a line that holds nothing but its carriage return; requests with bodies are not served.
 */
static struct bytes http(int fd, struct bytes in)
{
	const char *at = in.data, *end = in.data + in.size, *newline;
	unsigned line = unfinished[fd];
	size_t heads = 0;

	while ((newline = memchr(at, '\n', end - at)) != NULL) {
		line += newline - at;
		heads += line == 1;
		line = 0;
		at = newline + 1;
	}
	unfinished[fd] = line + (end - at);
	return (struct bytes){answers, heads * ANSWER_SIZE};
}

static int listen_on(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		floor_die("socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		floor_die("bind", errno);
	if (listen(fd, 4096) < 0)
		floor_die("listen", errno);
	return fd;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < FLOOR_FDS ? limit.rlim_max : FLOOR_FDS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int usage(void)
{
	fprintf(stderr, "usage: floor -m epoll|uring -a echo|http -p PORT\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *mode = "", *kind = "";
	int port = 0, option;

	while ((option = getopt(argc, argv, "m:a:p:")) != -1)
		switch (option) {
		case 'm': mode = optarg; break;
		case 'a': kind = optarg; break;
		case 'p': port = atoi(optarg); break;
		default: return usage();
		}
	bool uring = strcmp(mode, "uring") == 0, text = strcmp(kind, "http") == 0;

	if (optind != argc || port < 1 || port > 65535 || (!uring && strcmp(mode, "epoll") != 0) ||
	    (!text && strcmp(kind, "echo") != 0))
		return usage();
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	for (int i = 0; i < MOST_ANSWERS; i++)
		memcpy(answers + i * ANSWER_SIZE, ANSWER, ANSWER_SIZE);
	(uring ? floor_uring : floor_epoll)(listen_on(port), text ? http : echo);
	return 0;
}
