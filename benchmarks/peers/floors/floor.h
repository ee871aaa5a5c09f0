/* SPDX-License-Identifier: MIT */
/*
 * The bare servers that bound from below what a request may cost: no runtime, no
 * parser, no routing, one thread, and the kernel interface used as well as we know how.
 *
 * A floor is two choices: how it waits (epoll or io_uring) and what it answers (echo or
 * canned HTTP). They meet in `struct answer`: the loop reads what there is, the answer
 * says which bytes to send for it, in one send however many requests the read held.
 */
#ifndef FLOOR_H
#define FLOOR_H

#include <stdbool.h>
#include <stddef.h>

enum {
	FLOOR_BUFFER = 4096, /* what one read takes; four frames of 1 KiB, or 90 requests of wrk */
	FLOOR_FDS = 65536,   /* connections are kept in arrays by descriptor */
	FLOOR_BATCH = 512,   /* events taken at once */
};

struct bytes {
	const char *data;
	size_t size;
};

/* Says what to send for the bytes that descriptor fd has just received; size 0 for nothing. */
typedef struct bytes answer_fn(int fd, struct bytes in);

/* Each serves the listening socket for ever. */
void floor_epoll(int listener, answer_fn *answer);
void floor_uring(int listener, answer_fn *answer);

/* Forgets what the answer remembered of an earlier connection with the same descriptor. */
void floor_forget(int fd);

/* Turns Nagle's algorithm off, as Go and all other peers do. */
void floor_nodelay(int fd);

/* Prints what failed, with the error, and exits. */
_Noreturn void floor_die(const char *what, int error);

#endif
