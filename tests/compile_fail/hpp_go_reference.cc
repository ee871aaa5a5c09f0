/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::go: the function cannot be called with copies of these arguments; use std::ref for a reference */
#include <goro.hpp>

void f(int &);

void caller(int x)
{
	goro::go(f, x);
}
