/* SPDX-License-Identifier: MIT */
/*
 * returns.c: what a context switch costs the returns that follow it, by the way it is entered and left (x86-64). Contexts take
 * turns; each switch is made `depth` calls below the loop, as a goroutine parks below user code. Not part of the build:
 *
 *	cc -O2 -mno-red-zone -o returns returns.c && taskset -c 1 ./returns
 *
 * call+jmp	a function that leaves by pop and jmp: the processor's stack of return addresses has one entry too many
 * call+ret	a function that leaves by ret; all switches come from one call site, so the prediction is right
 * jmp+jmp	inline code that jumps there and is jumped back to
 * The best of 300 rounds of 50,000 switches, short enough to fall into a slice of a busy machine. "fp" saves and restores MXCSR and the x87 control word.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))

#define SAVE "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\nlea -8(%rsp),%rsp\n"
#define SWITCH "mov %rsp,(%rdi)\nmov %rsi,%rsp\nmov %rdx,%rax\n"
#define RESTORE "lea 8(%rsp),%rsp\npop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\n"
#define FPSAVE "stmxcsr (%rsp)\nfnstcw 4(%rsp)\n"
#define FPLOAD "ldmxcsr (%rsp)\nfldcw 4(%rsp)\n"
#define DEF(name, in, save, load, out)                                                                           \
	__asm__(".text\n.p2align 6\n.globl " #name "\n" #name ":\n" in SAVE save SWITCH load RESTORE out "\n");

DEF(sw_call_jmp, "", "", "", "pop %rcx\njmp *%rcx")
DEF(sw_call_jmp_fp, "", FPSAVE, FPLOAD, "pop %rcx\njmp *%rcx")
DEF(sw_call_ret, "", "", "", "ret")
DEF(sw_call_ret_fp, "", FPSAVE, FPLOAD, "ret")
DEF(sw_jmp_jmp, "push %r8\n", "", "", "pop %r8\njmp *%r8")
DEF(sw_jmp_jmp_fp, "push %r8\n", FPSAVE, FPLOAD, "pop %r8\njmp *%r8")

void *sw_call_jmp(void **, void *, void *), *sw_call_jmp_fp(void **, void *, void *);
void *sw_call_ret(void **, void *, void *), *sw_call_ret_fp(void **, void *, void *);

#define INLINE_SWITCH(name)                                                                                      \
	static inline __attribute__((always_inline)) void *name##_inline(void **save, void *to, void *pass)      \
	{                                                                                                        \
		void *ret;                                                                                       \
		__asm__ volatile("lea 1f(%%rip), %%r8\n jmp " #name "\n1:"                                       \
				 : "=a"(ret), "+D"(save), "+S"(to), "+d"(pass)                                   \
				 :: "rcx", "r8", "r9", "r10", "r11", "cc", "memory");                            \
		return ret;                                                                                      \
	}
INLINE_SWITCH(sw_jmp_jmp)
INLINE_SWITCH(sw_jmp_jmp_fp)

static void *ctx[16], *main_sp, *dummy;
static int cur, nctx;
static long left;
static char *stack[16];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define BENCH(name, sw)                                                                                          \
	static NOINLINE void turn_##name(void)                                                                   \
	{                                                                                                        \
		int from = cur, to = cur + 1 < nctx ? cur + 1 : 0;                                               \
		cur = to;                                                                                        \
		sw(&ctx[from], ctx[to], NULL);                                                                   \
		__asm__ volatile("");                                                                            \
	}                                                                                                        \
	static NOINLINE void a_##name(void) { turn_##name(); __asm__ volatile(""); }                             \
	static NOINLINE void b_##name(void) { a_##name(); __asm__ volatile(""); }                                \
	static NOINLINE void c_##name(void) { b_##name(); __asm__ volatile(""); }                                \
	static void loop1_##name(void) { for (;;) { if (--left <= 0) sw(&dummy, main_sp, NULL); turn_##name(); } } \
	static void loop4_##name(void) { for (;;) { if (--left <= 0) sw(&dummy, main_sp, NULL); c_##name(); } }  \
	static void run_##name(void (*loop)(void), int depth)                                                    \
	{                                                                                                        \
		double best = 1e18;                                                                              \
		for (int r = 0; r < 300; r++) {                                                                    \
			for (int i = 0; i < nctx; i++) {                                                         \
				uint64_t *f = (uint64_t *)(stack[i] + 65536 - 64 * i - 192);                     \
				memset(f, 0, 128);                                                               \
				((uint32_t *)f)[0] = 0x1f80;                                                     \
				((uint16_t *)f)[2] = 0x37f;                                                      \
				f[7] = (uint64_t)loop;                                                           \
				ctx[i] = f;                                                                      \
			}                                                                                        \
			cur = 0;                                                                                 \
			left = 50000;                                                                          \
			double t = now_ns();                                                                     \
			sw(&main_sp, ctx[0], NULL);                                                              \
			t = (now_ns() - t) / 5e4;                                                                \
			best = t < best ? t : best;                                                              \
		}                                                                                                \
		printf("%-12s %2d contexts, %d frames deep: %6.2f ns a switch\n", #name, nctx, depth, best);     \
	}
BENCH(call_jmp, sw_call_jmp)
BENCH(call_ret, sw_call_ret)
BENCH(jmp_jmp, sw_jmp_jmp_inline)
BENCH(call_jmp_fp, sw_call_jmp_fp)
BENCH(call_ret_fp, sw_call_ret_fp)
BENCH(jmp_jmp_fp, sw_jmp_jmp_fp_inline)

int main(void)
{
	for (int i = 0; i < 16; i++)
		stack[i] = aligned_alloc(4096, 65536);
	for (nctx = 2; nctx <= 8; nctx *= 4) {
#define BOTH(name) run_##name(loop1_##name, 1); run_##name(loop4_##name, 4);
		BOTH(call_jmp) BOTH(call_ret) BOTH(jmp_jmp)
		BOTH(call_jmp_fp) BOTH(call_ret_fp) BOTH(jmp_jmp_fp)
	}
	return 0;
}
