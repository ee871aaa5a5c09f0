/* SPDX-License-Identifier: MIT */
/*
 * <goro/attr.h>: what the other headers need of the compiler.
 */
#ifndef GORO_ATTR_H
#define GORO_ATTR_H

#ifdef __cplusplus
# define GORO_BEGIN_DECLS extern "C" {
# define GORO_END_DECLS }
#else
# define GORO_BEGIN_DECLS
# define GORO_END_DECLS
#endif

/* GORO_API marks a declaration as exported; the library hides everything else. */
#define GORO_API __attribute__((__visibility__("default")))

#define GORO_NORETURN __attribute__((__noreturn__))

/*
 * GORO_PARKS marks a function that may put the calling goroutine to sleep, which may then go on on another
 * thread: neither errno nor the address of a thread-local variable survives the call.  clang keeps the mark
 * in its syntax tree, where a checker finds it.
 */
#ifdef __clang__
# define GORO_PARKS __attribute__((__annotate__("goro_parks")))
#else
# define GORO_PARKS
#endif

#endif
