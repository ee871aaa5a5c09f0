/* SPDX-License-Identifier: MIT */
/*
 * cpu.c: affinity and cgroup limits, as Go 1.25 counts them (runtime/cgroup_linux.go, "container-aware GOMAXPROCS").
 *
 * A cgroup limit is a bandwidth, not a set of CPUs: 2.5 CPUs' worth of time in each period. More Ps than that are
 * throttled all at once at the end of the period, so the limit is rounded up, but not below 2: one P would give up the
 * parallelism that bursts still have. The limit of each cgroup above counts too, so the least one is taken. Under v2 all
 * controllers share one hierarchy and the file is cpu.max; under v1 the cpu controller has its own, with two files.
 * kernel-notes/cpu-quota-and-affinity.md has the file formats.
 *
 * All strings live in fixed buffers: paths longer than PATH_MAX are not looked at, and then there is no limit.
 */
#include "cpu.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "sys.h"

#define FILE_MOST 65536 /* of /proc/self/mountinfo; what comes later is not looked at */

/* Reads a file into buf as a string. Returns false if it cannot be opened. */
static bool slurp(const char *path, char *buf, size_t size)
{
	size_t n = 0;
	long r, fd = SYS3(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (n < size - 1 && (r = sys_read((int)fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)r;
	sys_close((int)fd);
	buf[n] = '\0';
	return true;
}

/* Puts a, b and c together. False if that is longer than a path may be. */
static bool join(char *buf, const char *a, const char *b, const char *c)
{
	size_t la = strlen(a), lb = strlen(b), lc = strlen(c);

	if (la + lb + lc >= PATH_MAX)
		return false;
	memcpy(buf, a, la);
	memcpy(buf + la, b, lb);
	memcpy(buf + la + lb, c, lc + 1);
	return true;
}

/* A number at s, or -1; *end is what follows it. */
static long number(const char *s, const char **end)
{
	long v = 0;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > (LONG_MAX - 9) / 10)
			return -1;
		v = v * 10 + (*s - '0');
	}
	*end = s;
	return v;
}

/* quota microseconds of each period, in thousandths of a CPU, rounded up; 0 for what makes no sense. */
static long milli(long quota, long period)
{
	if (quota <= 0 || period <= 0 || quota > LONG_MAX / 1000 - period)
		return 0;
	return (quota * 1000 + period - 1) / period;
}

/* cpu.max: "max 100000" or "150000 100000". */
static long limit_v2(const char *dir)
{
	char path[PATH_MAX], buf[64];
	const char *s = buf;
	long quota;

	if (!join(path, dir, "/cpu.max", "") || !slurp(path, buf, sizeof(buf)))
		return 0;
	quota = number(s, &s);
	if (quota < 0 || *s++ != ' ')
		return 0;
	return milli(quota, number(s, &s));
}

/* cpu.cfs_quota_us: "-1" or "150000", and cpu.cfs_period_us: "100000". */
static long limit_v1(const char *dir)
{
	char path[PATH_MAX], buf[64];
	const char *s;
	long quota;

	if (!join(path, dir, "/cpu.cfs_quota_us", "") || !slurp(path, buf, sizeof(buf)))
		return 0;
	quota = number(buf, &s);
	if (!join(path, dir, "/cpu.cfs_period_us", "") || !slurp(path, buf, sizeof(buf)))
		return 0;
	return milli(quota, number(buf, &s));
}

/* Is `word` one of the comma-separated words of s, which ends at a separator or '\0'? */
static bool has_word(const char *s, const char *word, char separator)
{
	size_t n = strlen(word), len;

	for (;; s += len + 1) {
		len = 0;
		while (s[len] && s[len] != ',' && s[len] != separator && s[len] != '\n')
			len++;
		if (len == n && memcmp(s, word, n) == 0)
			return true;
		if (s[len] != ',')
			return false;
	}
}

/* Field i, counted from 0 and separated by blanks, of a line. */
static const char *field(const char *line, int i)
{
	while (i-- > 0) {
		line += strcspn(line, " \n");
		if (*line != ' ')
			return "";
		line++;
	}
	return line;
}

/* Copies a field of mountinfo, where blanks and backslashes are written \040 and the like. */
static bool unescape(char *buf, const char *s)
{
	size_t n = 0;

	while (*s && *s != ' ' && *s != '\n') {
		if (n >= PATH_MAX - 1)
			return false;
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			buf[n++] = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			buf[n++] = *s++;
		}
	}
	buf[n] = '\0';
	return true;
}

/*
 * The path of our cgroup, from /proc/self/cgroup: "0::/path" under v2, "4:cpu,cpuacct:/path" under v1. When the cpu
 * controller has a v1 hierarchy, that is the one that counts. Returns 1, 2, or 0 for none.
 */
static int own_cgroup(const char *file, char *ret_path)
{
	int version = 0;
	const char *line, *s;
	size_t len;

	for (line = file; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		s = strchr(line, ':');
		if (!s || s[1] == '\0')
			break;
		s++;
		if (*s == ':' ? version != 0 : !has_word(s, "cpu", ':'))
			continue;
		version = *s == ':' ? 2 : 1;
		s += strcspn(s, ":\n");
		if (*s != ':')
			return 0;
		len = strcspn(++s, "\n");
		if (len >= PATH_MAX)
			return 0;
		memcpy(ret_path, s, len);
		ret_path[len] = '\0';
		if (version == 1)
			break;
	}
	return version;
}

/*
 * Where that hierarchy is mounted, and which of its cgroups is at the mount point, from /proc/self/mountinfo:
 * "36 25 0:32 /root /mount/point rw,... shared:1 - cgroup2 cgroup2 rw,...".
 */
static bool find_mount(const char *file, int version, char *ret_root, char *ret_point)
{
	const char *line, *type;

	for (line = file; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *end = line + strcspn(line, "\n");

		type = strstr(line, " - ");
		if (!type || type > end)
			continue;
		type += 3;
		if (version == 2 ? strncmp(type, "cgroup2 ", 8) != 0
				 : strncmp(type, "cgroup ", 7) != 0 || !has_word(field(type, 2), "cpu", ' '))
			continue;
		return unescape(ret_root, field(line, 3)) && unescape(ret_point, field(line, 4));
	}
	return false;
}

/* The least limit of the cgroup at `dir` and of those above it, up to the first `keep` bytes of dir. */
static long least_limit(char *dir, size_t keep, int version)
{
	long least = 0, m;
	char *slash;

	for (;;) {
		m = version == 2 ? limit_v2(dir) : limit_v1(dir);
		if (m > 0 && (least == 0 || m < least))
			least = m;
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) < keep)
			return least;
		*slash = '\0';
	}
}

long goro__cpu_quota_milli(const char *root)
{
	char path[PATH_MAX], own[PATH_MAX], mount_root[PATH_MAX], point[PATH_MAX];
	long buf = sys_mmap(NULL, FILE_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), least = 0;
	char *file = (char *)buf, *below = own;
	int version;
	size_t n;

	if (sys_is_err(buf))
		return 0;
	if (!join(path, root, "/proc/self/cgroup", "") || !slurp(path, file, FILE_MOST))
		goto out;
	version = own_cgroup(file, own);
	if (version == 0 || !join(path, root, "/proc/self/mountinfo", "") || !slurp(path, file, FILE_MOST) ||
	    !find_mount(file, version, mount_root, point))
		goto out;
	/* The mount shows mount_root and what is below; our path starts with that, unless it lies outside of what we see. */
	n = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
	if (strncmp(own, mount_root, n) == 0 && (own[n] == '/' || own[n] == '\0'))
		below = own + n;
	else
		own[0] = '\0';
	if (strcmp(below, "/") == 0)
		below = "";
	if (join(path, root, point, below))
		least = least_limit(path, strlen(root) + strlen(point), version);
out:
	sys_munmap(file, FILE_MOST);
	return least;
}

int goro__cpu_affinity(void)
{
	unsigned long mask[8192 / (8 * sizeof(long))];
	int n = 0;
	long r = SYS3(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	for (long i = 0; i < r / (long)sizeof(mask[0]); i++)
		n += __builtin_popcountl(mask[i]);
	return n > 0 ? n : 1;
}

int goro__cpu_procs(int affinity, long quota_milli)
{
	long n = (quota_milli + 999) / 1000;

	if (quota_milli <= 0)
		return affinity;
	if (n < 2)
		n = 2;
	return n < affinity ? (int)n : affinity;
}

int goro__cpu_default_procs(void)
{
	return goro__cpu_procs(goro__cpu_affinity(), goro__cpu_quota_milli(""));
}
