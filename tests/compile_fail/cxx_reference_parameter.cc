/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: the function takes a reference; let it take a pointer */
#include <goro/go.h>

void f(int &x);

void caller(int x)
{
	GORO_GO(f, x);
}
