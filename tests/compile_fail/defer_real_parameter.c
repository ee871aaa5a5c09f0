/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_DEFER_takes_an_integer_or_a_pointer */
#include <goro.h>

void half(double x);
void f(void);

void f(void)
{
	GORO_DEFER(half, 1);
}
