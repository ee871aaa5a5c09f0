/* SPDX-License-Identifier: MIT */
/* EXPECT: too many arguments */
#include <goro/go.h>

void f(void);

void caller(void)
{
	GORO_GO(f, 1);
}
