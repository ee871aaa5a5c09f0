/* SPDX-License-Identifier: MIT */
/*
 * sock.c: listening, accepting and dialling; addresses. Layer 9.
 *
 * Sockets that we make are close-on-exec and O_NONBLOCK, so that no other library's plain read() on one can block a worker. A listener that is
 * not of our making gets O_NONBLOCK, and TCP_NODELAY for what it accepts, at its first accept.
 *
 * accept() is tried directly, because in a burst of connections the next one is there already; only then a request parks. One request accepts one
 * connection: a multishot accept would go on accepting for a goroutine that has stopped asking, and goro_close() would
 * have to close connections that nobody had seen.
 *
 * Kernel-notes: io-uring-ops, multishot.
 */
#include <goro/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <goro/time.h>

#include "atomic.h"
#include "clock.h"
#include "fd.h"
#include "netpoll.h"
#include "op.h"
#include "p.h"
#include "sys.h"

#define BACKLOG_WAIT_NS (2 * GORO_MILLISECOND)

/* ---------------------------------------------------------------------------------------------------- */
/* Addresses */

union addr {
	struct sockaddr any;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* A numeric IPv6 address, maybe with %zone. */
static int parse_in6(const char *host, struct sockaddr_in6 *a)
{
	char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	char *zone;

	if (strlen(host) >= sizeof(text))
		return -EINVAL;
	strcpy(text, host);
	zone = strchr(text, '%');
	if (zone) {
		*zone++ = 0;
		a->sin6_scope_id = if_nametoindex(zone);
		if (a->sin6_scope_id == 0)
			a->sin6_scope_id = (uint32_t)strtoul(zone, &zone, 10);
		if (a->sin6_scope_id == 0)
			return -EINVAL;
	}
	return inet_pton(AF_INET6, text, &a->sin6_addr) == 1 ? 0 : -EINVAL;
}

/* Fills in *a: its length, or -EINVAL. */
static int parse_host(const char *host, unsigned port, union addr *a)
{
	memset(a, 0, sizeof(*a));
	if (port > 65535)
		return -EINVAL;
	if (inet_pton(AF_INET, host, &a->in4.sin_addr) == 1) {
		a->in4.sin_family = AF_INET;
		a->in4.sin_port = htons((uint16_t)port);
		return sizeof(a->in4);
	}
	if (parse_in6(host, &a->in6) < 0)
		return -EINVAL;
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons((uint16_t)port);
	return sizeof(a->in6);
}

/* The same for a path; '@' first: the abstract namespace. */
static int parse_path(const char *path, union addr *a)
{
	size_t n;

	memset(a, 0, sizeof(*a));
	if (!path)
		return -EFAULT;
	n = strlen(path);
	if (n == 0)
		return -EINVAL;
	if (n >= sizeof(a->un.sun_path))
		return -ENAMETOOLONG;
	a->un.sun_family = AF_UNIX;
	memcpy(a->un.sun_path, path, n);
	if (path[0] != '@')
		return (int)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	a->un.sun_path[0] = 0;
	return (int)(offsetof(struct sockaddr_un, sun_path) + n);
}

static int new_socket(int family)
{
	return (int)SYS3(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int set_option(int fd, int level, int name, int value)
{
	return (int)SYS5(SYS_setsockopt, fd, level, name, &value, sizeof(value));
}

/* ---------------------------------------------------------------------------------------------------- */
/* Listening */

/* Binds and listens, and takes fd into the table; closes it on an error. */
static int listen_on(int fd, const union addr *a, int len, int backlog)
{
	struct m *m;
	long r = SYS3(SYS_bind, fd, a, len);

	if (r == 0)
		r = SYS2(SYS_listen, fd, backlog > 0 ? backlog : SOMAXCONN);
	if (r < 0) {
		sys_close(fd);
		return (int)r;
	}
	m = rt_enter();
	r = goro__fd_adopt(&m, fd, FD_SOCKET, FD_NONBLOCK);
	rt_exit(m);
	return r < 0 ? (int)r : fd;
}

/* A TCP socket with the options of a listener; what is accepted from it inherits TCP_NODELAY. */
static int tcp_listener(int family)
{
	int fd = new_socket(family);

	if (fd >= 0) {
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	}
	return fd;
}

int goro_tcp_listen(const char *host, unsigned port, int backlog)
{
	union addr a;
	int fd, len = parse_host(host ? host : "::", port, &a);

	if (len < 0)
		return len;
	fd = tcp_listener(a.any.sa_family);
	if (!host && fd == -EAFNOSUPPORT) {
		len = parse_host("0.0.0.0", port, &a);
		fd = tcp_listener(AF_INET);
	} else if (!host && fd >= 0) {
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	}
	return fd < 0 ? fd : listen_on(fd, &a, len, backlog);
}

int goro_tcp_port(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);
	long r = SYS3(SYS_getsockname, fd, &a, &len);

	if (r < 0)
		return (int)r;
	if (a.any.sa_family == AF_INET)
		return ntohs(a.in4.sin_port);
	return a.any.sa_family == AF_INET6 ? ntohs(a.in6.sin6_port) : -EINVAL;
}

int goro_unix_listen(const char *path, int backlog)
{
	union addr a;
	int fd, len = parse_path(path, &a);

	if (len < 0)
		return len;
	fd = new_socket(AF_UNIX);
	return fd < 0 ? fd : listen_on(fd, &a, len, backlog);
}

static int accept_one(struct m **mp, struct fdent *e, int fd, struct sockaddr *addr, socklen_t *len, int64_t deadline)
{
	int r;

	if (!(load_rlx(&e->hint) & FD_NODELAY)) {
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* fails on UNIX sockets, which have no such thing */
		goro__fd_hint(e, FD_NODELAY, true);
	}
	do {
		struct op op = { .code = OP_ACCEPT, .fd = fd, .addr = addr, .off = (uintptr_t)len, .mask = POLLIN };

		r = goro__op_transfer(mp, e, &op, true, WAIT_IO_ACCEPT, deadline);
	} while (r == -ECONNABORTED || r == -EPROTO); /* a client that gave up in the queue */
	if (r >= 0) {
		int err = goro__fd_adopt(mp, r, FD_SOCKET, FD_NONBLOCK);

		if (err)
			r = err;
	}
	return r;
}

int goro_accept(int fd, struct sockaddr *addr, socklen_t *len, int64_t deadline)
{
	struct m *m;
	struct fdent *e;
	int r;

	if (addr && !len)
		return -EFAULT;
	m = rt_enter();
	r = goro__fd_enter(&m, fd, &e);
	if (r == 0) {
		r = accept_one(&m, e, fd, addr, len, deadline);
		goro__fd_leave(m, e);
	}
	rt_exit(m);
	return r;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Dialling */

/*
 * UNIX sockets connect at once or say EAGAIN when the listener's queue is full, and nothing tells when it is not any more: ask now
 * and then, as rarely as one who waits for a busy server may.
 */
static int connect_unix(struct m **mp, struct fdent *e, int fd, const struct sockaddr *addr, socklen_t len, int64_t deadline)
{
	int64_t now;
	int r;

	goro__op_nonblock(e, fd);
	for (;;) {
		r = goro__op_cancelled(*mp);
		if (r)
			return r;
		r = (int)SYS3(SYS_connect, fd, addr, len);
		if (r == -EINTR)
			continue;
		if (r != -EAGAIN || deadline == GORO_NOW)
			return r;
		now = goro__now();
		if (deadline >= 0 && now >= deadline)
			return -ETIMEDOUT;
		now += BACKLOG_WAIT_NS;
		r = goro__op_pause(mp, e, deadline >= 0 && deadline < now ? deadline : now);
		if (r)
			return r;
	}
}

static int do_connect(struct m **mp, int fd, const struct sockaddr *addr, socklen_t len, int64_t deadline)
{
	struct op op = { .code = OP_CONNECT, .fd = fd, .addr = (void *)(uintptr_t)addr, .off = len, .mask = POLLOUT };
	struct fdent *e;
	int r = goro__fd_enter(mp, fd, &e);

	if (r)
		return r;
	if (len >= sizeof(addr->sa_family) && addr->sa_family == AF_UNIX)
		r = connect_unix(mp, e, fd, addr, len, deadline);
	else
		r = goro__op_transfer(mp, e, &op, !((*mp)->p && goro__netpoll->completes), WAIT_IO_CONNECT, deadline);
	goro__fd_leave(*mp, e);
	return r;
}

int goro_connect(int fd, const struct sockaddr *addr, socklen_t len, int64_t deadline)
{
	struct m *m;
	int r;

	if (!addr)
		return -EFAULT;
	if (len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	m = rt_enter();
	r = do_connect(&m, fd, addr, len, deadline);
	rt_exit(m);
	return r;
}

static int dial(int fd, const union addr *a, int len, int64_t deadline)
{
	struct m *m;
	int r;

	if (fd < 0)
		return fd;
	m = rt_enter();
	r = goro__fd_adopt(&m, fd, FD_SOCKET, FD_NONBLOCK);
	if (r == 0) {
		r = do_connect(&m, fd, &a->any, (socklen_t)len, deadline);
		if (r < 0)
			goro__fd_close(&m, fd);
	}
	rt_exit(m);
	return r < 0 ? r : fd;
}

int goro_tcp_dial(const char *host, unsigned port, int64_t deadline)
{
	union addr a;
	int fd, len = parse_host(host ? host : "127.0.0.1", port, &a);

	if (len < 0)
		return len;
	fd = new_socket(a.any.sa_family);
	if (fd >= 0)
		set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return dial(fd, &a, len, deadline);
}

int goro_unix_dial(const char *path, int64_t deadline)
{
	union addr a;
	int len = parse_path(path, &a);

	return len < 0 ? len : dial(new_socket(AF_UNIX), &a, len, deadline);
}
