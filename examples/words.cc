/* SPDX-License-Identifier: MIT */
/*
 * words.cc: how often each word occurs in files, counted by a goroutine per file, in C++.
 *
 *     g++ -std=c++17 $(pkg-config --cflags goro) words.cc $(pkg-config --libs goro) -o words
 *     ./words                  a text of its own
 *     ./words README NEWS      files; one that cannot be read ends it all with an exception
 *
 * The readers send what they have counted through a channel of maps, and the main goroutine adds it up until the channel is closed. An errgroup runs the readers: the first
 * exception in one of them cancels the group's context, at which the others stop, and comes out of wait().
 */
#include <goro.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using counts = std::map<std::string, int>;

static const char text[] = "the cat and the dog and the bird";

/* A stream of the file; "" is the text above. Reading files blocks the thread, so another one takes over meanwhile. */
static std::string read(const std::string &name)
{
	if (name.empty())
		return text;
	return goro::blocking([&] {
		std::ifstream in(name);
		std::ostringstream all;

		if (!in || !(all << in.rdbuf()))
			throw std::runtime_error("cannot read " + name);
		return all.str();
	});
}

static void count(const std::string &name, const goro::chan<counts> &out, const goro::context &ctx)
{
	std::istringstream in(read(name));
	std::string word;
	counts c;

	while (!ctx.cancelled() && in >> word)
		c[word]++;
	out.send(std::move(c));
}

static int words(const std::vector<std::string> &names)
{
	goro::chan<counts> partial;
	goro::waitgroup adder;
	counts total;

	adder.go([&] {
		for (const counts &c : partial)
			for (const auto &[word, n] : c)
				total[word] += n;
	});
	try {
		/* Before the group's wait() is over nobody closes the channel; and close it does, also when it throws. */
		GORO_ON_EXIT {
			partial.close();
			adder.wait();
		};
		goro::errgroup readers((goro::context()));

		for (const std::string &name : names)
			readers.go(count, name, partial, readers.ctx());
		readers.wait();
	} catch (const std::exception &e) {
		std::fprintf(stderr, "%s\n", e.what());
		return 1;
	}

	std::vector<std::pair<int, std::string>> ranked;
	for (const auto &[word, n] : total)
		ranked.emplace_back(-n, word);
	std::sort(ranked.begin(), ranked.end());
	if (ranked.size() > 10)
		ranked.resize(10);
	for (const auto &[n, word] : ranked)
		std::printf("%4d %s\n", -n, word.c_str());
	return 0;
}

int main(int argc, char **argv)
{
	std::vector<std::string> names(argv + 1, argv + argc);

	if (names.empty())
		names.emplace_back();
	return goro::run([&] { return words(names); });
}
