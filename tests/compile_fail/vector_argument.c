/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: only integers, float, double and pointers can be passed */
#include <goro/go.h>

typedef int two __attribute__((vector_size(8)));

void f(two x);

void caller(two x)
{
	GORO_GO(f, x);
}
