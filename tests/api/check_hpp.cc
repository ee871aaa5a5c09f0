/* SPDX-License-Identifier: MIT */
/* check_hpp.cc: goro.hpp: goroutines, deferred calls, locks, contexts, errgroups and timers. Issue 4: "C++: goro.hpp, header-only over the C API". */
#include "hpp.h"

#include <functional>
#include <numeric>

namespace {

/* Counts its copies, and can be moved and copied. */
struct counted {
	int value;
	explicit counted(int v) : value(v) { alive++; }
	counted(const counted &o) : value(o.value) { alive++; }
	counted(counted &&o) noexcept : value(std::exchange(o.value, -1)) { alive++; }
	counted &operator=(const counted &) = default;
	~counted() { alive--; }
};

/* ---------------------------------------------------------------------------------------------------- */

struct adder {
	int sum = 0;
	void add(int a, int b) { sum = a + b; }
};

void takes(const std::string &s, std::unique_ptr<int> p, double d, goro::chan<std::string> out)
{
	out.send(s + std::to_string(*p) + (d == 2.5 ? "!" : "?"));
}

int go_main(void *)
{
	goro::chan<std::string> out;
	goro::waitgroup wg;
	adder a;
	int local = 1;
	std::vector<int> big(1000, 1);

	t_check(goro::go(takes, "text", std::make_unique<int>(7), 2.5, out) == 0);
	t_check(out.recv() == "text7!");
	wg.add();
	t_check(goro::go([&wg, p = std::make_unique<int>(5), big, out, n = std::array<char, 300>()]() mutable {
		const goro::deferred done([&wg] { wg.done(); });

		t_check(*p == 5 && big.size() == 1000 && n[299] == 0);
	}) == 0);
	t_check(wg.go(&adder::add, &a, 2, 3) == 0);
	t_check(wg.go([](int &x) { x++; }, std::ref(local)) == 0);
	t_check(wg.go([](std::string s, const std::string &t) { t_check(s == "a" && t == "b"); }, "a", "b") == 0);
	wg.wait();
	t_check(a.sum == 5 && local == 2);
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;
	o.stack_size = 1 << 20;
	o.name = "wide";
	t_check(goro::go_with(o, [out] {
		char room[600000];

		room[0] = 'x';
		__asm__ volatile("" : : "r"(room) : "memory");
		out.send(std::string(1, room[0]));
	}) == 0);
	t_check(out.recv() == "x");
	return 0;
}

START_TEST(go_takes_whatever_can_be_called_and_moved)
{
	api_run_procs(api_procs[_i], go_main, nullptr);
}
END_TEST

/* Arguments are evaluated and copied by the caller: what it changes afterwards is its own. */
int copies_main(void *)
{
	goro::waitgroup wg;
	std::atomic<int> sum{ 0 };
	std::string text = "first";

	for (int i = 0; i < 100; i++)
		t_check(wg.go([&sum](int n, counted c) { sum += n + c.value; }, i, counted(i)) == 0);
	t_check(wg.go([](const std::string &s) { t_check(s == "first"); }, text) == 0);
	text = "second";
	wg.wait();
	t_check(sum == 9900);
	t_check_int(alive.load(), ==, 0);
	return 0;
}

START_TEST(what_a_goroutine_was_given_is_copied_once_and_gone_before_its_group_is_told)
{
	api_run_procs(api_procs[_i], copies_main, nullptr);
}
END_TEST

START_TEST(a_spawn_that_fails_leaves_nothing_over)
{
	goro::waitgroup wg;
	counted c(1);

	/* No runtime runs. */
	t_check_int(goro::go([c] {}), ==, -EPERM);
	t_check_int(goro::go([](counted &&) {}, c), ==, -EPERM);
	t_check_int(wg.go([c] {}), ==, -EPERM);
	t_check(wg.wait(goro::deadline::no_wait()));
	t_check_int(alive.load(), ==, 1);
}
END_TEST

struct throws_when_copied {
	throws_when_copied() = default;
	throws_when_copied(const throws_when_copied &) { throw std::runtime_error("copy"); }
	void operator()() const {}
};

int throwing_copy_main(void *)
{
	goro::waitgroup wg;
	const throws_when_copied f;
	int caught = 0;

	try {
		goro::go(f);
	} catch (const std::runtime_error &) {
		caught++;
	}
	try {
		wg.go(f);
	} catch (const std::runtime_error &) {
		caught++;
	}
	wg.wait();
	t_check_int(caught, ==, 2);
	t_check_int(goro::count(), ==, 1);
	return 0;
}

START_TEST(a_copy_that_throws_throws_in_the_caller)
{
	api_run(throwing_copy_main, nullptr);
}
END_TEST

int plain_main()
{
	return 3;
}

START_TEST(run_returns_what_the_main_goroutine_returns)
{
	int n = 0;
	std::unique_ptr<int> p = std::make_unique<int>(9);

	t_check_int(goro::run([&n] { n++; }), ==, 0);
	t_check_int(goro::run([&n, p = std::move(p)] { return n + *p; }), ==, 10);
	t_check_int(goro::run(plain_main), ==, 3);
	t_check_int(goro::run([] { return goro::run([] {}) == -EBUSY ? 1 : 2; }), ==, 1);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

int defer_main(void *)
{
	std::string t;
	{
		auto a = goro::defer([&] { t += 'a'; });
		GORO_ON_EXIT { t += 'b'; };
		auto c = goro::defer([&, p = std::make_unique<int>(1)] { t += 'c'; });
		auto d = goro::defer([&] { t += 'd'; });

		d.cancel();
	}
	t_check(t == "cba", "%s", t.c_str());
	t.clear();
	try {
		GORO_ON_EXIT { t += 'a'; };
		throw 1;
	} catch (int) {
		t += 'x';
	}
	t_check(t == "ax");
	t.clear();
	const auto p = goro::recovered([&] {
		GORO_ON_EXIT { t += 'p'; };
		goro_panic("number %d", 5);
	});
	t_check(p && p->text == "number 5" && !(p->flags & GORO_PANIC_RUNTIME));
	t_check(t == "p");
	t.clear();
	t_check(!goro::recovered([&] { t += 'n'; }));
	t_check(goro::go([&] {
		GORO_ON_EXIT { t += 'e'; };
		goro_exit();
	}) == 0);
	t_eventually(goro::count() == 1, API_PATIENCE);
	t_check(t == "ne");
	return 0;
}

START_TEST(deferred_lambdas_run_however_the_scope_is_left)
{
	api_run_procs(api_procs[_i], defer_main, nullptr);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

int locks_main(void *)
{
	goro::mutex mu, second;
	goro::rwmutex rw;
	goro::cond changed;
	goro::waitgroup wg;
	goro::semaphore sem(3);
	goro::once once;
	long sum = 0, reads = 0;
	int inits = 0, inside = 0, turn = 0;

	for (int i = 0; i < 16; i++)
		t_check(wg.go([&, i] {
			once.call([&] { inits++; });
			for (int n = 0; n < 100; n++) {
				{
					std::scoped_lock both(mu, second);
					const long old = sum;

					if (n % 10 == 0)
						goro::yield();
					sum = old + 1;
				}
				if (n % 8 == 0) {
					std::lock_guard<goro::rwmutex> w(rw);

					reads++;
				} else {
					std::shared_lock<goro::rwmutex> r(rw);

					t_check(reads >= 0);
				}
			}
			sem.acquire();
			t_check(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) <= 3);
			goro::yield();
			__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
			sem.release();
			std::unique_lock<goro::mutex> l(mu);
			changed.wait(l, [&] { return turn == i; });
			turn++;
			changed.notify_all();
		}) == 0);
	wg.wait();
	t_check(sum == 1600 && reads == 16 * 13 && inits == 1 && turn == 16);

	std::unique_lock<goro::mutex> l(mu, 1s);
	t_check(l.owns_lock());
	t_check(!mu.try_lock() && !mu.try_lock_for(1ms) && !mu.try_lock_until(goro::now() + 1ms));
	t_check(changed.wait(l, 1ms) == std::cv_status::timeout);
	t_check(!changed.wait(l, 1ms, [] { return false; }) && changed.wait(l, 1ms, [] { return true; }));
	std::shared_lock<goro::rwmutex> r(rw);
	t_check(rw.try_lock_shared() && !rw.try_lock() && !rw.try_lock_for(1ms));
	rw.unlock_shared();
	t_check(changed.wait(r, 1ms) == std::cv_status::timeout && r.owns_lock());
	t_check(sem.try_acquire(3) && !sem.try_acquire() && !sem.try_acquire_for(1ms));
	sem.release(3);
	return 0;
}

START_TEST(the_guards_of_the_standard_library_take_our_locks)
{
	api_run_procs(api_procs[_i], locks_main, nullptr);
}
END_TEST

int once_main(void *)
{
	goro::once once;
	int calls = 0, caught = 0;

	for (int i = 0; i < 3; i++) {
		try {
			once.call([&] {
				calls++;
				throw std::runtime_error("once");
			});
		} catch (const std::runtime_error &) {
			caught++;
		}
	}
	t_check(calls == 1 && caught == 1);
	return 0;
}

START_TEST(an_exception_in_once_goes_to_the_one_caller_and_counts_as_its_end)
{
	api_run(once_main, nullptr);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

const goro::context_key<std::string> name_key;
const goro::context_key<int> number_key;

int context_main(void *)
{
	goro::context root, named = root.with_value(name_key, "request 7");
	goro::context both = named.with_value(number_key, 5), limited = both.with_deadline(1h);
	goro::chan<int> said;
	int freed = 0;

	t_check(*limited.value(name_key) == "request 7" && *limited.value(number_key) == 5);
	t_check(!root.value(name_key) && !named.value(number_key) && root.cancel() == -EINVAL);
	{
		goro::context child = limited.with_cancel(), copy = child;
		goro::context moved = std::move(child);

		t_check(goro::go([copy, said] {
			t_check(!copy.done().recv());
			said.send(copy.err());
		}) == 0);
		t_check(!moved.cancelled() && moved.cancel(-ENOSPC) == 0);
		t_check(said.recv() == -ECANCELED);
		t_check(copy.cause() == -ENOSPC && !limited.cancelled() && child.err() == 0);
	}
	{
		auto after = limited.after_func([said, c = counted(1)] { said.send(c.value); });
		auto never = limited.after_func([c = counted(2)] { t_check(false, "it was stopped"); });

		t_check(never.stop() && !never.stop());
		limited.cancel();
		t_check(said.recv() == 1);
		t_check(!after.stop());
	}
	t_eventually(alive == 0, API_PATIENCE);
	goro::context soon = root.with_deadline(1ms, -EIO);
	t_check(!soon.done().recv() && soon.err() == -ETIMEDOUT && soon.cause() == -EIO);
	t_check(!soon.without_cancel().cancelled());
	t_check(freed == 0);
	return 0;
}

START_TEST(contexts_are_counted_handles)
{
	api_run_procs(api_procs[_i], context_main, nullptr);
}
END_TEST

int errgroup_main(void *)
{
	{
		goro::errgroup eg((goro::context()));
		const goro::context ctx = eg.ctx();

		t_check(eg.go([ctx]() -> int {
			ctx.done().recv();
			return ctx.err();
		}) == 0);
		t_check(eg.go([](std::string url, std::unique_ptr<int> n) { return url == "bad" ? *n : 0; }, "bad", std::make_unique<int>(-EPROTO)) == 0);
		t_check_int(eg.wait(), ==, -EPROTO);
		t_check(ctx.cause() == -EPROTO);
	}
	{
		goro::errgroup eg((goro::context()));
		const goro::context ctx = eg.ctx();
		std::string said;

		eg.go([ctx] { ctx.done().recv(); });
		eg.go([c = counted(3)] { throw std::out_of_range("thrown in a task"); });
		try {
			eg.wait();
		} catch (const std::out_of_range &e) {
			said = e.what();
		}
		t_check(said == "thrown in a task" && ctx.err() == -ECANCELED);
	}
	{
		goro::errgroup eg;
		int active = 0;

		eg.set_limit(2);
		for (int i = 0; i < 20; i++)
			t_check(eg.go([&active] {
				t_check(__atomic_add_fetch(&active, 1, __ATOMIC_SEQ_CST) <= 2);
				goro::yield();
				__atomic_sub_fetch(&active, 1, __ATOMIC_SEQ_CST);
			}) == 0);
		t_check_int(eg.wait(), ==, 0);
		goro::chan<int> stop;
		t_check(eg.try_go([stop] { stop.recv(); }) && eg.try_go([stop] { stop.recv(); }));
		t_check(!eg.try_go([c = counted(4)] {}));
		t_check_int(eg.go_until(1ms, [c = counted(4)] {}), ==, -ETIMEDOUT);
		stop.close();
		t_check_int(eg.wait(), ==, 0);
		/* goro_exit() is no exception that could be kept. */
		t_check(eg.go([] { goro_exit(); }) == 0);
		t_check_int(eg.wait(), ==, 0);
		t_eventually(goro::count() == 1, API_PATIENCE); /* its destructors run behind what the group has deferred */
	}
	t_check_int(alive.load(), ==, 0);
	return 0;
}

START_TEST(an_errgroup_returns_the_first_error_and_throws_the_first_exception)
{
	api_run_procs(api_procs[_i], errgroup_main, nullptr);
}
END_TEST

int timer_main(void *)
{
	const goro::time_point start = goro::now();
	goro::timer t(2ms), never(1h);
	goro::ticker tick(1ms);
	goro::chan<int> called(10);

	t_check(*t.c().recv() >= start + 2ms);
	t_check(never.c().recv(1ms).timed_out() && never.stop() && !never.stop() && !never.reset(1ms) && never.c().recv());
	const goro::time_point first = *tick.c().recv(), second = *tick.c().recv();
	t_check(first < second);
	{
		goro::after_func f(1ms, [called, c = counted(1)] { called.send(c.value); });

		t_check(called.recv() == 1);
		t_check(!f.stop() && !f.reset(1ms));
		t_check(called.recv() == 1);
		t_check(!f.reset(1h) && f.reset(1h) && f.stop() && !f.stop() && !f.reset(1h));
	}
	{
		goro::after_func stopped(1h, [c = counted(2)] {});
	}
	for (int i = 0; i < 200; i++) {
		goro::after_func race(1us, [called, c = counted(i)] { (void)called.try_send(c.value); });

		if (i % 3 == 0)
			goro::yield();
		race.reset(1us);
	}
	t_eventually(alive == 0, API_PATIENCE);
	goro::sleep(1ms);
	goro::sleep(goro::now() - 1s);
	return 0;
}

START_TEST(timers_give_their_time_and_their_functions_back)
{
	api_run_procs(api_procs[_i], timer_main, nullptr);
}
END_TEST

START_TEST(deadlines_are_of_time_points_and_of_durations)
{
	t_check(goro::deadline(-5s).ns() > 0 && goro::deadline(-5s).ns() <= goro_now());
	t_check(goro::deadline(goro::time_point()).ns() == 1);
	t_check(goro::deadline(goro::time_point::min()).ns() == 1 && goro::deadline(goro::time_point::max()).ns() == INT64_MAX);
	t_check(goro::deadline(std::chrono::hours::max()).ns() == GORO_FOREVER);
	t_check(goro::deadline(std::chrono::duration<double>(1e30)).ns() == GORO_FOREVER);
	t_check(goro::deadline::forever().ns() == GORO_FOREVER && goro::deadline::no_wait().ns() == GORO_NOW);
	t_check(goro::deadline(1min).ns() > goro_now() + 50 * GORO_SECOND);
}
END_TEST

} // namespace

int main()
{
	Suite *s = suite_create("hpp");
	TCase *tc = t_case(s, "goroutines", 60);

	tcase_add_loop_test(tc, go_takes_whatever_can_be_called_and_moved, 0, 3);
	tcase_add_loop_test(tc, what_a_goroutine_was_given_is_copied_once_and_gone_before_its_group_is_told, 0, 3);
	tcase_add_test(tc, a_spawn_that_fails_leaves_nothing_over);
	tcase_add_test(tc, a_copy_that_throws_throws_in_the_caller);
	tcase_add_test(tc, run_returns_what_the_main_goroutine_returns);
	tcase_add_loop_test(tc, deferred_lambdas_run_however_the_scope_is_left, 0, 3);
	tc = t_case(s, "nouns", 60);
	tcase_add_loop_test(tc, the_guards_of_the_standard_library_take_our_locks, 0, 3);
	tcase_add_test(tc, an_exception_in_once_goes_to_the_one_caller_and_counts_as_its_end);
	tcase_add_loop_test(tc, contexts_are_counted_handles, 0, 3);
	tcase_add_loop_test(tc, an_errgroup_returns_the_first_error_and_throws_the_first_exception, 0, 3);
	tcase_add_loop_test(tc, timers_give_their_time_and_their_functions_back, 0, 3);
	tcase_add_test(tc, deadlines_are_of_time_points_and_of_durations);
	return t_main(s);
}
