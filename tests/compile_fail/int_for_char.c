/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(char x);

void caller(void)
{
	/* A character constant is an int in C. */
	GORO_GO(f, 'x');
}
