/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::select: each argument is to be an on_recv\(\), on_send\(\), on_default\(\) or on_timeout\(\) */
#include <goro.hpp>

void caller(const goro::chan<int> &c)
{
	goro::select(c);
}
