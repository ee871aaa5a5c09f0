/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(long *x);

void caller(int *p)
{
	GORO_GO(f, p);
}
