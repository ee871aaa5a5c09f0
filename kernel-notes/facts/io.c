/* SPDX-License-Identifier: MIT */
/*
 * io.c: prints the facts about this kernel that the notes on io_uring and epoll state. Not part of the build:
 *
 *	cc -O2 -o io io.c -luring -pthread && taskset -c 1 ./io
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static struct io_uring u;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void open_ring(struct io_uring *r, unsigned sq, unsigned cq, unsigned flags)
{
	struct io_uring_params p = { .flags = flags | IORING_SETUP_CQSIZE, .cq_entries = cq };
	int err = io_uring_queue_init_params(sq, r, &p);

	if (err) {
		printf("io_uring_setup: %s\n", strerror(-err));
		exit(1);
	}
}

/* Waits up to ms for a completion: its result, or -ETIME. */
static int wait_res(struct io_uring *r, int ms, unsigned long long *data)
{
	struct __kernel_timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	struct io_uring_cqe *cqe;
	int err = io_uring_submit_and_wait_timeout(r, &cqe, 1, &ts, NULL);

	if (io_uring_peek_cqe(r, &cqe) != 0)
		return err < 0 ? err : -ETIME;
	err = cqe->res;
	if (data)
		*data = cqe->user_data;
	io_uring_cqe_seen(r, cqe);
	return err;
}

static const char *word(int r)
{
	static char buf[32];

	if (r == -ETIME)
		return "still pending";
	snprintf(buf, sizeof buf, r < 0 ? "%s" : "%s%d", r < 0 ? strerrorname_np(-r) : "", r);
	if (r >= 0)
		snprintf(buf, sizeof buf, "%d", r);
	return buf;
}

static struct io_uring_sqe *sqe(unsigned long long data)
{
	struct io_uring_sqe *s = io_uring_get_sqe(&u);

	s->user_data = data;
	return s;
}

#define PREP(data, how, ...) do { struct io_uring_sqe *s_ = sqe(data); how(s_, __VA_ARGS__); s_->user_data = data; } while (0)

static void sizes(void)
{
	static const unsigned cqs[] = { 1024, 4096 };

	for (int k = 0; k < 2; k++) {
		enum { N = 64 };
		static struct io_uring r[N];
		double t = now_ns();
		long slab0 = 0, slab1 = 0;
		char line[128];
		FILE *f;

		for (int pass = 0; pass < 2; pass++) {
			long *v = pass ? &slab1 : &slab0;

			if (pass)
				for (int i = 0; i < N; i++)
					open_ring(&r[i], 256, cqs[k], IORING_SETUP_COOP_TASKRUN);
			f = fopen("/proc/self/statm", "r");
			if (fgets(line, sizeof line, f))
				sscanf(line, "%*d %ld", v);
			fclose(f);
		}
		printf("ring 256/%u: %.0f us and %ld KiB mapped each\n", cqs[k], (now_ns() - t) / 1e3 / N, (slab1 - slab0) * 4 / N);
		for (int i = 0; i < N; i++)
			io_uring_queue_exit(&r[i]);
	}
}

static void nonblock(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), s[2], p[2];
	char c;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bind(l, (struct sockaddr *)&a, sizeof a);
	listen(l, 8);
	PREP(1, io_uring_prep_accept, l, NULL, NULL, 0);
	printf("ACCEPT on an O_NONBLOCK listener: %s\n", word(wait_res(&u, 50, NULL)));
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
	PREP(2, io_uring_prep_recv, s[0], &c, 1, 0);
	printf("RECV on an O_NONBLOCK socket: %s\n", word(wait_res(&u, 50, NULL)));
	if (pipe2(p, O_NONBLOCK))
		exit(1);
	PREP(3, io_uring_prep_read, p[0], &c, 1, (uint64_t)-1);
	printf("READ on an O_NONBLOCK pipe: %s\n", word(wait_res(&u, 50, NULL)));
	PREP(4, io_uring_prep_read, s[0], &c, 1, (uint64_t)-1);
	printf("READ on an O_NONBLOCK socket: %s\n", word(wait_res(&u, 50, NULL)));
	if (pipe2(p, 0))
		exit(1);
	PREP(5, io_uring_prep_read, p[0], &c, 1, (uint64_t)-1);
	printf("READ on a blocking pipe: %s\n", word(wait_res(&u, 50, NULL)));
	struct io_uring_sqe *q = sqe(6);
	io_uring_prep_read(q, p[0], &c, 1, (uint64_t)-1);
	q->ioprio = IORING_RECVSEND_POLL_FIRST;
	q->user_data = 6;
	printf("READ with the POLL_FIRST bit: %s\n", word(wait_res(&u, 50, NULL)));
	struct iovec v = { &c, 1 };
	printf("preadv2(RWF_NOWAIT) on a blocking, empty pipe: %s\n", preadv2(p[0], &v, 1, -1, RWF_NOWAIT) < 0 ? strerrorname_np(errno) : "0");
	int e = eventfd(0, 0);
	char eight[8];
	v = (struct iovec){ eight, 8 };
	printf("preadv2(RWF_NOWAIT) on a blocking, empty eventfd: %s\n", preadv2(e, &v, 1, -1, RWF_NOWAIT) < 0 ? strerrorname_np(errno) : "0");
}

static void closing(void)
{
	unsigned long long d1 = 0, d2 = 0;
	char c = 0;
	int s[2], r1, r2;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	PREP(10, io_uring_prep_recv, s[0], &c, 1, 0);
	io_uring_submit(&u);
	close(s[0]);
	printf("RECV after close() of its descriptor: %s", word(wait_res(&u, 50, NULL)));
	if (write(s[1], "x", 1) != 1)
		printf(" (write failed)");
	printf("; then a byte is sent: %s, buffer %d\n", word(wait_res(&u, 50, NULL)), c);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	PREP(11, io_uring_prep_recv, s[0], &c, 1, 0);
	io_uring_submit(&u);
	PREP(12, io_uring_prep_cancel64, 11, 0);
	r1 = wait_res(&u, 50, &d1);
	printf("ASYNC_CANCEL of a waiting RECV: completion of %llu: %s", d1, word(r1));
	r2 = wait_res(&u, 50, &d2);
	printf(", of %llu: %s\n", d2, word(r2));
	PREP(13, io_uring_prep_cancel64, 11, 0);
	printf("ASYNC_CANCEL of one that is over: %s\n", word(wait_res(&u, 50, NULL)));
}

static void *submit_and_exit(void *arg)
{
	static char c;

	PREP(20, io_uring_prep_recv, *(int *)arg, &c, 1, 0);
	io_uring_submit(&u);
	return NULL;
}

static void thread_exit(void)
{
	pthread_t t;
	int s[2], r;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pthread_create(&t, NULL, submit_and_exit, &s[0]);
	pthread_join(t, NULL);
	r = wait_res(&u, 50, NULL);
	if (r == -ETIME && write(s[1], "x", 1) == 1)
		r = wait_res(&u, 50, NULL);
	printf("RECV whose thread has exited, when data comes: %s\n", word(r));
}

static void fifo(void)
{
	char path[] = "/tmp/io-facts-XXXXXX";
	int r;

	if (mkstemp(path) < 0 || unlink(path) || mkfifo(path, 0600))
		return;
	PREP(30, io_uring_prep_openat, AT_FDCWD, path, O_RDONLY, 0);
	r = wait_res(&u, 50, NULL);
	printf("OPENAT(O_RDONLY) of a FIFO without a writer: %s\n", r >= 0 ? "opened at once" : word(r));
	PREP(31, io_uring_prep_openat, AT_FDCWD, path, O_WRONLY, 0);
	if (r >= 0)
		close(r);
	r = wait_res(&u, 50, NULL);
	printf("OPENAT(O_WRONLY) of a FIFO without a reader: %s\n", word(r));
	unlink(path);
}

static void inline_or_not(void)
{
	static char page[4096];
	char path[] = "/var/tmp/io-facts-XXXXXX";
	int fd = mkstemp(path);

	if (write(fd, page, sizeof page) != sizeof page || fsync(fd))
		return;
#define TRY(name, how, ...) do {										\
	struct io_uring_cqe *cqe;										\
	double t = now_ns();											\
	PREP(40, how, __VA_ARGS__);										\
	io_uring_submit(&u);											\
	int at_once = io_uring_peek_cqe(&u, &cqe) == 0;								\
	int r = wait_res(&u, 2000, NULL);									\
	printf("%s: %s, %s, %.1f us\n", name, word(r), at_once ? "inline" : "by a worker", (now_ns() - t) / 1e3);	\
} while (0)
	TRY("READ of a cached page", io_uring_prep_read, fd, page, sizeof page, 0);
	TRY("WRITE of a page", io_uring_prep_write, fd, page, sizeof page, 0);
	TRY("WRITE of a page, again", io_uring_prep_write, fd, page, sizeof page, 0);
	TRY("FSYNC", io_uring_prep_fsync, fd, 0);
	TRY("OPENAT of what exists", io_uring_prep_openat, AT_FDCWD, path, O_RDONLY, 0);
	TRY("OPENAT with O_CREAT", io_uring_prep_openat, AT_FDCWD, path, O_RDONLY | O_CREAT, 0600);
	struct iovec v = { page, sizeof page };
	printf("pwritev2(RWF_NOWAIT) on this file system: %s\n", pwritev2(fd, &v, 1, 0, RWF_NOWAIT) < 0 ? strerrorname_np(errno) : "done");
	unlink(path);
}

#define TIME(name, n, ...) do {							\
	double best = 1e18;							\
	for (int rep = 0; rep < 7; rep++) {					\
		double t = now_ns();						\
		for (int i = 0; i < (n); i++) { __VA_ARGS__; }			\
		t = (now_ns() - t) / (n);					\
		best = t < best ? t : best;					\
	}									\
	printf("%s: %.0f ns\n", name, best);					\
} while (0)

static void times(void)
{
	struct io_uring_sqe msg = { .opcode = IORING_OP_MSG_RING };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };
	struct io_uring a, b;
	unsigned head;
	uint64_t one = 1;
	char c;
	int s[2], e = eventfd(0, EFD_NONBLOCK), ep = epoll_create1(0);
	struct pollfd pfd;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	open_ring(&a, 8, 4096, IORING_SETUP_COOP_TASKRUN);
	open_ring(&b, 8, 4096, IORING_SETUP_COOP_TASKRUN);
	msg.fd = a.ring_fd;
	pfd = (struct pollfd){ .fd = s[0], .events = POLLIN };
	TIME("getppid", 20000, syscall(SYS_getppid));
	TIME("recv with nothing there", 20000, recv(s[0], &c, 1, MSG_DONTWAIT));
	TIME("poll with nothing there", 20000, poll(&pfd, 1, 0));
	epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &ev);
	TIME("epoll_ctl MOD, one-shot", 20000, epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &ev));
	TIME("epoll_wait with nothing there", 20000, epoll_wait(ep, &ev, 1, 0));
	TIME("eventfd write", 20000, if (write(e, &one, 8) != 8) break);
	TIME("SEND_MSG_RING", 2000, syscall(SYS_io_uring_register, -1, 31, &msg, 1);
	     io_uring_cq_advance(&a, io_uring_cq_ready(&a)));
	TIME("MSG_RING from a ring", 2000, struct io_uring_sqe *q = io_uring_get_sqe(&b); *q = msg; io_uring_submit(&b);
	     io_uring_cq_advance(&b, io_uring_cq_ready(&b)); io_uring_cq_advance(&a, io_uring_cq_ready(&a)));
	TIME("empty enter", 20000, io_uring_enter(a.ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL));
	TIME("RECV and ASYNC_CANCEL, both completions", 2000, PREP(50, io_uring_prep_recv, s[0], &c, 1, 0);
	     PREP(51, io_uring_prep_cancel64, 50, 0); io_uring_submit_and_wait(&u, 2);
	     struct io_uring_cqe *cqe; unsigned k = 0; io_uring_for_each_cqe(&u, head, cqe) k++; io_uring_cq_advance(&u, k));
}

static void epoll_stale(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };
	int ep = epoll_create1(0), s[2], t[2], fd;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fd = s[0];
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	close(fd);
	socketpair(AF_UNIX, SOCK_STREAM, 0, t);
	printf("epoll: MOD of a number that was closed and opened anew (%d, was %d): %s\n", t[0], fd,
	       epoll_ctl(ep, EPOLL_CTL_MOD, t[0], &ev) < 0 ? strerrorname_np(errno) : "0");
	epoll_ctl(ep, EPOLL_CTL_ADD, t[0], &ev);
	if (write(t[1], "x", 1) != 1)
		return;
	printf("epoll: events of a one-shot registration: %d", epoll_wait(ep, &ev, 1, 0));
	printf(", again: %d", epoll_wait(ep, &ev, 1, 0));
	ev.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, t[0], &ev);
	printf(", armed anew while it is ready: %d\n", epoll_wait(ep, &ev, 1, 0));
}

int main(void)
{
	struct utsname n;

	uname(&n);
	printf("%s %s %s, liburing headers %d.%d\n", n.sysname, n.release, n.machine, 2, 3);
	open_ring(&u, 64, 256, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
	printf("features 0x%x\n", u.features);
	sizes();
	nonblock();
	closing();
	thread_exit();
	fifo();
	inline_or_not();
	epoll_stale();
	times();
	return 0;
}
