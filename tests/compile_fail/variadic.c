/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: argument types differ from the function.s parameters; cast them */
#include <goro/go.h>

void f(const char *fmt, ...);

void caller(void)
{
	GORO_GO(f, "%d", 1);
}
