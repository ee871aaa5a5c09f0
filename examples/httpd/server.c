/* SPDX-License-Identifier: MIT */
/*
 * server.c: accepting, and draining.
 *
 * One goroutine accepts and starts one per connection. Each connection's goroutine holds a struct peer on its own
 * stack, linked into the server's list while the descriptor is open, so that the end can find it.
 *
 * Draining must close connections that wait for a request and leave those that are in the middle of one. Both sides
 * write one word and then read the other's:
 *
 *     connection, about to wait            drain
 *     [DRAIN-1] idle = 1                   [DRAIN-2] draining = 1
 *     reads draining: 1 -> closes          reads idle: 1 -> shuts the reading side down, which ends the wait
 *
 * With sequentially consistent order at least one of the two sees the other, so no connection sleeps through it. Shutting the
 * reading side loses nothing: a request that is already in the socket is still read and answered before the end of the stream
 * shows. A connection that is busy sees draining when it answers, and says "Connection: close".
 *
 * Rejected: cancelling the reads (bytes that are already there would be dropped); a short read timeout to look at a
 * flag (an idle process must stay idle).
 */
#include "server.h"

#include "metrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BACKOFF_MIN (5 * GORO_MILLISECOND)
#define BACKOFF_MAX GORO_SECOND

struct peer {
	struct stream stream; /* first: conn.c knows only this */
	struct server *server;
	int fd;
	uint32_t idle; /* atomic */
	struct peer *prev, *next;
};

/* ------------------------------------------------------------------ the stream over a socket */

static ssize_t socket_read(struct stream *st, void *buf, size_t n, int64_t deadline)
{
	return goro_read(((struct peer *)st)->fd, buf, n, deadline);
}

static ssize_t socket_write(struct stream *st, const struct iovec *iov, int n, int64_t deadline)
{
	int fd = ((struct peer *)st)->fd;

	if (n == 1)
		return goro_write(fd, iov->iov_base, iov->iov_len, deadline);
	return goro_writev(fd, iov, n, deadline);
}

static void socket_finish(struct stream *st)
{
	goro_shutdown(((struct peer *)st)->fd, SHUT_WR);
}

static bool socket_idle(struct stream *st, bool on)
{
	struct peer *p = (struct peer *)st;

	if (!on) {
		__atomic_store_n(&p->idle, 0, __ATOMIC_RELAXED);
		return true;
	}
	/* [DRAIN-1] seq_cst: pairs with [DRAIN-2]. Without it a connection could wait on while the server waits for it. */
	__atomic_store_n(&p->idle, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&p->server->draining, __ATOMIC_SEQ_CST) == 0;
}

static int64_t socket_now(struct stream *st)
{
	(void)st;
	return goro_now();
}

static int64_t socket_wall(struct stream *st)
{
	struct timespec ts;

	(void)st;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * GORO_SECOND + ts.tv_nsec;
}

static const struct stream_ops socket_ops = {
	.read = socket_read,
	.write = socket_write,
	.finish = socket_finish,
	.idle = socket_idle,
	.now = socket_now,
	.wall = socket_wall,
};

/* ------------------------------------------------------------------ connections */

static void link_peer(struct server *s, struct peer *p)
{
	goro_mutex_lock(&s->lock);
	p->next = s->peers;
	if (s->peers != NULL)
		s->peers->prev = p;
	s->peers = p;
	goro_mutex_unlock(&s->lock);
}

static void unlink_peer(struct server *s, struct peer *p)
{
	goro_mutex_lock(&s->lock);
	if (p->next != NULL)
		p->next->prev = p->prev;
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		s->peers = p->next;
	goro_mutex_unlock(&s->lock);
}

static void forget(struct server *s)
{
	metrics_add(&s->conf.metrics->closed, 1);
	__atomic_fetch_sub(&s->open, 1, __ATOMIC_RELAXED);
	goro_waitgroup_done(&s->serving);
}

/* A connection's goroutine. */
static void serve(struct server *s, int fd, uint64_t number)
{
	struct peer p = { .stream = { &socket_ops }, .server = s, .fd = fd };

	link_peer(s, &p);
	conn_run(&p.stream, &s->conf, number);
	unlink_peer(s, &p); /* before the descriptor may mean something else */
	goro_close(fd);
	forget(s);
}

/* Says why not, as far as that does not take time, and closes. */
static void turn_away(struct server *s, int fd)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
				   "Connection: close\r\n\r\n";

	goro_write(fd, busy, sizeof(busy) - 1, GORO_NOW);
	goro_close(fd);
	metrics_add(&s->conf.metrics->cuts[CUT_FULL], 1);
}

static void welcome(struct server *s, int fd)
{
	uint64_t number = __atomic_fetch_add(&s->conf.metrics->accepted, 1, __ATOMIC_RELAXED);
	uint64_t open = __atomic_add_fetch(&s->open, 1, __ATOMIC_RELAXED);

	goro_waitgroup_add(&s->serving, 1);
	if ((s->max_conns == 0 || open <= s->max_conns) && GORO_GO(serve, s, fd, number) == 0)
		return;
	turn_away(s, fd);
	forget(s);
}

/*
 * The accept loop. Running out of descriptors or memory is not the end: the connections that exist go on, the
 * queue of the kernel holds the new ones for a while, and a pause lets the shortage pass without spinning on it.
 */
static void accept_loop(struct server *s)
{
	int64_t pause = 0;

	while (__atomic_load_n(&s->draining, __ATOMIC_RELAXED) == 0) {
		int fd = goro_accept(s->listener, NULL, NULL, GORO_FOREVER);

		if (fd >= 0) {
			pause = 0;
			welcome(s, fd);
		} else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
			if (pause == 0)
				fprintf(stderr, "httpd: accept: %s; pausing\n", strerrordesc_np(-fd));
			metrics_add(&s->conf.metrics->accept_errors, 1);
			pause = pause == 0 ? BACKOFF_MIN : pause * 2 > BACKOFF_MAX ? BACKOFF_MAX : pause * 2;
			goro_sleep(pause);
		} else if (fd == -EBADF || fd == -ECANCELED || fd == -EINVAL || fd == -ENOTSOCK) {
			break; /* closed by server_drain() */
		}
		/* Anything else (ECONNABORTED, EPROTO, ...) is the fate of that one connection: accept(2). */
	}
	goro_waitgroup_done(&s->accepting);
}

int server_start(struct server *s, const char *host, unsigned port, int backlog)
{
	int err;

	s->conf.draining = &s->draining;
	s->listener = goro_tcp_listen(host, port, backlog);
	if (s->listener < 0)
		return s->listener;
	goro_waitgroup_add(&s->accepting, 1);
	err = GORO_GO(accept_loop, s);
	if (err < 0) {
		goro_waitgroup_done(&s->accepting);
		goro_close(s->listener);
	}
	return err;
}

/* ------------------------------------------------------------------ the end */

void server_drain(struct server *s)
{
	struct peer *p;

	/* [DRAIN-2] seq_cst: pairs with [DRAIN-1]. */
	__atomic_store_n(&s->draining, 1, __ATOMIC_SEQ_CST);
	goro_close(s->listener);
	goro_waitgroup_wait(&s->accepting, GORO_FOREVER);
	goro_mutex_lock(&s->lock);
	for (p = s->peers; p != NULL; p = p->next)
		if (__atomic_load_n(&p->idle, __ATOMIC_SEQ_CST) != 0)
			goro_shutdown(p->fd, SHUT_RD);
	goro_mutex_unlock(&s->lock);
}

void server_wait(struct server *s)
{
	goro_waitgroup_wait(&s->serving, GORO_FOREVER);
}

size_t server_cut(struct server *s)
{
	struct peer *p;
	size_t n = 0;

	goro_mutex_lock(&s->lock);
	for (p = s->peers; p != NULL; p = p->next, n++)
		goro_shutdown(p->fd, SHUT_RDWR);
	goro_mutex_unlock(&s->lock);
	return n;
}
