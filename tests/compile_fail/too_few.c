/* SPDX-License-Identifier: MIT */
/* EXPECT: too few arguments */
#include <goro/go.h>

void f(int a, int b);

void caller(void)
{
	GORO_GO(f, 1);
}
