/* SPDX-License-Identifier: MIT */
/* EXPECT: incompatible pointer types? */
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#include <goro/errgroup.h>

int f(int a);

void caller(struct goro_waitgroup *wg, int n)
{
	GORO_ERRGROUP_GO(wg, f, n);
}
