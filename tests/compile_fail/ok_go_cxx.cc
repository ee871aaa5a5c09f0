/* SPDX-License-Identifier: MIT */
/* All that GORO_GO() takes in C++: converted like the arguments of a call, and lambdas. */
#include <goro/short.h>

void none();
int returns(int x);
void text(const char *s, size_t n);
void reals(float a, double b);
void narrow(char a, short b, bool c);
void eight(int a, double b, const char *c, float d, long e, double f, short g, char h);
void quiet(int x) noexcept;

struct base {};
struct derived : base {};
void takes_base(const base *b);

int caller(int n, derived *d, void (*pointer)(int))
{
	char buf[8] = "";

	GORO_GO(none);
	GORO_GO(&none);
	GORO_GO(returns, 1L);
	GORO_GO(text, buf, 8);
	GORO_GO(reals, 1, 2.0f);
	GORO_GO(narrow, 'a', 2, true);
	GORO_GO(eight, 1, 2, "3", 4, 5, 6, 7, 8);
	GORO_GO(quiet, 1);
	GORO_GO(takes_base, d);
	GORO_GO(takes_base, nullptr);
	GORO_GO(pointer, n);
	GORO_GO([](int a, double b) { reals(static_cast<float>(a), b); }, 1, 2);
	GORO_GO([] { none(); });
	GORO_GO([n] { returns(n); });
	GORO_GO([=] { narrow('x', static_cast<short>(n), d != nullptr); });
	return go(returns, n);
}
