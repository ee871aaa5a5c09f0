/* SPDX-License-Identifier: MIT */
/* EXPECT: GORO_GO: captures must be copyable as bytes */
#include <goro/go.h>
#include <string>

void f(const char *s);

void caller(std::string s)
{
	GORO_GO([s] { f(s.c_str()); });
}
