/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: more than 8 arguments; pass a structure by pointer */
#include <goro/go.h>

void f(int a, int b, int c, int d, int e, int g, int h, int i, int j);

void caller()
{
	GORO_GO(f, 1, 2, 3, 4, 5, 6, 7, 8, 9);
}
