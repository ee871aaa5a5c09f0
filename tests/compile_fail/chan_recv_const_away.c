/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CHAN_RECV: not a pointer to the channel.{1,2}s element type */
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

void caller(struct texts *c, char **p)
{
	GORO_CHAN_RECV(c, p, GORO_FOREVER);
}
