/* SPDX-License-Identifier: MIT */
/*
 * check_lost_tick.c: a ticker that nobody waited on could stop for ever, on two processors and more.
 *
 *	M0, P0				M1, P1
 *	computes			no timers of its own: may sleep for ever
 *					looks around, runs P0's overdue ticker: the tick goes to the buffer, as nobody
 *					waits, and the ticker is started again, on P1
 *					finds no goroutine, and sleeps: for ever, as it has decided before
 *	receives the tick, then waits for the next
 */
#include <goro.h>
#include <check.h>

#include "api.h"
#include "t.h"

#define MS GORO_MILLISECOND

static void burn(int64_t ns)
{
	int64_t end = goro_now() + ns;

	while (goro_now() < end)
		;
}

static int main_goroutine(void *arg)
{
	(void)arg;
	for (int i = 0; i < 30; i++) {
		struct goro_ticker *k = goro_ticker_new(MS);
		int64_t v;

		burn(3 * MS);
		for (int n = 0; n < 3; n++)
			t_check_int(goro_chan_recv(goro_ticker_chan(k), &v, goro_after(API_PATIENCE * MS)), ==, 1);
		goro_ticker_free(k);
	}
	return 0;
}

START_TEST(a_ticker_goes_on_whoever_looks_after_it)
{
	api_run_procs(_i ? 8 : 2, main_goroutine, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lost_tick");
	TCase *tc = tcase_create("ticker");

	tcase_set_timeout(tc, 90);
	tcase_add_loop_test(tc, a_ticker_goes_on_whoever_looks_after_it, 0, 2);
	suite_add_tcase(s, tc);
	return t_main(s);
}
