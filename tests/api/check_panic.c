/* SPDX-License-Identifier: MIT */
/*
 * check_panic.c: panic and recover. Each case of the table is a sentence of the Go specification ("Handling panics", "Run-time panics"), which it quotes, or
 * something that an adversary would try. check_panic_fatal.c has what happens when nobody recovers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "seen.h"

/* ---- Handling panics ---------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void inner(struct seen *s)
{
	defer(note_a, s);
	defer(note_b, s);
	panic("inner");
}

static __attribute__((noinline)) void middle(struct seen *s)
{
	defer(note_c, s);
	inner(s);
	note(s, '!');
}

static int outer(struct seen *s)
{
	defer(catcher, s, 5);
	middle(s);
	note(s, '!');
	return 6;
}

static void one_after_the_other(struct seen *s)
{
	t_check_int(outer(s), ==, 5);
	ORDER(s, "bacR");
}

static void gets_the_value(struct seen *s)
{
	SAW(s, "");
	t_check_int(outer(s), ==, 5);
	SAW(s, "inner");
	t_check(s->value == NULL && s->flags == 0);
}

static int with_value(struct seen *s, void *value)
{
	defer(catcher, s, -1);
	goro_panic_with(value, "code %d of %s", 42, "this");
}

static void gets_a_pointer_too(struct seen *s)
{
	int x;

	t_check_int(with_value(s, &x), ==, -1);
	SAW(s, "code 42 of this");
	t_check(s->value == &x);
}

static int before_d(struct seen *s)
{
	defer(note_a, s, -1);
	defer(note_b, s, -1);
	defer(catcher, s, 8);
	defer(note_c, s, -1);
	panic("x");
}

static void those_before_run_too(struct seen *s)
{
	t_check_int(before_d(s), ==, 8);
	ORDER(s, "cRba");
	t_check_int(outer(s), ==, 5); /* and all is as before */
}

static void not_panicking(struct seen *s)
{
	t_check(recover() == NULL);
	{
		defer(catcher, s);
	}
	ORDER(s, "-");
}

static __attribute__((noinline)) void asks(struct seen *s)
{
	keep(s, recover());
}

static inline __attribute__((always_inline)) void asks_for(struct seen *s)
{
	asks(s);
}

static void asks_twice(struct seen *s)
{
	asks(s);
	asks_for(s);
	note(s, '.');
}

/* The compiler makes a jump of this call, so that asks() returns to where the deferred call would. */
static void asks_last(struct seen *s)
{
	asks(s);
}

/* And would put this one into the deferred call. */
static void asks_inline(struct seen *s)
{
	keep(s, recover());
}

static void calls_inline(struct seen *s)
{
	asks_inline(s);
	note(s, ',');
}

static void calls_one_that_defers(struct seen *s)
{
	{
		defer(catcher, s); /* is deferred, but not called by the panic */
	}
	note(s, ';');
}

static int nobody_does(struct seen *s)
{
	defer(catcher, s, 3);
	defer(asks_twice, s, -1);
	defer(asks_last, s, -1);
	defer(calls_inline, s, -1);
	defer(calls_one_that_defers, s, -1);
	panic("still here");
}

static void only_directly(struct seen *s)
{
	t_check_int(nobody_does(s), ==, 3);
	ORDER(s, "-;-,---.R");
}

static void catches_twice(struct seen *s)
{
	keep(s, recover());
	keep(s, recover());
}

static int recovered_once(struct seen *s)
{
	defer(catcher, s, 1);
	defer(catches_twice, s, 2);
	panic("once");
}

static void once_only(struct seen *s)
{
	t_check_int(recovered_once(s), ==, 2);
	ORDER(s, "R--");
}

static int panics_with_null(struct seen *s)
{
	const char *volatile null = NULL;

	defer(catcher, s, 4);
	goro_panic(null, 0);
}

static void nil_is_told_as_such(struct seen *s)
{
	t_check_int(panics_with_null(s), ==, 4);
	t_check(strncmp(s->text, "panic called with nil argument", 30) == 0, "%s", s->text);
}

/* ---- nested ------------------------------------------------------------------------------------------------------- */

static int second_replaces_first(struct seen *s)
{
	defer(catcher, s, 7);
	defer(panics_again, s, -1);
	panic("first");
}

static void nested_panic(struct seen *s)
{
	t_check_int(second_replaces_first(s), ==, 7);
	ORDER(s, "pR");
	SAW(s, "second");
	{
		defer(catcher, s); /* the first is gone as well */
	}
	ORDER(s, "pR-");
}

static void recovers_inside(struct seen *s)
{
	t_check_int(second_replaces_first(s), ==, 7); /* two panics inside of a deferred call of a third */
	note(s, 'i');
}

static int first_survives(struct seen *s)
{
	defer(catcher, s, 2);
	defer(recovers_inside, s, -1);
	panic("outermost");
}

static void panic_inside_of_deferred_call(struct seen *s)
{
	t_check_int(first_survives(s), ==, 2);
	ORDER(s, "pRiR");
	SAW(s, "outermost");
}

static int again(struct seen *s)
{
	defer(catcher, s, 9);
	defer(recovers_and_panics, s, -1);
	defer(recovers_and_panics, s, -1);
	panic("one");
}

static void recover_then_panic(struct seen *s)
{
	t_check_int(again(s), ==, 9);
	ORDER(s, "RRR");
	SAW(s, "after after one");
}

static int chain(struct seen *s, int n)
{
	defer(panics_again, s, -1);
	if (n > 0)
		return chain(s, n - 1) + 1;
	panic("first");
}

static int catches_chain(struct seen *s)
{
	defer(catcher, s, 3);
	return chain(s, 20);
}

static void many_nested(struct seen *s)
{
	t_check_int(catches_chain(s), ==, 3);
	t_check_int(s->panics, ==, 1);
	SAW(s, "second");
}

static void many_times(struct seen *s)
{
	for (int i = 0; i < 1000; i++) {
		memset(s, 0, sizeof *s);
		nested_panic(s);
	}
}

static void long_text(struct seen *s)
{
	char big[2000];

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	t_check_int(with_value(s, big), ==, -1);
}

static int formats(struct seen *s, const char *text)
{
	defer(catcher, s, 0);
	panic("%s", text);
}

static void texts_are_cut(struct seen *s)
{
	char big[2000];

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	long_text(s);
	formats(s, big);
	t_check_int(strlen(s->text), ==, 511);
}

/* ---- locks, other stacks ---------------------------------------------------------------------------------------------- */

static void locked(struct goro_mutex *m, struct seen *s)
{
	goro_mutex_lock(m);
	defer(goro_mutex_unlock, m);
	note(s, 'l');
	panic("with a lock");
}

static int catches_locked(struct goro_mutex *m, struct seen *s)
{
	defer(catcher, s, 1);
	locked(m, s);
	return 0;
}

static void locks_are_given_back(struct seen *s)
{
	struct goro_mutex m = GORO_MUTEX_INIT;

	for (int i = 0; i < 10; i++) {
		t_check_int(catches_locked(&m, s), ==, 1);
		t_check_int(goro_mutex_trylock(&m), ==, 1);
		goro_mutex_unlock(&m);
	}
}

static void panics_there(void *arg)
{
	char big[100000];

	memset(big, 1, sizeof big);
	__asm__ volatile("" ::"r"(big) : "memory");
	defer(note_a, (struct seen *)arg);
	panic("on a large stack");
}

static void nests_there(void *arg)
{
	defer(note_b, (struct seen *)arg);
	goro_call_on_stack(1 << 20, panics_there, arg);
	note(arg, '!');
}

static int large(struct seen *s)
{
	defer(catcher, s, 6);
	goro_call_on_stack(1 << 18, nests_there, s);
	return 0;
}

static void works_there(void *arg)
{
	struct seen *s = arg;

	t_check_int(outer(s), ==, 5);
	goro_yield();
	note(s, 'w');
}

static void across_stacks(struct seen *s)
{
	for (long i = 0; i < t_scaled(300); i++) { /* more than would fit, were they lost */
		memset(s, 0, sizeof *s);
		t_check_int(large(s), ==, 6);
		ORDER(s, "abR");
		SAW(s, "on a large stack");
	}
	memset(s, 0, sizeof *s);
	t_check_int(goro_call_on_stack(0, works_there, s), ==, 0);
	ORDER(s, "bacRw");
	t_check_int(goro_call_on_stack(0, NULL, s), ==, -EINVAL);
	t_check_int(goro_call_on_stack((size_t)2 << 30, works_there, s), ==, -EINVAL);
}

/* ---- misuse that Go lets one recover from ------------------------------------------------------------------------------ */

static void close_null(void) { goro_chan_close(NULL); }

static void close_twice(void)
{
	struct goro_chan *c = t_keep(goro_chan_new(0, 0));

	goro_chan_close(c);
	goro_chan_close(c);
}

static void negative_group(void)
{
	static struct goro_waitgroup wg;

	wg = (struct goro_waitgroup)GORO_WAITGROUP_INIT;
	goro_waitgroup_done(&wg);
}

static void nothing(void) { }

static int guarded(struct seen *s, void (*fn)(void))
{
	defer(catcher, s, 1);
	fn();
	return 0;
}

static void misuse(struct seen *s)
{
	t_check_int(guarded(s, nothing), ==, 0);
	t_check_int(guarded(s, close_null), ==, 1);
	SAW(s, "close of nil channel");
	t_check_int(s->flags, ==, GORO_PANIC_RUNTIME);
	t_check_int(guarded(s, close_twice), ==, 1);
	SAW(s, "close of closed channel");
	t_check_int(guarded(s, negative_group), ==, 1);
	SAW(s, "sync: negative WaitGroup counter");
}

/* ---- the table ------------------------------------------------------------------------------------------------------ */

static const struct seen_case cases[] = {
	{ "an explicit call to panic or a run-time panic terminates the execution of F. Any functions deferred by F are then executed as usual. Next, any deferred "
	  "functions run by F's caller are run, and so on", one_after_the_other, 0 },
	{ "When the running of deferred functions reaches D, the return value of D's call to recover will be the value passed to the call of panic.",
	  gets_the_value, 0 },
	{ "the same, with a value", gets_a_pointer_too, 0 },
	{ "Any functions deferred by G before D are then run and G's execution terminates by returning to its caller.", those_before_run_too, 0 },
	{ "The return value of recover is nil when the goroutine is not panicking", not_panicking, 0 },
	{ "or recover was not called directly by a deferred function.", only_directly, 0 },
	{ "If D returns normally, without starting a new panic, the panicking sequence stops.", once_only, 0 },
	{ "calling panic with a nil interface value (or an untyped nil) causes a run-time panic", nil_is_told_as_such, 0 },
	{ "a panic in a deferred call", nested_panic, 0 },
	{ "two panics in a deferred call of a third, recovered there", panic_inside_of_deferred_call, 0 },
	{ "recover, then panic again, twice", recover_then_panic, 0 },
	{ "twenty panics on top of each other", many_nested, 0 },
	{ "a thousand times", many_times, 0 },
	{ "texts are cut", texts_are_cut, 0 },
	{ "a lock is held", locks_are_given_back, 0 },
	{ "out of a call on another stack", across_stacks, 0 },
	{ "misuse of channels and WaitGroups", misuse, NOT_AT_ONCE | NOT_IN_THREADS },
};
#define NCASES ((int)(sizeof cases / sizeof cases[0]))
static struct seen_table table = { cases, NCASES, 10 };

START_TEST(it_is_as_Go_specifies_on_1_processor)
{
	api_run_procs(1, main_of_case, (void *)&cases[_i]);
}
END_TEST

START_TEST(it_is_so_on_many_processors_and_beside_a_plain_thread)
{
	setenv("GORO_SLICE_US", "100", 1);
	api_run_procs(2, all_at_once, &table);
	api_run_procs(8, all_at_once, &table);
}
END_TEST

START_TEST(it_is_so_without_a_runtime)
{
	in_thread(&table);
}
END_TEST

static int recovers_in_main(void *arg)
{
	static struct seen s;

	(void)arg;
	defer(catcher, &s, 0);
	goro_chan_close(t_keep(goro_chan_new(0, 0)));
	panic("%s", "others recover");
}

START_TEST(main_may_recover_and_return)
{
	t_check_int(goro_run(NULL, recovers_in_main, NULL), ==, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("panic");
	TCase *tc = t_case(s, "specification", 60);

	tcase_add_loop_test(tc, it_is_as_Go_specifies_on_1_processor, 0, NCASES);
	tcase_add_test(tc, it_is_so_on_many_processors_and_beside_a_plain_thread);
	tcase_add_test(tc, it_is_so_without_a_runtime);
	tcase_add_test(tc, main_may_recover_and_return);
	return t_main(s);
}
