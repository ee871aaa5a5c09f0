/* SPDX-License-Identifier: MIT */
/*
 * spawn.c: making goroutines, running them, ending them.
 *
 * Records. A struct g comes from a slab: chunks of 2 MiB (the first one smaller), on huge pages where the kernel gives them, since a
 * million goroutines that have run and are parked touch 192 MB of records (those that have not run are packed, see pack.c), and a fault per 4 KiB (2.7 us here) would cost each of them 130 ns. Each P
 * keeps a free list, last in first out, and exchanges batches with the global pool. Chunks stay until the runtime ends.
 *
 * Stacks. A record is all that a spawn makes. The stack is attached when the goroutine is first dispatched, and when it ends and the next
 * one on the queue has not run yet, that one just goes on on the same stack, without a switch: a batch of short goroutines
 * runs on one hot stack. So the cost of a short goroutine is two queue operations and a call.
 *
 * A goroutine ends by returning from its function or by goro_exit() (panic.c), whose end, goro__g_exit(), jumps to the base of the stack; both meet in next_g().
 */
#include "spawn.h"

#include <errno.h>
#include <goro/go.h>
#include <string.h>
#include <sys/mman.h>

#include "fatal.h"
#include "origin.h"
#include "pack.h"
#include "panic.h"
#include "park.h"
#include "switch.h"
#include "sys.h"

#define CHUNK_SIZE ((size_t)2 << 20)
#define FIRST_CHUNK ((size_t)64 << 10)
#define BATCH 64u	  /* records that a P takes from the pool at once */
#define P_KEEP (4 * BATCH) /* records that a P keeps at most */
#define ID_BLOCK 1024

struct chunk {
	struct chunk *next;
	size_t size;
	uint32_t used, cap; /* records handed out, and all; atomic used */
	struct origin *origins; /* of each, see origin.c; NULL: none are kept */
	struct g g[] CACHE_ALIGNED;
};

/* The global pool. */
static struct pool {
	struct lock lock; /* RANK_GLIST: all of it */
	struct g *free;
	struct chunk *chunks; /* newest first; atomic head for dumps */
	bool broken;
} pool_ = { LOCK_INIT(RANK_GLIST), NULL, NULL, false };

/* A new chunk in front of the others; false without memory. Under the pool's lock. */
static bool add_chunk(struct pool *pool)
{
	size_t size = pool->chunks ? CHUNK_SIZE : FIRST_CHUNK;
	size_t map = size == CHUNK_SIZE ? 2 * size : size;
	long r = sys_mmap(NULL, map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct chunk *c;

	if (sys_is_err(r))
		return false;
	if (map != size) {
		uintptr_t lo = (uintptr_t)r, a = (lo + size - 1) & ~(size - 1);

		if (a != lo)
			sys_munmap((void *)lo, a - lo);
		if (lo + map != a + size)
			sys_munmap((void *)(a + size), lo + map - (a + size));
		r = (long)a;
		sys_madvise((void *)r, size, MADV_HUGEPAGE); /* -EINVAL without THP: then small pages it is */
	}
	c = (struct chunk *)r;
	c->next = pool->chunks;
	c->size = size;
	c->cap = (uint32_t)((size - sizeof(*c)) / sizeof(struct g));
	if (unlikely(load_rlx(&goro__origins))) {
		r = sys_mmap(NULL, c->cap * sizeof(struct origin), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		c->origins = sys_is_err(r) ? NULL : (struct origin *)r;
	}
	/* [CHUNK-1] release: pairs with [CHUNK-2] in goro__g_each(). */
	store_rel(&pool->chunks, c);
	return true;
}

/* Moves up to BATCH records from the pool to the chain *list: how many. */
static NOINLINE uint32_t refill(struct pool *pool, struct g **list)
{
	uint32_t n = 0;

	goro__lock(&pool->lock);
	while (n < BATCH && pool->free) {
		struct g *g = pool->free;

		pool->free = g->next;
		g->next = *list;
		*list = g;
		n++;
	}
	while (n < BATCH) {
		struct chunk *c = pool->chunks;
		struct g *g;

		if (!c || c->used == c->cap) {
			if (!add_chunk(pool))
				break;
			c = pool->chunks;
		}
		g = &c->g[c->used];
		store_rlx(&c->used, c->used + 1);
		g->next = *list;
		*list = g;
		n++;
	}
	goro__unlock(&pool->lock);
	return n;
}

static NOINLINE uint64_t new_id(struct p *p)
{
	if (!p)
		return __atomic_fetch_add(&sched->next_id, 1, __ATOMIC_RELAXED);
	p->next_id = __atomic_fetch_add(&sched->next_id, ID_BLOCK, __ATOMIC_RELAXED);
	p->end_id = p->next_id + ID_BLOCK;
	return p->next_id++;
}

/* A record of p's, nothing of it set. */
static inline struct g *g_pop(struct p *p)
{
	struct g *g;

	if (unlikely(!p->gfree)) {
		p->ngfree = refill(&pool_, &p->gfree);
		if (p->ngfree == 0)
			return NULL;
	}
	g = p->gfree;
	p->gfree = g->next;
	p->ngfree--;
	return g;
}

static inline struct g *g_alloc(struct p *p)
{
	struct g *g = NULL;

	if (likely(p != NULL)) {
		g = g_pop(p);
		if (unlikely(!g))
			return NULL;
		g->id = likely(p->next_id != p->end_id) ? p->next_id++ : new_id(p);
		bump(&p->spawned);
		return g;
	}
	goro__lock(&pool_.lock);
	g = pool_.free;
	if (g)
		pool_.free = g->next;
	goro__unlock(&pool_.lock);
	if (!g) {
		struct g *list = NULL;

		if (refill(&pool_, &list) == 0)
			return NULL;
		g = list;
		goro__lock(&pool_.lock);
		while ((list = g->next) != NULL) {
			g->next = list->next;
			list->next = pool_.free;
			pool_.free = list;
		}
		goro__unlock(&pool_.lock);
	}
	g->id = new_id(NULL);
	add_rlx(&sched->ext_spawned, 1);
	return g;
}

static NOINLINE void flush_half(struct p *p)
{
	struct g *first = p->gfree, *last = first;

	for (uint32_t i = 1; i < P_KEEP / 2; i++)
		last = last->next;
	p->gfree = last->next;
	p->ngfree -= P_KEEP / 2;
	goro__lock(&pool_.lock);
	last->next = pool_.free;
	pool_.free = first;
	goro__unlock(&pool_.lock);
}

static inline void g_free(struct p *p, struct g *g)
{
	store_rlx(&g->status, G_FREE);
	g->next = p->gfree;
	p->gfree = g;
	if (unlikely(++p->ngfree >= P_KEEP))
		flush_half(p);
}

void goro__g_free(struct p *p, struct g *g)
{
	g_free(p, g);
}

void goro__g_each(void (*f)(struct g *g, void *arg), void *arg)
{
	/* [CHUNK-2] acquire: pairs with [CHUNK-1]. */
	for (struct chunk *c = load_acq(&pool_.chunks); c; c = c->next) {
		uint32_t n = load_rlx(&c->used);

		for (uint32_t i = 0; i < n; i++)
			if (load_rlx(&c->g[i].status) != G_FREE)
				f(&c->g[i], arg);
	}
}

struct origin *goro__g_origin(const struct g *g)
{
	for (struct chunk *c = load_acq(&pool_.chunks); c; c = c->next) /* [CHUNK-2] */
		if ((uintptr_t)g - (uintptr_t)c < c->size)
			return c->origins ? &c->origins[g - c->g] : NULL;
	return NULL;
}

void goro__gs_fini(void)
{
	struct chunk *c = pool_.chunks;

	goro__packs_fini();
	pool_.chunks = NULL;
	pool_.free = NULL;
	while (c) {
		struct chunk *next = c->next;

		if (c->origins)
			sys_munmap(c->origins, c->cap * sizeof(struct origin));
		sys_munmap(c, c->size);
		c = next;
	}
}

/* Queues a new goroutine where the caller is. */
static inline void enqueue(struct m *m, struct g *g)
{
	struct p *p = m->p;

	san_release(g);
	store_rlx(&g->status, G_RUNNABLE);
	if (unlikely(!p)) {
		goro__inject(g);
		return;
	}
	push_to(p, &p->q.fresh, g);
	goro__backlog_note(p);
}

/* What is the same in all new goroutines. */
static inline void blank_g(struct g *g)
{
	g->sp = NULL;
	g->stk.w = 0;
	store_rlx(&g->token, TOKEN_NONE); /* a late notification may come now: I5 of park.c */
	g->flags = 0;
	g->has_cxx = 0;
	g->bound = 0;
	store_rlx(&g->nopreempt, 0);
	g->name[0] = 0;
}

static inline void init_g(struct m *m, struct g *g, void (*fn)(void), const void *pc)
{
	blank_g(g);
	g->stk_cls = sched->stk_cls;
	g->fn = fn;
	g->parent_id = m->curg ? m->curg->id : 0;
	g->created_at = pc;
}

struct g *goro__g_unpack(struct p *p, struct pack *k, bool *ret_more)
{
	struct g *g = g_pop(p);

	if (unlikely(!g))
		return NULL;
	blank_g(g);
	*ret_more = goro__pack_take(k, g);
	store_rlx(&g->status, G_RUNNABLE);
	return g;
}

static NOINLINE int enter_foreign(struct m *m)
{
	if (!goro__guest_enter(m))
		return -EPERM;
	if (!load_seq(&sched->stopping))
		return 0;
	goro__guest_leave(m);
	return -ECANCELED;
}

/* Enters for a spawn; a plain thread announces itself to the shutdown. 0 or negative errno. */
static inline int enter_spawn(struct m **ret)
{
	struct m *m = rt_enter();
	int r = 0;

	if (unlikely(m->foreign) && (r = enter_foreign(m)) != 0)
		rt_exit(m);
	*ret = m;
	return r;
}

static inline int exit_spawn(struct m *m, int r)
{
	goro__guest_leave(m);
	rt_exit(m);
	return r;
}

/* o: NULL if no origins are kept. */
static inline int spawn_args(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask, const void *pc, const struct origin *o)
{
	struct m *m;
	struct g *g;
	int r;

	if (unlikely(!fn || nargs > ARCH_ARGS))
		return -EINVAL;
	r = enter_spawn(&m);
	if (unlikely(r != 0))
		return r;
	g = g_alloc(m->p);
	if (unlikely(!g))
		return exit_spawn(m, -ENOMEM);
	init_g(m, g, fn, pc);
	if (o)
		goro__origin_keep(g, o);
	g->nargs = (uint8_t)nargs;
	g->fpmask = (uint8_t)fpmask;
	for (unsigned i = 0; i < nargs; i++)
		g->arg[i] = arg[i];
	enqueue(m, g);
	return exit_spawn(m, 0);
}

static COLD int spawn_traced(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask, const void *pc)
{
	struct origin o;

	goro__origin_take(&o, pc);
	return spawn_args(fn, arg, nargs, fpmask, pc, &o);
}

int goro_spawn_args(void (*fn)(void), const uint64_t *arg, unsigned nargs, unsigned fpmask)
{
	const void *pc = __builtin_return_address(0);

	if (unlikely(load_rlx(&goro__origins)))
		return spawn_traced(fn, arg, nargs, fpmask, pc);
	return spawn_args(fn, arg, nargs, fpmask, pc, NULL);
}

int goro__spawn_in(struct m *m, void (*fn)(void *), void *arg, const void *pc)
{
	struct g *g = g_alloc(m->p);

	if (unlikely(!g))
		return -ENOMEM;
	init_g(m, g, (void (*)(void))fn, pc);
	g->nargs = 1;
	g->fpmask = 0;
	g->arg[0] = (uintptr_t)arg;
	if (unlikely(load_rlx(&goro__origins)))
		goro__origin_keep(g, NULL);
	enqueue(m, g);
	return 0;
}

int goro_spawn(void (*fn)(void *), void *arg)
{
	uint64_t a = (uintptr_t)arg;

	return goro_spawn_args((void (*)(void))fn, &a, 1, 0);
}

/* Reads the caller's options, which may be older or newer than ours. */
static int read_opts(const struct goro_spawn_opts *opts, struct goro_spawn_opts *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!opts)
		return 0;
	if (opts->size == 0)
		return -EINVAL;
	if (opts->size > sizeof(*ret)) {
		const char *tail = (const char *)opts + sizeof(*ret);

		for (size_t i = 0; i < opts->size - sizeof(*ret); i++)
			if (tail[i])
				return -E2BIG;
	}
	memcpy(ret, opts, opts->size < sizeof(*ret) ? opts->size : sizeof(*ret));
	if ((ret->flags & ~GORO_SPAWN_NO_PREEMPT) || (ret->copy_size && !ret->copy))
		return -EINVAL;
	return 0;
}

/* Puts a copy of the struct argument where the goroutine will find it: in the record, or at the top of its stack. */
static int place_copy(struct m *m, struct g *g, const struct goro_spawn_opts *o)
{
	struct stk stk;
	uintptr_t at;
	int r;

	if (o->copy_size <= sizeof(g->arg)) {
		memcpy(g->arg, o->copy, o->copy_size);
		g->flags |= G_COPY;
		return 0;
	}
	if (m->p) {
		r = stk_get(&m->p->stk, g->stk_cls, &stk);
	} else {
		/* A plain thread has no cache: an empty one of its own gets one stack and gives the rest of the batch back. */
		struct stkcache tmp;

		memset(&tmp, 0, sizeof(tmp));
		r = stk_get(&tmp, g->stk_cls, &stk);
		goro__stack_cache_flush(&tmp);
	}
	if (r != 0)
		return -ENOMEM;
	at = ((uintptr_t)stk_top(stk) - o->copy_size) & ~(uintptr_t)63;
	memcpy((void *)at, o->copy, o->copy_size);
	g->stk = stk;
	g->arg[0] = at;
	g->flags |= G_COPY_STACK;
	return 0;
}

int goro__spawn_opts(void (*fn)(void *), void *arg, const struct goro_spawn_opts *opts, const void *from)
{
	struct goro_spawn_opts o;
	struct origin origin;
	struct m *m;
	struct g *g;
	int r = read_opts(opts, &o), cls;

	if (r != 0)
		return r;
	cls = goro__stack_class(o.stack_size);
	if (unlikely(load_rlx(&goro__origins)))
		goro__origin_take(&origin, from);
	if (!fn || cls < 0 || (arg && o.copy) || o.copy_size > (STK_MIN << cls) / 2)
		return -EINVAL;
	r = enter_spawn(&m);
	if (r != 0)
		return r;
	g = g_alloc(m->p);
	if (!g)
		return exit_spawn(m, -ENOMEM);
	init_g(m, g, (void (*)(void))fn, from);
	if (unlikely(load_rlx(&goro__origins)))
		goro__origin_keep(g, &origin);
	if (o.stack_size)
		g->stk_cls = (uint8_t)cls;
	if (o.name)
		strncpy(g->name, o.name, G_NAME_MAX);
	g->name[G_NAME_MAX] = 0;
	store_rlx(&g->nopreempt, o.flags & GORO_SPAWN_NO_PREEMPT ? NOPREEMPT_EVER : 0);
	g->nargs = 1;
	g->fpmask = 0;
	g->arg[0] = (uintptr_t)arg;
	if (o.copy_size && place_copy(m, g, &o) != 0) {
		goro__g_unspawn(m, g);
		return exit_spawn(m, -ENOMEM);
	}
	enqueue(m, g);
	return exit_spawn(m, 0);
}

int goro_spawn_opts(void (*fn)(void *), void *arg, const struct goro_spawn_opts *opts)
{
	return goro__spawn_opts(fn, arg, opts, __builtin_return_address(0));
}

/* Takes back a record whose goroutine was never queued. */
void goro__g_unspawn(struct m *m, struct g *g)
{
	if (m->p) {
		bump(&m->p->exited);
		g_free(m->p, g);
		return;
	}
	add_rlx(&sched->ext_spawned, -1ull);
	store_rlx(&g->status, G_FREE);
	goro__lock(&pool_.lock);
	g->next = pool_.free;
	pool_.free = g;
	goro__unlock(&pool_.lock);
}

struct g *goro__g_alloc(struct m *m)
{
	struct g *g = g_alloc(m->p);

	if (g) {
		init_g(m, g, NULL, NULL);
		goro__origin_keep(g, NULL);
	}
	return g;
}

/* Calls the function of the goroutine that m runs. */
static void run_fn(struct m *m, struct g *g)
{
	uint64_t a[8];
	unsigned nargs = g->nargs, fpmask = g->fpmask;
	uint8_t flags = g->flags;
	void (*fn)(void) = g->fn;

	memcpy(a, g->arg, sizeof(a));
	memset(&g->run, 0, sizeof(g->run));
	san_acquire(g);
	san_acquire((void *)stk_base(g->stk)); /* what its last user wrote there is over */
	rt_exit(m);
	if (unlikely(flags & G_COPY))
		((void (*)(void *))(void *)fn)(a);
	else
		goro__invoke(fn, a, nargs, fpmask);
	if (unlikely(g->run.locals != NULL))
		goro__locals_end(g);
}

/*
 * The goroutine that m runs has ended: returns true when m->curg is a new one that goes on on this stack. Otherwise it does not return.
 */
static bool next_g(struct m *m)
{
	struct g *g = m->curg, *next;
	struct p *p = m->p;

	if (unlikely(g->flags & (G_BOUND | G_FOREIGN))) {
		if (g->flags & G_FOREIGN)
			goro__throw("a goroutine has ended in a forked child, where it came along by accident; call exec or _exit");
		m->boundg = NULL;
	}
	bump(&p->exited);
	next = pick_local(p);
	if (likely(next && !next->sp && !next->stk.w && next->stk_cls == stk_class(g->stk) && !(goro__san & SAN_TOOLS))) {
		next->stk = g->stk;
		g->stk.w = 0;
		set_running(m, p, next);
		arch_fpenv_reset();
		g_free(p, g);
		return true;
	}
	store_rlx(&g->status, G_FREE);
	m->post = POST_DEAD;
	switch_to(m, g, next);
	__builtin_unreachable();
}

void goro__g_main(void *pass)
{
	struct m *m = pass;

	finish_switch(m, m->curg);
	for (;;) {
		run_fn(m, m->curg);
		m = rt_enter();
		if (!next_g(m))
			break;
	}
}

/* Base of the stack after goro_exit(): what goro__g_main() does after a return. */
static void g_main_again(void *pass)
{
	struct m *m = pass;

	while (next_g(m)) {
		run_fn(m, m->curg);
		m = rt_enter();
	}
}

void goro__g_exit(struct g *g)
{
	struct m *m;

	if (unlikely(g->run.locals != NULL))
		goro__locals_end(g);
	m = rt_enter();
	if (unlikely(goro__san & SAN_TOOLS))
		goro__san_reuse(g);
	goro__jump(stk_top(g->stk), g_main_again, m);
}
