/* SPDX-License-Identifier: MIT */
/*
 * check_hpp_exceptions.cc: C++ exceptions and goroutines that change their thread, and are stopped anywhere, while they
 * have some in hand. Issue 4: "exceptions that leave a goroutine become an unrecovered panic with their what(); exceptions
 * thrown and caught across yields on several Ps".
 */
#include "hpp.h"

#include <csignal>

namespace {

const int GOROUTINES = 24;

struct mine : std::runtime_error {
	uint64_t who;
	explicit mine(uint64_t w) : std::runtime_error("of " + std::to_string(w)), who(w) {}
};

/* One goroutine's part of the stress: a random walk that throws, catches and parks, and knows at each point what it has to find. */
class walker {
public:
	explicit walker(uint64_t who) : who_(who), rng_(t_seed() ^ who * 0x9e3779b97f4a7c15u) {}

	void walk()
	{
		for (long n = t_scaled(150); n > 0; n--) {
			expect(0, 0);
			level(0, 0);
			expect(0, 0);
		}
	}

private:
	/* Gives way in one of several ways, or is stopped. */
	void pause()
	{
		switch (api_below(&rng_, 6)) {
		case 0:
			goro::yield();
			break;
		case 1:
			goro::sleep(std::chrono::microseconds(api_below(&rng_, 50)));
			break;
		case 2: {
			goro::chan<int> c;

			t_check(goro::go([c] { c.send(1); }) == 0);
			t_check(c.recv() == 1);
			break;
		}
		case 3:
			for (volatile int i = 0; i < 20000; i++)
				;
			break;
		case 4:
			goro::blocking([] { goro::yield(); });
			break;
		default:
			break;
		}
	}

	/* The exception caught last is number caught of ours, 0 if there is none; so many are in flight. */
	void expect(uint64_t caught, int flying)
	{
		const std::exception_ptr p = std::current_exception();

		t_check_int(std::uncaught_exceptions(), ==, flying);
		t_check((p != nullptr) == (caught != 0));
		if (!p)
			return;
		try {
			std::rethrow_exception(p);
		} catch (const mine &e) {
			t_check(e.who == who_ * 1000 + caught);
		}
	}

	/* Parks while it is destructed by an exception in flight, or not, and throws and catches one of its own there. */
	struct in_destructor {
		walker &w;
		uint64_t caught;
		int flying;
		~in_destructor()
		{
			w.expect(caught, flying);
			w.pause();
			w.expect(caught, flying);
			try {
				throw mine(1);
			} catch (const mine &e) {
				w.pause();
				t_check(e.who == 1);
				t_check_int(std::uncaught_exceptions(), ==, flying);
			}
			w.pause();
			w.expect(caught, flying);
		}
	};

	/* caught: what is being handled outside; depth: how many handlers are. */
	void level(uint64_t caught, int depth)
	{
		const uint64_t me = ++serial_ % 900 + 1;
		const bool again = api_below(&rng_, 2), destructs = api_below(&rng_, 2);

		try {
			try {
				if (destructs) {
					in_destructor d{ *this, caught, 1 };

					throw mine(who_ * 1000 + me);
				}
				throw mine(who_ * 1000 + me);
			} catch (const mine &e) {
				pause();
				t_check(e.who == who_ * 1000 + me);
				expect(me, 0);
				if (depth < 3 && api_below(&rng_, 2))
					level(me, depth + 1);
				pause();
				expect(me, 0);
				if (again)
					throw;
			}
		} catch (const mine &e) {
			t_check(again && e.who == who_ * 1000 + me);
			pause();
			expect(me, 0);
		}
		expect(caught, 0);
	}

	uint64_t who_, rng_, serial_ = 0;
};

int walk_main(void *)
{
	goro::waitgroup wg;

	for (uint64_t i = 1; i <= GOROUTINES; i++)
		t_check(wg.go([i] { walker(i).walk(); }) == 0);
	wg.wait();
	return 0;
}

START_TEST(exceptions_stay_with_their_goroutine_wherever_it_parks)
{
	api_run_procs(api_procs[_i], walk_main, nullptr);
}
END_TEST

/* Slices of 100 us: goroutines are stopped between throw and catch, too. */
START_TEST(exceptions_stay_with_a_goroutine_that_is_preempted)
{
	setenv("GORO_SLICE_US", "100", 1);
	api_run_procs(api_procs[_i], walk_main, nullptr);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

START_TEST(what_a_thread_has_caught_is_its_own_again_after_goro_run)
{
	try {
		throw mine(7);
	} catch (const mine &e) {
		t_check_int(goro::run([] {
			if (std::current_exception() || std::uncaught_exceptions())
				return 1;
			return walk_main(nullptr);
		}), ==, 0);
		t_check(e.who == 7);
		try {
			throw;
		} catch (const mine &again) {
			t_check(&again == &e);
		}
	}
	t_check(!std::current_exception());
}
END_TEST

/* Goroutines that end inside of a catch block, and in a destructor that an exception runs. What they had in hand must not be the next one's. */
/* In flight when nobody will ever catch it: it is never destructed. */
struct dropped {
	dropped() { t_keep(this); }
};

/* If the compiler knew that a destructor does not return it would leave out the handler behind it. */
volatile bool really = true;

struct exits_here {
	~exits_here() noexcept(false)
	{
		if (really)
			goro_exit();
	}
};

/* Code of clang calls std::terminate() whenever a destructor is left that an exception runs, also by noexcept(false). */
#ifdef __clang__
const bool TERMINATES = true;
#else
const bool TERMINATES = false;
#endif

void exits_in_a_destructor()
{
	try {
		exits_here e;

		throw dropped();
	} catch (const dropped &) {
		t_check(false, "goro_exit() has not ended it");
	}
}

int exit_main(void *)
{
	for (int i = 0; i < 100; i++) {
		goro::waitgroup wg;

		t_check(wg.go([] {
			try {
				throw mine(1);
			} catch (const mine &) {
				goro_exit();
			}
		}) == 0);
		wg.wait();
		if (!TERMINATES)
			t_check(goro::go(exits_in_a_destructor) == 0);
		t_check(goro::go([] {
			t_check(!std::current_exception());
			t_check_int(std::uncaught_exceptions(), ==, 0);
		}) == 0);
		t_eventually(goro::count() == 1, API_PATIENCE);
	}
	return 0;
}

START_TEST(a_goroutine_that_ends_with_exceptions_in_hand_leaves_none_behind)
{
	api_run_procs(api_procs[_i], exit_main, nullptr);
}
END_TEST

struct panics_here {
	~panics_here() noexcept(false)
	{
		if (really)
			goro_panic("in a destructor");
	}
};

void panics_in_a_destructor()
{
	try {
		panics_here h;

		throw dropped();
	} catch (const dropped &) {
		t_check(false, "the panic was lost");
	}
}

int recover_main(void *)
{
	for (int i = 0; i < 100; i++) {
		const auto p = goro::recovered(panics_in_a_destructor);
		t_check(p && p->text == "in a destructor");
		t_check_int(std::uncaught_exceptions(), ==, 0);
	}
	return 0;
}

int terminate_main(void *panics)
{
	if (panics)
		goro::recovered(panics_in_a_destructor);
	else
		exits_in_a_destructor();
	return 0;
}

START_TEST(a_panic_in_a_destructor_of_an_exception_can_be_recovered)
{
	static char err[4096];

	if (!TERMINATES)
		api_run(recover_main, nullptr);
	for (int panics = 0; TERMINATES && panics < 2; panics++) {
		int status = api_child(0, terminate_main, panics ? err : nullptr, err, sizeof err);

		t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(err, "terminate called"), "%#x: %s", status, err);
	}
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */
/* Exceptions that nobody catches */

void throws_what(int kind)
{
	switch (kind) {
	case 0:
		throw std::runtime_error("disk full");
	case 1:
		throw mine(5);
	case 2:
		throw 42;
	default: {
		std::exception_ptr p = std::make_exception_ptr(std::out_of_range("kept"));
		std::rethrow_exception(p);
	}
	}
}

/* Two bases, and the exception is not at the beginning of the object. */
struct other_base {
	virtual ~other_base() = default;
	int x = 1;
};
struct second_base : other_base, std::logic_error {
	second_base() : std::logic_error("second") {}
};

int by_lambda(void *arg)
{
	const int kind = *static_cast<int *>(arg);

	t_check(goro::go([kind] { throws_what(kind); }) == 0);
	goro_sleep_until(GORO_FOREVER);
	return 0;
}

int by_c(void *)
{
	t_check(GORO_GO(throws_what, 0) == 0);
	goro_sleep_until(GORO_FOREVER);
	return 0;
}

int by_main(void *)
{
	throw second_base();
}

int by_errgroup_function(void *)
{
	struct goro_errgroup eg = GORO_ERRGROUP_INIT;

	goro_errgroup_go(&eg, [](void *) -> int { throw mine(9); }, nullptr, GORO_FOREVER);
	return goro_errgroup_wait(&eg, GORO_FOREVER);
}

void never_runs(int *)
{
	std::_Exit(9);
}

int by_deferred_frame(void *)
{
	int x = 0;

	GORO_DEFER(never_runs, &x, 1);
	throw std::runtime_error("nothing is unwound");
}

int by_larger_stack(void *)
{
	goro_call_on_stack(1 << 20, [](void *) { throw std::runtime_error("off the stack"); }, nullptr);
	return 0;
}

void throws_deferred(int *)
{
	throw std::runtime_error("deferred");
}

int by_deferred_call(void *)
{
	int x = 0;

	try {
		GORO_DEFER(throws_deferred, &x, 1);
		goro_panic("first");
	} catch (const std::exception &) {
		std::_Exit(9);
	}
}

START_TEST(an_exception_that_leaves_a_goroutine_is_an_unrecovered_panic)
{
	static int kinds[] = { 0, 1, 2, 3 };

	api_expect_fatal(by_lambda, &kinds[0], "panic: std::runtime_error: disk full\n\ngoroutine ");
	api_expect_fatal(by_lambda, &kinds[1], "::mine: of 5\n");
	api_expect_fatal(by_lambda, &kinds[2], "panic: exception of type int\n");
	api_expect_fatal(by_lambda, &kinds[3], "panic: std::out_of_range: kept\n");
	api_expect_fatal(by_c, nullptr, "panic: std::runtime_error: disk full\n");
	api_expect_fatal(by_main, nullptr, "::second_base: second\n\ngoroutine 1 \"main\"");
	api_expect_fatal(by_errgroup_function, nullptr, "::mine: of 9\n");
}
END_TEST

START_TEST(the_backtrace_of_such_a_panic_shows_where_it_was_thrown)
{
	api_expect_fatal(by_c, nullptr, "__cxa_throw");
}
END_TEST

START_TEST(nothing_is_unwound_for_an_exception_that_nobody_catches)
{
	api_expect_fatal(by_deferred_frame, nullptr, "panic: std::runtime_error: nothing is unwound\n");
}
END_TEST

START_TEST(an_exception_must_not_leave_a_larger_stack)
{
	api_expect_fatal(by_larger_stack, nullptr, "panic: std::runtime_error: off the stack\n");
}
END_TEST

START_TEST(an_exception_must_not_leave_a_call_that_a_panic_makes)
{
	api_expect_fatal(by_deferred_call, nullptr, "panic: first\n\tpanic: std::runtime_error: deferred\n");
}
END_TEST

int through_main(void *)
{
	int caught = 0;

	for (int i = 0; i < 100; i++) {
		try {
			goro::call_on_stack(1 << 20, []() -> int {
				goro::yield();
				throw mine(3);
			});
		} catch (const mine &e) {
			caught += e.who == 3;
		}
		try {
			goro::blocking([] { throw mine(4); });
		} catch (const mine &e) {
			caught += e.who == 4;
		}
		t_check_int(goro::call_on_stack(1 << 20, [i] { return i; }), ==, i);
		t_check(goro::blocking([i] { return std::to_string(i); }) == std::to_string(i));
	}
	t_check_int(caught, ==, 200);
	return 0;
}

START_TEST(exceptions_come_through_calls_on_larger_stacks_and_blocking_calls)
{
	api_run_procs(api_procs[_i], through_main, nullptr);
}
END_TEST

} // namespace

int main()
{
	Suite *s = suite_create("hpp: exceptions");
	TCase *tc = t_case(s, "in hand", 120);

	tcase_add_loop_test(tc, exceptions_stay_with_their_goroutine_wherever_it_parks, 0, 3);
	tcase_add_loop_test(tc, exceptions_stay_with_a_goroutine_that_is_preempted, 0, 3);
	tcase_add_test(tc, what_a_thread_has_caught_is_its_own_again_after_goro_run);
	tcase_add_loop_test(tc, a_goroutine_that_ends_with_exceptions_in_hand_leaves_none_behind, 0, 3);
	tcase_add_test(tc, a_panic_in_a_destructor_of_an_exception_can_be_recovered);
	tc = t_case(s, "uncaught", 60);
	tcase_add_test(tc, an_exception_that_leaves_a_goroutine_is_an_unrecovered_panic);
	tcase_add_test(tc, the_backtrace_of_such_a_panic_shows_where_it_was_thrown);
	tcase_add_test(tc, nothing_is_unwound_for_an_exception_that_nobody_catches);
	tcase_add_test(tc, an_exception_must_not_leave_a_larger_stack);
	tcase_add_test(tc, an_exception_must_not_leave_a_call_that_a_panic_makes);
	tcase_add_loop_test(tc, exceptions_come_through_calls_on_larger_stacks_and_blocking_calls, 0, 3);
	return t_main(s);
}
