/* SPDX-License-Identifier: MIT */
/*
 * restart.c: EINTR that is not the program's.
 *
 * sysmon sends the preemption signal to threads that compute. One that goes to sleep in a system call at that very moment is interrupted there. SA_RESTART
 * has the kernel make most calls again, but not poll(), select(), epoll_wait(), nanosleep(), sem_timedwait(), pause(), or recv() with a timeout (signal(7),
 * "Interruption of system calls"), and programs that use no signals do not expect EINTR of them. So the handler does it: it finds the program
 * counter behind a syscall instruction and -EINTR as its result, and sets both back.
 *
 * The kernel does not tell the number of the call, but it is in the instruction before: the C library loads it as a constant. What is not of
 * that form is left alone, and so are all calls that are not listed below: close() has closed although it says EINTR, connect() goes on
 * by itself.
 *
 * A timeout begins anew, unless the call itself has stored what is left of it: select() has, nanosleep() if it was given a place for it.
 *
 * A signal of the program's that arrives in the same instant has its handler called before the call is made again, and does not end it: as
 * with every call that SA_RESTART restarts.
 *
 * x86-64 only: on arm64 the result of the call has overwritten its first argument. There EINTR is seen when this rare thing happens.
 */
#include "restart.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "attr.h"

#if defined(__x86_64__)
#include <errno.h>

/* mov $number, %eax; syscall */
#define MOV_EAX 0xb8
#define MOV_SIZE 5
#define SYSCALL_SIZE 2

static NO_TSAN bool may_be_made_again(uint32_t nr)
{
	switch (nr) {
	case SYS_poll: case SYS_ppoll: case SYS_select: case SYS_pselect6:
	case SYS_epoll_wait: case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
	case SYS_epoll_pwait2:
#endif
	case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_futex:
	case SYS_pause: case SYS_rt_sigsuspend: case SYS_rt_sigtimedwait:
	case SYS_semop: case SYS_semtimedop: case SYS_msgsnd: case SYS_msgrcv: case SYS_io_getevents:
	case SYS_read: case SYS_readv: case SYS_write: case SYS_writev: case SYS_accept: case SYS_accept4:
	case SYS_recvfrom: case SYS_recvmsg: case SYS_recvmmsg: case SYS_sendto: case SYS_sendmsg:
		return true;
	default:
		return false;
	}
}

NO_TSAN void goro__restart_syscall(void *uc)
{
	greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;
	const uint8_t *pc = (const uint8_t *)r[REG_RIP];
	uint32_t nr;

	if (r[REG_RAX] != -EINTR || ((uintptr_t)pc & 4095) < SYSCALL_SIZE + MOV_SIZE || pc[-2] != 0x0f || pc[-1] != 0x05 || pc[-SYSCALL_SIZE - MOV_SIZE] != MOV_EAX)
		return;
	__builtin_memcpy(&nr, pc - SYSCALL_SIZE - MOV_SIZE + 1, sizeof(nr));
	if (!may_be_made_again(nr))
		return;
	/* What is left of the time is where the program wants it: sleep for that. Argument 2 of the one, 4 of the other. */
	if (nr == SYS_nanosleep && r[REG_RSI])
		r[REG_RDI] = r[REG_RSI];
	else if (nr == SYS_clock_nanosleep && r[REG_RSI] == 0 && r[REG_R10])
		r[REG_RDX] = r[REG_R10];
	r[REG_RAX] = nr;
	r[REG_RIP] -= SYSCALL_SIZE;
}
#else
void goro__restart_syscall(void *uc)
{
	(void)uc;
}
#endif
