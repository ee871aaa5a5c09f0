/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::chan: the element cannot be moved; send a std::unique_ptr to it */
#include <goro.hpp>

void caller()
{
	goro::chan<goro::mutex> c;
}
