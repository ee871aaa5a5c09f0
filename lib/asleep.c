/* SPDX-License-Identifier: MIT */
/*
 * asleep.c: does another thread of ours sleep in the kernel, or does it only wait for a CPU? sysmon asks before it takes a P from a thread that has not
 * run: on a machine with more to do than CPUs, or under a CPU quota, threads stand still without being blocked.
 *
 * Only /proc tells (the letter after the name in /proc/self/task/TID/stat), and reading it takes a file descriptor. One that comes and goes behind the
 * program's back is not harmless: it can be the number that a goroutine has just closed and uses once more by mistake, and leaks into a child that is
 * forked at that moment. So a thread of its own reads, with a table of descriptors of its own: close_range(CLOSE_RANGE_UNSHARE) gives it an empty one. sysmon
 * itself cannot have one, as it wakes Ps through their rings and eventfds.
 *
 *	sysmon:	1 tid, answer = 0	2 [ASLEEP-1] turn + 1, wakes	3 waits until answer is not 0, PATIENCE at most
 *	reader:	1 waits for the turn [ASLEEP-2]	2 reads	3 [ASLEEP-3] answer, tagged with the turn	4 wakes
 *   An answer that comes late bears an old turn and is dropped. Without an answer in time the machine is busy: the caller says what is the safe side. Without /proc or
 *   close_range() the caller's guess it is: one that has hardly run sleeps, one that has does not.
 *
 * Kernel-note: thread-state.
 */
#include "asleep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "atomic.h"
#include "attr.h"
#include "clock.h"
#include "futex.h"
#include "helper.h"
#include "sys.h"

#define PATIENCE_NS 300000
#define STACK ((size_t)128 << 10)
#ifndef SYS_close_range
# define SYS_close_range 436
#endif
#define UNSHARE 2u /* CLOSE_RANGE_UNSHARE */

enum { ASLEEP = 1, AWAKE = 2, UNKNOWN = 3 };

static struct {
	pthread_t thread;
	bool running;
	uint32_t turn CACHE_ALIGNED;	 /* atomic futex word: a question; its lowest bit: stop */
	int tid;			 /* written before turn */
	uint32_t answer CACHE_ALIGNED; /* atomic futex word: turn with one of the above in its low bits */
} ask;

/* The questions count in steps of 4, so that an answer fits in beside. */
#define STOP 1u
#define STEP 4u

static uint32_t read_state(int tid)
{
	char path[48] = "/proc/self/task/", digits[12], buf[128];
	size_t n = strlen(path), k = 0;
	long fd, got;

	do
		digits[k++] = (char)('0' + tid % 10);
	while ((tid /= 10) > 0);
	while (k > 0)
		path[n++] = digits[--k];
	memcpy(path + n, "/stat", sizeof("/stat"));
	fd = SYS4(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0)
		return UNKNOWN;
	got = sys_read((int)fd, buf, sizeof(buf));
	sys_close((int)fd);
	for (long i = got - 3; i > 0; i--)
		if (buf[i] == ')') /* the last one: a name may have some */
			return buf[i + 2] == 'R' ? AWAKE : ASLEEP;
	return UNKNOWN;
}

static void *answer_questions(void *arg)
{
	bool own = SYS3(SYS_close_range, 0, ~0u, UNSHARE) == 0;
	uint32_t seen = 0;

	(void)arg;
	for (;;) {
		uint32_t turn = load_acq(&ask.turn); /* [ASLEEP-2] acquire: pairs with [ASLEEP-1] */

		if (turn & STOP)
			return NULL;
		if (turn == seen) {
			goro__futex_wait(&ask.turn, turn, -1);
			continue;
		}
		seen = turn;
		/* [ASLEEP-3] release: pairs with [ASLEEP-4]; only the word itself matters. */
		store_rel(&ask.answer, turn | (own ? read_state(load_rlx(&ask.tid)) : UNKNOWN));
		goro__futex_wake(&ask.answer, 1);
	}
}

bool goro__thread_sleeps(int tid, bool guess, bool late)
{
	uint32_t turn = load_rlx(&ask.turn) + STEP, a;
	int64_t deadline = goro__now() + PATIENCE_NS;

	if (!ask.running)
		return guess;
	store_rlx(&ask.tid, tid); /* an answer that came too late may still be at work */
	store_rel(&ask.turn, turn); /* [ASLEEP-1] release: pairs with [ASLEEP-2]. Without it the wrong thread might be looked up */
	goro__futex_wake(&ask.turn, 1);
	while (((a = load_acq(&ask.answer)) & ~(STEP - 1)) != turn) /* [ASLEEP-4] acquire: pairs with [ASLEEP-3] */
		if (goro__futex_wait(&ask.answer, a, deadline) == -ETIMEDOUT)
			return late;
	a &= STEP - 1;
	return a == UNKNOWN ? guess : a == ASLEEP;
}

int goro__asleep_start(void)
{
	int r;

	memset(&ask, 0, sizeof(ask));
	r = goro__helper_start(&ask.thread, STACK, answer_questions);
	ask.running = r == 0;
	return r;
}

void goro__asleep_stop(void)
{
	if (!ask.running)
		return;
	or_seq(&ask.turn, STOP);
	goro__futex_wake(&ask.turn, 1);
	pthread_join(ask.thread, NULL);
	ask.running = false;
}
