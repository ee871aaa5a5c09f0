/* SPDX-License-Identifier: MIT */
/*
 * check_arch.c: context switches, the bottom of a stack, calls on other stacks. Nothing of the runtime runs.
 */
#include "arch.h"

#include <errno.h>
#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include "t.h"

#define STACK 65536

/* Never executed; where unwinding has to end. */
extern char goro__entry[];

static char stacks[4][STACK] __attribute__((aligned(4096)));
static void *main_sp, *sp[4];

static void *top(int i)
{
	return stacks[i] + STACK;
}

static bool on_stack(int i, const void *p)
{
	return (const char *)p >= stacks[i] && (const char *)p < stacks[i] + STACK;
}

/* ---- Switching ---- */

static void count_passes(void *pass)
{
	uintptr_t n = (uintptr_t)pass;

	for (;;)
		n = (uintptr_t)goro__switch(&sp[0], main_sp, (void *)(n + 1));
}

START_TEST(a_switch_passes_a_value_each_way)
{
	sp[0] = goro__ctx_make(top(0), count_passes);
	for (uintptr_t i = 0; i < 1000; i += 2)
		t_check_int((uintptr_t)goro__switch(&main_sp, sp[0], (void *)i), ==, i + 1);
}
END_TEST

static void count_passes_inline(void *pass)
{
	uintptr_t n = (uintptr_t)pass;

	for (;;)
		n = (uintptr_t)arch_switch(&sp[0], main_sp, (void *)(n + 1));
}

START_TEST(an_inline_switch_meets_a_called_one)
{
	t_check_int((uintptr_t)arch_switch_fresh(&main_sp, top(0), count_passes_inline, (void *)5), ==, 6);
	t_check_int((uintptr_t)goro__switch(&main_sp, sp[0], (void *)7), ==, 8);
	t_check_int((uintptr_t)arch_switch(&main_sp, sp[0], (void *)9), ==, 10);
	t_check_int((uintptr_t)goro__switch_fresh(&main_sp, top(1), count_passes, (void *)11), ==, 12);
	t_check_int((uintptr_t)arch_switch(&main_sp, sp[0], (void *)13), ==, 14);
}
END_TEST

/* What lives across an inline switch, too much for the registers, comes back; and a leaf's red zone is left alone. */
START_TEST(values_survive_an_inline_switch)
{
	volatile int seed = 3;
	long a = seed, b = a * 3, c = b + 7, d = c ^ a, e = d * 5, f = e - b, g = f + c, h = g * 11;
	double x = seed, y = x / 7, z = y * y, w = z + x, v = w - y, u = v * 1.5;

	sp[0] = goro__ctx_make(top(0), count_passes_inline);
	for (int i = 0; i < 100; i++) {
		arch_switch(&main_sp, sp[0], NULL);
		a += 1; b += a; c ^= b; d += c; e -= d; f += e; g ^= f; h += g;
		x += y; y += z; z -= w; w += v; v -= u; u += x;
	}
	long a2 = seed, b2 = a2 * 3, c2 = b2 + 7, d2 = c2 ^ a2, e2 = d2 * 5, f2 = e2 - b2, g2 = f2 + c2, h2 = g2 * 11;
	double x2 = seed, y2 = x2 / 7, z2 = y2 * y2, w2 = z2 + x2, v2 = w2 - y2, u2 = v2 * 1.5;

	for (int i = 0; i < 100; i++) {
		a2 += 1; b2 += a2; c2 ^= b2; d2 += c2; e2 -= d2; f2 += e2; g2 ^= f2; h2 += g2;
		x2 += y2; y2 += z2; z2 -= w2; w2 += v2; v2 -= u2; u2 += x2;
	}
	t_check(a == a2 && b == b2 && c == c2 && d == d2 && e == e2 && f == f2 && g == g2 && h == h2);
	t_check(x == x2 && y == y2 && z == z2 && w == w2 && v == v2 && u == u2);
}
END_TEST

/*
 * long switch_with_marked_registers(void **save_sp, void *to_sp, long mark): fills the callee-saved registers with
 * mark + 1, mark + 2, ..., switches, and returns how many of them are different afterwards.
 */
long switch_with_marked_registers(void **save_sp, void *to_sp, long mark);
#ifdef __x86_64__
__asm__(".text\n.globl switch_with_marked_registers\nswitch_with_marked_registers:\n"
	"push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n push %rdx\n"
	"lea 1(%rdx), %rbx\n lea 2(%rdx), %rbp\n lea 3(%rdx), %r12\n lea 4(%rdx), %r13\n"
	"lea 5(%rdx), %r14\n lea 6(%rdx), %r15\n"
	"call goro__switch\n"
	"pop %rdx\n xor %eax, %eax\n"
	"sub $1, %rbx\n cmp %rdx, %rbx\n je 1f\n inc %eax\n1: sub $2, %rbp\n cmp %rdx, %rbp\n je 1f\n inc %eax\n"
	"1: sub $3, %r12\n cmp %rdx, %r12\n je 1f\n inc %eax\n1: sub $4, %r13\n cmp %rdx, %r13\n je 1f\n inc %eax\n"
	"1: sub $5, %r14\n cmp %rdx, %r14\n je 1f\n inc %eax\n1: sub $6, %r15\n cmp %rdx, %r15\n je 1f\n inc %eax\n1:"
	"pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");
#else
__asm__(".text\n.globl switch_with_marked_registers\nswitch_with_marked_registers:\n"
	"stp x29, x30, [sp, #-176]!\n stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n stp x23, x24, [sp, #48]\n"
	"stp x25, x26, [sp, #64]\n stp x27, x28, [sp, #80]\n stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n"
	"stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n str x2, [sp, #160]\n"
	".irp n,19,20,21,22,23,24,25,26,27,28,29\n add x\\n, x2, #\\n\n .endr\n"
	".irp n,8,9,10,11,12,13,14,15\n add x3, x2, #\\n\n fmov d\\n, x3\n .endr\n"
	"bl goro__switch\n"
	"ldr x2, [sp, #160]\n mov x0, #0\n"
	".irp n,19,20,21,22,23,24,25,26,27,28,29\n sub x3, x\\n, #\\n\n cmp x3, x2\n cinc x0, x0, ne\n .endr\n"
	".irp n,8,9,10,11,12,13,14,15\n fmov x3, d\\n\n sub x3, x3, #\\n\n cmp x3, x2\n cinc x0, x0, ne\n .endr\n"
	"ldp x19, x20, [sp, #16]\n ldp x21, x22, [sp, #32]\n ldp x23, x24, [sp, #48]\n"
	"ldp x25, x26, [sp, #64]\n ldp x27, x28, [sp, #80]\n ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n"
	"ldp d12, d13, [sp, #128]\n ldp d14, d15, [sp, #144]\n ldp x29, x30, [sp], #176\n ret\n");
#endif

static long wrong_in_other;

static void mark_forever(void *pass)
{
	long i = 0;

	(void)pass;
	for (;;)
		wrong_in_other += switch_with_marked_registers(&sp[0], main_sp, 5000 + i++);
}

START_TEST(callee_saved_registers_survive_a_switch)
{
	long wrong = 0;

	wrong_in_other = 0;
	sp[0] = goro__ctx_make(top(0), mark_forever);
	for (int i = 0; i < 100; i++)
		wrong += switch_with_marked_registers(&main_sp, sp[0], 1000000 + i);
	t_check_int(wrong, ==, 0);
	t_check_int(wrong_in_other, ==, 0);
}
END_TEST

static uintptr_t entry_misalignment;

static __attribute__((noinline)) void note_alignment(void *pass)
{
	(void)pass;
	/* On x86-64 that is where rbp is saved, 16 below the caller's sp; on aarch64 it is aligned anyway. */
	entry_misalignment = (uintptr_t)__builtin_frame_address(0) & 15;
	goro__switch(&sp[0], main_sp, NULL);
	abort();
}

START_TEST(an_entry_function_finds_its_stack_aligned)
{
	for (int off = 0; off < 64; off++) {
		entry_misalignment = 99;
		goro__switch(&main_sp, goro__ctx_make(stacks[0] + STACK - off, note_alignment), NULL);
		t_check_int(entry_misalignment, ==, 0);
		entry_misalignment = 99;
		goro__switch_fresh(&main_sp, stacks[0] + STACK - off, note_alignment, NULL);
		t_check_int(entry_misalignment, ==, 0);
	}
}
END_TEST

#ifndef GORO_SHARE_FPENV
static int rounding_seen[3];

static void rounding_down(void *pass)
{
	(void)pass;
	rounding_seen[0] = fegetround();
	fesetround(FE_DOWNWARD);
	goro__switch(&sp[0], main_sp, NULL);
	rounding_seen[1] = fegetround();
	goro__switch(&sp[0], main_sp, NULL);
	abort();
}

START_TEST(each_context_keeps_its_rounding_mode)
{
	fesetround(FE_UPWARD);
	sp[0] = goro__ctx_make(top(0), rounding_down);
	goro__switch(&main_sp, sp[0], NULL);
	t_check_int(rounding_seen[0], ==, FE_TONEAREST);
	t_check_int(fegetround(), ==, FE_UPWARD);
	fesetround(FE_TOWARDZERO);
	goro__switch(&main_sp, sp[0], NULL);
	t_check_int(rounding_seen[1], ==, FE_DOWNWARD);
	t_check_int(fegetround(), ==, FE_TOWARDZERO);
}
END_TEST

START_TEST(a_fresh_context_starts_with_the_saved_rounding_mode)
{
	fesetround(FE_UPWARD);
	goro__switch_fresh(&main_sp, top(0), rounding_down, NULL);
	t_check_int(rounding_seen[0], ==, FE_TONEAREST);
	goro__fpenv_save();
	fesetround(FE_TOWARDZERO);
	goro__switch_fresh(&main_sp, top(0), rounding_down, NULL);
	t_check_int(rounding_seen[0], ==, FE_UPWARD);
	sp[0] = goro__ctx_make(top(0), rounding_down);
	goro__switch(&main_sp, sp[0], NULL);
	t_check_int(rounding_seen[0], ==, FE_UPWARD);
	t_check_int(fegetround(), ==, FE_TOWARDZERO);
	arch_fpenv_reset();
	t_check_int(fegetround(), ==, FE_UPWARD);
}
END_TEST
#endif

static void jump_again(void *pass)
{
	int here;

	t_check(on_stack(1, &here));
	if ((uintptr_t)pass < 1000)
		goro__jump(top(1), jump_again, (void *)((uintptr_t)pass + 1));
	goro__switch(&sp[0], main_sp, pass);
	abort();
}

START_TEST(a_jump_starts_afresh_on_the_stack_in_use)
{
	t_check_int((uintptr_t)goro__switch_fresh(&main_sp, top(1), jump_again, NULL), ==, 1000);
}
END_TEST

static void *where_am_i(void *arg)
{
	int here;

	t_check_int(*(int *)arg, ==, 42);
	return on_stack(2, &here) ? stacks[2] : NULL;
}

START_TEST(a_call_on_another_stack_comes_back)
{
	int arg = 42;

	t_check(goro__call_on(top(2), where_am_i, &arg) == stacks[2]);
	t_check(goro__call_on(stacks[2] + STACK - 9, where_am_i, &arg) == stacks[2]);
}
END_TEST

/* ---- Threads ---- */

__thread void *arch_test_slot __attribute__((tls_model("initial-exec"), used));

static void read_slot(void *pass)
{
	(void)pass;
	for (;;)
		goro__switch(&sp[0], main_sp, ARCH_TLS_LOAD(arch_test_slot));
}

static void *other_thread(void *arg)
{
	ARCH_TLS_STORE(arch_test_slot, arg);
	return goro__switch(&main_sp, sp[0], NULL);
}

START_TEST(a_context_sees_the_slot_of_the_thread_that_it_runs_on)
{
	pthread_t t;
	void *seen;
	int mine, other;

	ARCH_TLS_STORE(arch_test_slot, &mine);
	t_check(arch_test_slot == &mine);
	sp[0] = goro__ctx_make(top(0), read_slot);
	t_check(goro__switch(&main_sp, sp[0], NULL) == &mine);
	t_check(pthread_create(&t, NULL, other_thread, &other) == 0);
	pthread_join(t, &seen);
	t_check(seen == &other);
	t_check(goro__switch(&main_sp, sp[0], NULL) == &mine);
}
END_TEST

/* ---- Backtraces ---- */

static void *frames[32];
static int nframes;
static _Unwind_Reason_Code reason;

static _Unwind_Reason_Code go_on(struct _Unwind_Context *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	return _URC_NO_REASON;
}

static __attribute__((noinline)) void take_backtrace(void)
{
	nframes = backtrace(frames, 32);
	reason = _Unwind_Backtrace(go_on, NULL);
}

static bool in(const void *addr, const void *fn, size_t size)
{
	return (const char *)addr > (const char *)fn && (const char *)addr <= (const char *)fn + size;
}

/* Ends at the stub, by the unwinder's own account, and the entry function is the frame before it. */
static void check_end(void (*entry)(void *))
{
	t_check(nframes >= 3 && nframes < 32, "%d frames", nframes);
	t_check(in(frames[nframes - 1], goro__entry, 16), "ends at %p", frames[nframes - 1]);
	t_check(in(frames[nframes - 2], (void *)entry, 512), "entered at %p", frames[nframes - 2]);
	t_check_int(reason, ==, _URC_END_OF_STACK);
}

static void bt_entry(void *pass)
{
	take_backtrace();
	if (pass)
		goro__jump(top(0), bt_entry, NULL);
	goro__switch(&sp[0], main_sp, NULL);
	abort();
}

START_TEST(a_backtrace_ends_at_the_entry)
{
	goro__switch(&main_sp, goro__ctx_make(top(0), bt_entry), NULL);
	check_end(bt_entry);
	goro__switch_fresh(&main_sp, top(0), bt_entry, NULL);
	check_end(bt_entry);
	goro__switch_fresh(&main_sp, top(0), bt_entry, &nframes);
	check_end(bt_entry);
}
END_TEST

static __attribute__((noinline)) void *park_deep(int depth, bool inlined)
{
	char *volatile keep = malloc(16);
	void *ret;

	if (depth > 0)
		ret = park_deep(depth - 1, inlined);
	else if (inlined)
		ret = arch_switch(&sp[1], main_sp, NULL);
	else
		ret = goro__switch(&sp[1], main_sp, NULL);
	free(keep);
	return ret;
}

static void parked_entry(void *pass)
{
	void *ret = park_deep(5, pass != NULL);

	goro__switch(&sp[1], main_sp, ret);
	abort();
}

static void bt_on_top(void *arg)
{
	void *saved = *(void **)arg, *dummy;

	t_check(on_stack(1, &dummy));
	take_backtrace();
	goro__switch(&dummy, saved, NULL);
	abort();
}

static void check_ontop(void *pass)
{
	void *saved;
	int deep = 0;

	goro__switch_fresh(&main_sp, top(1), parked_entry, pass);
	for (int i = 0; i < 3; i++) {
		goro__ontop(&saved, sp[1], bt_on_top, &saved);
		check_end(parked_entry);
		deep = 0;
		/* Six frames of park_deep(), five of which were called from the same place. */
		for (int k = 1; k < nframes; k++)
			deep += frames[k] == frames[k - 1];
		t_check_int(deep, ==, 4);
	}
	/* And it is still parked where it was. */
	t_check(goro__switch(&main_sp, sp[1], &deep) == &deep);
}

START_TEST(a_backtrace_on_top_of_a_parked_context_shows_its_frames)
{
	check_ontop(NULL);
	check_ontop(&nframes);
}
END_TEST

static void *bt_called_on(void *arg)
{
	(void)arg;
	take_backtrace();
	return NULL;
}

START_TEST(a_backtrace_passes_through_a_call_on_another_stack)
{
	int n;

	take_backtrace();
	n = nframes;
	goro__call_on(top(2), bt_called_on, NULL);
	t_check_int(nframes, >, n);
	t_check(frames[nframes - 1] != NULL);
}
END_TEST

/* gdb prints the whole stack of a goroutine and complains about nothing. */
void arch_test_gdb_stop(void);
__attribute__((noinline)) void arch_test_gdb_stop(void)
{
	__asm__ volatile("");
}

static void gdb_entry(void *pass)
{
	(void)pass;
	arch_test_gdb_stop();
	goro__switch(&sp[0], main_sp, NULL);
}

static void gdb_child(void)
{
	goro__switch_fresh(&main_sp, top(0), gdb_entry, NULL);
	exit(0);
}

START_TEST(gdb_prints_a_stack_that_ends_at_the_entry)
{
	char cmd[4096], out[8192], self[2048];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t n;
	FILE *p;

	t_skip_unless(system("gdb --version >/dev/null 2>&1") == 0, "gdb is not installed");
	t_skip_unless(getenv("T_NO_GDB") == NULL, "T_NO_GDB: an emulator or a checker runs this test");
	t_check(len > 0);
	self[len] = '\0';
	snprintf(cmd, sizeof(cmd), "gdb -nx -batch -ex 'set confirm off' -ex 'set debuginfod enabled off' "
		 "-ex 'break arch_test_gdb_stop' -ex run -ex bt -ex kill --args '%s' --gdb-child 2>&1", self);
	p = popen(cmd, "r");
	t_check(p != NULL);
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	pclose(p);
	t_skip_unless(strstr(out, "ptrace") == NULL, "gdb may not trace here");
	t_check(strstr(out, "gdb_entry") != NULL, "%s", out);
	/* gdb takes the name for an Ada one when it sees no language for it, and prints a dot. */
	t_check(strstr(out, "goro__entry") != NULL || strstr(out, "goro.entry") != NULL, "%s", out);
	t_check(strstr(out, "#2") != NULL && strstr(out, "#3") == NULL, "%s", out);
	t_check(strstr(out, "corrupt") == NULL && strstr(out, "Backtrace stopped") == NULL, "%s", out);
}
END_TEST

static void bt_invoked(long a, double b)
{
	(void)a;
	(void)b;
	take_backtrace();
}

static void invoking_entry(void *pass)
{
	uint64_t arg[8] = {1, 2};

	(void)pass;
	goro__invoke((void (*)(void))bt_invoked, arg, 2, 2);
	goro__switch(&sp[0], main_sp, NULL);
	abort();
}

START_TEST(a_backtrace_passes_through_an_invoked_function)
{
	goro__switch_fresh(&main_sp, top(0), invoking_entry, NULL);
	check_end(invoking_entry);
}
END_TEST

/* ---- The rest of arch.h ---- */

START_TEST(a_raw_system_call_returns_the_negative_errno)
{
	errno = 0;
	t_check_int(arch_syscall6(SYS_close, -1, 0, 0, 0, 0, 0), ==, -EBADF);
	t_check_int(arch_syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0), ==, getpid());
	t_check_int(errno, ==, 0);
}
END_TEST

START_TEST(the_tick_counter_runs)
{
	uint64_t a = arch_ticks();

	arch_pause();
	t_eventually(arch_ticks() > a, 1000);
}
END_TEST

START_TEST(a_parked_frame_tells_where_its_context_goes_on)
{
	sp[0] = goro__ctx_make(top(0), count_passes);
	goro__switch(&main_sp, sp[0], NULL);
	t_check(in(arch_frame_pc(sp[0]), (void *)goro__switch, 512));
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("arch");
	TCase *tc = tcase_create("switch");

	if (argc == 2 && strcmp(argv[1], "--gdb-child") == 0)
		gdb_child();
	tcase_add_test(tc, a_switch_passes_a_value_each_way);
	tcase_add_test(tc, an_inline_switch_meets_a_called_one);
	tcase_add_test(tc, values_survive_an_inline_switch);
	tcase_add_test(tc, callee_saved_registers_survive_a_switch);
	tcase_add_test(tc, an_entry_function_finds_its_stack_aligned);
#ifndef GORO_SHARE_FPENV
	tcase_add_test(tc, each_context_keeps_its_rounding_mode);
	tcase_add_test(tc, a_fresh_context_starts_with_the_saved_rounding_mode);
#endif
	tcase_add_test(tc, a_jump_starts_afresh_on_the_stack_in_use);
	tcase_add_test(tc, a_call_on_another_stack_comes_back);
	tcase_add_test(tc, a_context_sees_the_slot_of_the_thread_that_it_runs_on);
	tcase_add_test(tc, a_parked_frame_tells_where_its_context_goes_on);
	suite_add_tcase(s, tc);
	tc = tcase_create("backtrace");
	tcase_add_test(tc, a_backtrace_ends_at_the_entry);
	tcase_add_test(tc, a_backtrace_on_top_of_a_parked_context_shows_its_frames);
	tcase_add_test(tc, a_backtrace_passes_through_a_call_on_another_stack);
	tcase_add_test(tc, a_backtrace_passes_through_an_invoked_function);
	tcase_add_test(tc, gdb_prints_a_stack_that_ends_at_the_entry);
	suite_add_tcase(s, tc);
	tc = tcase_create("kernel and clock");
	tcase_add_test(tc, a_raw_system_call_returns_the_negative_errno);
	tcase_add_test(tc, the_tick_counter_runs);
	suite_add_tcase(s, tc);
	return t_main(s);
}
