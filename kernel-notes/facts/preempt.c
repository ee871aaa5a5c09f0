/* SPDX-License-Identifier: MIT */
/*
 * preempt.c: prints the facts that the notes on preemption by signal and on the state of threads state. Not part of the build:
 *
 *	cc -O2 -o preempt preempt.c -pthread && ./preempt
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define UNSHARE 2u /* CLOSE_RANGE_UNSHARE */

static volatile int handled, tid, done, value;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	value = si->si_value.sival_int;
	handled++;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define COST(what, n, op) do {								\
	double best_ = 1e18;								\
	for (int r_ = 0; r_ < 50; r_++) {						\
		double t_ = now_ns();							\
		for (int i_ = 0; i_ < (n); i_++)					\
			op;								\
		t_ = (now_ns() - t_) / (n);						\
		best_ = t_ < best_ ? t_ : best_;					\
	}										\
	printf("%s: %.0f ns\n", what, best_);						\
} while (0)

static long send_value(int to, int v)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_code = SI_QUEUE;
	si.si_pid = getpid();
	si.si_value.sival_int = v;
	return syscall(SYS_rt_tgsigqueueinfo, getpid(), to, SIGURG, &si);
}

/* The letter after the name in the stat file of a thread. */
static char state(int t)
{
	char path[64], buf[256];
	char *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", t);
	fd = open(path, O_RDONLY);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	p = strrchr(buf, ')');
	return p ? p[2] : '?';
}

/* The calls that a signal is to interrupt; each would sleep for 200 ms. */
static int pipe_end, sock, ep;

static long do_read(void) { char c; return read(pipe_end, &c, 1); }
static long do_poll(void) { return poll(NULL, 0, 200); }
static long do_select(void) { struct timeval t = {0, 200000}; return select(0, NULL, NULL, NULL, &t); }
static long do_epoll(void) { struct epoll_event e; return epoll_wait(ep, &e, 1, 200); }
static long do_recv(void) { char c; return recv(sock, &c, 1, 0); }
static long do_futex(void)
{
	uint32_t w = 0;
	struct timespec t = {0, 200000000};

	return syscall(SYS_futex, &w, 128, 0, &t, NULL, 0);
}
static long do_nanosleep(void)
{
	struct timespec t = {0, 200000000}, left;
	long r = nanosleep(&t, &left);

	return r;
}

static const struct { const char *name; long (*call)(void); } calls[] = {
	{ "read() from a pipe", do_read }, { "poll()", do_poll }, { "select()", do_select }, { "epoll_wait()", do_epoll },
	{ "recv() with SO_RCVTIMEO", do_recv }, { "futex(FUTEX_WAIT) with a timeout", do_futex }, { "nanosleep()", do_nanosleep },
};

static void *make_call(void *arg)
{
	size_t i = (size_t)arg;
	long r;

	tid = (int)syscall(SYS_gettid);
	errno = 0;
	r = calls[i].call();
	printf("a signal with SA_RESTART in %s: %s\n", calls[i].name, r < 0 && errno == EINTR ? "EINTR" : "goes on");
	done = 1;
	return NULL;
}

static void interrupt(void)
{
	int p[2], s[2];
	struct timeval t = {0, 200000};

	if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		exit(1);
	pipe_end = p[0];
	sock = s[0];
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	ep = epoll_create1(0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		pthread_t th;

		tid = done = 0;
		pthread_create(&th, NULL, make_call, (void *)i);
		while (!tid || state(tid) != 'S')
			usleep(1000);
		usleep(10000);
		send_value(tid, 1);
		usleep(10000);
		if (i == 0 && write(p[1], "x", 1) != 1)
			exit(1);
		pthread_join(th, NULL);
	}
}

static void *spin(void *arg)
{
	tid = (int)syscall(SYS_gettid);
	while (!done)
		;
	return arg;
}

static void *own_table(void *arg)
{
	int *keep = arg, fd;
	long r = syscall(SYS_close_range, 0, ~0u, UNSHARE);

	fd = open("/proc/self/stat", O_RDONLY);
	keep[1] = (int)r;
	keep[2] = fd;
	keep[3] = fcntl(keep[0], F_GETFD) < 0 ? errno : 0;
	return NULL;
}

int main(void)
{
	struct sigaction sa;
	struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } k;
	struct utsname u;
	struct timespec ts;
	sigset_t set;
	pthread_t th;
	int keep[4], before;

	setvbuf(stdout, NULL, _IOLBF, 0);
	uname(&u);
	printf("kernel: %s %s %s\n", u.sysname, u.release, u.machine);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
	sigfillset(&sa.sa_mask);
	sigaction(SIGURG, &sa, NULL);
	syscall(SYS_rt_sigaction, SIGURG, NULL, &k, 8);
	printf("signals that sigfillset() and sigaction() leave out of the mask:");
	for (int i = 1; i <= 64; i++)
		if (!(k.mask >> (i - 1) & 1))
			printf(" %d", i);
	printf("\n");

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	send_value((int)syscall(SYS_gettid), 1);
	send_value((int)syscall(SYS_gettid), 2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	printf("two of one number, values 1 and 2, while it is blocked: %d arrives, with value %d\n", handled, value);
	interrupt();

	tid = done = 0;
	pthread_create(&th, NULL, spin, NULL);
	while (!tid)
		usleep(1000);
	printf("state of a thread that computes: %c\n", state(tid));
	COST("CPU clock of another thread, by its number", 1000, syscall(SYS_clock_gettime, (~(unsigned)tid << 3) | 6, &ts));
	COST("open, read and close of its stat file", 100, state(tid));
	done = 1;
	pthread_join(th, NULL);
	COST("rt_tgsigqueueinfo() to oneself and an empty handler", 1000, send_value((int)syscall(SYS_gettid), 1));

	keep[0] = open("/dev/null", O_RDONLY);
	before = fcntl(keep[0], F_GETFD);
	pthread_create(&th, NULL, own_table, keep);
	pthread_join(th, NULL);
	printf("close_range(0, ~0, CLOSE_RANGE_UNSHARE) in a thread: %d; there the other's descriptor gives %s, the next is %d; here it is still %s\n",
	       keep[1], keep[3] == EBADF ? "EBADF" : "no error", keep[2], fcntl(keep[0], F_GETFD) == before ? "open" : "closed");
	return 0;
}
