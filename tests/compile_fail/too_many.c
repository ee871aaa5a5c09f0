/* SPDX-License-Identifier: MIT */
/* EXPECT: too many arguments */
#include <goro/go.h>

void f(int a);

void caller(void)
{
	GORO_GO(f, 1, 2);
}
