/* SPDX-License-Identifier: MIT */
/*
 * t.h: what the tests need beside libcheck.
 *
 * libcheck runs each test in a forked child. Its own ck_assert is only for code that runs on the stack that libcheck
 * started: without fork (CK_FORK=no, for debuggers) it leaves by longjmp(), which from a goroutine would jump
 * to a foreign stack. t_check() may be used anywhere: in goroutines, in threads, in the test's body.
 *
 * A program that includes this file looks like
 *
 *	START_TEST(recv_on_closed_channel_drains_then_returns_zero) { ... t_check(n == 0, "n is %d", n); } END_TEST
 *
 *	int main(void)
 *	{
 *		Suite *s = suite_create("chan");
 *		TCase *tc = t_case(s, "close", 60);
 *
 *		tcase_add_test(tc, recv_on_closed_channel_drains_then_returns_zero);
 *		return t_main(s);
 *	}
 *
 * Each test case (tcase_create() is replaced below) gets a watchdog: a test that takes longer than its limit,
 * T_LIMIT seconds unless tcase_set_timeout() says otherwise, writes all goroutines to stderr by goro_dump()
 * and aborts, so that a deadlock shows who waits for what. CK_TIMEOUT_MULTIPLIER in the environment
 * stretches the limits under Valgrind, sanitizers and emulators.
 *
 * Start the runtime in the test's body only, after libcheck's fork: never in main() and never in an unchecked fixture.
 */
#ifndef T_H
#define T_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define T_LIMIT 20.0 /* seconds */

/*
 * Fails the test unless cond holds: prints the place, the condition and the message (printf-style, a literal; may
 * be left out), then ends the child, or aborts without fork. From: any thread, any stack.
 */
#define t_check(cond, ...) \
	((cond) ? (void)0 : t_fail(__FILE__, __LINE__, #cond, " " __VA_ARGS__))

/* The same for two integers, and both values are printed. */
#define t_check_int(a, op, b) do {								\
	long long t_a = (long long)(a), t_b = (long long)(b);					\
	if (!(t_a op t_b))									\
		t_fail(__FILE__, __LINE__, #a " " #op " " #b, " %lld against %lld", t_a, t_b);	\
} while (0)

/*
 * Waits until cond holds, asking again every 200 us, and fails the test if it does not within ms milliseconds (stretched
 * like the limits). In a goroutine it parks, elsewhere it blocks. This stands where one would like to sleep.
 */
#define t_eventually(cond, ms) do {								\
	int64_t t_end = t_wait_begin(ms);							\
	while (!(cond))										\
		if (!t_wait_more(t_end)) {							\
			t_fail(__FILE__, __LINE__, #cond, " not within %d ms", (int)(ms));	\
			break;									\
		}										\
} while (0)

/*
 * Skips what cannot run here. In main(), before t_main(), it ends the program with 77 (automake's SKIP); in a
 * test's body it ends this test, which is then counted as skipped. The message says what is missing.
 */
#define t_skip_unless(cond, ...) ((cond) ? (void)0 : t_skip(__func__, __VA_ARGS__))

/*
 * The seed of this run: GORO_SEED from the environment, or a random one; printed on first use, so that a failure
 * can be run again.
 */
uint64_t t_seed(void);

/* The next number of a splitmix64 sequence; start *state from t_seed() and, per goroutine, something of its own. */
uint64_t t_rand(uint64_t *state);

/*
 * How many times something is to be repeated: n, divided by GORO_TEST_DIVISOR (Valgrind, sanitizers, emulators); at
 * least 1.
 */
long t_scaled(long n);

/*
 * Returns p, and keeps it reachable for leak checkers until the end of the process. For memory that goroutines hold when the
 * runtime stops under them: nobody can free it before, and afterwards only their stacks knew of it. Any thread.
 */
void *t_keep(void *p);

/* A new test case of s, with a limit in seconds: tcase_create(), tcase_set_timeout(), suite_add_tcase(). */
TCase *t_case(Suite *s, const char *name, double seconds);

/* Runs the suite and returns main()'s value. The summary line is libcheck's. */
int t_main(Suite *s);

/* Behind the macros. */
void t_fail(const char *file, int line, const char *what, const char *fmt, ...) __attribute__((format(printf, 4, 5), cold));
void t_skip(const char *func, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
int64_t t_wait_begin(int ms);
bool t_wait_more(int64_t end);
double t_multiplier(void); /* CK_TIMEOUT_MULTIPLIER */
TCase *t_tcase_create(const char *name);
void t_tcase_set_timeout(TCase *tc, double seconds);

#define tcase_create(name) t_tcase_create(name)
#define tcase_set_timeout(tc, seconds) t_tcase_set_timeout(tc, seconds)

#ifdef __cplusplus
}
#endif

#endif
