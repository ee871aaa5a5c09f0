/* SPDX-License-Identifier: MIT */
/* goro.hpp as its users write it. */
#include <goro.hpp>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;

static int work(int id, const std::string &name, std::vector<int> v, std::unique_ptr<int> p)
{
	return id + static_cast<int>(name.size() + v.size()) + *p;
}

int caller()
{
	return goro::run([] {
		goro::chan<std::string> words(2);
		goro::chan<int> numbers;
		goro::waitgroup wg;
		goro::mutex mu;
		goro::context ctx = goro::context().with_deadline(1s);

		goro::go(work, 1, "name", std::vector<int>(3), std::make_unique<int>(4));
		wg.go([words, &mu] {
			std::lock_guard<goro::mutex> guard(mu);
			GORO_ON_EXIT { words.close(); };
			words.send("one");
		});
		for (const std::string &w : words)
			if (w.empty())
				return 1;
		goro::select(goro::on_recv(words, [](std::optional<std::string>) {}), goro::on_recv(numbers, [](int) {}), goro::on_send(numbers, 5),
			     goro::on_recv(ctx.done(), [] {}), goro::on_timeout(1ms, [] {}));
		wg.wait();
		return 0;
	});
}
