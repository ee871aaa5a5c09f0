/* SPDX-License-Identifier: MIT */
/*
 * The micro subjects of the benchmark suite in Boost.Fiber, one subject a run,
 * rows in the Go benchmark format. The README one directory up defines every row.
 *
 * One worker runs the default round-robin scheduler; more run work_stealing, told to
 * suspend idle threads. Stacks are 16 KiB from malloc, which is told to keep memory
 * (otherwise each spawn pays for trimming and faulting the heap). A fiber is joined by
 * fiber::join, the library's own way, where the Go side has a WaitGroup.
 */
#include <boost/fiber/all.hpp>

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace fibers = boost::fibers;
using fiber = fibers::fiber;
using number = std::int64_t;

static int procs = 1;
static int count = 1;

/* ---- clocks and rows ---- */

static double seconds(clockid_t clock)
{
	timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

struct span {
	double wall, cpu;
};

static span measure(const std::function<void()> &work)
{
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	work();
	return {seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu};
}

/* The headline is CPU time on one worker and wall time on more, as in Go's program. */
static void row(const char *name, number n, span s, bool whole = false)
{
	double headline = procs > 1 ? s.wall : s.cpu;

	std::printf("Benchmark%s-%d\t%lld\t%.2f ns/op\t%.2f wall-ns/op\t%.2f cpu-ns/op", name, procs,
		    static_cast<long long>(n), headline * 1e9 / n, s.wall * 1e9 / n, s.cpu * 1e9 / n);
	if (whole)
		std::printf("\t%.2f wall-ms\t%.2f cpu-ms", s.wall * 1e3, s.cpu * 1e3);
	std::printf("\n");
	std::fflush(stdout);
}

static void repeat(const char *name, number n, const std::function<void()> &work)
{
	for (int i = 0; i < count; i++)
		row(name, n, measure(work));
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	std::fprintf(stderr, "boostbench: %s\n", what);
	std::exit(1);
}

template <typename Body> static fiber spawn(Body body)
{
	return fiber(fibers::launch::post, std::allocator_arg, fibers::fixedsize_stack(16 * 1024), body);
}

static void join_all(std::vector<fiber> &all)
{
	for (fiber &f : all)
		f.join();
}

/* ---- subjects ---- */

static void yield(number n, number goroutines)
{
	std::vector<fiber> all;

	for (number i = 0; i < goroutines; i++)
		all.push_back(spawn([=] {
			for (number k = 0; k < n / goroutines; k++)
				boost::this_fiber::yield();
		}));
	join_all(all);
}

static void spawn_join(number n)
{
	std::vector<fiber> all;

	all.reserve(n);
	for (number i = 0; i < n; i++)
		all.push_back(spawn([] {}));
	join_all(all);
}

static void spawn_batch(number n)
{
	for (int i = 0; i < 10; i++)
		spawn_join(1000);
	repeat("SpawnBatch", n, [=] {
		for (number i = 0; i < n / 1000; i++)
			spawn_join(1000);
	});
}

static void spawn_many(number n)
{
	row("Spawn100kCold", n, measure([=] { spawn_join(n); }));
	repeat("Spawn100kAgain", n, [=] { spawn_join(n); });
}

static void ping_pong(number n)
{
	fibers::unbuffered_channel<number> there, back;
	fiber echo = spawn([&] {
		for (number v : there)
			back.push(v + 1);
		back.close();
	});
	number v = 0;

	for (number i = 0; i < n; i++) {
		there.push(v);
		v = back.value_pop();
	}
	there.close();
	echo.join();
	check(v == n, "ping-pong lost count");
}

static void channel(number n, number pairs)
{
	fibers::buffered_channel<number> c(128);
	std::vector<fiber> producers, consumers;
	std::vector<number> sums(pairs);
	number each = n / pairs, total = 0;

	for (number i = 0; i < pairs; i++) {
		producers.push_back(spawn([&c, each] {
			for (number k = 0; k < each; k++)
				c.push(k);
		}));
		consumers.push_back(spawn([&c, &sum = sums[i]] {
			number s = 0, v;

			while (c.pop(v) == fibers::channel_op_status::success)
				s += v;
			sum = s;
		}));
	}
	join_all(producers);
	c.close();
	join_all(consumers);
	for (number s : sums)
		total += s;
	check(total == pairs * each * (each - 1) / 2, "the channel lost a value");
}

static void mutex(number n, number goroutines)
{
	fibers::mutex lock;
	number counter = 0;
	std::vector<fiber> all;

	for (number i = 0; i < goroutines; i++)
		all.push_back(spawn([&] {
			for (number k = 0; k < n / goroutines; k++) {
				lock.lock();
				counter++;
				lock.unlock();
			}
		}));
	join_all(all);
	check(counter == n / goroutines * goroutines, "the mutex let two in");
}

using hop = fibers::unbuffered_channel<number>;

static void skynet_node(hop &up, number first, number size)
{
	if (size == 1) {
		up.push(first);
		return;
	}
	hop down;
	std::vector<fiber> children;
	number sum = 0;

	for (number i = 0; i < 10; i++)
		children.push_back(spawn([&down, first, size, i] {
			skynet_node(down, first + i * (size / 10), size / 10);
		}));
	for (number i = 0; i < 10; i++)
		sum += down.value_pop();
	/* The channel lives here, so the children must be out of it. */
	join_all(children);
	up.push(sum);
}

static void skynet(number n)
{
	for (int r = 0; r < count; r++) {
		number sum = 0;
		span s = measure([&] {
			hop up;
			fiber root = spawn([&] { skynet_node(up, 0, n); });

			sum = up.value_pop();
			root.join();
		});

		row("Skynet100k", 1, s, true);
		check(sum == n * (n - 1) / 2, "skynet got the wrong sum");
	}
}

/* The fibers stay blocked on channels that stay alive, as in the classic program. */
static number sieve(number n, std::vector<std::unique_ptr<hop>> &chain, std::vector<fiber> &all)
{
	number prime = 0;

	chain.push_back(std::make_unique<hop>());
	all.push_back(spawn([out = chain.back().get()] {
		for (number i = 2;; i++)
			out->push(i);
	}));
	for (number i = 0; i < n; i++) {
		hop *in = chain.back().get();

		prime = in->value_pop();
		if (i == n - 1)
			break;
		chain.push_back(std::make_unique<hop>());
		all.push_back(spawn([in, out = chain.back().get(), prime] {
			for (;;) {
				number v = in->value_pop();

				if (v % prime != 0)
					out->push(v);
			}
		}));
	}
	return prime;
}

/*
 * One row, then the process ends without unwinding: closing a channel of Boost 1.74
 * under a sender whose value nobody has taken wakes the sender twice and crashes.
 */
static void sieve_row(number n)
{
	std::vector<std::unique_ptr<hop>> chain;
	std::vector<fiber> all;
	number prime = 0;

	row("Sieve", 1, measure([&] { prime = sieve(n, chain, all); }), true);
	check(n != 2000 || prime == 17389, "the sieve got a wrong prime");
	_exit(0);
}

/* ---- workers and the command line ---- */

static const struct subject {
	const char *name;
	number n;
	std::function<void(number)> run;
} subjects[] = {
	{"yield", 5000000, [](number n) { repeat("Yield", n, [=] { yield(n, 2); }); }},
	{"yield1000", 5000000, [](number n) { repeat("Yield1000", n, [=] { yield(n, 1000); }); }},
	{"spawn_batch", 1000000, spawn_batch},
	{"spawn_million", 100000, spawn_many},
	{"pingpong", 1000000, [](number n) { repeat("PingPong", n, [=] { ping_pong(n); }); }},
	{"chan128", 8000000, [](number n) { repeat("Chan128", n, [=] { channel(n, 1); }); }},
	{"chan8x8", 8000000, [](number n) { repeat("Chan8x8", n, [=] { channel(n, 8); }); }},
	{"mutex8", 40000000, [](number n) { repeat("Mutex8", n, [=] { mutex(n, 8); }); }},
	{"skynet", 100000, skynet},
	{"sieve", 2000, sieve_row},
};

static int usage(const char *why)
{
	std::fprintf(stderr, "boostbench: %s\nusage: boostbench [-p PROCS] [-c COUNT] [-n OPS] SUBJECT\n"
		     "subjects:", why);
	for (const subject &s : subjects)
		std::fprintf(stderr, " %s", s.name);
	std::fprintf(stderr, "\n");
	return 2;
}

/* Runs work on this thread with the other workers there to steal; returns when they are gone. */
static void with_workers(const std::function<void()> &work)
{
	if (procs == 1) {
		work();
		return;
	}
	fibers::mutex lock;
	fibers::condition_variable_any over;
	bool done = false;
	std::vector<std::thread> threads;

	for (int i = 1; i < procs; i++)
		threads.emplace_back([&] {
			fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(procs, true);
			std::unique_lock<fibers::mutex> held(lock);
			over.wait(held, [&] { return done; });
		});
	fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(procs, true);
	work();
	{
		std::unique_lock<fibers::mutex> held(lock);
		done = true;
	}
	over.notify_all();
	for (std::thread &t : threads)
		t.join();
}

int main(int argc, char **argv)
{
	number n = 0;
	int option;

	while ((option = getopt(argc, argv, "p:c:n:")) != -1)
		switch (option) {
		case 'p': procs = std::atoi(optarg); break;
		case 'c': count = std::atoi(optarg); break;
		case 'n': n = std::atoll(optarg); break;
		default: return usage("bad option");
		}
	if (procs < 1 || count < 1 || n < 0 || optind != argc - 1)
		return usage("bad arguments");
	mallopt(M_TRIM_THRESHOLD, -1);
	mallopt(M_TOP_PAD, 64 << 20);
	for (const subject &s : subjects) {
		if (std::strcmp(s.name, argv[optind]) != 0)
			continue;
		std::printf("pkg: peers/boost-fiber-%d.%d\n", BOOST_VERSION / 100000,
			    BOOST_VERSION / 100 % 1000);
		with_workers([&] { s.run(n ? n : s.n); });
		return 0;
	}
	return usage("no such subject");
}
