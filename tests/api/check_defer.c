/* SPDX-License-Identifier: MIT */
/*
 * check_defer.c: deferred calls. Each case of the table is a sentence of the Go specification ("Defer statements"), which it
 * quotes, or something that an adversary would try.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "seen.h"

/* Each writes its letter. */
struct letter {
	struct seen *t;
	char c;
};

static void letter(struct letter *l)
{
	note(l->t, l->c);
}

/* ---- Defer statements ---------------------------------------------------------------------------------------- */

static int leaves_by_return(struct seen *t, int early)
{
	defer(note_a, t, 0);
	if (early)
		return 1;
	defer(note_b, t, 0);
	note(t, '.');
	return 2;
}

static void leaves_by_its_end(struct seen *t)
{
	defer(note_a, t);
	note(t, '.');
}

static void on_return_and_at_the_end(struct seen *t)
{
	t_check_int(leaves_by_return(t, 1), ==, 1);
	ORDER(t, "a");
	t_check_int(leaves_by_return(t, 0), ==, 2);
	ORDER(t, "a.ba");
	leaves_by_its_end(t);
	ORDER(t, "a.ba.a");
}

static int leaves_by_panic(struct seen *t)
{
	defer(note_c, t, 1);
	defer(catcher, t, 2);
	defer(note_a, t, 3);
	panic("out");
}

static void when_panicking(struct seen *t)
{
	t_check_int(leaves_by_panic(t), ==, 2);
	ORDER(t, "aRc");
}

static void set_int(int *p)
{
	*p += 1;
}

static void evaluates_now(struct seen *t)
{
	struct letter x = { t, 'x' }, y = { t, 'y' }, *which = &x;
	void (*fn)(struct letter *) = letter;
	int n = 0, *counter = &n;

	{
		defer(fn, which);
		defer(set_int, (note(t, '1'), counter));
		which = &y;
		fn = NULL;
		counter = NULL;
		ORDER(t, "1");
		t_check_int(n, ==, 0);
	}
	ORDER(t, "1x");
	t_check_int(n, ==, 1);
}

static void in_reverse_order(struct seen *t)
{
	{
		defer(note_a, t);
		defer(note_b, t);
		defer(note_c, t);
	}
	ORDER(t, "cba");
}

static int result_is_set_before(int *p)
{
	defer(set_int, p, -1);
	return *p;
}

static void after_the_result(struct seen *t)
{
	int n = 7;

	(void)t;
	t_check_int(result_is_set_before(&n), ==, 7);
	t_check_int(n, ==, 8);
}

static void defers_null(struct seen *t)
{
	void (*volatile nothing)(void *) = NULL;

	defer(catcher, t);
	{
		defer(nothing, t);
		note(t, '.');
	}
	note(t, '!');
}

static void null_panics_when_it_is_called(struct seen *t)
{
	if (!goro_id())
		return; /* a fault on a plain thread is none of ours */
	defers_null(t);
	ORDER(t, ".R");
}

/* Asked of the other end of a pipe: the number itself may be another thread's file by the time that one looks. */
static void drops_results(struct seen *t)
{
	int fd[2];
	char byte;

	t_check(pipe2(fd, O_CLOEXEC | O_NONBLOCK) == 0);
	{
		defer(close, fd[1]);
		t_check(read(fd[0], &byte, 1) == -1);
	}
	t_check(read(fd[0], &byte, 1) == 0);
	t_check(close(fd[0]) == 0);
	{
		char *p = strdup("x");

		defer(free, p);
		note(t, *p);
	}
	ORDER(t, "x");
}

/* ---- Where C differs, and other ways out ----------------------------------------------------------------------------- */

static void at_the_end_of_each_round(struct seen *t)
{
	for (int i = 0; i < 6; i++) {
		struct letter l = { t, (char)('0' + i) };

		defer(letter, &l);
		if (i == 1)
			continue;
		if (i == 4)
			break;
		note(t, '.');
	}
	ORDER(t, ".01.2.34");
}

static void by_goto(struct seen *t)
{
	int n = 0;

again:
	{
		defer(note_a, t);
		if (n++ < 2)
			goto again;
	}
	ORDER(t, "aaa");
}

static void defers_too(struct seen *t)
{
	defer(note_a, t);
	note(t, '(');
	{
		defer(note_b, t);
	}
	note(t, ')');
}

static void deferred_calls_defer(struct seen *t)
{
	{
		defer(note_c, t);
		defer(defers_too, t);
		note(t, '.');
	}
	ORDER(t, ".(b)ac");
}

#define NESTED 10000

static long balance;

static void minus(int n)
{
	t_check_int(balance, ==, n);
	balance--;
}

/* -O2 must not make a loop of it. */
static __attribute__((noinline)) int nested(int n)
{
	volatile int keep = n;

	if (n > NESTED)
		return 0;
	balance++;
	defer(minus, n, -1);
	return nested(n + 1) + keep - n;
}

static void run_nested(void *arg)
{
	(void)arg;
	balance = 0;
	t_check_int(nested(1), ==, 0);
	t_check_int(balance, ==, 0);
}

static void ten_thousand_deep(struct seen *t)
{
	(void)t;
	t_check_int(goro_call_on_stack((size_t)64 << 20, run_nested, NULL), ==, 0);
}

static struct { signed char c; long l; unsigned u; char *p; } args;

static void take_char(signed char c) { args.c = c; }
static int take_long(long l) { args.l = l; return 5; }
static void take_unsigned(unsigned u) { args.u = u; }
static char *take_pointer(const char *p) { return args.p = (char *)(uintptr_t)p; }

static void arguments_of_each_kind(struct seen *t)
{
	{
		defer(take_char, -3);
		defer(take_long, -4);
		defer(take_unsigned, 5u);
		defer(take_pointer, t->text);
	}
	t_check(args.c == -3 && args.l == -4 && args.u == 5 && args.p == t->text);
}

struct pair { double a, b; };

static struct pair returns_a_structure(struct seen *t, int fails)
{
	struct pair p = { 1, 2 };

	defer(catcher, t, ((struct pair){ 3, 4 }));
	if (fails)
		panic("no pair");
	return p;
}

static double returns_a_double(struct seen *t, int fails)
{
	defer(catcher, t, 0.5);
	if (fails)
		panic("no double");
	return 1.5;
}

static void results_of_each_kind(struct seen *t)
{
	t_check(returns_a_structure(t, 0).b == 2 && returns_a_structure(t, 1).b == 4);
	t_check(returns_a_double(t, 0) == 1.5 && returns_a_double(t, 1) == 0.5);
	ORDER(t, "-R-R");
}

/* What a function owes to its caller is there after a recovery: registers that it does not even use. */
static __attribute__((noinline)) void recovers(struct seen *t)
{
	defer(catcher, t);
	panic("%s", "registers");
}

/* The deferred function calls itself: the inner call was not made by the panic, though it is of the same function. */
struct nested {
	struct seen *t;
	int depth;
};

static __attribute__((noinline)) void calls_itself(struct nested *n)
{
	if (++n->depth == 1)
		calls_itself(n);
	if (recover())
		note(n->t, (char)('0' + n->depth));
	n->depth--;
	note(n->t, '.'); /* no tail call */
}

static __attribute__((noinline)) void recovers_in_itself(struct nested *n)
{
	defer(calls_itself, n);
	panic("once");
}

static void only_the_outer_call_recovers(struct seen *t)
{
	struct nested n = { t, 0 };

	recovers_in_itself(&n);
	ORDER(t, ".1.");
}

static void registers_survive(struct seen *t)
{
	volatile long seed = 11;
	long v[12], sum = 0;
	double d[10];

	for (int i = 0; i < 12; i++)
		v[i] = seed * (i + 1);
	for (int i = 0; i < 10; i++)
		d[i] = (double)(seed + i);
	recovers(t);
	for (int i = 0; i < 12; i++)
		sum += v[i];
	for (int i = 0; i < 10; i++)
		sum += (long)d[i];
	t_check_int(sum, ==, 11 * 78 + 155);
	ORDER(t, "R");
}

/* ---- the table ------------------------------------------------------------------------------------------------------ */

static const struct seen_case cases[] = {
	{ "A \"defer\" statement invokes a function whose execution is deferred to the moment the surrounding function returns, either because the surrounding "
	  "function executed a return statement, reached the end of its function body,", on_return_and_at_the_end, 0 },
	{ "or because the corresponding goroutine is panicking.", when_panicking, 0 },
	{ "Each time a \"defer\" statement executes, the function value and parameters to the call are evaluated as usual and saved anew but the actual function is "
	  "not invoked.", evaluates_now, 0 },
	{ "Instead, deferred functions are invoked immediately before the surrounding function returns, in the reverse order they were deferred.", in_reverse_order, 0 },
	{ "if the surrounding function returns through an explicit return statement, deferred functions are executed after any result parameters are set by that "
	  "return statement but before the function returns to its caller.", after_the_result, 0 },
	{ "If a deferred function value evaluates to nil, execution panics when the function is invoked, not when the \"defer\" statement is executed.",
	  null_panics_when_it_is_called, 0 },
	{ "If the deferred function has any return values, they are discarded when the function completes.", drops_results, 0 },
	{ "C: at the end of the scope, in each round of a loop", at_the_end_of_each_round, 0 },
	{ "C: a scope that is left by goto", by_goto, 0 },
	{ "a deferred function defers", deferred_calls_defer, 0 },
	{ "10,000 nested functions that defer", ten_thousand_deep, NOT_AT_ONCE | NOT_IN_THREADS },
	{ "arguments of each kind", arguments_of_each_kind, NOT_AT_ONCE },
	{ "results of each kind after a recovery", results_of_each_kind, 0 },
	{ "callee-saved registers after a recovery", registers_survive, 0 },
	{ "recover was not called directly by a deferred function.", only_the_outer_call_recovers, 0 },
};
#define NCASES ((int)(sizeof cases / sizeof cases[0]))
static struct seen_table table = { cases, NCASES, 20 };

START_TEST(it_is_as_Go_specifies_on_1_processor)
{
	api_run_procs(1, main_of_case, (void *)&cases[_i]);
}
END_TEST

START_TEST(it_is_so_on_many_processors_and_beside_a_plain_thread)
{
	api_run_procs(2, all_at_once, &table);
	api_run_procs(8, all_at_once, &table);
}
END_TEST

START_TEST(it_is_so_without_a_runtime)
{
	in_thread(&table);
	run_nested(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("defer");
	TCase *tc = t_case(s, "specification", 60);

	tcase_add_loop_test(tc, it_is_as_Go_specifies_on_1_processor, 0, NCASES);
	tcase_add_test(tc, it_is_so_on_many_processors_and_beside_a_plain_thread);
	tcase_add_test(tc, it_is_so_without_a_runtime);
	return t_main(s);
}
