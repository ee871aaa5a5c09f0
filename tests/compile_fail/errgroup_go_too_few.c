/* SPDX-License-Identifier: MIT */
/* EXPECT: too few arguments */
#include <goro/errgroup.h>

int f(int a, int b);

void caller(struct goro_errgroup *eg, int n)
{
	GORO_ERRGROUP_GO(eg, f, n);
}
