/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::select: one on_default\(\) or on_timeout\(\) at most */
#include <goro.hpp>

void caller(const goro::chan<int> &c)
{
	goro::select(goro::on_recv(c, [] {}), goro::on_default(), goro::on_timeout(std::chrono::seconds(1)));
}
