/* SPDX-License-Identifier: MIT */
/* EXPECT-gcc: (cannot convert|invalid conversion) */
/* EXPECT-clang: (cannot initialize a parameter|no known conversion|no viable conversion) */
#include <goro/go.h>

void f(int *x);

void caller(long *p)
{
	GORO_GO(f, p);
}
