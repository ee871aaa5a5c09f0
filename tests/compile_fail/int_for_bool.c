/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>
#include <stdbool.h>

void f(bool x);

void caller(void)
{
	/* 2 would arrive as a bool that is neither true nor false. */
	GORO_GO(f, 2);
}
