/* SPDX-License-Identifier: MIT */
/* All that GORO_ERRGROUP_GO() and GORO_ERRGROUP_TRY_GO() take. */
#include <goro/errgroup.h>

int none(void);
int some(struct goro_context *ctx, const char *url, double weight, int64_t n);

int caller(struct goro_errgroup *eg, char *url, int64_t n)
{
	int err = GORO_ERRGROUP_GO(eg, none);

	err |= GORO_ERRGROUP_GO_UNTIL(eg, GORO_NOW, &none);
	err |= GORO_ERRGROUP_GO(eg, some, eg->ctx, url, 2.5, n);
	err |= GORO_ERRGROUP_TRY_GO(eg, none) | GORO_ERRGROUP_TRY_GO(eg, &some, eg->ctx, url, 2.5, n);
	return err | GORO_ERRGROUP_GO_UNTIL(eg, goro_after(GORO_SECOND), some, (struct goro_context *)NULL, "x", 1.0, (int64_t)1);
}
