/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: only integers, float, double and pointers can be passed */
#include <goro/go.h>

void f(long double x);

void caller(void)
{
	GORO_GO(f, 1.0L);
}
