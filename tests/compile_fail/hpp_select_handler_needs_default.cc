/* SPDX-License-Identifier: MIT */
/* EXPECT: goro::on_recv: when the channel is closed there is no T to call the handler with; let it take a std::optional<T> */
#include <goro.hpp>

struct item {
	explicit item(int);
};

void caller(const goro::chan<item> &c)
{
	goro::select(goro::on_recv(c, [](const item &) {}));
}
