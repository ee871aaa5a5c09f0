/* SPDX-License-Identifier: MIT */
/*
 * bti.c: goes through every door of lib/arch/aarch64 in a program whose pages are guarded by BTI: exits with 0, or dies of SIGILL where a landing
 * place is missing. Without a C library, because Debian's is not marked. Not part of the build:
 *
 *	aarch64-linux-gnu-gcc -O2 -mbranch-protection=standard -static -nostdlib -ffreestanding -Wl,-z,force-bti \
 *		-iquote ../../lib -o bti bti.c ../../lib/arch/aarch64/entry.S ../../lib/arch/aarch64/switch.S
 *	readelf -n bti; qemu-aarch64 ./bti
 */
#include <stddef.h>
#include <sys/syscall.h>

#include "arch.h"

static void *main_sp, *sp;
static char stack[65536] __attribute__((aligned(16)));
#define TOP (stack + sizeof(stack))

static void by_call(void *p)
{
	for (;;)
		p = goro__switch(&sp, main_sp, p);
}

static void by_jump(void *p)
{
	for (;;)
		p = arch_switch(&sp, main_sp, p);
}

static void again(void *p)
{
	static int n;

	if (n++ < 3)
		goro__jump(TOP, again, p);
	by_jump(p);
}

static void on_top(void *p)
{
	void *dummy;

	goro__switch(&dummy, *(void **)p, NULL);
	__builtin_trap();
}

static void *identity(void *p)
{
	return p;
}

static void invoked(long a, double b)
{
	(void)a;
	(void)b;
}

void _start(void);
void _start(void)
{
	uint64_t arg[8] = {1, 2};
	void *saved;
	long bad = 0;

	sp = goro__ctx_make(TOP, by_call);
	bad |= goro__switch(&main_sp, sp, (void *)5) != (void *)5;
	bad |= arch_switch(&main_sp, sp, (void *)6) != (void *)6;
	bad |= arch_switch_fresh(&main_sp, TOP, by_jump, (void *)7) != (void *)7;
	bad |= goro__switch(&main_sp, sp, (void *)8) != (void *)8;
	bad |= goro__switch_fresh(&main_sp, TOP, again, (void *)9) != (void *)9;
	goro__ontop(&saved, sp, on_top, &saved);
	bad |= goro__call_on(TOP - 4096, identity, (void *)10) != (void *)10;
	goro__invoke((void (*)(void))invoked, arg, 1, 0);
	goro__invoke((void (*)(void))invoked, arg, 2, 2);
	arch_syscall6(SYS_exit_group, bad, 0, 0, 0, 0, 0);
}
