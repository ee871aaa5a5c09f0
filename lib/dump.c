/* SPDX-License-Identifier: MIT */
/*
 * dump.c: all goroutines in words: goro_dump(), SIGQUIT, and the reports of fatal.c.
 *
 * The format is Go's where it can be: "goroutine 7 [chan receive, 3 minutes]:", then its backtrace, then "created by goroutine 1 at ...".
 *
 * The backtrace of a goroutine that is parked is taken by the C library's unwinder from inside: goro__ontop() runs walk() on top of the parked
 * stack, as if the goroutine had called it from its switch, and comes back. That writes below its saved stack pointer, so it must not
 * be resumed meanwhile: the world is stopped first. If a P does not stop in time (its goroutine computes), the list is
 * written without backtraces of others. In a fatal report the process is over anyway: there it is tried without them too.
 *
 * backtrace() loads libgcc_s and allocates at its first call, so goro__dump_prepare() calls it once, at the start of the runtime.
 */
#include <execinfo.h>
#include <goro/debug.h>
#include <goro/runtime.h>
#include <goro/time.h>

#include "clock.h"
#include "origin.h"
#include "panic.h"
#include "print.h"
#include "sched.h"
#include "spawn.h"

#define DEPTH 100 /* as Go shows */
#define PATIENCE (200 * GORO_MILLISECOND)
#define ROOM 8192 /* bytes below the saved stack pointer that the unwinder may need */

static const char *const reasons[WAIT_NREASONS] = {
	[WAIT_NONE] = "waiting",
	[WAIT_SLEEP] = "sleep",
	[WAIT_CHAN_SEND] = "chan send",
	[WAIT_CHAN_RECV] = "chan receive",
	[WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
	[WAIT_CHAN_RECV_NIL] = "chan receive (nil chan)",
	[WAIT_SELECT] = "select",
	[WAIT_SELECT_NONE] = "select (no cases)",
	[WAIT_MUTEX] = "sync.Mutex.Lock",
	[WAIT_WAITGROUP] = "sync.WaitGroup.Wait",
	[WAIT_SEMA] = "semacquire",
	[WAIT_IO_READ] = "IO wait (read)",
	[WAIT_IO_WRITE] = "IO wait (write)",
	[WAIT_IO_ACCEPT] = "IO wait (accept)",
	[WAIT_IO_CONNECT] = "IO wait (connect)",
	[WAIT_IO_CLOSE] = "IO wait (close)",
	[WAIT_IO_FILE] = "IO wait (file)",
	[WAIT_BLOCKING] = "blocking call",
	[WAIT_WORLD] = "stop the world",
	[WAIT_SYSCALL] = "syscall",
	[WAIT_RWMUTEX_LOCK] = "sync.RWMutex.Lock",
	[WAIT_RWMUTEX_RLOCK] = "sync.RWMutex.RLock",
	[WAIT_COND] = "sync.Cond.Wait",
};

const char *goro__wait_reason_name(enum wait_reason why)
{
	return why < WAIT_NREASONS && reasons[why] ? reasons[why] : "waiting";
}

void goro__dump_prepare(void)
{
	void *pc[2];

	backtrace(pc, 2);
}

struct walk {
	void *back; /* context of who asked */
	void *pc[DEPTH];
	int n;
};

/* On top of the parked goroutine's stack. It never returns: under AddressSanitizer the marks around its variables would stay there, for whoever is called next. */
static NO_TSAN void walk(void *arg)
{
	struct walk *w = arg;
	void *here;

	w->n = backtrace(w->pc, DEPTH);
	goro__switch(&here, w->back, NULL);
}

/* Byte by byte, for ThreadSanitizer's strlen() sees no order between a goroutine that has given itself a name and parked, and us. */
static NO_TSAN void copy_name(char *to, const struct g *g)
{
	const volatile char *from = g->name;

	for (int i = 0; i <= G_NAME_MAX; i++)
		to[i] = from[i];
}

static void print_header(struct g *g, int64_t now)
{
	char name[G_NAME_MAX + 1];
	uint32_t status = load_rlx(&g->status);
	int64_t waited = (now - g->wait_since) / (60 * GORO_SECOND);

	print_str("goroutine ");
	print_u64(g->id);
	copy_name(name, g);
	if (name[0]) {
		print_str(" \"");
		print_str(name);
		print_str("\"");
	}
	print_str(" [");
	if (status == G_RUNNING)
		print_str("running");
	else if (status == G_RUNNABLE)
		print_str("runnable");
	else
		print_str(goro__wait_reason_name((enum wait_reason)g->wait_reason));
	if ((status == G_WAITING || status == G_BLOCKED) && waited > 0) {
		print_str(", ");
		print_u64((uint64_t)waited);
		print_str(" minutes");
	}
	print_str("]:\n");
}

/*
 * The names of frames. An address in a backtrace is where a call returns to, which lies behind the function if the call was its last act, as that of
 * goro_panic() often is; so the byte before is looked up. Where a fault has been made a call the address is that of the instruction itself.
 */
static void print_frames(void **pc, int n, int fd)
{
	const char *fault = (const char *)goro__fault_entry;

	for (int i = n - 1; i >= 0; i--) {
		const char *above = i > 0 ? pc[i - 1] : NULL;

		if (pc[i] && !(above > fault && above < fault + 64))
			pc[i] = (char *)pc[i] - 1;
	}
	backtrace_symbols_fd(pc, n, fd);
}

static void print_origin(struct g *g, int fd)
{
	struct origin one = { 1, { (void *)(uintptr_t)g->created_at } }, *kept = goro__g_origin(g);

	if (kept && kept->n)
		one = *kept;
	if (!one.pc[0])
		return;
	print_str("created by goroutine ");
	print_u64(g->parent_id);
	print_str(" at ");
	print_flush(fd);
	print_frames(one.pc, (int)one.n, fd);
}

struct dump {
	int fd;
	bool stacks; /* parked goroutines may be walked */
	bool left;   /* only those that are left but for self and the main one */
	struct g *self;
	int64_t now;
	uint64_t n;
};

static bool is_asked_for(struct g *g, const struct dump *d)
{
	return g != d->self && !(d->left && (g->flags & G_MAIN));
}

static void dump_one(struct g *g, void *arg)
{
	struct dump *d = arg;
	uint32_t status = load_rlx(&g->status);
	struct walk w;

	if (!is_asked_for(g, d))
		return;
	print_start();
	print_header(g, d->now);
	print_flush(d->fd);
	if (d->stacks && g->sp && (status == G_WAITING || status == G_RUNNABLE) &&
	    (uintptr_t)g->sp - stk_lo(g->stk) > ROOM) {
		goro__ontop(&w.back, g->sp, walk, &w);
		/* The first two are walk() and the switch. */
		if (w.n > 2)
			print_frames(w.pc + 2, w.n - 2, d->fd);
	} else if (status == G_RUNNABLE && !g->sp && !(g->flags & G_PINNED)) {
		void *fn = (void *)g->fn;

		print_str("(has not run yet) ");
		print_flush(d->fd);
		backtrace_symbols_fd(&fn, 1, d->fd);
	} else {
		print_str("(no backtrace: it runs on a thread, or its stack is nearly full)\n");
	}
	print_origin(g, d->fd);
	print_str("\n");
	print_end(d->fd);
}

void goro__dump_self(int fd)
{
	struct m *m = goro__tls_m();

	goro__dump_here(m && !m->foreign ? m->curg : NULL, fd);
}

/* The caller's stack, which is g's, or a plain thread's or the scheduler's if g is NULL. */
void goro__dump_here(struct g *g, int fd)
{
	struct m *m = goro__tls_m();
	void *pc[DEPTH];
	int n = backtrace(pc, DEPTH);

	print_start();
	if (g)
		print_header(g, goro__now());
	else
		print_str(m && m->foreign ? "plain thread [running]:\n" : "scheduler stack [running]:\n");
	print_flush(fd);
	print_frames(pc, n, fd);
	if (g)
		print_origin(g, fd);
	print_str("\n");
	print_end(fd);
}

/* Plain threads that wait for goroutines, or for each other. */
struct waiting {
	uint32_t n;
	struct {
		int tid;
		enum wait_reason why;
	} thread[32];
};

static void note_waiting(struct m *m, void *arg)
{
	struct waiting *w = arg;

	if (w->n < sizeof(w->thread) / sizeof(w->thread[0]) && goro__deadlock_parked(m) && m->waits % WAITS_KINDS != WAITS_AWAY) {
		w->thread[w->n].tid = load_rlx(&m->tid);
		w->thread[w->n++].why = (enum wait_reason)m->proxy.wait_reason;
	}
}

static void print_waiting(int fd)
{
	struct waiting w = { .n = 0 };

	goro__foreign_each(note_waiting, &w);
	print_start();
	for (uint32_t i = 0; i < w.n; i++) {
		print_str("plain thread ");
		print_u64((uint64_t)w.thread[i].tid);
		print_str(" [");
		print_str(goro__wait_reason_name(w.thread[i].why));
		print_str("]\n");
	}
	if (w.n)
		print_str("\n");
	print_end(fd);
}

static void print_packed(int fd)
{
	print_start();
	if (sched->packs.n) {
		print_u64(sched->packs.n);
		print_str(" more goroutines that have not run yet\n\n");
	}
	print_end(fd);
}

/* All goroutines; with_self: the caller's too. */
void goro__dump_all(int fd, bool with_self)
{
	struct m *m = goro__tls_m();
	struct dump d = { .fd = fd, .now = goro__now() };
	const char *name = goro_backend(NULL);

	if (!load_acq(&sched->running))
		return;
	d.self = m && !m->foreign ? m->curg : NULL;
	d.stacks = goro__world_stop(m, PATIENCE);
	print_start();
	print_str("goro: ");
	print_u64(load_rlx(&sched->nprocs));
	print_str(" procs, backend ");
	print_str(name ? name : "none");
	print_str(d.stacks ? "\n\n" : "; not all goroutines could be stopped: no backtraces\n\n");
	print_end(fd);
	if (with_self && d.self)
		goro__dump_self(fd);
	goro__g_each(dump_one, &d);
	print_packed(fd);
	print_waiting(fd);
	goro__world_start(m);
}

static void count_left(struct g *g, void *arg)
{
	struct dump *d = arg;

	d->n += is_asked_for(g, d);
}

/* The goroutines but for the caller and the main one: how many there are; fd < 0: only that. */
int goro__dump_left(int fd)
{
	struct m *m = goro__tls_m();
	struct dump d = { .fd = fd, .left = true, .now = goro__now() };

	if (!load_acq(&sched->running))
		return 0;
	d.self = m->foreign ? NULL : m->curg;
	d.stacks = goro__world_stop(m, PATIENCE);
	goro__g_each(count_left, &d);
	d.n += sched->packs.n;
	if (fd >= 0 && d.n) {
		print_start();
		print_str("goro: left alive: ");
		print_u64(d.n);
		print_str(d.n == 1 ? " goroutine\n\n" : " goroutines\n\n");
		print_end(fd);
		goro__g_each(dump_one, &d);
		print_packed(fd);
	}
	goro__world_start(m);
	return d.n < INT32_MAX ? (int)d.n : INT32_MAX;
}

void goro_dump(int fd)
{
	struct m *m;

	if (fd < 0)
		return;
	m = rt_enter();
	goro__dump_all(fd, true);
	rt_exit(m);
}
