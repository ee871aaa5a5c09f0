/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CASE_TICKER: takes a ticker and a pointer to int64_t */
#include <goro/typed.h>

int caller(struct goro_ticker *t)
{
	int when;
	struct goro_case k[] = {GORO_CASE_TICKER(t, &when)};

	return goro_select(k, 1, GORO_FOREVER);
}
