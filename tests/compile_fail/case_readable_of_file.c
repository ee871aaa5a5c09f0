/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CASE_READABLE: a descriptor is an int */
#include <goro/typed.h>
#include <stdio.h>

int caller(void)
{
	struct goro_case k[] = {GORO_CASE_READABLE(stdin)};

	return goro_select(k, 1, GORO_FOREVER);
}
