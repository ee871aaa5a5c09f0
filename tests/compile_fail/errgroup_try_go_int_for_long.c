/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/errgroup.h>

int f(long x);

void caller(struct goro_errgroup *eg, int n)
{
	GORO_ERRGROUP_TRY_GO(eg, f, n);
}
