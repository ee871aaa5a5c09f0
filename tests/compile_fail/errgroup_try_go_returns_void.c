/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_ERRGROUP_GO: the function must return int, 0 or an error */
#include <goro/errgroup.h>

void f(int x);

void caller(struct goro_errgroup *eg, int n)
{
	GORO_ERRGROUP_TRY_GO(eg, f, n);
}
