/* SPDX-License-Identifier: MIT */
/*
 * goro/net.h: sockets and other descriptors that one waits on. A descriptor is a plain int, so that setsockopt(),
 * getpeername() and friends go on working; the calls here park the goroutine instead of its thread. At most one
 * goroutine at a time may read a descriptor and one write it without their bytes mixing, as in Go; more are
 * serialised by nothing but the kernel. A descriptor used here must be closed by goro_close(); one may come from anywhere.
 * Sockets that are made here are close-on-exec and O_NONBLOCK; other sockets stay as they are, but a listener gets O_NONBLOCK and
 * TCP_NODELAY (which its connections inherit) at its first goro_accept(). Pipes and terminals get O_NONBLOCK only where the kernel has no other way
 * of not waiting. Writing to a pipe that nobody reads raises SIGPIPE, as write(2) does; ignore the signal to get -EPIPE.
 *
 * Common errors: -EBADF fd is not open (or was closed before the call), -ECANCELED goro_close() closed it while
 * the call waited, or the runtime is stopping, or the current context is cancelled (goro_context_enter() in <goro/context.h>; goro_context_err() tells
 * the two apart); -ETIMEDOUT the deadline passed (-EAGAIN for GORO_NOW); -EFAULT a NULL or bad
 * buffer; -EINVAL a size above SSIZE_MAX; otherwise what the system call gives, negative.
 */
#ifndef GORO_NET_H
#define GORO_NET_H

#include <goro/attr.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

GORO_BEGIN_DECLS

/*
 * Listens on host (a numeric IPv4 or IPv6 address; NULL: all addresses, IPv4 and IPv6 where the kernel has it) and port (0: the
 * kernel chooses; ask goro_tcp_port()). backlog <= 0: SOMAXCONN. Sets SO_REUSEADDR. Returns the descriptor, >= 0.
 * -EINVAL host is no address. Parks: no. From: any thread.
 */
GORO_API int goro_tcp_listen(const char *host, unsigned port, int backlog);

/* The local port of a TCP socket, or negative errno. Parks: no. From: any thread. */
GORO_API int goro_tcp_port(int fd);

/* Connects to host (as above; NULL: loopback) and port. Returns the descriptor. Sets TCP_NODELAY, as Go does. Parks: yes. */
GORO_API GORO_PARKS int goro_tcp_dial(const char *host, unsigned port, int64_t deadline);

/* The same for UNIX stream sockets; a path that starts with '@' is in the abstract namespace. -ENAMETOOLONG. */
GORO_API int goro_unix_listen(const char *path, int backlog);
GORO_API GORO_PARKS int goro_unix_dial(const char *path, int64_t deadline);

/* connect() for a socket that the caller made. 0 or negative errno. Parks: yes. */
GORO_API GORO_PARKS int goro_connect(int fd, const struct sockaddr *addr, socklen_t len, int64_t deadline);

/*
 * Accepts a connection: a new descriptor (close-on-exec; TCP_NODELAY for TCP). addr and len as in accept(2), both may be
 * NULL. -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM are returned to the caller, the listener stays usable. Parks: yes.
 */
GORO_API GORO_PARKS int goro_accept(int fd, struct sockaddr *addr, socklen_t *len, int64_t deadline);

/* Reads at most n bytes: the number, 0 at the end of the stream. Any pollable descriptor. Parks: yes. */
GORO_API GORO_PARKS ssize_t goro_read(int fd, void *buf, size_t n, int64_t deadline);
GORO_API GORO_PARKS ssize_t goro_readv(int fd, const struct iovec *iov, int iovcnt, int64_t deadline);

/* Reads until n bytes are there; fewer only at the end of the stream. On an error the bytes read before it are lost to the count. */
GORO_API GORO_PARKS ssize_t goro_read_full(int fd, void *buf, size_t n, int64_t deadline);

/*
 * Writes all n bytes (Go's Write): returns n, or a negative errno; *ret_written in the _n form tells how many
 * went out before the error. Never raises SIGPIPE on sockets: -EPIPE. Parks: yes.
 */
GORO_API GORO_PARKS ssize_t goro_write(int fd, const void *buf, size_t n, int64_t deadline);
GORO_API GORO_PARKS ssize_t goro_write_n(int fd, const void *buf, size_t n, int64_t deadline, size_t *ret_written);
GORO_API GORO_PARKS ssize_t goro_writev(int fd, const struct iovec *iov, int iovcnt, int64_t deadline);

/* shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR. Wakes whom it ends. Parks: no. */
GORO_API int goro_shutdown(int fd, int how);

/*
 * Closes fd after waking every goroutine that waits in a call on it (they return -ECANCELED, or their success if that won).
 * A second close is -EBADF. Parks: it may wait for those calls to end. From: any thread.
 */
GORO_API GORO_PARKS int goro_close(int fd);

GORO_END_DECLS

#endif
