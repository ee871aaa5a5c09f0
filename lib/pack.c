/* SPDX-License-Identifier: MIT */
/*
 * pack.c: goroutines that have not run yet, as a stream of bytes.
 *
 * Why. A program may start a million goroutines before it lets one of them run. Each has a record of 192 bytes, three cache lines that are
 * written at the spawn, fall out of all caches, and are read when it runs; and memory that the process has not used before
 * costs a fault per page, 2.7 us if the host has the page and 8 to 15 us if it has not, which was three quarters of the cost of a cold spawn.
 * But what such a goroutine is consists of little: its function and its arguments. All else is either zero or what its
 * neighbour has. So the surplus of a local queue is packed, its records go back to the free list while they are hot, and
 * a million goroutines with an argument are 9 MB and not 192.
 *
 * The format. A pack is a few runs; a run is a header and then the arguments, nargs words for each goroutine, nothing else:
 *
 *	struct run: fn, created_at, parent_id, first_id, n, nargs, fpmask, stk_cls | args of first_id | args of first_id + 1 | ...
 *
 * A goroutine joins the run if all the header's fields are its own and its id is the next one; else it begins another. So the worst
 * case, no two neighbours alike, is 40 bytes and its arguments; the usual one, a loop of spawns, is its arguments.
 *
 * Invariants:
 *   I1 only a goroutine that is nothing but that is packed: no stack, no name, no copied structure, no flag. It has no address that
 *	anybody could know, since nobody gets a goroutine's address before it has run; so its record may change.
 *   I2 a pack belongs to who made it or took it off the queue; in the queue of inject.c it is under sched.lock. It is read in the order it was written.
 *   I3 its goroutines are spawned and not exited for all counts; none of them is in goro__g_each().
 *   I4 a pack's memory stays mapped until the runtime ends.
 *
 * Under a sanitizer nothing is packed: TSan is told of the hand-over from spawner to goroutine by the record's address.
 *
 * Rejected: smaller records with the rest allocated at the first run (one line instead of three, but two free lists, and all who
 * look at a record would have to ask which it is); running new goroutines in the middle of a spawn (spawns do not park).
 */
#include "pack.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "lock.h"
#include "sys.h"

#define CHUNK_SIZE ((size_t)256 << 10)
#define CHUNK_PACKS ((uint32_t)((CHUNK_SIZE - 64) / PACK_SIZE))

struct run {
	void (*fn)(void);
	const void *created_at;
	uint64_t parent_id, first_id;
	uint32_t n;
	uint8_t nargs, fpmask, stk_cls, unused;
};

#define RUN_WORDS ((uint32_t)(sizeof(struct run) / 8))

struct chunk {
	struct chunk *next;
	uint32_t used;
	struct pack pack[] CACHE_ALIGNED;
};

static struct {
	struct lock lock; /* RANK_LEAF: all of it */
	struct pack *free;
	struct chunk *chunks;
} slab = { LOCK_INIT(RANK_LEAF), NULL, NULL };

static struct pack *pack_alloc(void)
{
	struct pack *k;

	goro__lock(&slab.lock);
	k = slab.free;
	if (k) {
		slab.free = k->next;
	} else {
		if (!slab.chunks || slab.chunks->used == CHUNK_PACKS) {
			long r = sys_mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
					  -1, 0);
			struct chunk *c = (struct chunk *)r;

			if (sys_is_err(r)) {
				goro__unlock(&slab.lock);
				return NULL;
			}
			c->next = slab.chunks;
			slab.chunks = c;
		}
		k = &slab.chunks->pack[slab.chunks->used++];
	}
	goro__unlock(&slab.lock);
	memset(k, 0, offsetof(struct pack, word));
	return k;
}

void goro__pack_free(struct pack *k)
{
	goro__lock(&slab.lock);
	k->next = slab.free;
	slab.free = k;
	goro__unlock(&slab.lock);
}

void goro__packs_fini(void)
{
	struct chunk *c = slab.chunks, *next;

	slab.chunks = NULL;
	slab.free = NULL;
	for (; c; c = next) {
		next = c->next;
		sys_munmap(c, CHUNK_SIZE);
	}
}

static inline struct run *run_at(struct pack *k, uint32_t at)
{
	return (struct run *)(void *)&k->word[at];
}

static inline bool joins(const struct run *r, const struct g *g)
{
	return r->fn == g->fn && r->first_id + r->n == g->id && r->created_at == g->created_at && r->parent_id == g->parent_id &&
	       r->nargs == g->nargs && r->fpmask == g->fpmask && r->stk_cls == g->stk_cls;
}

static bool begin_run(struct pack *k, const struct g *g)
{
	if (k->end + RUN_WORDS + g->nargs > PACK_WORDS)
		return false;
	k->run = k->end;
	*run_at(k, k->run) = (struct run){
		.fn = g->fn,
		.created_at = g->created_at,
		.parent_id = g->parent_id,
		.first_id = g->id,
		.nargs = g->nargs,
		.fpmask = g->fpmask,
		.stk_cls = g->stk_cls,
	};
	k->end += RUN_WORDS;
	return true;
}

/* Appends g to k if there is room. */
static inline bool append(struct pack *k, const struct g *g)
{
	if (k->n == 0 || !joins(run_at(k, k->run), g)) {
		if (!begin_run(k, g))
			return false;
	} else if (k->end + g->nargs > PACK_WORDS) {
		return false;
	}
	for (unsigned i = 0; i < g->nargs; i++)
		k->word[k->end++] = g->arg[i];
	run_at(k, k->run)->n++;
	k->n++;
	return true;
}

bool goro__pack_add(struct packq *q, const struct g *g)
{
	struct pack *k = q->last;

	if (g->sp || g->stk.w || g->flags || g->nopreempt || g->name[0])
		return false;
	if (!k || !append(k, g)) {
		k = pack_alloc();
		if (!k)
			return false;
		append(k, g);
		if (q->last)
			q->last->next = k;
		else
			q->first = k;
		q->last = k;
	}
	q->n++;
	return true;
}

/* Reading begins at word 0: append() leaves `run` at the last run, so `at` tells whether it has begun. */
bool goro__pack_take(struct pack *k, struct g *g)
{
	struct run *r;

	if (k->at == 0) {
		k->run = 0;
		k->at = RUN_WORDS;
	} else if (k->taken == run_at(k, k->run)->n) {
		k->run = k->at;
		k->at += RUN_WORDS;
		k->taken = 0;
	}
	r = run_at(k, k->run);
	g->fn = r->fn;
	g->created_at = r->created_at;
	g->parent_id = r->parent_id;
	g->id = r->first_id + k->taken++;
	g->nargs = r->nargs;
	g->fpmask = r->fpmask;
	g->stk_cls = r->stk_cls;
	for (unsigned i = 0; i < r->nargs; i++)
		g->arg[i] = k->word[k->at++];
	return --k->n != 0;
}
