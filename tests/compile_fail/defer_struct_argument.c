/* SPDX-License-Identifier: MIT */
/* EXPECT-gcc: aggregate value used|cannot convert to a pointer|GORO_DEFER_takes_an_integer_or_a_pointer */
/* EXPECT-clang: operand of type 'struct pair'|GORO_DEFER_takes_an_integer_or_a_pointer */
#include <goro.h>

struct pair { int a, b; };
void take(struct pair p);
void f(struct pair p);

void f(struct pair p)
{
	GORO_DEFER(take, p);
}
