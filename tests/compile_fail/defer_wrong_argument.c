/* SPDX-License-Identifier: MIT */
/* EXPECT: too few arguments */
#include <goro.h>

void take(int a, int b);
void f(void);

void f(void)
{
	GORO_DEFER(take, 1);
}
