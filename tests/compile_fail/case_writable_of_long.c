/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CASE_WRITABLE: a descriptor is an int */
#include <goro/typed.h>

int caller(long fd)
{
	struct goro_case k[] = {GORO_CASE_WRITABLE(fd)};

	return goro_select(k, 1, GORO_FOREVER);
}
