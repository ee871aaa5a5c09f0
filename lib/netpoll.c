/* SPDX-License-Identifier: MIT */
/*
 * netpoll.c: which backend. Layer 7.
 *
 * io_uring if a NOP went through a ring here, else epoll, and the reason is kept for whoever asks. Forced by the
 * configuration, or failing that by GORO_BACKEND: then there is no second choice, and the probe's error is the caller's.
 */
#include "netpoll.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <goro/runtime.h>

#include "fd.h"
#include "probe.h"

const struct netpoll *goro__netpoll;
const char *goro__netpoll_reason;

#ifdef GORO_HAVE_URING
static int try_uring(void)
{
	int r = goro__probe_result(FEAT_URING);

	return r == 1 ? goro__ring_begin() : r == 0 ? -ENOSYS : r;
}

static const char *why_not(int err)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return "io_uring is forbidden here (EPERM: seccomp, or kernel.io_uring_disabled)";
	case -ENOSYS:
		return "this kernel has no io_uring, or one that is too old (ENOSYS)";
	case -ENOMEM:
		return "no memory for an io_uring (ENOMEM)";
	case -EMFILE:
	case -ENFILE:
		return "no descriptor for an io_uring (EMFILE)";
	case -ECANCELED:
		return "io_uring is switched off by GORO_DISABLE_FEATURES";
	default:
		return "a trial of io_uring failed";
	}
}
#else
static int try_uring(void)
{
	return -ENOSYS;
}

static const char *why_not(int err)
{
	(void)err;
	return "this library is built without io_uring";
}
#endif

static int take(const struct netpoll *np, const char *reason)
{
	goro__netpoll = np;
	goro__netpoll_reason = reason;
	return 0;
}

static int take_uring(const char *reason)
{
#ifdef GORO_HAVE_URING
	return take(&goro__uring, reason);
#else
	(void)reason;
	return -ENOSYS;
#endif
}

/* User context. */
int goro__netpoll_choose(unsigned want)
{
	const char *reason = "forced by goro_config.backend", *env;
	int err;

	if (want == GORO_BACKEND_AUTO) {
		env = getenv("GORO_BACKEND");
		reason = "forced by GORO_BACKEND";
		if (env && strcmp(env, "uring") == 0)
			want = GORO_BACKEND_URING;
		else if (env && strcmp(env, "epoll") == 0)
			want = GORO_BACKEND_EPOLL;
		else if (env && *env)
			return -EINVAL;
	}
	if (want == GORO_BACKEND_EPOLL)
		return take(&goro__epoll, reason);
	err = try_uring();
	if (want == GORO_BACKEND_URING)
		return err ? err : take_uring(reason);
	return err ? take(&goro__epoll, why_not(err)) : take_uring("a trial of io_uring succeeded");
}

/* User context. */
void goro__netpoll_forget(void)
{
	struct m *m = rt_enter();

	goro__fds_reset(m);
	rt_exit(m);
}

void goro__netpoll_done(void)
{
#ifdef GORO_HAVE_URING
	if (goro__netpoll == &goro__uring)
		goro__ring_end();
#endif
	goro__netpoll = NULL;
	goro__netpoll_reason = NULL;
}
