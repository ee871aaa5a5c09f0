/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(char *s);

void caller(const char *s)
{
	GORO_GO(f, s);
}
