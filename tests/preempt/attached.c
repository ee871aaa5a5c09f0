/* SPDX-License-Identifier: MIT */
/*
 * attached.c: a program for debuggers, see gdb_attach.sh. Four goroutines compute on one processor, so that all but one
 * are stopped in the signal handler; others use a channel, timers and a socket. It writes "running" when that is so,
 * goes on until standard input ends, and writes "right" if every result was. With the argument "abort" it calls abort()
 * instead of waiting.
 */
#include <goro.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOGS 4

static int stop, wrong; /* atomic */
static long rounds[HOGS];
static struct goro_waitgroup wg;

/* Names to look for in backtraces, and a place for a breakpoint. */
void attached_compute(int who);
void attached_beat(long n);

static int get(const int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void check(int ok)
{
	if (!ok)
		__atomic_store_n(&wrong, 1, __ATOMIC_RELEASE);
}

__attribute__((noinline)) void attached_compute(int who)
{
	while (!get(&stop)) {
		uint64_t x = (uint64_t)who, y = x;
		char *p = malloc(1 + (size_t)(rounds[who] & 1023));

		for (int i = 0; i < 100000; i++)
			x = x * 6364136223846793005u + 1442695040888963407u;
		for (int i = 0; i < 100000; i++)
			y = y * 6364136223846793005u + 1442695040888963407u;
		check(x == y && p);
		free(p);
		rounds[who]++;
	}
	goro_waitgroup_done(&wg);
}

__attribute__((noinline)) void attached_beat(long n)
{
	__asm__ volatile("" : : "r"(n));
}

static void beats(struct goro_chan *c)
{
	for (long n = 0; goro_chan_send(c, &n, GORO_FOREVER) == 0 && !get(&stop); n++) {
		attached_beat(n);
		goro_sleep(GORO_MILLISECOND);
	}
	goro_chan_close(c);
	goro_waitgroup_done(&wg);
}

static void listens(struct goro_chan *c)
{
	long n, last = -1;

	while (goro_chan_recv(c, &n, GORO_FOREVER) > 0) {
		check(n == last + 1);
		last = n;
	}
	check(last > 0);
	goro_waitgroup_done(&wg);
}

static void echoes(int fd, int first)
{
	char c = 'e';

	if (first)
		check(goro_write(fd, &c, 1, GORO_FOREVER) == 1);
	while (goro_read(fd, &c, 1, GORO_FOREVER) == 1) {
		check(c == 'e');
		if (get(&stop) || goro_write(fd, &c, 1, GORO_FOREVER) != 1)
			break;
		goro_sleep(100 * GORO_MICROSECOND);
	}
	goro_close(fd);
	goro_waitgroup_done(&wg);
}

static int some_are_stopped(void)
{
	struct goro_stats st = GORO_STATS_INIT;

	return goro_get_stats(&st) == 0 && st.stopped >= HOGS - 1;
}

static int start(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(long), 0);
	int fd[2];
	char byte;

	if (!c || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
		return 1;
	goro_waitgroup_add(&wg, HOGS + 4);
	for (int i = 0; i < HOGS; i++)
		GORO_GO(attached_compute, i);
	GORO_GO(beats, c);
	GORO_GO(listens, c);
	GORO_GO(echoes, fd[0], 1);
	GORO_GO(echoes, fd[1], 0);
	while (!some_are_stopped())
		goro_sleep(GORO_MILLISECOND);
	if (arg)
		abort();
	printf("running\n");
	fflush(stdout);
	while (goro_read(STDIN_FILENO, &byte, 1, GORO_FOREVER) > 0)
		;
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	goro_chan_free(c);
	for (int i = 0; i < HOGS; i++)
		check(rounds[i] > 0);
	printf(get(&wrong) ? "wrong\n" : "right\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct goro_config cfg = GORO_CONFIG_INIT;

	cfg.maxprocs = 1;
	return goro_run(&cfg, start, argc > 1 && strcmp(argv[1], "abort") == 0 ? argv : NULL);
}
