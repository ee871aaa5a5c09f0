/* SPDX-License-Identifier: MIT */
/*
 * goro/chan.h: channels with Go's semantics (The Go Programming Language Specification, "Channel types",
 * "Send statements", "Receive operator", "Close"). Elements are copied by value.
 */
#ifndef GORO_CHAN_H
#define GORO_CHAN_H

#include <goro/attr.h>
#include <stddef.h>
#include <stdint.h>

GORO_BEGIN_DECLS

struct goro_chan;

/*
 * A new channel for elements of elem_size bytes (0 is allowed) with room for capacity of them (0: unbuffered).
 * Returns NULL if the size is absurd (the product overflows, or elem_size > 64 KiB) or memory is short.
 * Parks: no. From: any thread. Free it with goro_chan_free().
 */
GORO_API struct goro_chan *goro_chan_new(size_t elem_size, size_t capacity);

/*
 * Gives the channel's memory back; c may be NULL. Nobody may use the channel any more, or wait on it: a waiter
 * is a panic "free of a channel in use". Parks: no. From: any thread.
 */
GORO_API void goro_chan_free(struct goro_chan *c);

/*
 * Sends *elem (elem may be NULL if elem_size is 0). Returns 0; -ETIMEDOUT if the deadline passed (-EAGAIN for GORO_NOW):
 * then nothing was sent. Panics "send on closed channel", also if it is closed while waiting. With c == NULL it waits
 * for ever (until the deadline).
 * Parks: yes. From: any thread. A send happens before its receive completes; the k-th receive on a channel with
 * capacity C happens before the (k+C)-th send completes (The Go Memory Model).
 */
GORO_API GORO_PARKS int goro_chan_send(struct goro_chan *c, const void *elem, int64_t deadline);

/*
 * Receives into *ret_elem (may be NULL: the element is dropped). Returns 1 with an element; 0 if the channel is
 * closed and drained (*ret_elem is zeroed, as in Go); -ETIMEDOUT (-EAGAIN for GORO_NOW), *ret_elem untouched.
 * So the range loop is: while (goro_chan_recv(c, &v, GORO_FOREVER) > 0). With c == NULL it waits for ever.
 * Parks: yes. From: any thread.
 */
GORO_API GORO_PARKS int goro_chan_recv(struct goro_chan *c, void *ret_elem, int64_t deadline);

/*
 * Closes the channel: receivers drain it and then get 0. Panics "close of closed channel", "close of nil channel".
 * Parks: no. From: any thread.
 */
GORO_API void goro_chan_close(struct goro_chan *c);

/* Elements queued, and the capacity; 0 for NULL. Parks: no. From: any thread. */
GORO_API size_t goro_chan_len(struct goro_chan *c);
GORO_API size_t goro_chan_cap(struct goro_chan *c);

GORO_END_DECLS

#endif
