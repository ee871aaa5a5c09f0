/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: wrong number of arguments */
#include <goro/go.h>

void f(int a, int b);

void caller()
{
	GORO_GO(f, 1);
}
