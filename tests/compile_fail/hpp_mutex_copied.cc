/* SPDX-License-Identifier: MIT */
/* EXPECT: (use of deleted function|call to implicitly-deleted copy constructor) */
#include <goro.hpp>

void caller(goro::mutex &m)
{
	goro::mutex copy = m;
	copy.lock();
}
