/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: only integers, float, double and pointers can be passed */
#include <goro/go.h>

struct pair {
	int a, b;
};

void f(pair p);

void caller(pair p)
{
	GORO_GO(f, p);
}
