/* SPDX-License-Identifier: MIT */
/*
 * probe.c: the table of probe.h, and the probes that belong to no other file.
 */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#include "atomic.h"
#include "guard.h"
#include "sys.h"

#define DECLARE(id, name, fn, note) int fn(void);
PROBE_TABLE(DECLARE)
#undef DECLARE

static const struct {
	const char *name;
	int (*fn)(void);
	const char *note;
} table[FEAT_COUNT] = {
#define ENTRY(id, name, fn, note) {name, fn, note},
	PROBE_TABLE(ENTRY)
#undef ENTRY
};

#define UNKNOWN 1000000

/* Results plus UNKNOWN, so that zero means not known yet. Atomic; whoever probes twice gets the same. */
static int32_t results[FEAT_COUNT];

/* Is name in the comma-separated list? */
static bool listed(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	for (; *list; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		if ((len == n && memcmp(list, name, n) == 0) || (len == 3 && memcmp(list, "all", 3) == 0))
			return true;
	}
	return false;
}

int goro__probe_result(enum feature f)
{
	int32_t r = load_rlx(&results[f]);
	const char *off;

	if (r != 0)
		return r - UNKNOWN;
	off = getenv("GORO_DISABLE_FEATURES");
	r = off && listed(off, table[f].name) ? -ECANCELED : table[f].fn();
	store_rlx(&results[f], r + UNKNOWN);
	return r;
}

bool goro__probe(enum feature f)
{
	return goro__probe_result(f) > 0;
}

const char *goro__probe_name(enum feature f)
{
	return table[f].name;
}

const char *goro__probe_note(enum feature f)
{
	return table[f].note;
}

void goro__probe_reset(void)
{
	for (int f = 0; f < FEAT_COUNT; f++)
		store_rlx(&results[f], 0);
}

/* Appends s to the line of n bytes so far; what does not fit is cut off. */
static size_t append(char *line, size_t size, size_t n, const char *s)
{
	size_t k = strlen(s);

	if (k > size - n)
		k = size - n;
	memcpy(line + n, s, k);
	return n + k;
}

static size_t append_error(char *line, size_t size, size_t n, int err)
{
	char digits[12];
	size_t i = sizeof(digits);

	digits[--i] = '\0';
	do
		digits[--i] = (char)('0' + err % 10);
	while (err /= 10);
	n = append(line, size, n, "no (errno ");
	n = append(line, size, n, digits + i);
	return append(line, size, n, ")");
}

void goro__probe_report(int fd)
{
	char line[160];
	size_t n;
	int r;

	for (int f = 0; f < FEAT_COUNT; f++) {
		r = goro__probe_result((enum feature)f);
		n = append(line, sizeof(line), 0, table[f].name);
		n = append(line, sizeof(line), n, ": ");
		if (r > 0)
			n = append(line, sizeof(line), n, "yes");
		else if (r == 0)
			n = append(line, sizeof(line), n, "no");
		else if (r == -ECANCELED)
			n = append(line, sizeof(line), n, "switched off");
		else
			n = append_error(line, sizeof(line), n, -r);
		n = append(line, sizeof(line), n, ", see kernel-notes/");
		n = append(line, sizeof(line), n, table[f].note);
		n = append(line, sizeof(line), n, ".md\n");
		sys_write(fd, line, n);
	}
}

/* ---- Probes ---- */

/*
 * A guard region on a page of our own. Emulators (qemu-user) take any advice and do nothing, so the page is tried, by a
 * call that writes there and that no emulator or checker does itself.
 */
int goro__probe_guard_install(void)
{
	size_t page = getauxval(AT_PAGESZ);
	long a = sys_mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long r;

	if (sys_is_err(a))
		return (int)a;
	r = sys_madvise((void *)a, page, MADV_GUARD_INSTALL);
	if (r == 0)
		r = SYS2(SYS_clock_gettime, CLOCK_MONOTONIC, a) == -EFAULT;
	sys_munmap((void *)a, page);
	return (int)r;
}

/* The advices that stack.c gives, on several ranges of this process at once. */
int goro__probe_process_madvise(void)
{
	size_t page = getauxval(AT_PAGESZ);
	long a = sys_mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct iovec v[2];
	long r;

	if (sys_is_err(a))
		return (int)a;
	v[0] = (struct iovec){(void *)a, page};
	v[1] = (struct iovec){(void *)(a + (long)page), page};
	r = SYS5(SYS_process_madvise, PIDFD_SELF_THREAD_GROUP, v, 2, MADV_DONTNEED, 0);
	if (r == (long)(2 * page) && goro__probe(FEAT_GUARD_INSTALL))
		r = SYS5(SYS_process_madvise, PIDFD_SELF_THREAD_GROUP, v, 2, MADV_GUARD_INSTALL, 0);
	sys_munmap((void *)a, 2 * page);
	return r < 0 ? (int)r : r == (long)(2 * page);
}

/* Registers the process, which it needs anyway before the first use, and uses it once. */
int goro__probe_membarrier(void)
{
	long r = SYS3(SYS_membarrier, 1 << 4 /* MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED */, 0, 0);

	if (r == 0)
		r = SYS3(SYS_membarrier, 1 << 3 /* MEMBARRIER_CMD_PRIVATE_EXPEDITED */, 0, 0);
	return r < 0 ? (int)r : 1;
}
