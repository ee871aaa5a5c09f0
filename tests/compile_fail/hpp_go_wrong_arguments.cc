/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::go: the function cannot be called with copies of these arguments; use std::ref for a reference */
#include <goro.hpp>

void f(int, const char *);

void caller()
{
	goro::go(f, 1);
}
