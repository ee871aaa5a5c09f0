/* SPDX-License-Identifier: MIT */
/*
 * check_panic_cxx.cc: deferred calls, panics and C++. "C++ destructors between run if compiled with exceptions" (row 27 of the contract); exceptions
 * run what was deferred.
 */
#include <goro.h>

#include <cstring>
#include <stdexcept>
#include <string>

extern "C" {
#include "api.h"
}
#include "t.h"

#undef fail /* libcheck's macro */

namespace {

struct trace {
	std::string text;
};

struct object {
	trace *t;
	char c;
	object(trace *where, char what) : t(where), c(what) {}
	~object() { t->text += c; }
};

void catcher(trace *t)
{
	const struct goro_panicked *p = GORO_RECOVER();

	t->text += p ? 'R' : '-';
}

void note(trace *t)
{
	t->text += 'n';
}

__attribute__((noinline)) void panics(trace *t, int kind)
{
	object o(t, '1');

	if (kind == 0)
		goro_panic("from C++");
	if (kind == 1)
		throw std::runtime_error("from C++");
}

/* What is at no call in the compiler's tables: the frames further down are forgotten without their destructors. */
__attribute__((noinline)) void faults()
{
	int *volatile p = reinterpret_cast<int *>(16);

	*(volatile int *)p = 1;
	__asm__ volatile("");
}

__attribute__((noinline)) void between(trace *t, int kind)
{
	object o(t, '2');

	GORO_DEFER(note, t);
	object q(t, '3');
	if (kind == 2)
		faults();
	panics(t, kind);
	t->text += '!';
}

/* What it has made before it deferred is destructed by its return. */
int recovers(trace *t, int kind)
{
	object o(t, '4');

	GORO_DEFER(catcher, t, 7);
	between(t, kind);
	return 8;
}

int destructors_main(void *)
{
	for (int i = 0; i < 100; i++) {
		trace t;

		t_check(recovers(&t, 0) == 7);
		/* The deferred calls first, then the destructors of what is forgotten, newest first. */
		t_check(t.text == "nR1324", "%s", t.text.c_str());
		t.text.clear();
		t_check(recovers(&t, 2) == 7);
		/* Of a call that throws nothing the compiler may tell what is to be done at the call before it. */
		t_check(t.text == "nR4" || t.text == "nR24" || t.text == "nR324", "%s", t.text.c_str());
		t.text.clear();
		t_check(recovers(&t, 3) == 8);
		t_check(t.text == "1!3n2-4", "%s", t.text.c_str());
	}
	return 0;
}

START_TEST(the_destructors_of_frames_that_are_forgotten_run)
{
	api_run_procs(api_procs[_i], destructors_main, nullptr);
}
END_TEST

int exceptions_main(void *)
{
	for (int i = 0; i < 100; i++) {
		trace t;

		try {
			recovers(&t, 1);
			t_check(false);
		} catch (const std::exception &e) {
			t_check(strcmp(e.what(), "from C++") == 0);
		}
		t_check(t.text == "13n2-4", "%s", t.text.c_str());
	}
	return 0;
}

/*
 * Frames on a larger stack, which lies above the goroutine's own or below it: those on both are left, and what the function that goes on has made stays until it
 * returns. `above` and `below` say that the two cases have been met.
 */
struct elsewhere {
	trace *t;
	uintptr_t here; /* on the stack of the goroutine */
	bool above, below;
	int deep;
};

void panics_elsewhere(void *arg)
{
	elsewhere *e = static_cast<elsewhere *>(arg);
	object o(e->t, 'a');
	const char c = 0;

	(reinterpret_cast<uintptr_t>(&c) > e->here ? e->above : e->below) = true;
	if (e->deep-- > 0)
		goro_call_on_stack((size_t)1 << 20, panics_elsewhere, e);
	panics(e->t, 0);
}

__attribute__((noinline)) void calls_elsewhere(elsewhere *e, size_t size)
{
	object o(e->t, 'b');

	goro_call_on_stack(size, panics_elsewhere, e);
	e->t->text += '!';
}

int recovers_here(elsewhere *e, size_t size)
{
	object o(e->t, 'c');

	GORO_DEFER(catcher, e->t, 9);
	calls_elsewhere(e, size);
	return 8;
}

void leaves_larger_stacks(elsewhere *e, size_t size)
{
	const char c = 0;
	trace t;

	e->t = &t;
	e->here = reinterpret_cast<uintptr_t>(&c);
	for (int deep = 0; deep < 2; deep++) {
		t.text.clear();
		e->deep = deep;
		t_check(recovers_here(e, size) == 9);
		t_check(t.text == (deep ? "R1aabc" : "R1abc"), "%s", t.text.c_str());
	}
}

/* Stacks of one size lie side by side; which size lies above which depends on which was used first. */
int larger_stacks_main(void *)
{
	static elsewhere e;

	leaves_larger_stacks(&e, (size_t)8 << 20);
	for (int i = 0; i < 6; i++) {
		struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;

		o.stack_size = (size_t)1 << (17 + i);
		t_check(goro_spawn_opts([](void *arg) { leaves_larger_stacks(static_cast<elsewhere *>(arg), (size_t)8 << 20); }, &e, &o) == 0);
		t_eventually(goro_count() == 1, API_PATIENCE);
	}
	t_check(e.above && e.below, "above %d, below %d", e.above, e.below);
	return 0;
}

void *larger_stacks_thread(void *)
{
	elsewhere e = {};

	leaves_larger_stacks(&e, (size_t)1 << 20);
	return nullptr;
}

START_TEST(the_destructors_of_frames_on_other_stacks_run)
{
	api_run(larger_stacks_main, nullptr);
	api_join(api_thread(larger_stacks_thread, nullptr));
}
END_TEST

START_TEST(an_exception_runs_deferred_calls_and_is_no_panic)
{
	api_run(exceptions_main, nullptr);
}
END_TEST

__attribute__((noinline)) void catches_all(trace *t, int kind)
{
	try {
		between(t, kind);
	} catch (...) {
		t->text += 'c';
		throw;
	}
}

int recovers_behind(trace *t)
{
	GORO_DEFER(catcher, t, 5);
	catches_all(t, 0);
	return 6;
}

void throws_inside(trace *t)
{
	try {
		panics(t, 1);
	} catch (const std::runtime_error &) {
		t->text += 'x';
	}
	catcher(t); /* not called by the panic itself */
}

int exception_in_deferred_call(trace *t)
{
	GORO_DEFER(catcher, t, 3);
	GORO_DEFER(throws_inside, t, 4);
	goro_panic("outer");
}

/* A panic inside of a catch block, recovered in it and outside of it. */
int catch_and_panic(trace *t, bool inside)
{
	GORO_DEFER(catcher, t, 2);
	try {
		throw std::string("s");
	} catch (const std::string &s) {
		t_check(s == "s");
		if (inside)
			t_check(recovers(t, 0) == 7);
		else
			panics(t, 0);
		t_check(s == "s");
	}
	return 1;
}

int mixed_main(void *)
{
	for (int i = 0; i < 100; i++) {
		trace t;

		t_check(recovers_behind(&t) == 5);
		t_check(t.text == "nR132c", "%s", t.text.c_str());
		t.text.clear();
		t_check(exception_in_deferred_call(&t) == 3);
		t_check(t.text == "1x-R", "%s", t.text.c_str());
		t.text.clear();
		t_check(catch_and_panic(&t, true) == 1);
		t_check(t.text == "nR1324-", "%s", t.text.c_str());
		t.text.clear();
		t_check(catch_and_panic(&t, false) == 2);
		t_check(t.text == "R1", "%s", t.text.c_str());
	}
	return 0;
}

START_TEST(panics_and_exceptions_inside_of_each_other)
{
	api_run(mixed_main, nullptr);
}
END_TEST

trace exits;

void exits_here()
{
	object o(&exits, '9');

	GORO_DEFER(note, &exits);
	goro_exit();
}

void exits_elsewhere()
{
	object o(&exits, '8');

	goro_call_on_stack((size_t)1 << 20, [](void *) { exits_here(); }, nullptr);
}

int exit_main(void *)
{
	for (int i = 0; i < 20; i++) {
		exits.text.clear();
		t_check(GORO_GO(exits_here) == 0);
		t_eventually(goro_count() == 1, API_PATIENCE);
		t_check(exits.text == "n9", "%s", exits.text.c_str());
		t_check(GORO_GO(exits_elsewhere) == 0);
		t_eventually(goro_count() == 1, API_PATIENCE);
		t_check(exits.text == "n9n98", "%s", exits.text.c_str());
	}
	return 0;
}

START_TEST(goro_exit_runs_destructors_after_deferred_calls)
{
	api_run(exit_main, nullptr);
}
END_TEST

} // namespace

int main()
{
	Suite *s = suite_create("panic_cxx");
	TCase *tc = tcase_create("C++");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, the_destructors_of_frames_that_are_forgotten_run, 0, 3);
	tcase_add_test(tc, the_destructors_of_frames_on_other_stacks_run);
	tcase_add_test(tc, an_exception_runs_deferred_calls_and_is_no_panic);
	tcase_add_test(tc, panics_and_exceptions_inside_of_each_other);
	tcase_add_test(tc, goro_exit_runs_destructors_after_deferred_calls);
	suite_add_tcase(s, tc);
	return t_main(s);
}
