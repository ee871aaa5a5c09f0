/* SPDX-License-Identifier: MIT */
/*
 * tables.c: what a panic reads in the tables for unwinding (.eh_frame), which both compilers write for C, too.
 *
 * The C library finds the object that an address lies in (_dl_find_object(), since 2.35: no lock, no allocation), and that object's .eh_frame_hdr is a sorted
 * table of where each function's entry (FDE) begins. An entry names what is common to many (its CIE), and has a small program that tells, for each instruction
 * of the function, where the frame ends (the CFA: the caller's stack pointer) and where the caller's registers lie.
 *
 * Where a function begins: goro__function_of(). gcc may move rarely used parts of a function to another section; such a part has an entry
 * of its own, which says right away that something lies on the stack, before its first instruction. The entry of a function begins by advancing
 * over some instruction, or says nothing at all.
 *
 * How a frame is laid out: goro__layout_of(). Who only wants to know what frames there are needs three things of each: where it ends, where it returns to, and the
 * caller's frame pointer, which the next frame may be described by. That fits into 32 bits for nearly all functions that compilers make. Everything else
 * (expressions, signal frames, other registers, huge frames) is LAYOUT_OTHER, and so is a function with a personality, which may have something to do when
 * it is left: whoever gets that must ask a real unwinder.
 *
 * What has been found out is kept, in tables without locks: an entry is one word, the address and the answer together, so that who reads it sees all of it or another one. But
 * an answer is good only as long as its code stays in memory, and dlclose() tells nobody. So it is kept for two objects only, which cannot go away under us: the program itself and the
 * one that this very code is in. Code of other objects is looked up each time.
 *
 * Rejected: asking _dl_find_object() whether a kept answer is still about the same object (a plugin that is built anew and loaded again may well lie at
 * the same address); the counters of dl_iterate_phdr() (a lock, and a walk over all objects to get at them).
 */
#include "tables.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "arch.h"
#include "atomic.h"
#include "attr.h"

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object

/* ---------------------------------------------------------------------------------------------------- */
/* What is kept */

#define LAYOUTS_LOG 10
#define FUNCTIONS_LOG 8
#define WHOLE (1u << 31) /* of a function's answer, beside its offset in the object */

/* An answer: key_of() in the high half. 0 is none, as no code lies at the first byte of an object. */
static uint64_t layouts[1u << LAYOUTS_LOG], functions[1u << FUNCTIONS_LOG]; /* atomic */

/* The objects that stay: the program, and the one that this is in (which may be the same). */
static struct kept {
	uintptr_t start; /* atomic, as size; written once, or twice the same */
	uintptr_t size;	 /* 0: not known yet */
} kept[2];

static inline bool is_in(const struct kept *k, uintptr_t pc, uintptr_t *ret_start)
{
	/* [TABLES-1] acquire: pairs with [TABLES-2]. Without it an address could be taken for one of the object by the wrong start. */
	uintptr_t size = load_acq(&k->size);

	*ret_start = load_rlx(&k->start);
	return pc - *ret_start < size;
}

/* The name of pc in what is kept, and where its object starts; 0 if nothing is kept about it. */
static inline uint32_t key_of(uintptr_t pc, uintptr_t *ret_start)
{
	if (is_in(&kept[0], pc, ret_start))
		return (uint32_t)(pc - *ret_start);
	if (is_in(&kept[1], pc, ret_start))
		return (uint32_t)(pc - *ret_start) | 1u << 31;
	return 0;
}

static inline uint64_t *slot_of(uint64_t *table, unsigned log, uint32_t key)
{
	return &table[key * UINT32_C(0x9e3779b1) >> (32 - log)];
}

static inline bool recall(uint64_t *table, unsigned log, uint32_t key, uint32_t *ret)
{
	uint64_t e = load_rlx(slot_of(table, log, key));

	*ret = (uint32_t)e;
	return key && e >> 32 == key;
}

static inline void keep(uint64_t *table, unsigned log, uint32_t key, uint32_t answer)
{
	if (key)
		store_rlx(slot_of(table, log, key), (uint64_t)key << 32 | answer);
}

static void stays(struct kept *k, const struct dl_find_object *o)
{
	uintptr_t start = (uintptr_t)o->dlfo_map_start, size = (uintptr_t)o->dlfo_map_end - start;

	if (load_rlx(&k->size) || size >> 31) /* somebody else may be at it, with the same answer */
		return;
	store_rlx(&k->start, start);
	/* [TABLES-2] release: pairs with [TABLES-1]. */
	store_rel(&k->size, size);
}

/* The object that pc is in. */
static bool find_object(const void *pc, struct dl_find_object *o)
{
	if (!_dl_find_object)
		return false;
	if (load_rlx(&kept[1].size) == 0 && _dl_find_object((void *)(uintptr_t)goro__function_of, o) == 0)
		stays(&kept[1], o);
	if (_dl_find_object((void *)(uintptr_t)pc, o) != 0)
		return false;
	/* The program is the first in its list, as is what dlmopen() loads, but it has no name. */
	if (o->dlfo_link_map && !o->dlfo_link_map->l_prev && o->dlfo_link_map->l_name && !*o->dlfo_link_map->l_name)
		stays(&kept[0], o);
	return true;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Finding an entry */

/* .eh_frame_hdr, as linkers write it: version 1, the table in offsets of 4 bytes from its beginning. */
struct hdr {
	uint8_t version, frame_enc, count_enc, table_enc;
	int32_t frame;
	uint32_t n;
	struct row {
		int32_t start, entry;
	} row[];
};
#define ENC_COUNT 0x03 /* udata4 */
#define ENC_TABLE 0x3b /* datarel, sdata4 */
#define ENC_ENTRY 0x1b /* pcrel, sdata4 */

/* The row of the function that pc is in, or the nearest one before. */
static const struct row *find_row(const struct hdr *h, const void *pc)
{
	ptrdiff_t at = (const char *)pc - (const char *)h;
	uint32_t lo = 0, hi = h->n;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (h->row[mid].start <= at)
			lo = mid;
		else
			hi = mid;
	}
	return h->n && h->row[lo].start <= at ? &h->row[lo] : NULL;
}

/* An entry, where it begins with 4-byte offsets relative to themselves, as it does in all code but the very large. */
struct entry {
	uint32_t length;
	uint32_t cie; /* so far back from here */
	int32_t start; /* from here */
	uint32_t size;
	uint8_t extra; /* length of what follows; then the program */
	uint8_t data[];
} __attribute__((packed));

/* The entry of the function that pc is in, and where that begins; NULL if there is none, or it is written in some other way. */
static const struct entry *find_entry(const void *pc, uintptr_t *ret_start)
{
	struct dl_find_object o;
	const struct entry *e;
	const struct row *r;
	const struct hdr *h;

	if (!find_object(pc, &o))
		return NULL;
	h = o.dlfo_eh_frame;
	if (!h || h->version != 1 || h->count_enc != ENC_COUNT || h->table_enc != ENC_TABLE || !(r = find_row(h, pc)))
		return NULL;
	*ret_start = (uintptr_t)h + (uintptr_t)(ptrdiff_t)r->start;
	e = (const struct entry *)((const char *)h + r->entry);
	if ((uintptr_t)&e->start + (uintptr_t)(ptrdiff_t)e->start != *ret_start)
		return NULL;
	if ((uintptr_t)pc - *ret_start >= e->size)
		return NULL; /* behind it: of a function without an entry */
	return e;
}

static const uint8_t *entry_end(const struct entry *e)
{
	return (const uint8_t *)&e->cie + e->length;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Where a function begins */

/* Does the program advance before it says anything? DW_CFA_nop is padding. */
static bool is_whole(const struct entry *e)
{
	const uint8_t *op = e->data + e->extra, *end = entry_end(e);

	while (op < end && *op == 0)
		op++;
	return op == end || (*op & 0xc0) == 0x40 || (*op >= 0x02 && *op <= 0x04);
}

static NOINLINE uintptr_t look_up_function(const void *pc, bool *ret_whole)
{
	uintptr_t start, object;
	const struct entry *e = find_entry(pc, &start);
	uint32_t key;

	if (!e)
		return 0;
	*ret_whole = is_whole(e);
	key = key_of((uintptr_t)pc, &object);
	keep(functions, FUNCTIONS_LOG, key, (uint32_t)(start - object) | (*ret_whole ? WHOLE : 0));
	return start;
}

uintptr_t goro__function_of(const void *pc, bool *ret_whole)
{
	uintptr_t object;
	uint32_t key = key_of((uintptr_t)pc, &object), answer;

	*ret_whole = true;
	if (unlikely(!recall(functions, FUNCTIONS_LOG, key, &answer)))
		return look_up_function(pc, ret_whole);
	*ret_whole = answer & WHOLE;
	return object + (answer & ~WHOLE);
}

/* ---------------------------------------------------------------------------------------------------- */
/* How a frame is laid out */

enum how { SAME, SAVED, UNDEFINED, ELSEWHERE };

/* Where a register of the caller's is. */
struct rule {
	enum how how;
	int64_t at; /* SAVED: from the end of the frame */
};

/* What the program has said so far. */
struct frame {
	uint64_t reg, size; /* the frame ends so far from that register */
	struct rule fp, ret;
};

#define DEPTH 4 /* of states that a program may remember */

struct program {
	const uint8_t *p, *end;
	uint64_t code_unit;
	int64_t data_unit;
	uint64_t at, wanted; /* offsets in the function */
	struct frame now, first, remembered[DEPTH];
	unsigned depth;
};

static uint64_t uleb(struct program *g)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte = 0x80;

	for (; g->p < g->end && (byte & 0x80) && shift < 63; shift += 7) {
		byte = *g->p++;
		v |= (uint64_t)(byte & 0x7f) << shift;
	}
	return v;
}

static int64_t sleb(struct program *g)
{
	const uint8_t *from = g->p;
	uint64_t v = uleb(g);
	unsigned bits = 7 * (unsigned)(g->p - from);

	if (bits && bits < 64 && (g->p[-1] & 0x40))
		v |= ~UINT64_C(0) << bits;
	return (int64_t)v;
}

static uint64_t fixed(struct program *g, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && g->p < g->end; i++)
		v |= (uint64_t)*g->p++ << 8 * i;
	return v;
}

static void set_rule(struct program *g, uint64_t reg, enum how how, int64_t at)
{
	struct rule r = { how, at };

	if (reg == ARCH_DWARF_FP)
		g->now.fp = r;
	else if (reg == ARCH_DWARF_RET)
		g->now.ret = r;
}

static void restore_rule(struct program *g, uint64_t reg)
{
	const struct rule *r = reg == ARCH_DWARF_FP ? &g->first.fp : &g->first.ret;

	set_rule(g, reg, r->how, r->at);
}

/* The names of dwarf.h, which not every system has. */
enum {
	ADVANCE = 0x40, OFFSET = 0x80, RESTORE = 0xc0, /* with an operand in the low six bits */
	NOP = 0, ADVANCE1 = 2, ADVANCE2, ADVANCE4, OFFSET_EXTENDED, RESTORE_EXTENDED, UNDEFINED_REG, SAME_VALUE, IN_REGISTER, REMEMBER, RESTORE_STATE,
	DEF_CFA, DEF_CFA_REGISTER, DEF_CFA_OFFSET, DEF_CFA_EXPRESSION, EXPRESSION, OFFSET_EXTENDED_SF, DEF_CFA_SF, DEF_CFA_OFFSET_SF,
	NEGATE_RA_STATE = 0x2d, /* aarch64: the address is signed from here on, or no more; arch_strip() takes either */
	ARGS_SIZE = 0x2e,
};

/* Instructions without an operand in the byte: those that tell where the frame ends. False: not one that is understood here. */
static bool step_end(struct program *g, uint8_t op)
{
	switch (op) {
	case DEF_CFA:
		g->now.reg = uleb(g);
		g->now.size = uleb(g);
		return true;
	case DEF_CFA_REGISTER:
		g->now.reg = uleb(g);
		return true;
	case DEF_CFA_OFFSET:
		g->now.size = uleb(g);
		return true;
	case REMEMBER:
		if (g->depth == DEPTH)
			return false;
		g->remembered[g->depth++] = g->now;
		return true;
	case RESTORE_STATE:
		if (g->depth == 0)
			return false;
		g->now = g->remembered[--g->depth];
		return true;
	case ARGS_SIZE:
		uleb(g);
		return true;
	case NEGATE_RA_STATE:
		return ARCH_DWARF_RET == 30;
	default:
		return false;
	}
}

/* Those that advance, or tell of a register; else as step_end(). */
static bool step_extended(struct program *g, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case NOP:
		return true;
	case ADVANCE1:
	case ADVANCE2:
	case ADVANCE4:
		g->at += fixed(g, 1u << (op - ADVANCE1)) * g->code_unit;
		return true;
	case OFFSET_EXTENDED:
		reg = uleb(g);
		set_rule(g, reg, SAVED, (int64_t)uleb(g) * g->data_unit);
		return true;
	case OFFSET_EXTENDED_SF:
		reg = uleb(g);
		set_rule(g, reg, SAVED, sleb(g) * g->data_unit);
		return true;
	case RESTORE_EXTENDED:
		restore_rule(g, uleb(g));
		return true;
	case UNDEFINED_REG:
		set_rule(g, uleb(g), UNDEFINED, 0);
		return true;
	case SAME_VALUE:
		set_rule(g, uleb(g), SAME, 0);
		return true;
	case IN_REGISTER:
		set_rule(g, uleb(g), ELSEWHERE, 0);
		uleb(g);
		return true;
	case EXPRESSION:
		set_rule(g, uleb(g), ELSEWHERE, 0);
		reg = uleb(g);
		g->p += reg < (uint64_t)(g->end - g->p) ? reg : (uint64_t)(g->end - g->p);
		return true;
	default:
		return step_end(g, op);
	}
}

/* Runs the program up to the wanted instruction. */
static bool run(struct program *g, const uint8_t *p, const uint8_t *end)
{
	g->p = p;
	g->end = end;
	while (g->p < g->end) {
		uint8_t op = *g->p++, low = op & 0x3f;

		switch (op & 0xc0) {
		case ADVANCE:
			g->at += low * g->code_unit;
			break;
		case OFFSET:
			set_rule(g, low, SAVED, (int64_t)uleb(g) * g->data_unit);
			break;
		case RESTORE:
			restore_rule(g, low);
			break;
		default:
			if (!step_extended(g, op))
				return false;
		}
		if (g->at > g->wanted)
			break;
	}
	return true;
}

/* What is common to many entries (a CIE). */
struct common {
	uint32_t length;
	uint32_t id; /* 0 */
	uint8_t version;
	char augmentation[]; /* then two units, and what the letters stand for */
} __attribute__((packed));

/*
 * The personality routine of a goroutine's entry; see uncaught.c. It is asked for exceptions only, so to us the frame is as plain as others.
 */
extern const uint8_t uncaught_routine[] __asm__("goro__uncaught") __attribute__((visibility("hidden")));

/* Skips the personality routine, if it is that one. */
static bool skip_ours(struct program *g)
{
	int32_t distance;

	if (*g->p != ENC_ENTRY)
		return false;
	memcpy(&distance, g->p + 1, sizeof(distance));
	if ((uintptr_t)(g->p + 1) + (uintptr_t)(intptr_t)distance != (uintptr_t)uncaught_routine)
		return false;
	g->p += 1 + sizeof(distance);
	return true;
}

/* The part in common: versions 1 and 3, with the encoding of the entries' addresses and nothing else: no other personality, no signal frame. */
static bool run_common(struct program *g, const struct entry *e)
{
	const struct common *c = (const struct common *)((const char *)&e->cie - e->cie);
	bool ours = strcmp(c->augmentation, "zPR") == 0;
	uint64_t extra;

	if (c->length < 12 || c->length >= 0xfffffff0 || (c->version != 1 && c->version != 3) || (!ours && strcmp(c->augmentation, "zR") != 0))
		return false;
	g->p = (const uint8_t *)c->augmentation + strlen(c->augmentation) + 1;
	g->end = (const uint8_t *)&c->id + c->length;
	g->code_unit = uleb(g);
	g->data_unit = sleb(g);
	if ((c->version == 1 ? *g->p++ : uleb(g)) != ARCH_DWARF_RET)
		return false;
	extra = uleb(g);
	if (extra != (ours ? 6 : 1) || (ours && !skip_ours(g)) || *g->p != ENC_ENTRY || !run(g, g->p + 1, g->end))
		return false;
	g->first = g->now;
	return true;
}

/* A number of words that fits in so many bits, negated; 0 if it does not. */
static uint32_t words_below(int64_t at, unsigned bits)
{
	return at < 0 && at % 8 == 0 && -at / 8 < 1 << bits ? (uint32_t)(-at / 8) : 0;
}

static uint32_t encode(const struct frame *f)
{
	uint32_t size = words_below(-(int64_t)f->size, 14), fp = words_below(f->fp.at, 8), ret = words_below(f->ret.at, 8);

	if (f->ret.how == UNDEFINED)
		return LAYOUT_END;
	if ((f->reg != ARCH_DWARF_SP && f->reg != ARCH_DWARF_FP) || size == 0 || f->ret.how != SAVED || ret == 0 || f->fp.how > SAVED ||
	    (f->fp.how == SAVED && fp == 0))
		return LAYOUT_OTHER;
	return LAYOUT_PLAIN | (f->reg == ARCH_DWARF_FP ? LAYOUT_BY_FP : 0) | size << 16 | (f->fp.how == SAVED ? fp << 8 : 0) | ret;
}

static NOINLINE uint32_t look_up_layout(uintptr_t pc)
{
	uintptr_t start, object;
	const struct entry *e = find_entry((void *)pc, &start);
	struct program g = { .wanted = 0 };
	uint32_t answer = LAYOUT_OTHER;

	if (!e)
		return LAYOUT_OTHER;
	if (run_common(&g, e)) {
		g.wanted = pc - start;
		if (run(&g, e->data + e->extra, entry_end(e)))
			answer = encode(&g.now);
	}
	keep(layouts, LAYOUTS_LOG, key_of(pc, &object), answer);
	return answer;
}

uint32_t goro__layout_of(uintptr_t pc)
{
	uintptr_t object;
	uint32_t answer;

	return likely(recall(layouts, LAYOUTS_LOG, key_of(pc, &object), &answer)) ? answer : look_up_layout(pc);
}
#else
uintptr_t goro__function_of(const void *pc, bool *ret_whole)
{
	(void)pc;
	*ret_whole = true;
	return 0;
}

uint32_t goro__layout_of(uintptr_t pc)
{
	(void)pc;
	return LAYOUT_OTHER;
}
#endif
