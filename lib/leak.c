/* SPDX-License-Identifier: MIT */
/*
 * leak.c: goroutines that outlive what started them: goro_leak_check(), and the report at the end of goro_run().
 *
 * A goroutine that is about to end is no leak, so there is a time for that. Then those that are left are listed with the world stopped, by dump.c.
 */
#include <goro/debug.h>
#include <goro/go.h>
#include <goro/time.h>
#include <unistd.h>

#include "clock.h"
#include "m.h"
#include "report.h"
#include "sched.h"

#define FIRST_PAUSE (GORO_MILLISECOND / 10)
#define LAST_PAUSE (10 * GORO_MILLISECOND)
#define GRACE (100 * GORO_MILLISECOND)

static int left(int fd)
{
	struct m *m = rt_enter();
	int n = goro__dump_left(fd);

	rt_exit(m);
	return n;
}

int goro_leak_check(int fd, int64_t deadline)
{
	int64_t pause = FIRST_PAUSE;
	int n;

	/* A count first, for it is cheap: the caller and the main goroutine, which may be one, are not to be waited for. */
	while (goro_count() > 1 && (n = left(-1)) > 0) {
		int64_t now = goro__now();

		if (deadline >= 0 && now >= deadline)
			return left(fd);
		goro_sleep_until(deadline >= 0 && deadline - now < pause ? deadline : now + pause);
		if (pause < LAST_PAUSE)
			pause *= 2;
	}
	return 0;
}

void goro__leaks_report(void)
{
	if (goro__leaks < LEAKS_REPORT || goro_leak_check(STDERR_FILENO, goro_after(GRACE)) == 0)
		return;
	if (goro__leaks == LEAKS_FATAL)
		_exit(2);
}
