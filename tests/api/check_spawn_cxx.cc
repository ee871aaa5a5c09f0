/* SPDX-License-Identifier: MIT */
/*
 * check_spawn_cxx.cc: the headers as C++ sees them: typed spawn with the conversions of a call, lambdas, channels and
 * select with C++ types, exceptions inside a goroutine. No libcheck: its macros are C.
 */
#include <goro.h>
#include <goro/short.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

static goro_waitgroup wg;
static int arrived;

static void must(bool ok, const char *what, int line)
{
	if (ok)
		return;
	std::fprintf(stderr, "check_spawn_cxx.cc:%d: %s\n", line, what);
	std::_Exit(1);
}

#define MUST(x) must((x), #x, __LINE__)

static void right(bool ok, int line)
{
	must(ok, "the arguments arrived changed", line);
	__atomic_add_fetch(&arrived, 1, __ATOMIC_RELAXED);
	goro_waitgroup_done(&wg);
}

#define RIGHT(x) right((x), __LINE__)

enum class Colour : signed char { red = -3, green };

static void none() { RIGHT(true); }

static void mixed(char a, double b, short c, float d, bool e, long long f, const char *g, Colour h)
{
	RIGHT(a == static_cast<char>(-3) && b == 2.25 && c == -30000 && d == -0.5f && e && f == INT64_MIN + 1 &&
	      std::strcmp(g, "seven") == 0 && h == Colour::red);
}

static int returning(float a, unsigned char b)
{
	RIGHT(a == 7 && b == 200);
	return 1;
}

static void base_pointer(std::exception *e) { RIGHT(std::strcmp(e->what(), "derived") == 0); }

static void typed()
{
	std::runtime_error derived("derived");

	goro_waitgroup_add(&wg, 5);
	MUST(GORO_GO(none) == 0);
	MUST(GORO_GO(&none) == 0);
	/* As in a call: ints become what the parameters want. */
	MUST(GORO_GO(mixed, -3, 2.25f, -30000, -0.5, 1, INT64_MIN + 1, "seven", Colour::red) == 0);
	MUST(go(returning, 7, 200) == 0);
	MUST(GORO_GO(base_pointer, &derived) == 0);
	MUST(goro_waitgroup_wait(&wg, GORO_FOREVER) == 0);
	MUST(arrived == 5);
}

static void lambdas()
{
	int seen[100] = {};
	int *p = seen;

	goro_waitgroup_add(&wg, 102);
	for (int i = 0; i < 100; i++)
		MUST(GORO_GO([p, i] {
			goro_yield();
			p[i] = i + 1;
			RIGHT(true);
		}) == 0);
	MUST(GORO_GO([] { RIGHT(true); }) == 0);
	MUST(GORO_GO([](int a, double b) { RIGHT(a == 4 && b == 0.5); }, 4, 0.5) == 0);
	MUST(goro_waitgroup_wait(&wg, GORO_FOREVER) == 0);
	for (int i = 0; i < 100; i++)
		MUST(seen[i] == i + 1);
}

struct message {
	int number;
	double weight;
};

static void producer(goro_chan *c)
{
	for (int i = 0; i < 100; i++) {
		message m = {i, i / 2.0};
		MUST(goro_chan_send(c, &m, GORO_FOREVER) == 0);
	}
	goro_chan_close(c);
}

static void channels()
{
	goro_chan *c = goro_chan_new(sizeof(message), 3);
	message m;
	int n = 0;

	MUST(GORO_GO(producer, c) == 0);
	for (;;) {
		goro_case cases[] = {{{c}, GORO_RECV, 0, &m}, {{nullptr}, GORO_SEND, 0, nullptr}};

		MUST(goro_select(cases, 2, GORO_FOREVER) == 0);
		if (cases[0].ret == 0)
			break;
		MUST(m.number == n && m.weight == n / 2.0);
		n++;
	}
	MUST(n == 100);
	goro_chan_free(c);
}

/* Thrown, carried over frames with destructors, and caught on a goroutine's stack, with switches in between. */
static void thrower(int depth)
{
	std::string local(100, 'x');

	goro_yield();
	if (depth == 0)
		throw std::runtime_error("from below");
	thrower(depth - 1);
}

static void exceptions()
{
	goro_waitgroup_add(&wg, 50);
	for (int i = 0; i < 50; i++)
		MUST(GORO_GO([i] {
			bool caught = false;

			try {
				thrower(i % 10);
			} catch (const std::runtime_error &e) {
				caught = std::strcmp(e.what(), "from below") == 0;
			}
			RIGHT(caught);
		}) == 0);
	MUST(goro_waitgroup_wait(&wg, GORO_FOREVER) == 0);
}

static int run_all(void *)
{
	typed();
	lambdas();
	channels();
	exceptions();
	return 0;
}

int main()
{
	goro_config cfg = GORO_CONFIG_INIT;

	MUST(GORO_GO(none) == -EPERM);
	MUST(goro_run(&cfg, run_all, nullptr) == 0);
	std::puts("100%: C++ spawns, talks and throws");
	return 0;
}
