/* SPDX-License-Identifier: MIT */
/*
 * netpoll.h: what the scheduler asks of an I/O backend. Layer 6; implemented in layer 7 (ring.c, epoll.c).
 *
 * There is one backend per run, chosen by goro__netpoll_choose() and then constant. Its state hangs on each P (p->io) and only the
 * M that holds the P calls submit or poll for it, on g0; so the hand-over of a P orders them. wake alone may be called from any thread.
 */
#ifndef LIB_NETPOLL_H
#define LIB_NETPOLL_H

#include <stdbool.h>
#include <stdint.h>

struct m;
struct p;

struct netpoll {
	const char *name;

	/* Sets up and takes down what a P needs. 0 or negative errno. On the thread that calls goro_run(), or sysmon's. */
	int (*p_init)(struct p *p);
	void (*p_fini)(struct p *p);

	/* Must an idle P sleep in poll() (something is queued or in flight), or may it sleep on its futex? Owner only. */
	bool (*pending)(struct p *p);

	/*
	 * Submits what is queued, takes completions and readies whom they concern (goro__ready() or goro__notify() on g0). Waits until the
	 * deadline (absolute ns; GORO_FOREVER; 0: do not wait) for at least one, or for a wake. Returns how many it readied.
	 * Owner only, on g0.
	 */
	int (*poll)(struct m *m, struct p *p, int64_t deadline);

	/* Ends a poll() that waits on p, or makes the next one return at once. Any thread. */
	void (*wake)(struct p *p);

	/*
	 * Shutdown: cancels everything in flight on p, and returns once the kernel touches no buffer any more; completions
	 * ready nobody from now on. Owner only, on g0.
	 */
	void (*drain)(struct m *m, struct p *p);
};

extern const struct netpoll *goro__netpoll; /* constant while the runtime runs */
extern const char *goro__netpoll_reason;

/*
 * Chooses by probing with real operations; forced by want (GORO_BACKEND_...), else by the environment variable GORO_BACKEND.
 * Sets the two above. 0, or the probe's negative errno if a forced one does not work.
 */
int goro__netpoll_choose(unsigned want);
void goro__netpoll_done(void); /* after the last p_fini */

#endif
