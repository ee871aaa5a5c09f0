/* SPDX-License-Identifier: MIT */
/*
 * goro/timer.h: Go's Timer, Ticker, After, AfterFunc and Tick, with the semantics of Go 1.23 (package time).
 *
 * A timer or ticker delivers the time, an int64_t as goro_now() gives it, on a channel that belongs to it: receive from it, or name it in a
 * case of goro_select(). To send on it, to close or to free it is a panic. The channel looks unbuffered, as in Go: its len and cap are 0,
 * but a GORO_NOW receive finds a value that is due. After a stop or a reset has returned no value of before can be received any more.
 *
 * Who frees: goro_timer_free() and goro_ticker_free(), at any time, stopped or not; nobody may wait on the channel then. What
 * goro_time_after() and goro_time_tick() return is given to goro_chan_free(). A timer that has fired holds nothing but its memory.
 *
 * From plain threads they work while a runtime runs. When goro_run() returns, timers that have not fired never will, in the next run neither
 * unless they are reset; they can be stopped and freed at any time.
 *
 * What happens before a timer is made or reset is visible to who receives its value, and to the function that it calls.
 */
#ifndef GORO_TIMER_H
#define GORO_TIMER_H

#include <goro/attr.h>
#include <goro/chan.h>
#include <stdint.h>

GORO_BEGIN_DECLS

struct goro_timer;
struct goro_ticker;

/*
 * A new timer, which delivers the time on its channel once, ns nanoseconds from now or later; at once if ns is not positive; never if the sum
 * overflows. Returns NULL if memory is short or no runtime runs.
 * Parks: no. From: any thread.
 */
GORO_API struct goro_timer *goro_timer_new(int64_t ns);

/*
 * Go's AfterFunc: calls fn(arg) in a goroutine of its own when ns nanoseconds have passed. Such a timer has no channel.
 * Returns NULL if memory is short, no runtime runs, or fn is NULL.
 * Parks: no. From: any thread.
 */
GORO_API struct goro_timer *goro_timer_func(int64_t ns, void (*fn)(void *arg), void *arg);

/* The timer's channel of int64_t, the same for all its life; NULL for one of goro_timer_func() and for NULL. Parks: no. From: any thread. */
GORO_API struct goro_chan *goro_timer_chan(struct goro_timer *t);

/*
 * Keeps the timer from firing. Returns 1 if this call did so: its value had not been received, or its function not started; 0 if it was
 * stopped or over already. In the latter case fn may still run: stop does not wait for it. A timer may be reset afterwards.
 * Panics "time: Stop called on uninitialized Timer" for NULL.
 * Parks: no. From: any thread.
 */
GORO_API int goro_timer_stop(struct goro_timer *t);

/*
 * Lets the timer fire ns nanoseconds from now, whatever it did before. Returns 1 if it was active (in the sense of stop), else 0. If a function
 * was started already it is called once more, perhaps beside the first call. Errors: -ENOMEM; -EPERM no runtime runs, -ECANCELED it is stopping:
 * then the timer is stopped. Panics "time: Reset called on uninitialized Timer" for NULL.
 * Parks: no. From: any thread.
 */
GORO_API int goro_timer_reset(struct goro_timer *t, int64_t ns);

/* Stops the timer and gives it back; t may be NULL. Panics "free of a channel in use" if somebody waits on it. Parks: no. From: any thread. */
GORO_API void goro_timer_free(struct goro_timer *t);

/*
 * A new ticker, which delivers the time every ns nanoseconds. One value waits for a receiver that is late; further ones are dropped until it
 * has taken that one. Panics "non-positive interval for NewTicker". Returns NULL if memory is short or no runtime runs.
 * Parks: no. From: any thread.
 */
GORO_API struct goro_ticker *goro_ticker_new(int64_t ns);

/* The ticker's channel of int64_t; NULL for NULL. Parks: no. From: any thread. */
GORO_API struct goro_chan *goro_ticker_chan(struct goro_ticker *t);

/* No more ticks, until it is reset; does nothing for NULL. The channel is not closed. Parks: no. From: any thread. */
GORO_API void goro_ticker_stop(struct goro_ticker *t);

/*
 * Stops the ticker and starts it with another period; the next tick comes when that has passed. Returns 0. Errors: as goro_timer_reset(). Panics
 * "non-positive interval for Ticker.Reset", and "time: Reset called on uninitialized Ticker" for NULL.
 * Parks: no. From: any thread.
 */
GORO_API int goro_ticker_reset(struct goro_ticker *t, int64_t ns);

/* Stops the ticker and gives it back; t may be NULL. Panics as goro_timer_free(). Parks: no. From: any thread. */
GORO_API void goro_ticker_free(struct goro_ticker *t);

/*
 * Go's After and Tick: the channel of a new timer or ticker that cannot be stopped or reset, but by goro_chan_free(), which gives back
 * all of it. (To wait for something with a limit, the deadline that every call takes is cheaper.) Return NULL if memory is short or no runtime
 * runs; goro_time_tick() also if ns is not positive, as in Go.
 * Parks: no. From: any thread.
 */
GORO_API struct goro_chan *goro_time_after(int64_t ns);
GORO_API struct goro_chan *goro_time_tick(int64_t ns);

GORO_END_DECLS

#endif
