/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_CHAN_SEND: the value is not of the channel.{1,2}s element type; cast it */
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

void caller(struct points *c, struct other o)
{
	GORO_CHAN_SEND(c, o, GORO_FOREVER);
}
