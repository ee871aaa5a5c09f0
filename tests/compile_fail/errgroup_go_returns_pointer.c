/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_ERRGROUP_GO: the function must return int, 0 or an error */
#include <goro/errgroup.h>

char *f(void);

void caller(struct goro_errgroup *eg)
{
	GORO_ERRGROUP_GO_UNTIL(eg, GORO_NOW, f);
}
