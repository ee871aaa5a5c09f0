/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: only integers, float, double and pointers can be passed */
#include <goro/go.h>

void f(__int128 x);

void caller(__int128 x)
{
	GORO_GO(f, x);
}
