/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::run: the main goroutine.s function returns an int or nothing */
#include <goro.hpp>
#include <string>

int caller()
{
	return goro::run([] { return std::string(); });
}
