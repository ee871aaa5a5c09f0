/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::chan: the element is to be an object type without const */
#include <goro.hpp>

goro::chan<int &> *caller(goro::chan<int &> *c)
{
	return c + sizeof(*c);
}
