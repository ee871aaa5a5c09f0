/* SPDX-License-Identifier: MIT */
/*
 * store.c: a red-black tree of items under one mutex.
 *
 * The lock covers the tree only. Texts are immutable and counted, so that an answer is copied and sent without the
 * lock while another goroutine replaces or deletes the item. A goroutine that has to wait for the lock parks; its thread
 * serves others.
 *
 * Rejected: a hash table (the list must come in order of id and go on after a given one); a lock per shard of ids (the
 * lock is held for some 100 ns; what a request costs besides is 100 times that).
 */
#include "store.h"

#include <bsd/sys/tree.h>
#include <errno.h>
#include <goro.h>
#include <stdlib.h>

struct node {
	RB_ENTRY(node) link;
	uint64_t id;
	struct item *item;
};

RB_HEAD(tree, node);

struct store {
	struct goro_mutex lock; /* all that follows */
	struct tree tree;
	size_t count, max;
	uint64_t last_id;
};

static int by_id(const struct node *a, const struct node *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

/* RB_GENERATE_STATIC() of libbsd 0.11 wants a macro that its own headers define only in overlay mode. */
RB_GENERATE_INTERNAL(tree, node, link, by_id, __attribute__((__unused__)) static)

struct store *store_new(size_t max)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		RB_INIT(&s->tree);
		s->max = max;
	}
	return s;
}

void store_free(struct store *s)
{
	struct node *n;

	if (s == NULL)
		return;
	while ((n = RB_ROOT(&s->tree)) != NULL) {
		RB_REMOVE(tree, &s->tree, n);
		store_item_unref(n->item);
		free(n);
	}
	free(s);
}

uint64_t store_new_id(struct store *s)
{
	uint64_t id;

	goro_mutex_lock(&s->lock);
	id = ++s->last_id;
	goro_mutex_unlock(&s->lock);
	return id;
}

struct item *store_item_new(uint64_t id, size_t n)
{
	struct item *it = n <= UINT32_MAX ? malloc(sizeof(*it) + n) : NULL;

	if (it != NULL) {
		it->id = id;
		it->refs = 1;
		it->len = (uint32_t)n;
	}
	return it;
}

void store_item_unref(void *item)
{
	struct item *it = item;

	/* [ITEM-1] acq_rel: the last holder's free comes after every other holder's last read, which [ITEM-1] of theirs releases. */
	if (it != NULL && __atomic_sub_fetch(&it->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(it);
}

static struct node *find(struct store *s, uint64_t id)
{
	struct node key = { .id = id };

	return RB_FIND(tree, &s->tree, &key);
}

int store_put(struct store *s, struct item *it)
{
	struct node *spare = malloc(sizeof(*spare)), *n;
	struct item *old = NULL;
	int ret = -ENOSPC;

	goro_mutex_lock(&s->lock);
	n = find(s, it->id);
	if (n != NULL) {
		old = n->item;
		n->item = it;
		ret = 0;
	} else if (spare != NULL && s->count < s->max) {
		spare->id = it->id;
		spare->item = it;
		RB_INSERT(tree, &s->tree, spare);
		s->count++;
		if (it->id > s->last_id)
			s->last_id = it->id;
		spare = NULL;
		ret = 1;
	} else {
		old = it;
	}
	goro_mutex_unlock(&s->lock);
	free(spare);
	store_item_unref(old);
	return ret;
}

/* The reference is taken under the lock, while the tree's own keeps the item alive. */
static struct item *item_ref(struct item *it)
{
	__atomic_add_fetch(&it->refs, 1, __ATOMIC_RELAXED);
	return it;
}

struct item *store_get(struct store *s, uint64_t id)
{
	struct item *it = NULL;
	struct node *n;

	goro_mutex_lock(&s->lock);
	n = find(s, id);
	if (n != NULL)
		it = item_ref(n->item);
	goro_mutex_unlock(&s->lock);
	return it;
}

int store_delete(struct store *s, uint64_t id)
{
	struct node *n;

	goro_mutex_lock(&s->lock);
	n = find(s, id);
	if (n != NULL) {
		RB_REMOVE(tree, &s->tree, n);
		s->count--;
	}
	goro_mutex_unlock(&s->lock);
	if (n == NULL)
		return 0;
	store_item_unref(n->item);
	free(n);
	return 1;
}

size_t store_list(struct store *s, uint64_t after, struct item **ret, size_t n)
{
	struct node key = { .id = after + 1 }, *at;
	size_t got = 0;

	if (after == UINT64_MAX)
		return 0;
	goro_mutex_lock(&s->lock);
	for (at = RB_NFIND(tree, &s->tree, &key); at != NULL && got < n; at = RB_NEXT(tree, &s->tree, at))
		ret[got++] = item_ref(at->item);
	goro_mutex_unlock(&s->lock);
	return got;
}

size_t store_count(struct store *s)
{
	size_t n;

	goro_mutex_lock(&s->lock);
	n = s->count;
	goro_mutex_unlock(&s->lock);
	return n;
}
