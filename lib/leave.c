/* SPDX-License-Identifier: MIT */
/*
 * leave.c: the end of the runtime, for threads that are in the middle of a goroutine.
 *
 * When the main goroutine has returned the others stop where they are. One that is parked has left its thread already. The thread of one that computes,
 * that was preempted, or that is blocked in the kernel has to be got out of it: goro_run() joins it. So while the runtime stops, sysmon
 * sends each such thread the preemption signal every tenth of a millisecond, and the handler abandons the goroutine: it switches to g0, and the frames above
 * are never gone back to. What the goroutine holds it holds for ever, as a parked one does.
 *
 * That must not be malloc()'s lock or stdio's, or the program could do nothing afterwards. So a thread that is stopped inside of the C library, the
 * loader or an allocator goes on instead and is asked again; most are out of there within microseconds. One that is still there after
 * TRIES times is abandoned all the same; after BLOCKED_TRIES, a millisecond apart, if it is in a system call each time, for instance in read(). In a
 * statically linked program everything is one object; nothing can be told apart there, and each is left where it is met.
 *
 * Whoever enters the runtime meanwhile leaves there (rt_enter()): that is always a good place.
 *
 * Rejected: pthread_cancel() (runs cleanup handlers of code that did not expect it, and gets nobody out of a computation); leaving the threads
 * stopped for ever (the same locks are lost, and the threads with them).
 */
#include "leave.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <ucontext.h>

#include "sched.h"
#include "switch.h"
#include "sys.h"

#define TRIES 10000
#define BLOCKED_TRIES 50

#if defined(__x86_64__)
# define UC_PC(uc) ((void *)(uc)->uc_mcontext.gregs[REG_RIP])
#else
# define UC_PC(uc) ((void *)(uc)->uc_mcontext.pc)
#endif

/* The C library's lock-free table of objects, since 2.35; safe in signal handlers. */
#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object
#endif

/* Not strncmp(), which ThreadSanitizer intercepts: see inside_tsan() in preempt.c. */
static NO_TSAN bool begins_with(const char *s, const char *prefix)
{
	while (*prefix && *s == *prefix) {
		s++;
		prefix++;
	}
	return *prefix == 0;
}

static NO_TSAN const char *last_part(const char *path)
{
	const char *last = path;

	for (; *path; path++)
		if (*path == '/')
			last = path + 1;
	return last;
}

/* Is pc inside of an object whose locks the program cannot do without? */
NO_TSAN bool goro__in_library(void *pc)
{
#ifdef DLFO_STRUCT_HAS_EH_DBASE
	static const char *const names[] = { "libc.so", "libc-", "ld-linux", "libjemalloc", "libtcmalloc", "libmimalloc", "libpthread",
					     "libasan", "libtsan" };
	struct dl_find_object o;
	const char *name;

	if (!_dl_find_object || _dl_find_object(pc, &o) != 0 || !o.dlfo_link_map || !o.dlfo_link_map->l_name)
		return false;
	name = last_part(o.dlfo_link_map->l_name);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (begins_with(name, names[i]))
			return true;
#else
	(void)pc;
#endif
	return false;
}

/* Is pc behind the instruction that enters the kernel, or, if the call will be made again (SA_RESTART), at it? */
static bool in_system_call(const void *pc)
{
#if defined(__x86_64__)
	const uint8_t *b = pc;

	return (b[-2] == 0x0f && b[-1] == 0x05) || (b[0] == 0x0f && b[1] == 0x05);
#else
	const uint32_t *i = pc;

	return i[-1] == 0xd4000001 || i[0] == 0xd4000001;
#endif
}

NO_TSAN void *goro__uc_pc(void *uc)
{
	return UC_PC((ucontext_t *)uc);
}

static bool try_again(struct m *m, void *pc)
{
	if (!goro__in_library(pc) && !goro__san_inside(pc))
		return false;
	m->tries++;
	if (in_system_call(pc))
		store_rlx(&m->blocked_tries, m->blocked_tries + 1);
	return m->tries < TRIES && m->blocked_tries < BLOCKED_TRIES;
}

/*
 * sysmon may be about to take our P: it looked at m->in_runtime before we set it, and gives the P away under the lock. Had we left with it, two
 * threads would have drained one ring. Behind the lock m->p stays as it is.
 */
static void settle(struct m *m)
{
	if (load_rlx(&m->look) == 0) /* [RETAKE-1] */
		return;
	goro__lock(&sched->lock);
	goro__unlock(&sched->lock);
}

void goro__leave(struct m *m, void *uc)
{
	struct g *g = m->curg;

	settle(m);
	if (uc && try_again(m, UC_PC((ucontext_t *)uc))) {
		/* It goes on until it enters the runtime or until the next signal; without a P, if it had none. */
		if (!m->p)
			or_seq(&m->look, LOOK_TAKEN);
		return;
	}
	g->flags |= G_PINNED;
	g->sp = NULL; /* nobody walks what it leaves */
	m->post = POST_NONE;
	store_rlx(&m->curg, NULL);
	store_rlx(&m->in_runtime, 1);
	/* The kernel's sigset_t is 8 bytes; the C library's begins with them. */
	if (uc)
		SYS4(SYS_rt_sigprocmask, SIG_SETMASK, &((ucontext_t *)uc)->uc_sigmask, NULL, 8);
	cxx_leave(m, g);
	san_leave(m, g, NULL);
	goro__switch(&m->abandoned, m->g0_sp, m);
	__builtin_unreachable();
}
