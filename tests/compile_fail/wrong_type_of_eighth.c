/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(int a, int b, int c, int d, int e, int g, int h, double i);

void caller(void)
{
	GORO_GO(f, 1, 2, 3, 4, 5, 6, 7, 8);
}
