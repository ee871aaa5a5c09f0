/* SPDX-License-Identifier: MIT */
/* EXPECT: not a function */
#include <goro/go.h>

void caller(int x)
{
	GORO_GO(x, 1);
}
