/* SPDX-License-Identifier: MIT */
/*
 * The epoll floor. Edge-triggered: a level-triggered descriptor is polled a second time on
 * each wait. One recv per edge is enough unless it filled the buffer; a peer that closes,
 * or sends later, makes a new edge.
 */
#define _GNU_SOURCE

#include "floor.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void accept_all(int epoll, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EAGAIN || errno == EMFILE)
				return;
			if (errno == ECONNABORTED || errno == EINTR)
				continue;
			floor_die("accept", errno);
		}
		if (fd >= FLOOR_FDS) {
			close(fd);
			continue;
		}
		floor_nodelay(fd);
		floor_forget(fd);
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			floor_die("epoll_ctl", errno);
	}
}

/* A full socket holds up everybody here; the load generators never let it come to that. */
static bool send_all(int fd, struct bytes out)
{
	while (out.size > 0) {
		ssize_t n = send(fd, out.data, out.size, MSG_NOSIGNAL);

		if (n < 0) {
			if (errno != EAGAIN)
				return false;
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
			continue;
		}
		out.data += n;
		out.size -= n;
	}
	return true;
}

static void serve(int fd, answer_fn *answer)
{
	static char buffer[FLOOR_BUFFER];
	ssize_t n;

	do {
		n = recv(fd, buffer, sizeof buffer, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !send_all(fd, answer(fd, (struct bytes){buffer, n}))) {
			close(fd);
			return;
		}
	} while (n == sizeof buffer);
}

void floor_epoll(int listener, answer_fn *answer)
{
	struct epoll_event events[FLOOR_BATCH];
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		floor_die("epoll", errno);
	for (;;) {
		int n = epoll_wait(epoll, events, FLOOR_BATCH, -1);

		if (n < 0 && errno != EINTR)
			floor_die("epoll_wait", errno);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listener)
				accept_all(epoll, listener);
			else
				serve(fd, answer);
		}
	}
}
