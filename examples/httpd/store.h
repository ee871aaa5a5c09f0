/* SPDX-License-Identifier: MIT */
/* store.h: the items of the API, in memory. Every call may come from any goroutine or thread. */
#ifndef HTTPD_STORE_H
#define HTTPD_STORE_H

#include <stddef.h>
#include <stdint.h>

struct store;

/* One version of an item: its JSON text. It never changes; a new version replaces it. */
struct item {
	uint64_t id;
	uint32_t refs; /* atomic */
	uint32_t len;
	char text[];
};

/* NULL if memory is short. max is the number of items that it may hold. */
struct store *store_new(size_t max);
void store_free(struct store *s);

/* A number that no item has had. It is taken even if no item comes of it. Parks, as all of these. */
uint64_t store_new_id(struct store *s);

/* A new item of n bytes, text to be filled in by the caller, with one reference. NULL if memory is short. */
struct item *store_item_new(uint64_t id, size_t n);
void store_item_unref(void *item);

/* Puts it in, takes over the reference. Returns 1 if it is new, 0 if it replaced one, -ENOSPC: full, and the item is gone. */
int store_put(struct store *s, struct item *it);

/* The item with a reference for the caller, or NULL. */
struct item *store_get(struct store *s, uint64_t id);

/* 1 if it was there. */
int store_delete(struct store *s, uint64_t id);

/* Up to n items with ids above after, in order, each with a reference. Returns how many. */
size_t store_list(struct store *s, uint64_t after, struct item **ret, size_t n);

size_t store_count(struct store *s);

#endif
