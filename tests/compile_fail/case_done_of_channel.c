/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CASE_DONE: not a context */
#include <goro/typed.h>

int caller(struct goro_chan *c)
{
	struct goro_case k[] = {GORO_CASE_DONE(c)};

	return goro_select(k, 1, GORO_FOREVER);
}
