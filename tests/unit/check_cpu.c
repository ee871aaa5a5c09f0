/* SPDX-License-Identifier: MIT */
/*
 * check_cpu.c: the default number of processors, from affinity and from cgroup trees that each test builds.
 */
#include "cpu.h"

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t.h"

static char root[] = "/tmp/check_cpu.XXXXXX";

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void make_root(void)
{
	strcpy(root, "/tmp/check_cpu.XXXXXX");
	t_check(mkdtemp(root) != NULL);
}

static void remove_root(void)
{
	nftw(root, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root, with the directories on the way. */
static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *s = full + strlen(root) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = '\0';
		mkdir(full, 0777);
	}
	f = fopen(full, "w");
	t_check(f != NULL, "%s", full);
	fputs(text, f);
	fclose(f);
}

#define MOUNT_V2 "30 22 0:27 / /proc rw - proc proc rw\n35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

/* ---- v2 ---- */

START_TEST(without_files_there_is_no_limit)
{
	t_check_int(goro__cpu_quota_milli(root), ==, 0);
	put("/proc/self/cgroup", "0::/a\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 0);
	put("/proc/self/mountinfo", MOUNT_V2);
	t_check_int(goro__cpu_quota_milli(root), ==, 0);
}
END_TEST

START_TEST(a_v2_limit_is_quota_over_period)
{
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/proc/self/mountinfo", MOUNT_V2);
	put("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 2500);
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 0);
	put("/sys/fs/cgroup/a/b/cpu.max", "1000 1000000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 1);
	put("/sys/fs/cgroup/a/b/cpu.max", "100001 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 1001);
}
END_TEST

START_TEST(the_least_limit_of_all_levels_counts)
{
	put("/proc/self/cgroup", "0::/a/b/c\n");
	put("/proc/self/mountinfo", MOUNT_V2);
	put("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 4000);
	put("/sys/fs/cgroup/a/cpu.max", "150000 50000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 3000);
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 3000);
	put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 1000);
}
END_TEST

START_TEST(nonsense_is_no_limit)
{
	static const char *const bad[] = {"", "\n", "max", "max max", "0 100000\n", "-1 100000\n", "100000 0\n", "100000\n",
					  "x100 100000\n", "100000 x\n", "99999999999999999999 100000\n",
					  "9223372036854775807 1\n"};

	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", MOUNT_V2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("/sys/fs/cgroup/cpu.max", bad[i]);
		t_check_int(goro__cpu_quota_milli(root), ==, 0);
	}
	put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 2000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("/proc/self/mountinfo", bad[i]);
		t_check_int(goro__cpu_quota_milli(root), ==, 0);
	}
	put("/proc/self/mountinfo", MOUNT_V2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("/proc/self/cgroup", bad[i]);
		t_check_int(goro__cpu_quota_milli(root), ==, 0);
	}
}
END_TEST

START_TEST(a_container_that_sees_its_own_cgroup_as_the_mount_counts_from_there)
{
	put("/proc/self/cgroup", "0::/docker/abc/inner\n");
	put("/proc/self/mountinfo", "35 24 0:30 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
	put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
	put("/sys/fs/cgroup/inner/cpu.max", "700000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 3000);
	put("/sys/fs/cgroup/inner/cpu.max", "200000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 2000);
	/* A path outside of what is mounted: at least the mount point's limit is known. */
	put("/proc/self/cgroup", "0::/docker/abcd\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 3000);
}
END_TEST

START_TEST(mount_points_with_blanks_are_unescaped)
{
	put("/proc/self/cgroup", "0::/a\n");
	put("/proc/self/mountinfo", "35 24 0:30 / /my\\040cgroups rw - cgroup2 cgroup rw\n");
	put("/my cgroups/a/cpu.max", "500000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 5000);
}
END_TEST

/* ---- v1 ---- */

#define MOUNT_V1 "31 30 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"		\
		 "32 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"	\
		 "40 30 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

START_TEST(a_v1_limit_is_in_two_files)
{
	put("/proc/self/cgroup", "9:cpuset:/\n4:cpu,cpuacct:/a/b\n1:name=systemd:/x\n0::/y\n");
	put("/proc/self/mountinfo", MOUNT_V1);
	put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 0);
	put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "350000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 3500);
	put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "20000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "10000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 2000);
}
END_TEST

START_TEST(a_v1_cpu_controller_counts_whatever_the_order_of_lines)
{
	put("/proc/self/cgroup", "0::/y\n4:cpuacct,cpu:/a\n");
	put("/proc/self/mountinfo", MOUNT_V1);
	put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/unified/y/cpu.max", "100000 100000\n");
	t_check_int(goro__cpu_quota_milli(root), ==, 3000);
}
END_TEST

/* ---- The rule ---- */

START_TEST(the_limit_is_rounded_up_and_not_below_two)
{
	t_check_int(goro__cpu_procs(8, 0), ==, 8);
	t_check_int(goro__cpu_procs(8, 1), ==, 2);
	t_check_int(goro__cpu_procs(8, 2000), ==, 2);
	t_check_int(goro__cpu_procs(8, 2001), ==, 3);
	t_check_int(goro__cpu_procs(8, 7999), ==, 8);
	t_check_int(goro__cpu_procs(8, 1000000), ==, 8);
	t_check_int(goro__cpu_procs(1, 500), ==, 1);
	t_check_int(goro__cpu_procs(1, 5000), ==, 1);
}
END_TEST

START_TEST(the_affinity_mask_is_counted)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	t_check(sched_getaffinity(0, sizeof(all), &all) == 0);
	t_check_int(goro__cpu_affinity(), ==, CPU_COUNT(&all));
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	t_check(sched_setaffinity(0, sizeof(one), &one) == 0);
	t_check_int(goro__cpu_affinity(), ==, 1);
	t_check_int(goro__cpu_default_procs(), ==, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cpu");
	TCase *tc = tcase_create("cgroup");

	tcase_add_checked_fixture(tc, make_root, remove_root);
	tcase_add_test(tc, without_files_there_is_no_limit);
	tcase_add_test(tc, a_v2_limit_is_quota_over_period);
	tcase_add_test(tc, the_least_limit_of_all_levels_counts);
	tcase_add_test(tc, nonsense_is_no_limit);
	tcase_add_test(tc, a_container_that_sees_its_own_cgroup_as_the_mount_counts_from_there);
	tcase_add_test(tc, mount_points_with_blanks_are_unescaped);
	tcase_add_test(tc, a_v1_limit_is_in_two_files);
	tcase_add_test(tc, a_v1_cpu_controller_counts_whatever_the_order_of_lines);
	suite_add_tcase(s, tc);
	tc = tcase_create("rule");
	tcase_add_test(tc, the_limit_is_rounded_up_and_not_below_two);
	tcase_add_test(tc, the_affinity_mask_is_counted);
	suite_add_tcase(s, tc);
	return t_main(s);
}
