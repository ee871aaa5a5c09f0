/* SPDX-License-Identifier: MIT */
/*
 * signal.c: the runtime's signal handlers: a fault on a goroutine's stack guard is reported as a stack overflow with the goroutine's id, name
 * and size; one in a goroutine's own code becomes a panic (fault.c); any other is reported with a dump. SIGQUIT dumps all goroutines.
 *
 * Handlers run on the M's own signal stack, since a goroutine's stack may be what is full. A fault that is not on one of our Ms, or that was
 * sent by kill(), goes to the handler that was installed before ours. After the report the default action is restored and the faulting
 * instruction runs again, so the process ends by the signal, with a core dump that shows the fault itself.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "context.h"
#include "panic.h"
#include "print.h"
#include "sched.h"
#include "stack.h"
#include "sys.h"

#define ALT_MIN ((size_t)64 << 10) /* backtrace() and its unwinder run there */

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE };
#define NFAULTS (sizeof(faults) / sizeof(faults[0]))
static struct sigaction old_fault[NFAULTS], old_quit;
static bool installed, quit_installed;

static void report_overflow(struct g *g, const struct stack_info *si)
{
	print_start();
	print_str("goro: goroutine ");
	print_u64(g->id);
	if (g->name[0]) {
		print_str(" [");
		print_str(g->name);
		print_str("]");
	}
	print_str(": stack overflow\ngoro: its stack is ");
	print_u64(si->size / 1024);
	print_str(" KiB (");
	print_hex(si->lo);
	print_str(" to ");
	print_hex(si->hi);
	print_str("); give it more with goro_spawn_opts.stack_size or goro_config.stack_size\n");
	print_end(2);
}

static void chain(int sig, siginfo_t *si, void *uc)
{
	struct sigaction *o = NULL;

	for (size_t i = 0; i < NFAULTS; i++)
		if (faults[i] == sig)
			o = &old_fault[i];
	if (o && (o->sa_flags & SA_SIGINFO) && o->sa_sigaction) {
		o->sa_sigaction(sig, si, uc);
	} else if (o && o->sa_handler != SIG_DFL && o->sa_handler != SIG_IGN && o->sa_handler) {
		o->sa_handler(sig);
	} else {
		signal(sig, SIG_DFL);
		if (si->si_code <= 0)
			raise(sig); /* it was sent: no instruction will raise it again. Pending until the handler returns */
	}
}

/* Where neither the goroutine nor anybody else can go on: with locks held, or where nothing is known. */
static void report_fatal(const struct m *m, const struct fault *f)
{
	print_start();
	print_str(m->in_runtime ? "fatal error: unexpected signal during runtime execution\n" :
				  "fatal error: unexpected signal outside of the goroutine's own code\n");
	goro__fault_print(f->sig, f->code, f->addr, f->pc);
	print_str("\n");
	print_end(2);
	goro__dump_self(2);
}

/* The others, too, if none of the runtime's locks can be held by this thread. */
static void report_others(struct m *m)
{
	if (m->in_runtime != 0)
		return;
	store_rlx(&m->in_runtime, 1); /* for ever: the process ends */
	goro__dump_all(2, false);
}

static void end_by_signal(int sig, siginfo_t *si, void *uc)
{
	for (size_t i = 0; i < NFAULTS; i++)
		if (faults[i] == sig && old_fault[i].sa_handler != SIG_DFL) {
			chain(sig, si, uc);
			return;
		}
	signal(sig, SIG_DFL);
}

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	struct m *m = goro__tls_m();
	struct g *g = m && !m->foreign ? m->curg : NULL;
	struct stack_info info;
	static uint32_t reporting;
	uint32_t none = 0;
	struct fault f;

	if (!g || si->si_code <= 0) {
		chain(sig, si, uc);
		return;
	}
	goro__fault_read(&f, sig, si, uc);
	if (sig != SIGFPE && goro__stack_find(f.addr, &info) == 0 && info.in_guard) {
		if (cas_seq(&reporting, &none, 1)) {
			report_overflow(g, &info);
			goro__dump_self(2);
		}
	} else if (goro__fault_enter(m, g, &f, uc)) {
		return;
	} else if (cas_seq(&reporting, &none, 1)) {
		report_fatal(m, &f);
		report_others(m);
	}
	end_by_signal(sig, si, uc);
}

static void on_quit(int sig)
{
	(void)sig;
	goro__sysmon_dump();
}

void goro__signals_init(void)
{
	struct sigaction sa;

	goro__dump_prepare();
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_fault;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < NFAULTS; i++)
		sigaction(faults[i], &sa, &old_fault[i]);
	installed = true;
	sigaction(SIGQUIT, NULL, &old_quit);
	quit_installed = !(old_quit.sa_flags & SA_SIGINFO) && old_quit.sa_handler == SIG_DFL;
	if (!quit_installed)
		return;
	sa.sa_handler = on_quit;
	sa.sa_flags = SA_ONSTACK | SA_RESTART;
	sigaction(SIGQUIT, &sa, NULL);
}

void goro__signals_fini(void)
{
	if (!installed)
		return;
	installed = false;
	for (size_t i = 0; i < NFAULTS; i++)
		sigaction(faults[i], &old_fault[i], NULL);
	if (quit_installed)
		sigaction(SIGQUIT, &old_quit, NULL);
}

/* A signal stack of its own for m, on m's thread; the pages are touched now, since a handler must not fault for memory. */
int goro__m_init(struct m *m)
{
	size_t size = ALT_MIN + 2 * getauxval(AT_MINSIGSTKSZ);
	stack_t ss;
	long r;

	store_rlx(&m->tid, sys_gettid());
	m->cxx = goro__cxx_of_thread();
	cxx_put_aside(m);
	if (goro__san)
		goro__san_m_start(m);
	size = (size + 4095) & ~(size_t)4095;
	r = sys_mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_is_err(r))
		return -ENOMEM;
	sys_mprotect((void *)r, 4096, PROT_NONE);
	m->altstack = (void *)r;
	m->altstack_size = size + 4096;
	memset(&ss, 0, sizeof(ss));
	ss.ss_sp = (char *)r + 4096;
	ss.ss_size = size;
	sigaltstack(&ss, &m->old_altstack);
	return 0;
}

void goro__m_fini(struct m *m)
{
	if (m->cxx)
		cxx_take_back(m);
	if (!m->altstack)
		return;
	sigaltstack(&m->old_altstack, NULL);
	sys_munmap(m->altstack, m->altstack_size);
	m->altstack = NULL;
}
