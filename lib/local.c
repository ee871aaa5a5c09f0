/* SPDX-License-Identifier: MIT */
/*
 * local.c: goroutine-local values. A goroutine's are an array, g->run.locals, that only it looks at, in user context; so no lock and no atomic is
 * needed. It may be stopped at any point, also for good (leave.c): the array is replaced by one store of its pointer.
 */
#include <goro/local.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "mem.h"
#include "park.h"
#include "spawn.h"

#define FIRST_CAP 6
#define ROUNDS 4 /* as POSIX's least PTHREAD_DESTRUCTOR_ITERATIONS */

struct locals {
	uint32_t n, cap;
	struct local {
		const struct goro_local_key *key;
		void *value;
	} v[];
};

static struct g *self(void)
{
	struct m *m = rt_enter();
	struct g *g = goro__self(m);

	rt_exit(m);
	return g;
}

static struct local *find(struct locals *l, const struct goro_local_key *key)
{
	for (uint32_t i = 0; l && i < l->n; i++)
		if (l->v[i].key == key)
			return &l->v[i];
	return NULL;
}

/* Room for one more: the array that there is now, or NULL without memory. */
static struct locals *grow(struct g *g)
{
	struct locals *old = g->run.locals, *l;
	uint32_t cap = old ? 2 * old->cap + 2 : FIRST_CAP;

	if (old && old->n < old->cap)
		return old;
	l = goro__mem_alloc(sizeof(*l) + cap * sizeof(l->v[0]));
	if (!l)
		return NULL;
	l->n = 0;
	if (old)
		memcpy(l, old, sizeof(*l) + old->n * sizeof(l->v[0]));
	l->cap = cap;
	store_rlx(&g->run.locals, (void *)l);
	goro__mem_free(old);
	return l;
}

int goro_local_set(const struct goro_local_key *key, void *value)
{
	struct g *g = self();
	struct locals *l = g->run.locals;
	struct local *at = find(l, key);

	if (!key)
		return -EINVAL;
	if (at) {
		/* Moved to the end, or taken out: the order is that of the last sets. */
		memmove(at, at + 1, (size_t)((char *)&l->v[l->n] - (char *)(at + 1)));
		l->n--;
	}
	if (!value)
		return 0;
	l = grow(g);
	if (!l)
		return -ENOMEM;
	l->v[l->n].key = key;
	l->v[l->n].value = value;
	l->n++;
	return 0;
}

void *goro_local_get(const struct goro_local_key *key)
{
	struct local *at = find(self()->run.locals, key);

	return at ? at->value : NULL;
}

void goro__locals_end(struct g *g)
{
	struct locals *l;

	for (int round = 0; round < ROUNDS; round++) {
		/* Only what was there when the round began. */
		for (uint32_t n = (l = g->run.locals) ? l->n : 0; n > 0 && (l = g->run.locals)->n != 0; n--) {
			struct local last = l->v[--l->n];

			if (last.key->destroy)
				last.key->destroy(last.value);
		}
	}
	goro__locals_drop(g);
}

void goro__locals_drop(struct g *g)
{
	void *l = g->run.locals;

	g->run.locals = NULL;
	goro__mem_free(l);
}
