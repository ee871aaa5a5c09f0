/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(double x);

void caller(void)
{
	/* 1 is an int: its register image is not that of 1.0. */
	GORO_GO(f, 1);
}
