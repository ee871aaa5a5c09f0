/* SPDX-License-Identifier: MIT */
/* t_wait.c: t_eventually()'s clock and its pause. Apart from t.c, because it needs the library, which model programs do not have. */
#include "t.h"

#include <goro/time.h>

#define POLL_NS 200000

int64_t t_wait_begin(int ms)
{
	return goro_now() + (int64_t)((double)ms * 1e6 * t_multiplier());
}

bool t_wait_more(int64_t end)
{
	if (goro_now() >= end)
		return false;
	goro_sleep(POLL_NS);
	return true;
}
