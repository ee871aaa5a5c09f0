/* SPDX-License-Identifier: MIT */
/*
 * goro/typed.h: channels whose element type the compiler knows. Sugar over <goro/chan.h> and <goro/select.h>, for C; C++ has its own.
 *
 *	GORO_CHAN_TYPE(numbers, int);			struct numbers: a channel of int
 *
 *	static void count(struct numbers *c, int n)
 *	{
 *		for (int i = 0; i < n; i++)
 *			GORO_CHAN_SEND(c, i, GORO_FOREVER);
 *		GORO_CHAN_CLOSE(c);
 *	}
 *	...
 *	struct numbers *c = GORO_CHAN_NEW(struct numbers, 0);
 *
 *	GORO_GO(count, c, 10);
 *	GORO_CHAN_RANGE(i, c)
 *		printf("%d\n", i);
 *	GORO_CHAN_FREE(c);
 *
 * A typed channel is a pointer: to be passed, compared and stored, NULL is Go's nil channel. It is the pointer that goro_chan_new() returns, under
 * another type, and GORO_CHAN_PTR() gives it back for all calls that have no typed form. All macros evaluate each argument once.
 * A value has to be of the element type as it stands, as in Go: write (long)1 and 1.0f. The one liberty: a pointer to T fits into a channel of
 * pointers to const T.
 */
#ifndef GORO_TYPED_H
#define GORO_TYPED_H

#include <goro/attr.h>
#include <goro/chan.h>
#include <goro/context.h>
#include <goro/go.h>
#include <goro/select.h>
#include <goro/time.h>
#include <goro/timer.h>

#ifndef __cplusplus

/* Declares struct name, the type of a channel of T, which has to be a type that can be followed by a name. No object of it ever exists. */
#define GORO_CHAN_TYPE(name, T)                                                                                  \
	struct name {                                                                                            \
		T goro_elem;                                                                                     \
		struct name *goro_chan_of;                                                                 \
	}

/* goro_chan_new() for a channel of the type, as struct name. */
#define GORO_CHAN_NEW(type, capacity) ((type *)(void *)goro_chan_new(sizeof(((type *)0)->goro_elem), (capacity)))

/* The struct goro_chan * of a typed channel. Nothing else compiles. */
#define GORO_CHAN_PTR(c) ((struct goro_chan *)(void *)(__typeof__((c)->goro_chan_of))(c))
#define GORO_CHAN_FREE(c) goro_chan_free(GORO_CHAN_PTR(c))
#define GORO_CHAN_CLOSE(c) goro_chan_close(GORO_CHAN_PTR(c))

#define GORO__SAME(a, b) __builtin_types_compatible_p(a, b)
#define GORO__ELEM(c) __typeof__((c)->goro_elem)

/* goro_chan_send() of a value. Parks: yes. */
#define GORO_CHAN_SEND(c, value, deadline)                                                                       \
	__extension__({                                                                                          \
		__auto_type goro_v = (value);                                                                    \
		_Static_assert(GORO__SAME(GORO__ELEM(c), __typeof__(goro_v)) ||                                  \
				       GORO__SAME(GORO__ELEM(c), GORO__CONST_TYPE(goro_v)),                      \
			       "GORO_CHAN_SEND: the value is not of the channel's element type; cast it");       \
		goro_chan_send(GORO_CHAN_PTR(c), &goro_v, (deadline));                                           \
	})

/* goro_chan_recv() into *ret_elem, which is of the element type. Parks: yes. */
#define GORO_CHAN_RECV(c, ret_elem, deadline)                                                                    \
	__extension__({                                                                                          \
		_Static_assert(GORO__SAME(GORO__ELEM(c) *, __typeof__((ret_elem) + 0)),                          \
			       "GORO_CHAN_RECV: not a pointer to the channel's element type");                   \
		goro_chan_recv(GORO_CHAN_PTR(c), (ret_elem), (deadline));                                        \
	})

/*
 * Go's `for v := range c`: declares v and runs the statement that follows with each element, until the channel is closed and drained; break and
 * continue are the loop's. Parks: yes.
 */
#define GORO_CHAN_RANGE(v, c)                                                                                    \
	for (struct goro_chan *goro_of_##v = GORO_CHAN_PTR(c), *goro_once_##v = (struct goro_chan *)1;           \
	     goro_once_##v; goro_once_##v = (struct goro_chan *)0)                                               \
		for (GORO__ELEM(c) v; goro_chan_recv(goro_of_##v, &v, GORO_FOREVER) > 0;)

/* Cases of a select, as values: struct goro_case cases[] = { GORO_CASE_RECV(c, &i), GORO_CASE_SEND(d, &s) }; */
#define GORO_CASE_SEND(c, elem)                                                                                  \
	GORO__CASE(c, GORO_SEND, elem,                                                                           \
		   GORO__SAME(GORO__ELEM(c) *, __typeof__((elem) + 0)) ||                                        \
			   GORO__SAME(const GORO__ELEM(c) *, __typeof__((elem) + 0)),                            \
		   "GORO_CASE_SEND: not a pointer to the channel's element type")
#define GORO_CASE_RECV(c, elem)                                                                                  \
	GORO__CASE(c, GORO_RECV, elem, GORO__SAME(GORO__ELEM(c) *, __typeof__((elem) + 0)),                      \
		   "GORO_CASE_RECV: not a pointer to the channel's element type")
#define GORO__CASE(c, the_op, p, fits, message)                                                                  \
	((struct goro_case){.chan = GORO_CHAN_PTR(c),                                                            \
			    .op = GORO__OP(the_op, fits, message),                                               \
			    .elem = (void *)(p)})

/*
 * Cases for what is no channel of the program's own. GORO_CASE_DONE: ctx, a struct goro_context *, is cancelled. GORO_CASE_TIMER, GORO_CASE_TICKER: t has
 * fired; the time goes to *ret_when, an int64_t, which may be NULL. GORO_CASE_READABLE, GORO_CASE_WRITABLE: the descriptor fd, an int, is ready.
 *
 *	struct goro_case cases[] = { GORO_CASE_RECV(jobs, &job), GORO_CASE_READABLE(fd), GORO_CASE_TICKER(t, NULL), GORO_CASE_DONE(ctx) };
 */
#define GORO_CASE_DONE(ctx)                                                                                      \
	((struct goro_case){.chan = goro_context_done(ctx),                                                      \
			    .op = GORO__OP(GORO_RECV, GORO__SAME(struct goro_context *, __typeof__(ctx)),   \
					   "GORO_CASE_DONE: not a context")})
#define GORO_CASE_TIMER(t, ret_when)                                                                             \
	GORO__CASE_TIME(goro_timer_chan(t), GORO__SAME(struct goro_timer *, __typeof__(t)), ret_when,       \
			"GORO_CASE_TIMER: takes a timer and a pointer to int64_t")
#define GORO_CASE_TICKER(t, ret_when)                                                                            \
	GORO__CASE_TIME(goro_ticker_chan(t), GORO__SAME(struct goro_ticker *, __typeof__(t)), ret_when,     \
			"GORO_CASE_TICKER: takes a ticker and a pointer to int64_t")
#define GORO_CASE_READABLE(fd) GORO__CASE_FD(GORO_READABLE, fd, "GORO_CASE_READABLE: a descriptor is an int")
#define GORO_CASE_WRITABLE(fd) GORO__CASE_FD(GORO_WRITABLE, fd, "GORO_CASE_WRITABLE: a descriptor is an int")

#define GORO__OP(the_op, fits, message)                                                                          \
	(the_op + 0 * (unsigned)sizeof(struct { int goro_i; _Static_assert(fits, message); }))
#define GORO__CASE_TIME(c, is_timer, p, message)                                                                 \
	((struct goro_case){.chan = c,                                                                           \
			    .op = GORO__OP(GORO_RECV,                                                            \
					   is_timer && (GORO__SAME(int64_t *, __typeof__(p)) ||                  \
							GORO__SAME(void *, __typeof__(p))),                      \
					   message),                                                             \
			    .elem = (p)})
#define GORO__CASE_FD(the_op, the_fd, message)                                                                   \
	((struct goro_case){.fd = (the_fd), .op = GORO__OP(the_op, GORO__SAME(int, __typeof__((the_fd) + 0)), message)})

#endif

#endif
