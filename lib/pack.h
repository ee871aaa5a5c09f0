/* SPDX-License-Identifier: MIT */
/* pack.h: goroutines that have not run yet, as a stream of bytes. Layer 5. See pack.c. */
#ifndef LIB_PACK_H
#define LIB_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "g.h"

/* Bytes of a pack: what a full local queue gives away at once, goroutines alike with one argument each, fits in one. */
#define PACK_SIZE 1152
#define PACK_WORDS ((PACK_SIZE - 32) / 8)

struct pack {
	struct pack *next;   /* of the queue or free list that holds it */
	uint32_t n;	     /* goroutines in it */
	uint32_t end;	     /* word behind the last one */
	uint32_t run, at;    /* word where the run begins that is read or written, and where its next goroutine does */
	uint32_t taken;	     /* goroutines of that run that were read */
	uint32_t unused;
	uint64_t word[PACK_WORDS];
};

_Static_assert(sizeof(struct pack) == PACK_SIZE, "PACK_WORDS is what the fields leave");

/* First in, first out. */
struct packq {
	struct pack *first, *last;
	uint64_t n; /* goroutines in all of them */
};

/* Appends g to q's last pack or to a new one. False if g must stay as it is: then it was not touched. */
bool goro__pack_add(struct packq *q, const struct g *g);

/* Writes the oldest goroutine of k to g, whose other fields are set as at a spawn. False when that was the last one. */
bool goro__pack_take(struct pack *k, struct g *g);

/* Gives back an empty pack. */
void goro__pack_free(struct pack *k);

/* Unmaps all packs, whatever is in them. */
void goro__packs_fini(void);

#endif
