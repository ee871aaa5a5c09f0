/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CASE_TIMER: takes a timer and a pointer to int64_t */
#include <goro/typed.h>

int caller(struct goro_ticker *t)
{
	struct goro_case k[] = {GORO_CASE_TIMER(t, NULL)};

	return goro_select(k, 1, GORO_FOREVER);
}
