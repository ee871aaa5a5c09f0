/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(unsigned x);

void caller(void)
{
	GORO_GO(f, -1);
}
