/* SPDX-License-Identifier: MIT */
/* client.h: the server as a process of its own, and plain blocking sockets to talk to it. Failures fail the test. */
#ifndef TESTS_HTTPD_CLIENT_H
#define TESTS_HTTPD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct server_process {
	pid_t pid;
	int port;
	int out; /* its stdout */
	char banner[256];
};

/* The server's program: $HTTPD, or examples/httpd/httpd below the current directory. */
const char *server_program(void);

/* Starts it on a free port with the further arguments, a list that ends in NULL, and at most nofile descriptors if that is not 0. */
void server_begin(struct server_process *s, unsigned nofile, char *const args[]);
#define SERVER_BEGIN(s, ...) server_begin((s), 0, (char *[]){ __VA_ARGS__, NULL })

/* Waits for its end, at most ms milliseconds. Returns its wait status. */
int server_reap(struct server_process *s, int ms);
/* SIGTERM, and it must end with status 0. */
void server_end(struct server_process *s);

/* A connection; -1 if it is refused. Reads on it give up after 20 s. */
int dial(const struct server_process *s);
void say(int fd, const char *text);
bool try_say(int fd, const char *text, size_t n);

/* Reads one answer into buf, head and body, terminated. Its status, 0 at the end of the stream, -1 on an error. */
int hear(int fd, char *buf, size_t size);
int ask(int fd, const char *request, char *buf, size_t size);

/* Whether the stream ends within ms, whatever comes before. */
bool ends_within(int fd, int ms);

/* One request on a connection of its own. */
int get(const struct server_process *s, const char *path, char *buf, size_t size);
/* The value of a line of /metrics, such as "httpd_connections_open"; -1 if there is none. */
double metric(const struct server_process *s, const char *name);

long long now_ms(void);

#endif
