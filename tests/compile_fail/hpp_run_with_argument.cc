/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::run: the main goroutine.s function takes no arguments */
#include <goro.hpp>

int caller()
{
	return goro::run([](void *) { return 0; });
}
