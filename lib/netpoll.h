/* SPDX-License-Identifier: MIT */
/*
 * netpoll.h: what the scheduler and the operations ask of an I/O backend. Layer 6; implemented in layer 7 (ring.c, epoll.c).
 *
 * There is one backend per run, chosen by goro__netpoll_choose() and then constant. Its state hangs on each P (p->io) and only the
 * M that holds the P calls pending, poll, reserve and start for it; so the hand-over of a P orders them.
 * wake, cancel and overdue may be called from any thread. Poll, drain, and reserve with start run inside of the section of p->io_bias, so that
 * an idle M may poll (without waiting) for a P whose own M computes.
 */
#ifndef LIB_NETPOLL_H
#define LIB_NETPOLL_H

#include <stdbool.h>
#include <stdint.h>

struct fdent;
struct m;
struct op;
struct p;

/* How many goroutines one poll() readies at most; see ring.c. */
#define POLL_BATCH 96

struct netpoll {
	const char *name;

	/*
	 * true: the kernel carries operations out (io_uring). false: it only tells when one is worth trying (epoll), and
	 * op.c makes the system call itself.
	 */
	bool completes;

	/* Sets up and takes down what a P needs. 0 or negative errno. On the thread that calls goro_run(), or sysmon's. */
	int (*p_init)(struct p *p);
	void (*p_fini)(struct p *p);

	/* Must an idle P sleep in poll() (something is queued or in flight), or may it sleep on its futex? Owner only. */
	bool (*pending)(struct p *p);

	/*
	 * Submits what is queued, takes completions and readies whom they concern (goro__notify() on g0). Waits until the
	 * deadline (absolute ns; GORO_FOREVER; 0: do not wait) for at least one, or for a wake; may return early for no
	 * reason. Returns how many it readied. Owner only, on g0.
	 */
	int (*poll)(struct m *m, struct p *p, int64_t deadline);

	/* Ends a poll() that waits on p, or makes the next one return at once. Any thread. */
	void (*wake)(struct p *p);

	/* Does something wait, to be submitted or taken, that the holder of p has not looked at? A hint. Any thread. */
	bool (*overdue)(struct p *p);

	/*
	 * Shutdown: cancels everything in flight on p, and returns once the kernel touches no buffer any more; completions
	 * ready nobody from now on. Owner only, on g0.
	 */
	void (*drain)(struct m *m, struct p *p);

	/* Is an operation queued on p that goes to the kernel with the next poll()? Owner only. NULL: never. */
	bool (*queued)(struct p *p);

	/* Makes room for one operation. 0; -EAGAIN: let others run and ask again; or another negative errno. Owner only. */
	int (*reserve)(struct m *m, struct p *p);

	/*
	 * Begins op on m's P; reserve() has succeeded and nothing came between. e, if not NULL, lists op already and is locked.
	 * 0, or negative errno and op was not begun. Owner only.
	 */
	int (*start)(struct m *m, struct fdent *e, struct op *op);

	/*
	 * Asks for op to end early. It still ends by its completion, as a success if that won. op must be
	 * begun and must not return meanwhile: e is locked, or (e == NULL) the caller is op's own goroutine. Any thread.
	 */
	void (*cancel)(struct m *m, struct fdent *e, struct op *op);
};

extern const struct netpoll *goro__netpoll; /* constant while the runtime runs, NULL otherwise */
extern const char *goro__netpoll_reason;

/*
 * Chooses by probing with real operations; forced by want (GORO_BACKEND_...), else by the environment variable GORO_BACKEND.
 * Sets the two above. 0, or the probe's negative errno if a forced one does not work (-EINVAL: GORO_BACKEND names none).
 */
int goro__netpoll_choose(unsigned want);

/*
 * After the last drain and before the first p_fini: forgets the calls that goroutines were inside of, so that no plain thread's
 * goro_close() finds them any more. Plain threads stay in theirs.
 */
void goro__netpoll_forget(void);
void goro__netpoll_done(void); /* after the last p_fini */

extern const struct netpoll goro__epoll;
#ifdef GORO_HAVE_URING
extern const struct netpoll goro__uring;

/* What all rings share: the way to wake one. 0 or negative errno. Before the first and after the last ring. */
int goro__ring_begin(void);
void goro__ring_end(void);
#endif

#endif
