/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CASE_RECV: not a pointer to the channel.{1,2}s element type */
#include <goro/typed.h>

GORO_CHAN_TYPE(longs, long);
GORO_CHAN_TYPE(texts, const char *);
struct point {
	int x, y;
};
struct other {
	int x, y;
};
GORO_CHAN_TYPE(points, struct point);

int caller(struct longs *c, const long *p)
{
	struct goro_case k[] = {GORO_CASE_RECV(c, p)};

	return goro_select(k, 1, GORO_FOREVER);
}
