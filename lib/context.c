/* SPDX-License-Identifier: MIT */
/*
 * context.c: the hooks of AddressSanitizer, ThreadSanitizer and Valgrind, and C++ exceptions that go with their goroutine. See context.h.
 *
 * ASan wants to know before a switch which stack comes next, and keeps a "fake stack" per context. TSan wants an object per context
 * ("fiber") and the switch named right before it happens, in a function that is itself not instrumented. Valgrind wants
 * each stack registered. The symbols are weak: in a program without the sanitizer they are NULL.
 */
#include "context.h"

#include <stddef.h>

#include "m.h"
#include "p.h"
#include "stack.h"
#include "sys.h"

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

#define WEAK __attribute__((weak))

void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size) WEAK;
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom_old, size_t *size_old) WEAK;
void __asan_unpoison_memory_region(void const volatile *addr, size_t size) WEAK;
void __asan_handle_no_return(void) WEAK;
void *__tsan_get_current_fiber(void) WEAK;
void *__tsan_create_fiber(unsigned flags) WEAK;
void __tsan_destroy_fiber(void *fiber) WEAK;
void __tsan_switch_to_fiber(void *fiber, unsigned flags) WEAK;
void __tsan_acquire(void *addr) WEAK;
void __tsan_release(void *addr) WEAK;

struct cxx_globals *__cxa_get_globals(void) WEAK;
void __cxa_end_catch(void) WEAK;
int goro_lockcheck_held(const void **ret_last) WEAK;

/*
 * A switch as such orders nothing between goroutines, or two of them on one thread could never be seen to race: what orders
 * them is told by san_release() and san_acquire(). But in a library that is instrumented itself, the scheduler's own
 * data pass from context to context by the switch, so there it does.
 */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define SWITCH_FLAGS 0u
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define SWITCH_FLAGS 0u
#endif
#ifndef SWITCH_FLAGS
#define SWITCH_FLAGS 1u /* __tsan_switch_to_fiber_no_sync */
#endif

uint32_t goro__san_flags;

void goro__san_init(void)
{
	uint32_t flags = 0;

	if (goro_lockcheck_held)
		flags |= SAN_LOCKS;
	if (__sanitizer_start_switch_fiber && __asan_unpoison_memory_region)
		flags |= SAN_ASAN;
	if (__tsan_switch_to_fiber)
		flags |= SAN_TSAN;
#ifdef HAVE_VALGRIND_VALGRIND_H
	if (RUNNING_ON_VALGRIND)
		flags |= SAN_VALGRIND;
#endif
	store_rlx(&goro__san_flags, flags);
}

void goro__san_m_start(struct m *m)
{
	pthread_attr_t attr;
	void *lo;
	size_t size;

	if (goro__san & SAN_TSAN)
		m->g0_fiber = __tsan_get_current_fiber();
	if ((goro__san & SAN_ASAN) && pthread_getattr_np(pthread_self(), &attr) == 0) {
		pthread_attr_getstack(&attr, &lo, &size);
		m->g0_lo = lo;
		m->g0_size = size;
		pthread_attr_destroy(&attr);
	}
}

void goro__san_attach(struct g *g)
{
	uintptr_t lo = stk_lo(g->stk);
	size_t size = stk_hi(g->stk) - lo;

	g->san_fiber = g->san_fake = NULL;
	if (goro__san & SAN_TSAN)
		g->san_fiber = __tsan_create_fiber(0);
	if (goro__san & SAN_ASAN)
		__asan_unpoison_memory_region((void *)lo, size);
#ifdef HAVE_VALGRIND_VALGRIND_H
	if (goro__san & SAN_VALGRIND)
		g->san_fake = (void *)(uintptr_t)VALGRIND_STACK_REGISTER((void *)lo, (void *)(lo + size));
#endif
}

void goro__san_detach(struct g *g)
{
	if ((goro__san & SAN_TSAN) && g->san_fiber)
		__tsan_destroy_fiber(g->san_fiber);
	g->san_fiber = NULL;
#ifdef HAVE_VALGRIND_VALGRIND_H
	if (goro__san & SAN_VALGRIND)
		VALGRIND_STACK_DEREGISTER((unsigned long)(uintptr_t)g->san_fake);
#endif
}

void goro__san_reuse(struct g *g)
{
	if (goro__san & SAN_ASAN)
		__asan_unpoison_memory_region((void *)stk_lo(g->stk), stk_hi(g->stk) - stk_lo(g->stk));
}

/* Not declared by setjmp.h: with _FORTIFY_SOURCE that one is another function, which mistrusts a jump to another stack. */
_Noreturn void tsan_longjmp(void *buf, int value) __asm__("longjmp");

NO_TSAN void goro__san_abandon(void *tsan_buf)
{
	if (goro__san & SAN_ASAN)
		__asan_handle_no_return();
	if (tsan_buf)
		tsan_longjmp(tsan_buf, 1);
}

NO_TSAN void goro__san_stack_enter(struct san_stack *s, struct g *g, uintptr_t lo, size_t size)
{
	if (goro__san & SAN_ASAN) {
		__asan_unpoison_memory_region((void *)lo, size);
		__sanitizer_start_switch_fiber(&s->fake_below, (void *)lo, size);
	}
#ifdef HAVE_VALGRIND_VALGRIND_H
	if (goro__san & SAN_VALGRIND)
		s->valgrind = VALGRIND_STACK_REGISTER((void *)lo, (void *)(lo + size));
#endif
	if (goro__san & SAN_TSAN) {
		s->fiber_below = __tsan_get_current_fiber();
		s->fiber = g->san_fiber = __tsan_create_fiber(0);
		__tsan_switch_to_fiber(s->fiber, 0);
	}
}

NO_TSAN void goro__san_stack_entered(struct san_stack *s)
{
	if (goro__san & SAN_ASAN)
		__sanitizer_finish_switch_fiber(NULL, &s->below, &s->below_size);
}

NO_TSAN void goro__san_stack_leave(struct san_stack *s)
{
	if (goro__san & SAN_ASAN)
		__sanitizer_start_switch_fiber(NULL, s->below, s->below_size);
}

NO_TSAN void goro__san_stack_left(struct san_stack *s, struct g *g)
{
	if (goro__san & SAN_TSAN) {
		g->san_fiber = s->fiber_below;
		__tsan_switch_to_fiber(s->fiber_below, 0);
		__tsan_destroy_fiber(s->fiber);
	}
	if (goro__san & SAN_ASAN)
		__sanitizer_finish_switch_fiber(s->fake_below, NULL, NULL);
#ifdef HAVE_VALGRIND_VALGRIND_H
	if (goro__san & SAN_VALGRIND)
		VALGRIND_STACK_DEREGISTER(s->valgrind);
#endif
}

/* In a program without the C++ library all threads share this, which nobody writes to. */
static struct cxx_globals no_globals;

bool goro__cxx_is_there(void)
{
	return __cxa_get_globals != NULL;
}

struct cxx_globals *goro__cxx_of_thread(void)
{
	return __cxa_get_globals ? __cxa_get_globals() : &no_globals;
}

NO_TSAN void goro__cxx_leave(struct m *m, struct g *g)
{
	if (g->status != G_FREE) {
		g->run.cxx = *m->cxx;
		g->has_cxx = 1;
	}
	*m->cxx = (struct cxx_globals){ NULL, 0 };
}

NO_TSAN void goro__cxx_arrive(struct m *m, struct g *g)
{
	*m->cxx = g->run.cxx;
	g->has_cxx = 0;
}

/* A destructor may park. */
void goro__cxx_drop(void *caught, unsigned int uncaught)
{
	void *now;

	while ((now = goro__tls_m()->cxx->caught) != NULL && now != caught)
		__cxa_end_catch();
	if (goro__tls_m()->cxx->uncaught != uncaught)
		goro__tls_m()->cxx->uncaught = uncaught;
}

NO_TSAN void goro__san_leave(struct m *m, struct g *from, struct g *to)
{
	if ((goro__san & SAN_LOCKS) && from) {
		const void *last;
		int n = goro_lockcheck_held(&last);

		if (n)
			goro__report_held(from, n, last);
	}
	if (goro__san & SAN_ASAN) {
		void **save = from ? (from->status == G_FREE ? NULL : &from->san_fake) : &m->g0_fake;

		if (to)
			__sanitizer_start_switch_fiber(save, (void *)stk_lo(to->stk), stk_hi(to->stk) - stk_lo(to->stk));
		else
			__sanitizer_start_switch_fiber(save, m->g0_lo, m->g0_size);
	}
	if (goro__san & SAN_TSAN) {
		/* All that goroutines did comes before the return of goro_run(), which acquires this. */
		if (from)
			__tsan_release(&goro__san_flags);
		if (from && from->status == G_FREE)
			__tsan_release((void *)stk_base(from->stk)); /* its stack goes to another, see run_fn() */
		__tsan_switch_to_fiber(to ? to->san_fiber : m->g0_fiber, SWITCH_FLAGS);
	}
}

NO_TSAN void goro__san_arrive(struct m *m, struct g *g)
{
	if (goro__san & SAN_ASAN)
		__sanitizer_finish_switch_fiber(g ? g->san_fake : m->g0_fake, NULL, NULL);
}

/* The user's next descriptor of this number may come from a call that TSan intercepts, so it has to know that this one is gone. */
long goro__san_close(int fd)
{
	if (!(goro__san & SAN_TSAN))
		return sys_close(fd);
	return goro__sys_close_noticed(fd);
}

void __sanitizer_report_error_summary(const char *summary) WEAK;
void __sanitizer_acquire_crash_state(void) WEAK;
void __tsan_init(void) WEAK;
void __tsan_read8(void *addr) WEAK;
void __sanitizer_print_stack_trace(void) WEAK;
void __tsan_tls_initialization(void) WEAK;

#define BEFORE_FIRST (16 << 10)		/* its code below the first of the functions, */
#define BEHIND_LAST 1900		/* and that of the last, at most; */
#define BEHIND_LAST_EXPORTED (25 << 10) /* the last one that a program shows to a shared library */

/*
 * clang links it statically: its objects lie together, and of those functions one is near the beginning and one near the end. What lies around
 * them and is taken for a part of it is preempted later, no worse.
 */
NO_TSAN bool goro__san_inside(void *pc)
{
	const uintptr_t some[] = { (uintptr_t)__sanitizer_report_error_summary, (uintptr_t)__sanitizer_acquire_crash_state, (uintptr_t)__tsan_init,
				   (uintptr_t)__tsan_read8, (uintptr_t)__tsan_release, (uintptr_t)__sanitizer_print_stack_trace,
				   (uintptr_t)__tsan_tls_initialization };
	uintptr_t lo = UINTPTR_MAX, hi = 0;

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		if (some[i] && some[i] < lo)
			lo = some[i];
		if (some[i] > hi)
			hi = some[i];
	}
	return (uintptr_t)pc >= lo - BEFORE_FIRST && (uintptr_t)pc <= hi + (__tsan_tls_initialization ? BEHIND_LAST : BEHIND_LAST_EXPORTED);
}

void goro__san_acquire(const void *addr)
{
	if (goro__san & SAN_TSAN)
		__tsan_acquire((void *)(uintptr_t)addr);
}

void goro__san_release(const void *addr)
{
	if (goro__san & SAN_TSAN)
		__tsan_release((void *)(uintptr_t)addr);
}

void goro__san_wrote(void *addr, size_t len)
{
#ifdef HAVE_VALGRIND_VALGRIND_H
	VALGRIND_MAKE_MEM_DEFINED(addr, len);
#endif
	(void)addr;
	(void)len;
}
