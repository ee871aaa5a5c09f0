/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: the function returns a structure, complex or long double; wrap it */
#include <goro/go.h>

long double f(int x);

void caller(void)
{
	GORO_GO(f, 1);
}
