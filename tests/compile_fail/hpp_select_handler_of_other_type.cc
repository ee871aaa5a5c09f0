/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::on_recv: the handler takes a std::optional of the channel.s element, an element, or nothing */
#include <goro.hpp>
#include <string>

void caller(const goro::chan<int> &c)
{
	goro::select(goro::on_recv(c, [](const std::string &) {}));
}
