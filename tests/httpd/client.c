/* SPDX-License-Identifier: MIT */
/* client.c: see client.h. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t.h"

#define PATIENCE_MS 20000
#define ARGS_MAX 24

long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

const char *server_program(void)
{
	const char *p = getenv("HTTPD");

	return p != NULL ? p : "examples/httpd/httpd";
}

static void become_server(int out, unsigned nofile, char *const args[])
{
	char *argv[ARGS_MAX] = { (char *)(uintptr_t)server_program(), "--port", "0" };
	struct rlimit rl = { nofile, nofile };
	int n = 3;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server behind */
	dup2(out, 1);
	if (nofile > 0)
		setrlimit(RLIMIT_NOFILE, &rl);
	while (*args != NULL && n < ARGS_MAX - 1)
		argv[n++] = *args++;
	execv(argv[0], argv);
	_exit(127);
}

void server_begin(struct server_process *s, unsigned nofile, char *const args[])
{
	const char *colon;
	size_t n = 0;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	t_check(pipe2(fds, O_CLOEXEC) == 0);
	s->pid = fork();
	t_check(s->pid >= 0);
	if (s->pid == 0)
		become_server(fds[1], nofile, args);
	close(fds[1]);
	s->out = fds[0];
	while (n < sizeof(s->banner) - 1 && read(s->out, s->banner + n, 1) == 1 && s->banner[n] != '\n')
		n++;
	s->banner[n] = '\0';
	colon = strstr(s->banner, "http://127.0.0.1:");
	t_check(colon != NULL, "%s says \"%s\"", server_program(), s->banner);
	s->port = atoi(colon + 17);
}

int server_reap(struct server_process *s, int ms)
{
	int status = -1;
	pid_t pid = 0;

	t_eventually((pid = waitpid(s->pid, &status, WNOHANG)) != 0, ms);
	t_check_int(pid, ==, s->pid);
	close(s->out);
	return status;
}

void server_end(struct server_process *s)
{
	int status;

	kill(s->pid, SIGTERM);
	status = server_reap(s, PATIENCE_MS);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the server ended with wait status %#x", (unsigned)status);
}

int dial(const struct server_process *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
	struct timeval tv = { PATIENCE_MS / 1000, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	t_check(fd >= 0, "socket: %s", strerror(errno));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool try_say(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, text, n, MSG_NOSIGNAL);

		if (k <= 0)
			return false;
		text += k;
		n -= (size_t)k;
	}
	return true;
}

void say(int fd, const char *text)
{
	t_check(try_say(fd, text, strlen(text)), "send: %s", strerror(errno));
}

/* Reads until buf holds n bytes. False at the end of the stream. */
static bool read_to(int fd, char *buf, size_t *have, size_t n)
{
	while (*have < n) {
		ssize_t k = recv(fd, buf + *have, n - *have, 0);

		if (k <= 0)
			return false;
		*have += (size_t)k;
	}
	return true;
}

int hear(int fd, char *buf, size_t size)
{
	size_t have = 0, body = 0;
	const char *f;

	/* The head byte by byte, so that nothing of the next answer is taken. */
	for (;;) {
		if (have + 1 >= size || !read_to(fd, buf, &have, have + 1)) {
			buf[have] = '\0';
			return have == 0 ? 0 : -1;
		}
		buf[have] = '\0';
		if (have >= 4 && memcmp(buf + have - 4, "\r\n\r\n", 4) == 0)
			break;
	}
	f = strstr(buf, "\r\nContent-Length: ");
	if (f != NULL)
		body = strtoul(f + 18, NULL, 10);
	if (have + body >= size || !read_to(fd, buf, &have, have + body))
		return -1;
	buf[have] = '\0';
	return atoi(buf + 9);
}

int ask(int fd, const char *request, char *buf, size_t size)
{
	say(fd, request);
	return hear(fd, buf, size);
}

bool ends_within(int fd, int ms)
{
	long long end = now_ms() + ms;
	char buf[4096];

	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		long long left = end - now_ms();

		if (left < 0 || poll(&p, 1, (int)left) <= 0)
			return false;
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			return true;
	}
}

int get(const struct server_process *s, const char *path, char *buf, size_t size)
{
	char request[256];
	int fd = dial(s), status;

	t_check(fd >= 0, "connect: %s", strerror(errno));
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path);
	status = ask(fd, request, buf, size);
	close(fd);
	return status;
}

double metric(const struct server_process *s, const char *name)
{
	static _Thread_local char buf[65536];
	char line[128];
	const char *p;

	t_check_int(get(s, "/metrics", buf, sizeof(buf)), ==, 200);
	snprintf(line, sizeof(line), "\n%s ", name);
	p = strstr(buf, line);
	return p != NULL ? atof(p + strlen(line)) : -1;
}
