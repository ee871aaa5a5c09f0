/* SPDX-License-Identifier: MIT */
/*
 * check_cxx.cc: C++ in goroutines that are stopped anywhere: exceptions thrown and caught, iostreams, containers, regular expressions. Issue 3: "a C++
 * program with exceptions and iostreams"; hazards 1, 9 and 19. The exceptions in flight are counted per thread, so a goroutine that was moved
 * while it unwinds would count those of others.
 */
#include <goro.h>
#include <goro/preempt.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <iomanip>
#include <map>
#include <memory>
#include <mutex>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
#include "api.h"
}
#include "pre.h"
#include "t.h"

#undef fail /* libcheck's macro: streams have a function of that name */

namespace {

const int GOROUTINES = 6;

struct mine : std::runtime_error {
	uint64_t who;
	explicit mine(uint64_t w) : std::runtime_error("thrown by " + std::to_string(w)), who(w) {}
};

/* Destructors run while an exception is on its way; each computes, so that it is stopped there. */
struct busy {
	int *count;
	explicit busy(int *c) : count(c) {}
	~busy()
	{
		for (volatile int i = 0; i < 300; i++)
			;
		++*count;
	}
};

void throw_deep(uint64_t who, int depth, int *count)
{
	busy b(count);
	std::string s(50, (char)('a' + depth));

	if (depth == 0)
		throw mine(who);
	throw_deep(who, depth - 1, count);
	t_check(s.size() == 50);
}

uint64_t throwing(uint64_t seed)
{
	uint64_t caught = 0;

	for (long n = t_scaled(1500); n > 0; n--) {
		int count = 0;

		t_check_int(std::uncaught_exceptions(), ==, 0);
		try {
			throw_deep(seed, 10, &count);
		} catch (const mine &e) {
			t_check(e.who == seed);
			t_check_int(count, ==, 11);
			t_check(std::string(e.what()) == "thrown by " + std::to_string(seed));
			try {
				throw;
			} catch (const std::exception &again) {
				t_check(&again == static_cast<const std::exception *>(&e));
			}
			caught++;
		}
	}
	return caught;
}

START_TEST(exceptions_are_caught_by_whom_they_are_meant_for)
{
	pre_agree(throwing, GOROUTINES);
}
END_TEST

/* Hazard 19: a call that parks inside catch {}, on one processor and on two. */
uint64_t yielding_in_catch(uint64_t seed)
{
	uint64_t caught = 0;

	for (long n = t_scaled(400); n > 0; n--) {
		try {
			throw mine(seed);
		} catch (const mine &e) {
			goro_yield();
			if (n % 50 == 0 || n == 1)
				pre_burn(3 * pre_slice()); /* it is stopped here as well */
			t_check(e.who == seed);
			t_check_int(std::uncaught_exceptions(), ==, 0);
			try {
				goro_yield();
				throw mine(seed + 1000);
			} catch (const mine &inner) {
				goro_yield();
				t_check(inner.who == seed + 1000);
			}
			t_check(e.who == seed);
			std::exception_ptr p = std::current_exception();
			t_check(p != nullptr);
			try {
				std::rethrow_exception(p);
			} catch (const mine &again) {
				t_check(again.who == seed);
			}
			caught++;
		}
		t_check(std::current_exception() == nullptr);
	}
	return caught;
}

START_TEST(a_goroutine_that_yields_in_catch_keeps_its_exceptions)
{
	pre_agree(yielding_in_catch, GOROUTINES);
}
END_TEST

uint64_t streaming(uint64_t seed)
{
	uint64_t rng = seed, h = PRE_HASH;

	for (long n = t_scaled(1500); n > 0; n--) {
		std::ostringstream out;
		double d = (double)(int64_t)t_rand(&rng) / 1024, back = 0;
		long l = 0;
		std::string word;

		out << n << ' ' << std::setprecision(17) << d << " word " << std::hex << std::setw(12) << std::setfill('0') << n;
		std::istringstream in(out.str());
		in >> l >> back >> word;
		t_check(in.good() && l == n && back == d && word == "word", "%s", out.str().c_str());
		h = pre_hash(h, out.str().data(), out.str().size());
	}
	return h;
}

START_TEST(streams_write_and_read_the_same)
{
	pre_agree(streaming, GOROUTINES);
}
END_TEST

uint64_t containing(uint64_t seed)
{
	std::map<std::string, std::vector<int>> m;
	std::regex re("([a-z]+)([0-9]+)");
	uint64_t rng = seed, h = PRE_HASH;

	for (long n = t_scaled(3000); n > 0; n--) {
		std::string key = "key" + std::to_string(api_below(&rng, 200));
		auto value = std::make_shared<int>((int)n);
		std::function<int()> f = [value] { return *value; };

		m[key].push_back(f());
		if (n % 50 == 0) {
			std::smatch what;
			t_check(std::regex_match(key, what, re) && what[1] == "key");
		}
		if (n % 10 == 0)
			m.erase("key" + std::to_string(api_below(&rng, 200)));
	}
	for (auto &kv : m) {
		std::sort(kv.second.begin(), kv.second.end());
		h = pre_hash(h, kv.first.data(), kv.first.size());
		h = pre_hash(h, kv.second.data(), kv.second.size() * sizeof(int));
	}
	return h;
}

START_TEST(containers_and_regular_expressions_agree)
{
	pre_agree(containing, GOROUTINES);
}
END_TEST

/* Function-local statics and std::call_once: whoever is stopped while it makes one holds the guard; the others block their threads. */
struct slow {
	int value;
	slow() : value(0)
	{
		pre_burn(3 * GORO_MILLISECOND);
		value = 42;
	}
};

uint64_t guarded(uint64_t seed)
{
	static slow s;
	static std::once_flag once;
	static std::mutex mutex;
	static int calls;

	std::call_once(once, [] { pre_burn(3 * GORO_MILLISECOND); calls++; });
	for (long n = t_scaled(100); n > 0; n--) {
		std::lock_guard<std::mutex> guard(mutex);
		for (volatile int i = 0; i < 20000; i++)
			;
	}
	t_check_int(calls, ==, 1);
	return seed + (uint64_t)s.value;
}

int guarded_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct goro_waitgroup *w = &wg;

	(void)arg;
	goro_waitgroup_add(w, GOROUTINES);
	for (uint64_t i = 0; i < GOROUTINES; i++)
		t_check_int(GORO_GO([i, w] { t_check(guarded(i) == i + 42); goro_waitgroup_done(w); }), ==, 0);
	t_check_int(goro_waitgroup_wait(w, GORO_FOREVER), ==, 0);
	return 0;
}

/* The goroutines come first here, in a fresh process: the statics are made by one of them. */
START_TEST(statics_and_once_flags_are_made_once)
{
	pre_run(_i ? 2 : 1, PRE_SHORT, guarded_main, nullptr);
}
END_TEST

} // namespace

int main()
{
	Suite *s = suite_create("preempt: C++");
	TCase *tc = tcase_create("cxx");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, exceptions_are_caught_by_whom_they_are_meant_for);
	tcase_add_test(tc, a_goroutine_that_yields_in_catch_keeps_its_exceptions);
	tcase_add_test(tc, streams_write_and_read_the_same);
	tcase_add_test(tc, containers_and_regular_expressions_agree);
	tcase_add_loop_test(tc, statics_and_once_flags_are_made_once, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
