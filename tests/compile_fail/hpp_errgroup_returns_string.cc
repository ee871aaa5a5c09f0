/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::errgroup: the function returns int, 0 or an error, or nothing */
#include <goro.hpp>
#include <string>

void caller(goro::errgroup &eg)
{
	eg.go([] { return std::string(); });
}
