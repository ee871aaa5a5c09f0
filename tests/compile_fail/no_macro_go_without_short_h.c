/* SPDX-License-Identifier: MIT */
/* EXPECT-gcc: implicit declaration of function .go. */
/* EXPECT-clang: implicit declaration of function .go. */
#pragma GCC diagnostic error "-Wimplicit-function-declaration"
#include <goro/go.h>

void f(int x);

void caller(void)
{
	go(f, 1);
}
