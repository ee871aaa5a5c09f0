/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/sync.h>

void f(long x);

void caller(struct goro_waitgroup *wg, int n)
{
	GORO_WAITGROUP_GO(wg, f, n);
}
