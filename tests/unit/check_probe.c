/* SPDX-License-Identifier: MIT */
/*
 * check_probe.c: the table of kernel features, and switching them off.
 */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

START_TEST(a_probe_answers_the_same_each_time)
{
	for (int f = 0; f < FEAT_COUNT; f++) {
		int r = goro__probe_result((enum feature)f);

		t_check(goro__probe((enum feature)f) == (r > 0));
		t_check_int(goro__probe_result((enum feature)f), ==, r);
		goro__probe_reset();
		t_check_int(goro__probe_result((enum feature)f), ==, r);
	}
}
END_TEST

START_TEST(a_probe_leaves_no_descriptor_behind)
{
	int before = dup(0), after;

	for (int f = 0; f < FEAT_COUNT; f++)
		goro__probe((enum feature)f);
	after = dup(0);
	t_check_int(after, ==, before + 1);
}
END_TEST

START_TEST(a_feature_is_switched_off_by_name)
{
	for (int off = 0; off < FEAT_COUNT; off++) {
		char list[256];

		snprintf(list, sizeof(list), "nothing,%s,other", goro__probe_name((enum feature)off));
		setenv("GORO_DISABLE_FEATURES", list, 1);
		goro__probe_reset();
		t_check(!goro__probe((enum feature)off));
		t_check_int(goro__probe_result((enum feature)off), ==, -ECANCELED);
		for (int f = 0; f < FEAT_COUNT; f++)
			t_check(f == off || goro__probe_result((enum feature)f) != -ECANCELED);
	}
}
END_TEST

START_TEST(all_features_are_switched_off_by_all)
{
	setenv("GORO_DISABLE_FEATURES", "all", 1);
	goro__probe_reset();
	for (int f = 0; f < FEAT_COUNT; f++)
		t_check_int(goro__probe_result((enum feature)f), ==, -ECANCELED);
}
END_TEST

START_TEST(part_of_a_name_switches_nothing_off)
{
	setenv("GORO_DISABLE_FEATURES", "guard,guard-install2,,al,alll,", 1);
	goro__probe_reset();
	for (int f = 0; f < FEAT_COUNT; f++)
		t_check(goro__probe_result((enum feature)f) != -ECANCELED);
}
END_TEST

START_TEST(the_report_has_a_line_for_each_feature)
{
	char buf[8192];
	ssize_t n;
	int fd[2], lines = 0;

	setenv("GORO_DISABLE_FEATURES", goro__probe_name((enum feature)0), 1);
	goro__probe_reset();
	t_check(pipe(fd) == 0);
	goro__probe_report(fd[1]);
	n = read(fd[0], buf, sizeof(buf) - 1);
	t_check(n > 0);
	buf[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		lines += buf[i] == '\n';
	t_check_int(lines, ==, FEAT_COUNT);
	for (int f = 0; f < FEAT_COUNT; f++) {
		t_check(strstr(buf, goro__probe_name((enum feature)f)) != NULL);
		t_check(strstr(buf, goro__probe_note((enum feature)f)) != NULL);
	}
	t_check(strstr(buf, ": switched off, see kernel-notes/") != NULL, "%s", buf);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *tc = tcase_create("features");

	tcase_add_test(tc, a_probe_answers_the_same_each_time);
	tcase_add_test(tc, a_probe_leaves_no_descriptor_behind);
	tcase_add_test(tc, a_feature_is_switched_off_by_name);
	tcase_add_test(tc, all_features_are_switched_off_by_all);
	tcase_add_test(tc, part_of_a_name_switches_nothing_off);
	tcase_add_test(tc, the_report_has_a_line_for_each_feature);
	suite_add_tcase(s, tc);
	return t_main(s);
}
