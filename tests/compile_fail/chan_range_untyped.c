/* SPDX-License-Identifier: MIT */
/* EXPECT: goro_chan_of|incomplete */
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

void caller(struct goro_chan *c)
{
	GORO_CHAN_RANGE(v, c)
		(void)v;
}
