/* SPDX-License-Identifier: MIT *
 * What of the surplus has not run yet is packed (pack.c), and is a second queue under the same lock. The two take turns, so neither waits for
 * the other.
 */
/*
 * inject.c: the global queue, for goroutines that no P's local queue can take: made or woken by plain threads, by offline Ps and by
 * Ms that came back from the kernel, and the surplus of full local queues. Every P looks here once in LOOK_EVERY
 * dispatches and whenever its own queues are empty; an M that is about to sleep looks here after it has said so (idle.c).
 *
 * What of the surplus has not run yet is packed (pack.c), and is a second queue under the same lock. The two take turns, so neither waits for
 * the other.
 */
#include "sched.h"

#include "context.h"
#include "fatal.h"
#include "origin.h"
#include "spawn.h"

static void note_length(void)
{
	uint64_t n = sched->global.n + sched->packs.n;

	store_rlx(&sched->nglobal, n < UINT32_MAX ? (uint32_t)n : UINT32_MAX);
}

/* Appends l, which is not empty. Under the lock. */
static void append(const struct glist *l)
{
	if (sched->global.n)
		sched->global.last->next = l->first;
	else
		sched->global.first = l->first;
	sched->global.last = l->last;
	sched->global.n += l->n;
}

void goro__inject_list(struct glist *l)
{
	goro__lock(&sched->lock);
	append(l);
	note_length();
	goro__unlock(&sched->lock);
	/* [IDLE-2], see idle.c: the queue is written before we look for idle Ps. */
	fence_seq();
	goro__wake_one();
}

void goro__inject(struct g *g)
{
	struct glist l = { g, g, 1 };

	g->next = NULL;
	goro__inject_list(&l);
}

void goro__inject_surplus(struct p *p, struct g **v, uint32_t n)
{
	struct packq q = { NULL, NULL, 0 };
	struct glist l = { NULL, NULL, 0 };
	bool pack = likely(!(goro__san & SAN_TOOLS) && !load_rlx(&goro__origins));
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (pack && goro__pack_add(&q, v[i]))
			goro__g_free(p, v[i]);
		else
			v[kept++] = v[i];
	}
	goro__glist_make(&l, v, kept);
	goro__lock(&sched->lock);
	if (kept)
		append(&l);
	if (q.n) {
		if (sched->packs.first)
			sched->packs.last->next = q.first;
		else
			sched->packs.first = q.first;
		sched->packs.last = q.last;
		sched->packs.n += q.n;
	}
	note_length();
	goro__unlock(&sched->lock);
}

/* Puts what is left of k in front of the packs. */
static void put_back(struct pack *k)
{
	goro__lock(&sched->lock);
	k->next = sched->packs.first;
	if (!k->next)
		sched->packs.last = k;
	sched->packs.first = k;
	sched->packs.n += k->n;
	note_length();
	goro__unlock(&sched->lock);
}

/* At most max goroutines of k, which the caller has taken off the queue: the first one returned, the others to p. */
static struct g *unpack(struct p *p, struct pack *k, uint32_t max)
{
	struct g *first = NULL;
	bool more = true;

	for (uint32_t i = 0; i < max && more; i++) {
		struct g *g = goro__g_unpack(p, k, &more);

		if (unlikely(!g))
			break;
		if (!first)
			first = g;
		else
			push_to(p, &p->q.fresh, g);
	}
	if (unlikely(!first))
		goro__throw("out of memory for goroutines");
	if (more)
		put_back(k);
	else
		goro__pack_free(k);
	return first;
}

/* A pack off the queue. Under the lock. */
static struct pack *take_pack(void)
{
	struct pack *k = sched->packs.first;

	sched->packs.first = k->next;
	if (!k->next)
		sched->packs.last = NULL;
	k->next = NULL;
	sched->packs.n -= k->n;
	note_length();
	return k;
}

/* A fair share of the list, chained. Under the lock. */
static void take_share(struct glist *ret, uint32_t max)
{
	uint32_t n = sched->global.n / load_rlx(&sched->nprocs) + 1;
	struct g *g = sched->global.first;

	if (n > sched->global.n)
		n = sched->global.n;
	if (n > max)
		n = max;
	ret->first = g;
	ret->n = n;
	for (uint32_t i = 1; i < n; i++)
		g = g->next;
	sched->global.first = g->next;
	sched->global.n -= n;
	note_length();
}

struct g *goro__inject_take(struct p *p, uint32_t max, uint32_t max_packed)
{
	struct glist l = { NULL, NULL, 0 };
	struct pack *k = NULL;
	struct g *g;

	if (load_rlx(&sched->nglobal) == 0)
		return NULL;
	goro__lock(&sched->lock);
	sched->packs_turn = !sched->packs_turn;
	if (max_packed && sched->packs.n && (sched->packs_turn || sched->global.n == 0))
		k = take_pack();
	else if (sched->global.n)
		take_share(&l, max);
	goro__unlock(&sched->lock);
	if (k)
		return unpack(p, k, max_packed);
	for (g = l.n ? l.first->next : NULL; l.n > 1; l.n--) {
		struct g *next = g->next;

		push_tail(p, g);
		g = next;
	}
	return l.first;
}
