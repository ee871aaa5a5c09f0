/* SPDX-License-Identifier: MIT */
/* EXPECT: (use of deleted function|call to (implicitly-)?deleted|call to deleted constructor) */
#include <goro.hpp>
#include <memory>

void caller(const goro::chan<std::unique_ptr<int>> &c, std::unique_ptr<int> p)
{
	c.send(p);
}
