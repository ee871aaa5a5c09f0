/* SPDX-License-Identifier: MIT */
/*
 * goro/local.h: values that each goroutine has of its own, with destructors: what thread-specific data are for threads (a variable of
 * _Thread_local would belong to the thread, and a goroutine changes its thread). Go has none; they are for what cannot be passed down, such as the state
 * of a library. What belongs to a request goes into a context.
 *
 * A key is an object of the user's, known by its address; it needs no set-up, and there may be any number of them:
 *
 *	static const struct goro_local_key buffer = { free };
 *	...
 *	goro_local_set(&buffer, malloc(4096));
 *
 * A new goroutine has no values; its creator's are not inherited. Plain threads have values too.
 */
#ifndef GORO_LOCAL_H
#define GORO_LOCAL_H

#include <goro/attr.h>

GORO_BEGIN_DECLS

struct goro_local_key {
	void (*destroy)(void *value); /* may be NULL */
};

/*
 * Sets the calling goroutine's value of key; NULL: it has none. The former value is not destroyed. When the goroutine ends, by
 * return or by goro_exit(), destroy is called for each value that is left, the one set last first, in the goroutine, which may do there whatever
 * goroutines do; values that are set meanwhile are destroyed too, in up to four rounds, then dropped. Values of goroutines that are stopped by the end of goro_run()
 * are dropped. Returns 0, -ENOMEM, or -EINVAL for key NULL.
 * Parks: no. From: any thread.
 */
GORO_API int goro_local_set(const struct goro_local_key *key, void *value);

/* The calling goroutine's value of key, or NULL. Takes as long as it has values. Parks: no. From: any thread. */
GORO_API void *goro_local_get(const struct goro_local_key *key);

GORO_END_DECLS

#endif
