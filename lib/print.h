/* SPDX-License-Identifier: MIT */
/*
 * print.h: writing reports without stdio or malloc: a buffer per thread is too much, so one that its writer holds. SIGSAFE.
 * print_start() waits for the turn (a limited time: a writer may have crashed), print_end() writes and gives it up.
 */
#ifndef LIB_PRINT_H
#define LIB_PRINT_H

#include <stdint.h>

void goro__print_start(void);
void goro__print_end(int fd);
void goro__print_flush(int fd);
void goro__print_str(const char *s);
void goro__print_u64(uint64_t v);
void goro__print_hex(uint64_t v);

#define print_start goro__print_start
#define print_end goro__print_end
#define print_flush goro__print_flush
#define print_str goro__print_str
#define print_u64 goro__print_u64
#define print_hex goro__print_hex

#endif
