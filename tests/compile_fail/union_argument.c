/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: only integers, float, double and pointers can be passed */
#include <goro/go.h>

union any {
	int a;
	double b;
};

void f(union any u);

void caller(union any u)
{
	GORO_GO(f, u);
}
