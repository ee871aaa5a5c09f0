/* SPDX-License-Identifier: MIT */
/*
 * asleep.c: what only /proc tells of threads. Does another thread of ours sleep in the kernel, or does it only wait for a CPU? sysmon asks before it takes a P from
 * a thread that has not run: on a machine with more to do than CPUs, or under a CPU quota, threads stand still without being blocked. And: are there
 * threads in this process that we do not know? They may be about to wake a goroutine (deadlock.c).
 *
 * The first is the letter after the name in /proc/self/task/TID/stat, the second the list /proc/self/task. Reading either takes a file descriptor. One that comes and goes behind the
 * program's back is not harmless: it can be the number that a goroutine has just closed and uses once more by mistake, and leaks into a child that is
 * forked at that moment. So a thread of its own reads, with a table of descriptors of its own: close_range(CLOSE_RANGE_UNSHARE) gives it an empty one. sysmon
 * itself cannot have one, as it wakes Ps through their rings and eventfds.
 *
 *	sysmon:	1 tid or known, answer = 0	2 [ASLEEP-1] turn + 1, wakes	3 waits until answer is not 0, PATIENCE at most
 *	reader:	1 waits for the turn [ASLEEP-2]	2 reads	3 [ASLEEP-3] answer, tagged with the turn	4 wakes
 *   An answer that comes late bears an old turn and is dropped, and count with it. Without an answer in time the machine is busy: the caller says what is the safe side. Without /proc or
 *   close_range() the caller's guess it is: one that has hardly run sleeps, one that has does not.
 *
 * Not every entry of the list is a thread of the program: io_uring's workers are there since Linux 5.12, and a main thread that has called pthread_exit()
 * stays as a zombie. The list is not read at one instant, so it is compared with the number of links of the directory, which is two more than there are threads:
 * whoever was overlooked shows in that. ThreadSanitizer has a thread of its own, which blocks all signals; but not in a process that was forked while there
 * were several. So under it one thread that blocks all signals does not count: one of the program's that does so may be taken for it.
 *
 * Kernel-note: thread-state.
 */
#include "asleep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "atomic.h"
#include "attr.h"
#include "clock.h"
#include "futex.h"
#include "helper.h"
#include "sys.h"

#define PATIENCE_NS 300000
#define LIST_PATIENCE_NS 100000000
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
	bool (*known)(int tid);		 /* atomic; written before turn; NULL: the question is about tid */
	bool tsan;			 /* atomic; written before turn: one deaf thread is ThreadSanitizer's */
	int count;			 /* atomic; written before answer */
	uint32_t answer CACHE_ALIGNED; /* atomic futex word: turn with one of the above in its low bits */
} ask;

/* The questions count in steps of 4, so that an answer fits in beside. */
#define STOP 1u
#define STEP 4u

int goro__helper_tid[HELPERS];

/* Reads what stands in the thread's stat from the letter on, into buf, terminated: its length, or negative. */
static long read_stat(int tid, char *buf, size_t size)
{
	char path[48] = "/proc/self/task/", digits[12];
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
		return fd;
	got = sys_read((int)fd, buf, size - 1);
	sys_close((int)fd);
	for (long i = got - 3; i > 0; i--)
		if (buf[i] == ')') { /* the last one: a name may have some */
			got -= i + 2;
			memmove(buf, buf + i + 2, (size_t)got);
			buf[got] = 0;
			return got;
		}
	return -EINVAL;
}

static uint32_t read_state(int tid)
{
	char buf[128];

	if (read_stat(tid, buf, sizeof(buf)) <= 0)
		return UNKNOWN;
	return buf[0] == 'R' ? AWAKE : ASLEEP;
}

/* ---------------------------------------------------------------------------------------------------- */
/* The list of threads */

struct linux_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/* Blanks between the letter and a number: the flags, and which of the first 31 signals are blocked. */
#define FLAGS_FIELD 6
#define BLOCKED_FIELD 29
#define PF_KERNELS 0x4010ul	   /* PF_IO_WORKER, PF_USER_WORKER */
#define ALL_BLOCKED 0x7ffbfefful /* but SIGKILL and SIGSTOP */

static unsigned long number_at(const char *s, int blanks)
{
	unsigned long n = 0;

	for (; *s && blanks > 0; s++)
		blanks -= *s == ' ';
	for (; *s >= '0' && *s <= '9'; s++)
		n = 10 * n + (unsigned long)(*s - '0');
	return n;
}

/* Does the thread run code of the program? *ret_deaf: if so, it has every signal blocked. */
static bool is_programs(int tid, bool *ret_deaf)
{
	char buf[512];

	if (read_stat(tid, buf, sizeof(buf)) <= 0)
		return false; /* it has ended */
	if (buf[0] == 'Z' || buf[0] == 'X' || (number_at(buf, FLAGS_FIELD) & PF_KERNELS))
		return false;
	*ret_deaf = number_at(buf, BLOCKED_FIELD) == ALL_BLOCKED;
	return true;
}

static int number_of(const char *name)
{
	int n = 0;

	for (; *name >= '0' && *name <= '9'; name++)
		n = 10 * n + *name - '0';
	return *name ? -1 : n;
}

/* How many threads of the program there are for which known() is false; negative: that cannot be found out. */
static int count_unknown(bool (*known)(int tid))
{
	uint64_t buf[512];
	bool deaf = false, any_deaf = false;
	struct stat st;
	int n = 0, unknown = 0;
	long got, fd = SYS4(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return -1;
	while ((got = SYS3(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		const struct linux_dirent *d;

		for (long at = 0; at < got; at += d->reclen) {
			int tid;

			d = (const void *)((const char *)buf + at);
			tid = number_of(d->name);
			if (tid <= 0)
				continue;
			n++;
			if (!known(tid) && is_programs(tid, &deaf)) {
				unknown++;
				any_deaf |= deaf;
			}
		}
	}
	if (any_deaf && load_rlx(&ask.tsan))
		unknown--;
	if (got < 0 || SYS2(SYS_fstat, fd, &st) != 0 || (unsigned long)st.st_nlink > (unsigned long)n + 2)
		unknown = -1;
	sys_close((int)fd);
	return unknown;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Questions and answers */

static uint32_t answer_to(bool own)
{
	bool (*known)(int tid) = load_rlx(&ask.known);

	if (!known)
		return own ? read_state(load_rlx(&ask.tid)) : UNKNOWN;
	store_rlx(&ask.count, own ? count_unknown(known) : -1);
	return AWAKE;
}

static void *answer_questions(void *arg)
{
	bool own = SYS3(SYS_close_range, 0, ~0u, UNSHARE) == 0;
	uint32_t seen = 0;

	(void)arg;
	store_rlx(&goro__helper_tid[HELPER_READER], sys_gettid());
	for (;;) {
		uint32_t turn = load_acq(&ask.turn); /* [ASLEEP-2] acquire: pairs with [ASLEEP-1] */

		if (turn & STOP)
			return NULL;
		if (turn == seen) {
			goro__futex_wait(&ask.turn, turn, -1);
			continue;
		}
		seen = turn;
		/* [ASLEEP-3] release: pairs with [ASLEEP-4]. Without it an older count might be read. */
		store_rel(&ask.answer, turn | answer_to(own));
		goro__futex_wake(&ask.answer, 1);
	}
}

/* Asks, and waits for the answer: 0 if none comes in time. */
static uint32_t question(int tid, bool (*known)(int tid), int64_t patience_ns)
{
	uint32_t turn = load_rlx(&ask.turn) + STEP, a;
	int64_t deadline = goro__now() + patience_ns;

	store_rlx(&ask.tid, tid); /* an answer that came too late may still be at work */
	store_rlx(&ask.known, known);
	store_rel(&ask.turn, turn); /* [ASLEEP-1] release: pairs with [ASLEEP-2]. Without it the wrong thread might be looked up */
	goro__futex_wake(&ask.turn, 1);
	while (((a = load_acq(&ask.answer)) & ~(STEP - 1)) != turn) /* [ASLEEP-4] acquire: pairs with [ASLEEP-3] */
		if (goro__futex_wait(&ask.answer, a, deadline) == -ETIMEDOUT)
			return 0;
	return a & (STEP - 1);
}

bool goro__thread_sleeps(int tid, bool guess, bool late)
{
	uint32_t a = ask.running ? question(tid, NULL, PATIENCE_NS) : UNKNOWN;

	if (a == 0)
		return late;
	return a == UNKNOWN ? guess : a == ASLEEP;
}

int goro__threads_unknown(bool (*known)(int tid), bool tsan)
{
	store_rlx(&ask.tsan, tsan);
	if (!ask.running || question(0, known, LIST_PATIENCE_NS) == 0)
		return -1;
	return load_rlx(&ask.count);
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
