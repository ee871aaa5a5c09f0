/* SPDX-License-Identifier: MIT */
/*
 * model.c: the explorer behind model.h.
 *
 * Each thread is a coroutine on its own stack. It announces its next access, gives control to the explorer, and does the access when it
 * is chosen. So at each step the next access of every thread is known, which is what sleep sets need.
 *
 * Transitions are numbered: i < MODEL_THREADS is a step of thread i; MODEL_THREADS + i lets the oldest store leave i's queue.
 *
 * Sleep sets: having explored transition t at a state, the subtree below another transition u need not begin with t again as long as nothing was
 * done that depends on t: it would lead to the same states. So t sleeps below u until a dependent access wakes it. An execution that has
 * only sleeping transitions left is abandoned: another one has been there.
 */
#undef _FORTIFY_SOURCE /* its longjmp() refuses to change stacks */
#include "model.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "t.h"

#define STACK_SIZE 65536
#define DEPTH_MAX 2000
#define NTRANS (2 * MODEL_THREADS)
#define LIMIT 3000000
#define MODEL_GONE 8

struct access {
	const void *addr;
	size_t size;
	enum model_kind kind;
	const char *file;
	int line;
};

struct buffered {
	void *addr;
	uint64_t v;
	size_t size;
	const char *file;
	int line;
};

struct thread {
	jmp_buf env;
	bool ended;
	uint64_t history; /* of what it has read */
	struct access next;
	struct buffered store[MODEL_STORES];
	unsigned nstores;
};

/* One step of the current execution. */
struct node {
	uint32_t can;	/* transitions that are possible here */
	uint32_t sleep; /* of them, those that need not be taken here */
	uint32_t done;	/* and those whose subtrees have been explored */
	int chosen;
	struct access what; /* for the report */
};

static const struct model *model;
static struct thread threads[MODEL_THREADS];
static char *stacks[MODEL_THREADS];
static int nthreads;
static int current = -1;
static jmp_buf explorer;
static struct node path[DEPTH_MAX];
static int depth; /* steps of the current execution so far */

int model_self(void)
{
	return current;
}

static const char *const kind_names[] = { "load", "store", "locked", "lock", "wait", "fence", "barrier" };

static void print_schedule(void)
{
	for (int i = 0; i < depth; i++) {
		const struct node *n = &path[i];
		const char *base = strrchr(n->what.file, '/');

		fprintf(stderr, "  %3d  thread %d  %-6s %p  %s:%d\n", i, n->chosen % MODEL_THREADS,
			n->chosen >= MODEL_THREADS ? "drain" : kind_names[n->what.kind], n->what.addr,
			base ? base + 1 : n->what.file, n->what.line);
	}
}

void model_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "thread %d, after this schedule:\n", current);
	print_schedule();
	t_fail(file, line, what, "in the schedule above");
}

/* ---- memory that is gone ------------------------------------------------------------------------------- */

static struct {
	const char *start;
	size_t size;
} gone[MODEL_GONE];
static unsigned ngone;

static void check_gone(const void *addr, const char *file, int line)
{
	for (unsigned i = 0; i < ngone; i++)
		if ((const char *)addr >= gone[i].start && (const char *)addr < gone[i].start + gone[i].size)
			model_fail(file, line, "this memory may be gone");
}

/* ---- a thread's side ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t plain_load(const void *addr, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, addr, size);
	return v;
}

static void give_way(const void *addr, size_t size, enum model_kind kind, const char *file, int line)
{
	struct thread *t = &threads[current];

	t->next = (struct access){ addr, size, kind, file, line };
	if (_setjmp(t->env) == 0)
		_longjmp(explorer, 1);
	check_gone(addr, file, line);
}

void model_forget(int point)
{
	threads[current].history = (uint64_t)point + 1;
}

void model_forbid(const void *p, size_t size)
{
	give_way(p, size, MODEL_WRITE, __FILE__, __LINE__);
	model_check(ngone < MODEL_GONE);
	gone[ngone].start = p;
	gone[ngone++].size = size;
}

void model_exit(void)
{
	threads[current].ended = true;
	threads[current].history = 0;
	_longjmp(explorer, 1);
}

static void has_read(const void *addr, uint64_t v)
{
	struct thread *t = &threads[current];

	t->history = mix(mix(t->history, (uintptr_t)addr), v);
}

static bool quiet(const void *addr)
{
	return addr && model->quiet && model->quiet(addr);
}

void model_point(const void *addr, size_t size, enum model_kind kind, const char *file, int line)
{
	if (current < 0 || quiet(addr))
		return;
	give_way(addr, size, kind, file, line);
	if (addr)
		has_read(addr, plain_load(addr, size));
}

void model_wait(uint32_t *flag, const char *file, int line)
{
	give_way(flag, sizeof(*flag), MODEL_WAIT, file, line);
	has_read(flag, 1);
	*flag = 0;
}

uint64_t model_load(const void *addr, size_t size, const char *file, int line)
{
	struct thread *t;
	uint64_t v;

	if (current < 0 || quiet(addr))
		return plain_load(addr, size);
	give_way(addr, size, MODEL_READ, file, line);
	t = &threads[current];
	v = plain_load(addr, size);
	for (unsigned i = 0; i < t->nstores; i++)
		if (t->store[i].addr == addr)
			v = t->store[i].v;
	has_read(addr, v);
	return v;
}

void model_store(void *addr, uint64_t v, size_t size, const char *file, int line)
{
	struct thread *t;

	if (current >= 0 && model->tso && !quiet(addr)) {
		t = &threads[current];
		/* Into the queue: nobody else sees it, so this is no point unless the queue is full. */
		while (t->nstores == MODEL_STORES)
			give_way(addr, size, MODEL_WRITE, file, line);
		has_read(addr, 0);
		t->store[t->nstores++] = (struct buffered){ addr, v, size, file, line };
		return;
	}
	if (current >= 0 && !quiet(addr)) {
		give_way(addr, size, MODEL_WRITE, file, line);
		has_read(addr, 0);
	}
	memcpy(addr, &v, size);
}

static void drain(int i);

void model_membarrier(void)
{
	give_way(NULL, 0, MODEL_BARRIER, MODEL_HERE);
	for (int i = 0; i < nthreads; i++)
		while (threads[i].nstores)
			drain(i);
	has_read(NULL, 0);
}

/* ---- the explorer's side ------------------------------------------------------------------------------- */

static void run_thread(void)
{
	model->thread[current]();
	model_exit();
}

static void start_thread(int i)
{
	ucontext_t uc;

	current = i;
	threads[i].ended = false;
	threads[i].history = 0;
	threads[i].nstores = 0;
	if (_setjmp(explorer) == 0) {
		getcontext(&uc);
		uc.uc_stack.ss_sp = stacks[i];
		uc.uc_stack.ss_size = STACK_SIZE;
		uc.uc_link = NULL;
		makecontext(&uc, run_thread, 0);
		setcontext(&uc);
	}
	current = -1;
}

static void step_thread(int i)
{
	current = i;
	if (_setjmp(explorer) == 0)
		_longjmp(threads[i].env, 1);
	current = -1;
}

static void drain(int i)
{
	struct thread *t = &threads[i];

	check_gone(t->store[0].addr, t->store[0].file, t->store[0].line);
	memcpy(t->store[0].addr, &t->store[0].v, t->store[0].size);
	t->nstores--;
	memmove(&t->store[0], &t->store[1], t->nstores * sizeof(t->store[0]));
}

static struct access access_of(int trans)
{
	struct thread *t = &threads[trans % MODEL_THREADS];

	if (trans < MODEL_THREADS)
		return t->next;
	return (struct access){ t->store[0].addr, t->store[0].size, MODEL_WRITE, t->store[0].file, t->store[0].line };
}

static bool enabled(int trans)
{
	int i = trans % MODEL_THREADS;
	struct thread *t = &threads[i];

	if (i >= nthreads)
		return false;
	if (trans >= MODEL_THREADS)
		return t->nstores > 0;
	if (t->ended)
		return false;
	switch (t->next.kind) {
	case MODEL_LOCK:
		return t->nstores == 0 && plain_load(t->next.addr, 4) == 0;
	case MODEL_WAIT:
		return plain_load(t->next.addr, 4) != 0;
	case MODEL_LOCKED:
	case MODEL_FENCE:
	case MODEL_BARRIER:
		return t->nstores == 0;
	case MODEL_WRITE:
		return t->nstores < MODEL_STORES;
	default:
		return true;
	}
}

static bool dependent(int a, int b)
{
	struct access x = access_of(a), y = access_of(b);

	if (a % MODEL_THREADS == b % MODEL_THREADS || x.kind == MODEL_BARRIER || y.kind == MODEL_BARRIER)
		return true;
	return (uintptr_t)x.addr < (uintptr_t)y.addr + y.size && (uintptr_t)y.addr < (uintptr_t)x.addr + x.size && !(x.kind == MODEL_READ && y.kind == MODEL_READ);
}

/* ---- states that have been seen -------------------------------------------------------------------------- */

#define SEEN_SIZE (1u << 20) /* a power of two */

static struct seen {
	uint64_t hash;	/* 0: free */
	uint32_t sleep;
} *seen;
static uint32_t nseen;

static uint64_t state_hash(void)
{
	const unsigned char *p = model->state;
	uint64_t h = 1;

	for (size_t i = 0; i < model->state_size; i += 4)
		h = mix(h, plain_load(p + i, 4));
	for (int i = 0; i < nthreads; i++) {
		h = mix(mix(h, threads[i].history), threads[i].nstores);
		for (unsigned k = 0; k < threads[i].nstores; k++)
			h = mix(mix(h, (uintptr_t)threads[i].store[k].addr), threads[i].store[k].v);
	}
	return h ? h : 1;
}

/* Whether all that is to be done from this state on has been done, given the transitions that sleep. */
static bool been_here(uint32_t sleep)
{
	uint64_t h = state_hash();
	uint32_t i = (uint32_t)h % SEEN_SIZE;

	for (; seen[i].hash; i = (i + 1) % SEEN_SIZE) {
		if (seen[i].hash != h)
			continue;
		if ((seen[i].sleep & ~sleep) == 0)
			return true;
		seen[i].sleep &= sleep;
		return false;
	}
	if (++nseen > SEEN_SIZE / 2)
		t_fail(__FILE__, __LINE__, "states <= limit", "the model is too large");
	seen[i] = (struct seen){ h, sleep };
	return false;
}

/* One step; returns false when the execution is over. replay: depth up to which the choices are given. */
static bool take_step(int replay, bool *ret_abandoned)
{
	struct node *n = &path[depth];
	uint32_t can = 0, child = 0;

	for (int t = 0; t < NTRANS; t++)
		if (enabled(t))
			can |= 1u << t;
	if (can == 0)
		return false;
	n->can = can;
	if (depth >= replay) {
		uint32_t todo = can & ~n->sleep;

		if (todo == 0 || (model->state && been_here(n->sleep))) {
			*ret_abandoned = true;
			return false;
		}
		n->done = 0;
		n->chosen = __builtin_ctz(todo);
	}
	n->what = access_of(n->chosen);
	for (int t = 0; t < NTRANS; t++)
		if (((n->sleep | n->done) & can & 1u << t) && !dependent(t, n->chosen))
			child |= 1u << t;
	if (++depth >= DEPTH_MAX)
		model_fail(__FILE__, __LINE__, "an execution does not end");
	path[depth].sleep = child;
	if (n->chosen >= MODEL_THREADS)
		drain(n->chosen - MODEL_THREADS);
	else
		step_thread(n->chosen);
	return true;
}

static void execute(int replay)
{
	bool abandoned = false;

	depth = 0;
	ngone = 0;
	model->setup();
	for (int i = 0; i < nthreads; i++)
		start_thread(i);
	while (take_step(replay, &abandoned))
		;
	if (abandoned)
		return;
	for (int i = 0; i < nthreads; i++)
		if (!threads[i].ended && !(model->daemons & 1u << i)) {
			current = i;
			model_fail(threads[i].next.file, threads[i].next.line, "this thread never goes on");
		}
	if (model->check)
		model->check();
}

/* Moves on to the next unexplored choice: the number of steps to be replayed, or 0 when all is done. */
static int backtrack(void)
{
	for (; depth > 0; depth--) {
		struct node *n = &path[depth - 1];
		uint32_t todo;

		n->done |= 1u << n->chosen;
		todo = n->can & ~(n->sleep | n->done);
		if (todo) {
			n->chosen = __builtin_ctz(todo);
			return depth;
		}
	}
	return 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

int model_main(struct Suite *s)
{
	t_keep(s);
	t_skip_unless(!SANITIZED, "sanitizers cannot follow the models, whose threads are contexts on one thread");
	return t_main(s);
}

long model_explore(const struct model *m)
{
	long executions = 0;
	int replay = 0;

	model = m;
	for (nthreads = 0; nthreads < MODEL_THREADS && m->thread[nthreads]; nthreads++)
		if (!stacks[nthreads])
			stacks[nthreads] = malloc(STACK_SIZE);
	if (m->state) {
		free(seen);
		seen = calloc(SEEN_SIZE, sizeof(*seen));
		nseen = 0;
	}
	path[0].sleep = 0;
	do {
		execute(replay);
		if (++executions > (m->limit ? m->limit : LIMIT))
			t_fail(__FILE__, __LINE__, "executions <= limit", "the model is too large");
		replay = backtrack();
	} while (replay > 0);
	printf("model: %ld executions\n", executions);
	return executions;
}
