/* SPDX-License-Identifier: MIT */
/*
 * guard.c: guards at the bottom of stacks, and other advice on many ranges of memory at once.
 *
 * MADV_GUARD_INSTALL (Linux 6.13) marks page table entries and needs no mapping of its own; one
 * process_madvise() on PIDFD_SELF (6.14) does a batch. Where the kernel lacks it, or the memory is locked (EINVAL), the
 * guard is PROT_NONE, which splits the mapping: two per stack, so vm.max_map_count (65530) ends it at about 32,000.
 */
#include "guard.h"

#include <sys/mman.h>

#include "probe.h"
#include "sys.h"

unsigned goro__advise(struct iovec *v, unsigned n, int advice, int *ret_err)
{
	unsigned done = 0;
	long r;

	*ret_err = 0;
	if (n > 1 && goro__probe(FEAT_PROCESS_MADVISE)) {
		r = SYS5(SYS_process_madvise, PIDFD_SELF_THREAD_GROUP, v, n, advice, 0);
		while (r > 0 && done < n && (size_t)r >= v[done].iov_len)
			r -= (long)v[done++].iov_len;
	}
	/* What is left, one by one; after an error this also tells which. */
	for (; done < n; done++) {
		r = sys_madvise(v[done].iov_base, v[done].iov_len, advice);
		if (r < 0) {
			*ret_err = (int)r;
			break;
		}
	}
	return done;
}

static unsigned by_mprotect(uintptr_t base, size_t stride, size_t guard, unsigned n, int *ret_err)
{
	long r;

	*ret_err = 0;
	for (unsigned i = 0; i < n; i++) {
		r = sys_mprotect((void *)(base + i * stride), guard, PROT_NONE);
		if (r < 0) {
			*ret_err = (int)r;
			return i;
		}
	}
	return n;
}

static unsigned by_madvise(uintptr_t base, size_t stride, size_t guard, unsigned n)
{
	struct iovec v[GUARD_VECTOR];
	unsigned done = 0, k, i;
	int err = 0;

	while (done < n && err == 0) {
		k = n - done < GUARD_VECTOR ? n - done : GUARD_VECTOR;
		for (i = 0; i < k; i++)
			v[i] = (struct iovec){(void *)(base + (done + i) * stride), guard};
		done += goro__advise(v, k, MADV_GUARD_INSTALL, &err);
	}
	return done;
}

unsigned goro__guard_slots(uintptr_t base, size_t stride, size_t guard, unsigned n, bool *ret_plain, int *ret_err)
{
	unsigned done = 0;

	*ret_err = 0;
	if (goro__probe(FEAT_GUARD_INSTALL))
		done = by_madvise(base, stride, guard, n);
	*ret_plain = done > 0;
	if (done > 0)
		return done;
	/* Locked memory takes no guard regions (EINVAL), and page tables may be short (ENOMEM). */
	return by_mprotect(base, stride, guard, n < GUARD_PROT_NONE_BATCH ? n : GUARD_PROT_NONE_BATCH, ret_err);
}
