/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::defer: what is deferred takes no arguments; let a lambda capture them */
#include <goro.hpp>

void caller()
{
	auto d = goro::defer([](int) {});
}
