/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(float x);

void caller(void)
{
	/* 1.5 is a double. */
	GORO_GO(f, 1.5);
}
