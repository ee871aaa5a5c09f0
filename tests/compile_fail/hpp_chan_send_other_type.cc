/* SPDX-License-Identifier: MIT */
/* EXPECT: no matching (member )?function for call to */
#include <goro.hpp>
#include <string>

void caller(const goro::chan<int> &c)
{
	c.send(std::string("text"));
}
