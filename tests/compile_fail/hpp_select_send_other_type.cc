/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::on_send: the value does not convert to the channel.s element */
#include <goro.hpp>
#include <string>

void caller(const goro::chan<int> &c)
{
	goro::select(goro::on_send(c, std::string("text")));
}
