/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: only integers, float, double and pointers can be passed */
#include <goro/go.h>

void f(float _Complex x);

void caller(float _Complex x)
{
	GORO_GO(f, x);
}
