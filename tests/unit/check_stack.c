/* SPDX-License-Identifier: MIT */
/*
 * check_stack.c: stacks from arenas, their guards, caches, trimming and limits. Nothing of the runtime runs.
 */
#include "stack.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probe.h"
#include "sys.h"
#include "t.h"

static struct stkcache cache;

static struct stk get(size_t size)
{
	struct stk s = {0};
	int cls = goro__stack_class(size);

	t_check_int(cls, >=, 0);
	t_check(stk_get(&cache, (unsigned)cls, &s) == 0, "%s", goro__stack_error());
	t_check(s.w != 0);
	return s;
}

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* How many pages of [lo, hi) are in memory. */
static size_t resident(uintptr_t lo, uintptr_t hi)
{
	size_t n = (hi - lo) / page(), count = 0;
	unsigned char *v = malloc(n);

	t_skip_unless(mincore((void *)lo, hi - lo, v) == 0, "mincore does not work here: an emulator");
	for (size_t i = 0; i < n; i++)
		count += v[i] & 1;
	free(v);
	return count;
}

static sigjmp_buf after_fault;
static volatile uintptr_t fault_addr;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	fault_addr = (uintptr_t)si->si_addr;
	siglongjmp(after_fault, 1);
}

static void catch_faults(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
}

static bool faults_at(uintptr_t addr)
{
	fault_addr = 0;
	if (sigsetjmp(after_fault, 1) == 0)
		*(volatile char *)addr = 1;
	return fault_addr == addr;
}

/* Checkers and emulators need mappings and address space of their own, and leave mlock() out. */
static void skip_under_checkers(void)
{
	t_skip_unless(getenv("GORO_TEST_DIVISOR") == NULL, "not under a checker or an emulator");
}

/* ---- Sizes and places ---- */

START_TEST(a_class_holds_what_was_asked_for)
{
	t_check_int(goro__stack_class(0), ==, goro__stack_class(STK_DEFAULT));
	t_check_int(goro__stack_class(STK_MAX + 1), ==, -EINVAL);
	t_check_int(goro__stack_class(SIZE_MAX), ==, -EINVAL);
	t_check_int(goro__stack_class(STK_MAX), ==, STK_CLASSES - 1);
	for (size_t size = 1; size <= STK_MAX; size = size * 3 / 2 + 1) {
		int cls = goro__stack_class(size);

		t_check(STK_MIN << cls >= size);
		t_check(cls == 0 || STK_MIN << (cls - 1) < size || STK_MIN << (cls - 1) < 2 * page());
		t_check(goro__stack_guard_size((unsigned)cls) >= page());
		t_check(goro__stack_guard_size((unsigned)cls) <= (STK_MIN << cls) / 2);
	}
}
END_TEST

START_TEST(the_top_is_aligned_and_coloured)
{
	bool seen[STK_COLOURS] = {false};
	int colours = 0;

	for (int i = 0; i < 256; i++) {
		struct stk s = get(64 << 10);
		uintptr_t off = stk_hi(s) - (uintptr_t)stk_top(s);

		t_check_int(off % STK_COLOUR_STEP, ==, 0);
		t_check_int(off / STK_COLOUR_STEP, <, STK_COLOURS);
		colours += !seen[off / STK_COLOUR_STEP];
		seen[off / STK_COLOUR_STEP] = true;
		t_check_int(stk_hi(s) - stk_base(s), ==, 64 << 10);
		t_check_int(stk_class(s), ==, goro__stack_class(64 << 10));
	}
	t_check_int(colours, ==, STK_COLOURS);
}
END_TEST

START_TEST(every_class_has_usable_stacks)
{
	catch_faults();
	for (unsigned cls = (unsigned)goro__stack_class(1); cls < STK_CLASSES; cls++) {
		struct stk s = get(STK_MIN << cls);

		t_check_int(stk_size(s), ==, STK_MIN << cls);
		t_check(!faults_at(stk_lo(s)));
		t_check(!faults_at(stk_hi(s) - 1));
		t_check(faults_at(stk_lo(s) - 1));
		t_check(faults_at(stk_base(s)));
		stk_put(&cache, s);
	}
}
END_TEST

START_TEST(stacks_do_not_overlap)
{
	enum { N = 2000 };
	static struct stk s[N];

	for (int i = 0; i < N; i++) {
		s[i] = get(i % 3 ? 64 << 10 : 32 << 10);
		*(int *)stk_lo(s[i]) = i;
		((int *)stk_hi(s[i]))[-1] = -i;
	}
	for (int i = 0; i < N; i++) {
		t_check_int(*(int *)stk_lo(s[i]), ==, i);
		t_check_int(((int *)stk_hi(s[i]))[-1], ==, -i);
	}
}
END_TEST

/* ---- Reuse ---- */

START_TEST(the_last_stack_given_back_is_the_next_one_taken)
{
	struct stk a = get(0), b = get(0);

	stk_put(&cache, a);
	stk_put(&cache, b);
	t_check(get(0).w == b.w);
	t_check(get(0).w == a.w);
}
END_TEST

START_TEST(stacks_given_back_are_used_before_new_ones)
{
	enum { N = 1000 };
	static struct stk s[N];
	struct stack_stats before, after;

	for (int i = 0; i < N; i++)
		s[i] = get(0);
	goro__stack_stats(&before);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < N; i++)
			stk_put(&cache, s[i]);
		for (int i = 0; i < N; i++)
			s[i] = get(0);
	}
	goro__stack_stats(&after);
	t_check_int(after.carved, ==, before.carved);
}
END_TEST

START_TEST(a_flushed_cache_is_empty_and_nothing_is_lost)
{
	static struct stk s[100];
	struct stack_stats st;

	for (int i = 0; i < 100; i++)
		s[i] = get(i % 2 ? 0 : 64 << 10);
	for (int i = 0; i < 100; i++)
		stk_put(&cache, s[i]);
	goro__stack_cache_trim(&cache);
	for (int i = 0; i < STK_CLASSES; i++)
		t_check_int(cache.mag[i].n, <=, 8);
	goro__stack_cache_flush(&cache);
	for (int i = 0; i < STK_CLASSES; i++)
		t_check_int(cache.mag[i].n, ==, 0);
	goro__stack_stats(&st);
	t_check_int(st.pooled, ==, st.carved);
}
END_TEST

static long trims;

/* Each thread takes, marks at the end that trimming drops, checks and gives back; stacks wander between caches through the pool. */
static void *churn(void *arg)
{
	struct stkcache *mine = calloc(1, sizeof(*mine));
	struct stk held[200];
	uint64_t state = t_seed() + (uintptr_t)arg;
	int n = 0;

	while (__atomic_load_n(&trims, __ATOMIC_RELAXED) < t_scaled(100)) {
		if (n < 200 && (n == 0 || t_rand(&state) % 2)) {
			t_check(stk_get(mine, (unsigned)goro__stack_class(64 << 10), &held[n]) == 0);
			t_check(*(void **)stk_lo(held[n]) == NULL, "a stack that somebody else holds");
			*(void **)stk_lo(held[n++]) = arg;
		} else {
			void **mark = (void **)stk_lo(held[--n]);

			t_check(*mark == arg);
			*mark = NULL;
			stk_put(mine, held[n]);
		}
		if (t_rand(&state) % 32 == 0)
			goro__stack_cache_flush(mine);
	}
	while (n > 0) {
		*(void **)stk_lo(held[--n]) = NULL;
		stk_put(mine, held[n]);
	}
	goro__stack_cache_flush(mine);
	free(mine);
	return NULL;
}

static void *keep_trimming(void *arg)
{
	struct stack_stats st;

	(void)arg;
	while (trims < t_scaled(100)) {
		goro__stack_stats(&st);
		goro__stack_trim();
		/* Those that had something to do count. */
		__atomic_store_n(&trims, trims + (st.trimmed < st.pooled), __ATOMIC_RELAXED);
	}
	return NULL;
}

START_TEST(threads_share_the_pool_while_it_is_trimmed)
{
	pthread_t t[2], trimmer;
	struct stack_stats st;

	pthread_create(&trimmer, NULL, keep_trimming, NULL);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	pthread_join(trimmer, NULL);
	goro__stack_stats(&st);
	t_check_int(st.pooled, ==, st.carved);
	t_check_int(st.carved, <=, 2048);
}
END_TEST

/* ---- Memory ---- */

START_TEST(a_new_stack_takes_no_memory_and_one_page_when_it_is_touched)
{
	struct stk s = get(0);

	t_check_int(resident(stk_base(s), stk_hi(s)), ==, 0);
	((char *)stk_top(s))[-2000] = 1;
	t_check_int(resident(stk_lo(s), stk_hi(s)), ==, 1);
}
END_TEST

/* The flags of the mapping that holds addr, as the kernel prints them. */
static bool mapping_flags(uintptr_t addr, char *ret, int size)
{
	unsigned long lo, hi;
	bool here = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
			here = addr >= lo && addr < hi;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			break;
	}
	snprintf(ret, (size_t)size, "%s", here ? line : "");
	if (f)
		fclose(f);
	return strncmp(ret, "VmFlags:", 8) == 0;
}

START_TEST(stacks_are_never_huge_pages)
{
	void *probe = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char flags[512];

	t_skip_unless(access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0, "a kernel without huge pages");
	t_check(probe != MAP_FAILED && madvise(probe, 65536, MADV_NOHUGEPAGE) == 0);
	t_skip_unless(mapping_flags((uintptr_t)probe, flags, sizeof(flags)), "no VmFlags here");
	t_skip_unless(strstr(flags, " nh") != NULL, "madvise does nothing here: an emulator");
	t_check(mapping_flags(stk_hi(get(0)) - 1, flags, sizeof(flags)));
	t_check(strstr(flags, " nh") != NULL, "%s", flags);
}
END_TEST

START_TEST(trimming_drops_the_memory_of_the_pool_but_not_the_guards)
{
	enum { N = 500 };
	static struct stk s[N];
	struct stack_stats st;
	size_t left = 0;

	for (int i = 0; i < N; i++) {
		s[i] = get(64 << 10);
		memset((void *)stk_lo(s[i]), 1, stk_hi(s[i]) - stk_lo(s[i]));
	}
	for (int i = 0; i < N; i++)
		stk_put(&cache, s[i]);
	goro__stack_cache_flush(&cache);
	while (goro__stack_trim())
		;
	goro__stack_stats(&st);
	t_check_int(st.trimmed, ==, st.pooled);
	for (int i = 0; i < N; i++)
		left += resident(stk_lo(s[i]), stk_hi(s[i]));
	t_check_int(left, <=, 64);
	catch_faults();
	for (int i = 0; i < N; i++)
		t_check(faults_at(stk_lo(s[i]) - 1));
	/* What is taken and given back has to be trimmed again. */
	s[0] = get(64 << 10);
	memset((void *)stk_lo(s[0]), 1, stk_hi(s[0]) - stk_lo(s[0]));
	stk_put(&cache, s[0]);
	goro__stack_cache_flush(&cache);
	while (goro__stack_trim())
		;
	t_check_int(resident(stk_lo(s[0]), stk_hi(s[0])), <=, 1);
}
END_TEST

/* ---- Lookup ---- */

START_TEST(an_address_finds_its_stack)
{
	struct stk s = get(64 << 10);
	struct stack_info i;
	int local;

	t_check_int(goro__stack_find(stk_hi(s) - 1, &i), ==, 0);
	t_check(i.base == stk_base(s) && i.lo == stk_lo(s) && i.hi == stk_hi(s) && i.size == 64 << 10 && !i.in_guard);
	t_check_int(goro__stack_find(stk_lo(s), &i), ==, 0);
	t_check(!i.in_guard);
	t_check_int(goro__stack_find(stk_lo(s) - 1, &i), ==, 0);
	t_check(i.in_guard && i.hi == stk_hi(s));
	t_check_int(goro__stack_find(stk_base(s), &i), ==, 0);
	t_check(i.in_guard && i.hi == stk_hi(s));
	t_check_int(goro__stack_find((uintptr_t)&local, &i), ==, -ENOENT);
	t_check_int(goro__stack_find(0, &i), ==, -ENOENT);
}
END_TEST

START_TEST(after_fini_everything_is_unmapped_and_it_works_again)
{
	struct stk s = get(0);
	struct stack_stats st;
	struct stack_info i;
	uintptr_t hi = stk_hi(s);
	unsigned char v;

	goro__stack_fini();
	memset(&cache, 0, sizeof(cache));
	t_check(mincore((void *)(hi - page()), page(), &v) == -1 && errno == ENOMEM);
	t_check_int(goro__stack_find(hi - 1, &i), ==, -ENOENT);
	goro__stack_stats(&st);
	t_check(st.reserved == 0 && st.carved == 0 && st.pooled == 0 && st.arenas == 0);
	*(char *)(stk_hi(get(0)) - 1) = 1;
}
END_TEST

/* ---- Old kernels, limits, faults ---- */

START_TEST(without_guard_regions_the_guard_is_a_mapping)
{
	struct stack_stats st;
	struct stk s;

	setenv("GORO_DISABLE_FEATURES", "guard-install", 1);
	goro__probe_reset();
	s = get(64 << 10);
	goro__stack_stats(&st);
	t_check(!st.guard_regions);
	catch_faults();
	t_check(faults_at(stk_lo(s) - 1));
	t_check(!faults_at(stk_lo(s)));
}
END_TEST

START_TEST(without_guard_regions_the_error_names_max_map_count)
{
	struct stk s;
	int r = 0, n;

	skip_under_checkers();
	setenv("GORO_DISABLE_FEATURES", "all", 1);
	goro__probe_reset();
	for (n = 0; n < 2000000 && r == 0; n++)
		r = stk_get(&cache, (unsigned)goro__stack_class(64 << 10), &s);
	t_skip_unless(r != 0, "vm.max_map_count is too high to be met");
	t_check_int(r, ==, -ENOMEM);
	t_check(strstr(goro__stack_error(), "vm.max_map_count") != NULL, "%s", goro__stack_error());
	t_check_int(n, >, 1000);
	/* It stays an error, and what is given back can be had again. */
	t_check_int(stk_get(&cache, (unsigned)goro__stack_class(64 << 10), &s), ==, -ENOMEM);
}
END_TEST

START_TEST(without_process_madvise_guards_are_installed_one_by_one)
{
	struct stack_stats st;
	struct stk s;

	t_skip_unless(goro__probe(FEAT_GUARD_INSTALL), "no MADV_GUARD_INSTALL");
	setenv("GORO_DISABLE_FEATURES", "x,process-madvise", 1);
	goro__probe_reset();
	s = get(64 << 10);
	goro__stack_stats(&st);
	t_check(st.guard_regions);
	catch_faults();
	t_check(faults_at(stk_lo(s) - 1));
}
END_TEST

START_TEST(a_million_guarded_stacks_fit_on_default_sysctls)
{
	long n = 1000000;
	struct stack_stats st;

	t_skip_unless(goro__probe(FEAT_GUARD_INSTALL) && goro__probe(FEAT_PROCESS_MADVISE), "no guard regions");
	skip_under_checkers();
	for (long i = 0; i < n; i++)
		get(64 << 10);
	goro__stack_stats(&st);
	t_check_int(st.carved, >=, n);
	t_check(st.guard_regions);
}
END_TEST

START_TEST(under_rlimit_as_arenas_are_small_and_the_error_is_clear)
{
	struct rlimit as = {(rlim_t)512 << 20, (rlim_t)512 << 20};
	struct stack_stats st;
	struct stk s;
	int r = 0, n;

	skip_under_checkers();
	t_check(setrlimit(RLIMIT_AS, &as) == 0);
	get(0);
	goro__stack_stats(&st);
	t_check_int(st.reserved, <=, 4 << 20);
	for (n = 0; n < 100000 && r == 0; n++)
		r = stk_get(&cache, (unsigned)goro__stack_class(0), &s);
	t_check_int(r, ==, -ENOMEM);
	t_check(strstr(goro__stack_error(), "RLIMIT_AS") != NULL, "%s", goro__stack_error());
	t_check_int(n, >, 100);
}
END_TEST

START_TEST(under_mlockall_stacks_have_guards_and_little_is_locked)
{
	struct stack_stats st;
	struct stk s;

	skip_under_checkers();
	t_skip_unless(mlockall(MCL_FUTURE) == 0, "mlockall is not allowed");
	s = get(64 << 10);
	goro__stack_stats(&st);
	t_check_int(st.reserved, <=, 4 << 20);
	t_check(!st.guard_regions);
	catch_faults();
	t_check(faults_at(stk_lo(s) - 1));
	t_check(!faults_at(stk_lo(s)));
}
END_TEST

START_TEST(a_failing_mmap_is_an_error_and_not_the_end)
{
	struct stk s;
	unsigned cls = (unsigned)goro__stack_class(0);

	/* The first is limited()'s trial mapping, which then assumes the worst; then 4 MiB, 2 MiB, ... down to one slot. */
	setenv("GORO_FAULT", "mmap:1:12*", 1);
	goro__sys_faults_init();
	t_check_int(stk_get(&cache, cls, &s), ==, -ENOMEM);
	t_check(strstr(goro__stack_error(), "address space") != NULL, "%s", goro__stack_error());
	unsetenv("GORO_FAULT");
	goro__sys_faults_init();
	t_check_int(stk_get(&cache, cls, &s), ==, 0);
}
END_TEST

START_TEST(a_large_mmap_that_fails_is_tried_smaller)
{
	struct stack_stats st;

	setenv("GORO_FAULT", "mmap:2:12", 1);
	goro__sys_faults_init();
	get(0);
	goro__stack_stats(&st);
	t_check(st.reserved > 0 && st.reserved < 64 << 20);
}
END_TEST

START_TEST(failing_guards_are_an_error_and_lose_nothing)
{
	struct stack_stats st;
	struct stk s;
	unsigned cls = (unsigned)goro__stack_class(0);

	setenv("GORO_DISABLE_FEATURES", "all", 1);
	setenv("GORO_FAULT", "mprotect:1:12*", 1);
	goro__probe_reset();
	goro__sys_faults_init();
	for (int i = 0; i < 1000; i++)
		t_check_int(stk_get(&cache, cls, &s), ==, -ENOMEM);
	unsetenv("GORO_FAULT");
	goro__sys_faults_init();
	t_check_int(stk_get(&cache, cls, &s), ==, 0);
	goro__stack_stats(&st);
	t_check_int(st.arenas, ==, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stack");
	TCase *tc = tcase_create("sizes");

	tcase_add_test(tc, a_class_holds_what_was_asked_for);
	tcase_add_test(tc, the_top_is_aligned_and_coloured);
	tcase_add_test(tc, every_class_has_usable_stacks);
	tcase_add_test(tc, stacks_do_not_overlap);
	tcase_add_test(tc, an_address_finds_its_stack);
	suite_add_tcase(s, tc);
	tc = tcase_create("reuse");
	tcase_add_test(tc, the_last_stack_given_back_is_the_next_one_taken);
	tcase_add_test(tc, stacks_given_back_are_used_before_new_ones);
	tcase_add_test(tc, a_flushed_cache_is_empty_and_nothing_is_lost);
	tcase_add_test(tc, threads_share_the_pool_while_it_is_trimmed);
	tcase_add_test(tc, a_new_stack_takes_no_memory_and_one_page_when_it_is_touched);
	tcase_add_test(tc, stacks_are_never_huge_pages);
	tcase_add_test(tc, trimming_drops_the_memory_of_the_pool_but_not_the_guards);
	tcase_add_test(tc, after_fini_everything_is_unmapped_and_it_works_again);
	suite_add_tcase(s, tc);
	tc = tcase_create("limits");
	tcase_add_test(tc, without_guard_regions_the_guard_is_a_mapping);
	tcase_add_test(tc, without_guard_regions_the_error_names_max_map_count);
	tcase_add_test(tc, without_process_madvise_guards_are_installed_one_by_one);
	tcase_add_test(tc, a_million_guarded_stacks_fit_on_default_sysctls);
	tcase_add_test(tc, under_rlimit_as_arenas_are_small_and_the_error_is_clear);
	tcase_add_test(tc, under_mlockall_stacks_have_guards_and_little_is_locked);
	tcase_add_test(tc, a_failing_mmap_is_an_error_and_not_the_end);
	tcase_add_test(tc, a_large_mmap_that_fails_is_tried_smaller);
	tcase_add_test(tc, failing_guards_are_an_error_and_lose_nothing);
	suite_add_tcase(s, tc);
	return t_main(s);
}
