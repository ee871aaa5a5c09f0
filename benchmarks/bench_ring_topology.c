/* SPDX-License-Identifier: MIT */
/*
 * bench_ring_topology: may a ring follow the processor, or must it stay with the thread?
 *
 * The I/O layer can give every processor (P) its io_uring or every worker thread (M). This program
 * runs the same little echo server over both and needs nothing of the runtime, so that the choice could be
 * made before the I/O layer was written. kernel-notes/io-uring-topology.md holds the decision.
 *
 *   coop    a ring per P: COOP_TASKRUN | TASKRUN_FLAG. Whoever holds the P submits and reaps; when the P moves to
 *           another M the ring moves along. What an M submitted completes on that M's kernel stack, wherever the P is.
 *   defer   a ring per M: SINGLE_ISSUER | DEFER_TASKRUN. The kernel ties it to the thread, so an M that has lost its P
 *           must go on waiting in its ring, put what completes on the P's run queue and nudge the P's holder.
 *
 * Three loads. In all of them a "goroutine" is a connection on a run queue: it sends its answer and asks for
 * the next request with POLL_FIRST; requests are submitted in the same call that waits, once a scheduling round.
 *
 *   steady   every M keeps its P. With one or two workers.
 *   handoff  one P and two Ms on one CPU; after every HANDOFF_EVERY requests the P goes to the other M, as it does
 *            around a call that blocks.
 *   burn     two workers; one request in BURN_EVERY computes for BURN_NS. A monitor with a tick of 1 ms finds a worker that
 *            has not looked at its ring, moves its goroutines and completions to the other worker, and, with
 *            nudges, first makes the kernel post them by a signal whose handler enters the ring.
 *
 * Connections send 1 KiB frames in a closed loop. The load generator is a thread on CPU 0; the
 * first worker, and both Ms of a handoff, are on CPU 1; a second worker shares CPU 0 with the load.
 * Per row: CPU time of all server threads a request (ns/op), requests a second, latencies. The variants of
 * a row are interleaved round by round; each round prints its own line.
 *
 *   bench_ring_topology [-r ROUNDS] [-t MILLISECONDS] [-l steady|handoff|burn]
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench_ring_load.h"

#define MAX_MACHINES 2
#define WAKE_TAG UINT64_MAX
#define HANDOFF_EVERY 256
#define BURN_EVERY 2000
#define BURN_NS 5000000
#define TICK_NS 1000000
#define REGISTER_SEND_MSG_RING 31 /* Linux 6.13; liburing 2.3 does not name it */

enum topology { COOP, DEFER };
enum load { STEADY, HANDOFF, BURN };
enum sending { DIRECT, RING };

struct variant {
	enum load load;
	enum topology topology;
	enum sending sending;
	int workers;
	bool nudge;
};

/* The queue holds each connection at most once, so a ring of MAX_CONNS + 1 never overflows. */
struct proc {
	struct io_uring ring;	    /* coop only */
	atomic_flag lock;	    /* over queue, head, tail and the reaping of the ring in use */
	int queue[MAX_CONNS + 1];   /* connections whose request has come */
	unsigned head, tail;
	_Atomic(struct machine *) holder;
	atomic_uint holder_seq;	    /* futex word: changes whenever holder does */
	atomic_bool sleeping;	    /* the holder waits in its ring, or is about to */
	_Atomic int64_t looked;	    /* when the holder last looked at its ring */
	long served;
};

struct machine {
	struct io_uring ring; /* defer only */
	struct proc *proc;
	pthread_t thread;
	pid_t tid;
	int cpu;
	int64_t cpu_ns;
	atomic_bool ready;
};

static struct variant now_running;
static struct proc procs[MAX_MACHINES];
static struct machine machines[MAX_MACHINES];
static atomic_bool done;
static __thread int nudge_fd = -1;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

/* ---- rings ---- */

static void open_ring(struct io_uring *ring, enum topology topology)
{
	struct io_uring_params p = { .cq_entries = 4096 };
	int err;

	p.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
	if (topology == COOP)
		p.flags |= IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
	else
		p.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			   IORING_SETUP_TASKRUN_FLAG;
	err = io_uring_queue_init_params(1024, ring, &p);
	if (err < 0)
		die("io_uring_setup", err);
}

static struct io_uring *ring_of(struct machine *m, struct proc *p)
{
	return now_running.topology == COOP ? &p->ring : &m->ring;
}

static struct io_uring_sqe *next_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe) {
		io_uring_submit(ring);
		sqe = io_uring_get_sqe(ring);
	}
	return sqe;
}

static void ask_for_request(struct io_uring *ring, int c)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_recv(sqe, conns[c].server, conns[c].buf, FRAME, 0);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data64(sqe, (uint64_t)c << 1);
}

/* Wakes the thread that waits in ring; any thread may call it. */
static void ring_wake(struct io_uring *ring)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_MSG_RING, .fd = ring->ring_fd, .off = WAKE_TAG };

	if (syscall(__NR_io_uring_register, -1, REGISTER_SEND_MSG_RING, &sqe, 1) < 0)
		die("SEND_MSG_RING", errno);
}

/* ---- run queues ---- */

static void lock(struct proc *p)
{
	while (atomic_flag_test_and_set_explicit(&p->lock, memory_order_acquire))
		;
}

static void unlock(struct proc *p)
{
	atomic_flag_clear_explicit(&p->lock, memory_order_release);
}

static void push_locked(struct proc *p, int c)
{
	p->queue[p->tail] = c;
	p->tail = (p->tail + 1) % (MAX_CONNS + 1);
}

static int pop(struct proc *p)
{
	int c = -1;

	lock(p);
	if (p->head != p->tail) {
		c = p->queue[p->head];
		p->head = (p->head + 1) % (MAX_CONNS + 1);
	}
	unlock(p);
	return c;
}

/* Puts what completed in ring on p's queue; returns how many goroutines that made runnable. */
static int reap(struct io_uring *ring, struct proc *p, struct proc *ring_lock)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;
	int ready[256], n = 0;

	lock(ring_lock);
	io_uring_for_each_cqe(ring, head, cqe) {
		uint64_t tag = io_uring_cqe_get_data64(cqe);

		if (n == 256)
			break;
		seen++;
		if (tag == WAKE_TAG || cqe->res <= 0)
			continue;
		if (cqe->res != FRAME)
			die("a frame in pieces, which this server does not expect", EPROTO);
		/* The lowest bit marks a send that went through the ring: its goroutine reads again. */
		ready[n++] = (int)tag;
	}
	io_uring_cq_advance(ring, seen);
	unlock(ring_lock);
	lock(p);
	for (int i = 0; i < n; i++)
		push_locked(p, ready[i]);
	unlock(p);
	return n;
}

/* ---- goroutines ---- */

static void burn(void)
{
	int64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + BURN_NS;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until)
		;
}

static void run(struct io_uring *ring, struct proc *p, int tag)
{
	int c = tag >> 1;

	if (tag & 1) {
		ask_for_request(ring, c);
		return;
	}
	p->served++;
	if (now_running.load == BURN && p->served % BURN_EVERY == 0)
		burn();
	if (now_running.sending == RING) {
		struct io_uring_sqe *sqe = next_sqe(ring);

		io_uring_prep_send(sqe, conns[c].server, conns[c].buf, FRAME, MSG_NOSIGNAL);
		io_uring_sqe_set_data64(sqe, (uint64_t)c << 1 | 1);
		return;
	}
	send(conns[c].server, conns[c].buf, FRAME, MSG_DONTWAIT | MSG_NOSIGNAL);
	ask_for_request(ring, c);
}

/* ---- machines ---- */

/* Step 1 of a sleep: say so. Step 2: look at the queue once more. A waker does it the other way round. */
static void wait_in_ring(struct io_uring *ring, struct proc *p)
{
	struct __kernel_timespec ts = { .tv_nsec = 100000000 };
	struct io_uring_cqe *cqe;
	bool empty;

	atomic_store(&p->sleeping, true);
	lock(p);
	empty = p->head == p->tail;
	unlock(p);
	if (empty)
		io_uring_submit_and_wait_timeout(ring, &cqe, 1, &ts, NULL);
	else
		io_uring_submit_and_get_events(ring);
	atomic_store(&p->sleeping, false);
	atomic_store(&p->looked, clock_ns(CLOCK_MONOTONIC));
}

static void wake_holder(struct proc *p)
{
	if (atomic_exchange(&p->sleeping, false))
		ring_wake(ring_of(atomic_load(&p->holder), p));
}

static void hand_over(struct machine *from, struct proc *p)
{
	struct machine *to = from == &machines[0] ? &machines[1] : &machines[0];

	io_uring_submit(ring_of(from, p));
	atomic_store(&p->holder, to);
	atomic_fetch_add(&p->holder_seq, 1);
	if (now_running.topology == DEFER)
		ring_wake(&to->ring);
	else
		syscall(SYS_futex, &p->holder_seq, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* What an M does that has no P. Its requests are in flight; with a ring of its own it must serve them. */
static void wait_without_proc(struct machine *m, struct proc *p)
{
	struct __kernel_timespec ts = { .tv_nsec = 100000000 };
	struct timespec timeout = { .tv_nsec = 100000000 };
	struct io_uring_cqe *cqe;
	unsigned seq;

	if (now_running.topology == DEFER) {
		io_uring_submit_and_wait_timeout(&m->ring, &cqe, 1, &ts, NULL);
		if (reap(&m->ring, p, p) > 0 && atomic_load(&p->holder) != m)
			wake_holder(p);
		return;
	}
	seq = atomic_load(&p->holder_seq);
	if (atomic_load(&p->holder) != m)
		syscall(SYS_futex, &p->holder_seq, FUTEX_WAIT_PRIVATE, seq, &timeout, NULL, 0);
}

static void hold_proc(struct machine *m, struct proc *p)
{
	struct io_uring *ring = ring_of(m, p);
	int c;

	while ((c = pop(p)) >= 0) {
		run(ring, p, c);
		if (now_running.load == HANDOFF && p->served % HANDOFF_EVERY == 0 && !(c & 1)) {
			hand_over(m, p);
			return;
		}
	}
	wait_in_ring(ring, p);
	reap(ring, p, p);
}

static void *machine_main(void *arg)
{
	struct machine *m = arg;
	struct proc *p = m->proc;

	pin(m->cpu);
	m->tid = (pid_t)syscall(SYS_gettid);
	if (now_running.topology == DEFER)
		open_ring(&m->ring, DEFER);
	else if (atomic_load(&p->holder) == m)
		open_ring(&p->ring, COOP);
	nudge_fd = ring_of(m, p)->ring_fd;
	if (atomic_load(&p->holder) == m)
		for (int c = 0; c < nconns; c++)
			if (&procs[c % now_running.workers] == p)
				ask_for_request(ring_of(m, p), c);
	atomic_store(&m->ready, true);
	m->cpu_ns = -clock_ns(CLOCK_THREAD_CPUTIME_ID);
	while (!atomic_load(&done)) {
		if (atomic_load(&p->holder) == m)
			hold_proc(m, p);
		else
			wait_without_proc(m, p);
	}
	m->cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

/* ---- the monitor ---- */

static void on_nudge(int sig)
{
	int saved = errno;

	(void)sig;
	if (nudge_fd >= 0)
		syscall(__NR_io_uring_enter, nudge_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	errno = saved;
}

/* Moves everything that a stuck worker's goroutines wait for, or could run, to the other worker. */
static void rescue(struct machine *stuck, struct machine *other)
{
	struct proc *p = stuck->proc, *q = other->proc;
	struct io_uring *ring = ring_of(stuck, p);
	int c, moved;

	if (now_running.nudge && (IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN)) {
		syscall(SYS_tgkill, getpid(), stuck->tid, SIGURG);
		usleep(50);
	}
	moved = reap(ring, q, p);
	while ((c = pop(p)) >= 0) {
		lock(q);
		push_locked(q, c);
		unlock(q);
		moved++;
	}
	if (moved)
		wake_holder(q);
}

static void *monitor_main(void *arg)
{
	struct timespec tick = { .tv_nsec = TICK_NS };

	(void)arg;
	while (!atomic_load(&done)) {
		nanosleep(&tick, NULL);
		for (int i = 0; i < 2; i++) {
			struct machine *m = &machines[i], *other = &machines[1 - i];
			int64_t limit = clock_ns(CLOCK_MONOTONIC) - TICK_NS;

			if (atomic_load(&m->proc->looked) < limit && !atomic_load(&m->proc->sleeping))
				rescue(m, other);
		}
	}
	return NULL;
}

/* ---- a round ---- */

static void start_machines(void)
{
	int count = now_running.load == HANDOFF ? 2 : now_running.workers;

	memset(procs, 0, sizeof procs);
	memset(machines, 0, sizeof machines);
	atomic_store(&done, false);
	for (int i = 0; i < count; i++) {
		machines[i].proc = &procs[now_running.load == HANDOFF ? 0 : i];
		machines[i].cpu = now_running.load == HANDOFF || i == 0 ? 1 : 0;
		if (now_running.load != HANDOFF || i == 0)
			atomic_store(&machines[i].proc->holder, &machines[i]);
	}
	for (int i = 0; i < count; i++) {
		pthread_create(&machines[i].thread, NULL, machine_main, &machines[i]);
		while (!atomic_load(&machines[i].ready))
			usleep(100);
	}
}

static void stop_machines(int64_t *cpu_ns, long *served)
{
	int count = now_running.load == HANDOFF ? 2 : now_running.workers;

	*cpu_ns = 0;
	*served = 0;
	atomic_store(&done, true);
	for (int i = 0; i < count; i++) {
		pthread_join(machines[i].thread, NULL);
		*cpu_ns += machines[i].cpu_ns;
		*served += procs[i].served;
	}
	for (int i = 0; i < count; i++) {
		if (now_running.topology == DEFER)
			io_uring_queue_exit(&machines[i].ring);
		else if (procs[i].ring.ring_fd)
			io_uring_queue_exit(&procs[i].ring);
	}
}

static void run_round(const struct variant *v, int connections, int ms)
{
	static const char *loads[] = { "Steady", "Handoff", "Burn" };
	int64_t cpu_ns, wall_ns;
	long served, requests;
	pthread_t monitor;

	now_running = *v;
	nconns = connections;
	memset(histogram, 0, sizeof histogram);
	connect_all();
	start_machines();
	if (v->load == BURN)
		pthread_create(&monitor, NULL, monitor_main, NULL);
	requests = drive(ms, &wall_ns);
	stop_machines(&cpu_ns, &served);
	if (v->load == BURN)
		pthread_join(monitor, NULL);
	for (int i = 0; i < nconns; i++) {
		close(conns[i].client);
		close(conns[i].server);
	}
	printf("BenchmarkRing%s/%s/send=%s/nudge=%d/conns=%d-%d\t%ld\t%.0f ns/op\t%.0f req/s\t%.0f p50-us\t"
	       "%.0f p99-us\t%.0f p99.9-us\n",
	       loads[v->load], v->topology == COOP ? "coop" : "defer", v->sending == RING ? "ring" : "direct",
	       v->nudge, connections, v->workers, served, (double)cpu_ns / (double)served,
	       (double)requests * 1e9 / (double)wall_ns, quantile(0.5), quantile(0.99), quantile(0.999));
	fflush(stdout);
}

static const struct variant variants[] = {
	{ STEADY, COOP, DIRECT, 1, false },  { STEADY, DEFER, DIRECT, 1, false },
	{ STEADY, COOP, RING, 1, false },    { STEADY, DEFER, RING, 1, false },
	{ STEADY, COOP, DIRECT, 2, false },  { STEADY, DEFER, DIRECT, 2, false },
	{ HANDOFF, COOP, DIRECT, 1, false }, { HANDOFF, DEFER, DIRECT, 1, false },
	{ BURN, COOP, DIRECT, 2, false },    { BURN, COOP, DIRECT, 2, true },
	{ BURN, DEFER, DIRECT, 2, false },   { BURN, DEFER, DIRECT, 2, true },
};

int main(int argc, char **argv)
{
	static const int connections[] = { 1, 64, 1000 };
	int rounds = 5, ms = 500, option;
	const char *only = NULL;

	while ((option = getopt(argc, argv, "r:t:l:")) != -1)
		switch (option) {
		case 'r': rounds = atoi(optarg); break;
		case 't': ms = atoi(optarg); break;
		case 'l': only = optarg; break;
		default: return 2;
		}
	pin(0);
	signal(SIGURG, on_nudge);
	for (size_t n = 0; n < sizeof connections / sizeof *connections; n++)
		for (int r = 0; r < rounds; r++)
			for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
				static const char *loads[] = { "steady", "handoff", "burn" };

				if (!only || strcmp(only, loads[variants[i].load]) == 0)
					run_round(&variants[i], connections[n], ms);
			}
	return 0;
}
