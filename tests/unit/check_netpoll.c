/* SPDX-License-Identifier: MIT */
/* check_netpoll: which backend is chosen, and what is said about it. */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE 1
#endif

#include "netpoll.h"

#include <errno.h>
#include <goro/runtime.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "sys.h"
#include "t.h"

static int choose(const char *fault, const char *env, unsigned want)
{
	setenv("GORO_FAULT", fault, 1);
	goro__sys_faults_init();
	goro__probe_reset();
	if (env)
		setenv("GORO_BACKEND", env, 1);
	else
		unsetenv("GORO_BACKEND");
	return goro__netpoll_choose(want);
}

static void expect(const char *name, const char *reason)
{
	t_check(goro__netpoll && strcmp(goro__netpoll->name, name) == 0);
	t_check(strstr(goro__netpoll_reason, reason) != NULL, "%s", goro__netpoll_reason);
	goro__netpoll_done();
	t_check(!goro__netpoll);
}

#ifdef GORO_HAVE_URING
START_TEST(a_kernel_that_refuses_io_uring_gets_epoll_and_the_reason)
{
	static const struct {
		const char *fault, *reason;
		int err;
	} rows[] = {
		{ "io_uring_setup:1:1*", "EPERM", -EPERM },
		{ "io_uring_setup:1:13*", "EPERM", -EACCES },
		{ "io_uring_setup:1:38*", "ENOSYS", -ENOSYS },
		{ "io_uring_setup:1:12*", "ENOMEM", -ENOMEM },
		{ "io_uring_setup:1:24*", "EMFILE", -EMFILE },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		t_check_int(choose(rows[i].fault, NULL, GORO_BACKEND_AUTO), ==, 0);
		expect("epoll", rows[i].reason);
		/* Forced, it is the caller's error. */
		t_check_int(choose(rows[i].fault, NULL, GORO_BACKEND_URING), ==, rows[i].err);
		t_check_int(choose(rows[i].fault, "uring", GORO_BACKEND_AUTO), ==, rows[i].err);
		t_check_int(choose(rows[i].fault, "uring", GORO_BACKEND_EPOLL), ==, 0);
		expect("epoll", "goro_config");
	}
}
END_TEST

START_TEST(without_a_reason_to_refuse_io_uring_is_taken)
{
	t_check_int(choose("", NULL, GORO_BACKEND_AUTO), ==, 0);
	expect("uring", "succeeded");
	t_check_int(choose("", "", GORO_BACKEND_AUTO), ==, 0);
	expect("uring", "succeeded");
	t_check_int(choose("", "uring", GORO_BACKEND_AUTO), ==, 0);
	expect("uring", "GORO_BACKEND");
	t_check_int(choose("", "epoll", GORO_BACKEND_URING), ==, 0);
	expect("uring", "goro_config");
}
END_TEST
#endif

START_TEST(the_environment_and_the_configuration_force_epoll)
{
	t_check_int(choose("", "epoll", GORO_BACKEND_AUTO), ==, 0);
	expect("epoll", "GORO_BACKEND");
	t_check_int(choose("", NULL, GORO_BACKEND_EPOLL), ==, 0);
	expect("epoll", "goro_config");
}
END_TEST

START_TEST(a_backend_that_does_not_exist_is_refused)
{
	t_check_int(choose("", "kqueue", GORO_BACKEND_AUTO), ==, -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("netpoll");
	TCase *tc = tcase_create("choosing");

#ifdef GORO_HAVE_URING
	tcase_add_test(tc, a_kernel_that_refuses_io_uring_gets_epoll_and_the_reason);
	if (goro__probe(FEAT_URING))
		tcase_add_test(tc, without_a_reason_to_refuse_io_uring_is_taken);
#endif
	tcase_add_test(tc, the_environment_and_the_configuration_force_epoll);
	tcase_add_test(tc, a_backend_that_does_not_exist_is_refused);
	suite_add_tcase(s, tc);
	return t_main(s);
}
