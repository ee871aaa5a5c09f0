/* SPDX-License-Identifier: MIT */
/* tables.h: what the tables for unwinding say of a place in the code. Layer 6. See tables.c. */
#ifndef LIB_TABLES_H
#define LIB_TABLES_H

#include <stdbool.h>
#include <stdint.h>

/* The first byte of the function that pc is in, 0 if not known; not whole: a part that the compiler has put elsewhere. From: any thread, in user context. */
uintptr_t goro__function_of(const void *pc, bool *ret_whole);

/* How the frame is laid out of the function that pc, an instruction of it, is in: one of the two below, or LAYOUT_PLAIN and the fields. From: as above. */
uint32_t goro__layout_of(uintptr_t pc);

#define LAYOUT_OTHER 0u /* only a real unwinder may tell: not known, not so simple, or it has destructors to run */
#define LAYOUT_END 1u	/* nobody has called it: the frame is the last one */
#define LAYOUT_PLAIN (1u << 31)

/* Of a plain one: the end of the frame (CFA) is so far from its stack pointer or frame pointer; so far below the end lie ... */
#define LAYOUT_BY_FP (1u << 30)
#define LAYOUT_SIZE(l) ((uintptr_t)((l) >> 16 & 0x3fff) * 8)
#define LAYOUT_FP(l) ((uintptr_t)((l) >> 8 & 0xff) * 8) /* the caller's frame pointer; 0: it is in its register still */
#define LAYOUT_RET(l) ((uintptr_t)((l) & 0xff) * 8)	  /* and the address that it returns to */

#endif
