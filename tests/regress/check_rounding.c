/* SPDX-License-Identifier: MIT */
/*
 * check_rounding.c: a goroutine that changed the rounding mode and ended left it to the next one, which went on on the same stack
 * without a switch.
 */
#include <goro.h>
#include <check.h>
#include <fenv.h>

#include "api.h"
#include "t.h"

static struct goro_waitgroup wg;

static void rounds_up(void)
{
	t_check_int(fegetround(), ==, FE_TONEAREST);
	t_check(fesetround(FE_UPWARD) == 0);
	goro_waitgroup_done(&wg);
}

static int rounding_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		goro_waitgroup_add(&wg, 10);
		for (int k = 0; k < 10; k++)
			t_check(GORO_GO(rounds_up) == 0);
		goro_waitgroup_wait(&wg, GORO_FOREVER);
		t_check_int(fegetround(), ==, FE_TONEAREST);
	}
	return 0;
}

START_TEST(a_goroutine_starts_with_the_default_rounding_mode)
{
	api_run_procs(1, rounding_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rounding");
	TCase *tc = tcase_create("rounding");

	tcase_add_test(tc, a_goroutine_starts_with_the_default_rounding_mode);
	suite_add_tcase(s, tc);
	return t_main(s);
}
