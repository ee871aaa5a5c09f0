/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: the function returns a structure, complex or long double; wrap it */
#include <goro/go.h>

struct big {
	long a[8];
};

struct big f(int x);

void caller(void)
{
	/* It expects a hidden first argument, the address of the result. */
	GORO_GO(f, 1);
}
