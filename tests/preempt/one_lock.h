/* SPDX-License-Identifier: MIT */
/* one_lock.h: a malloc() with one lock for all, which replaces that of the program. Linked into programs that want it, not a library. */
#ifndef ONE_LOCK_H
#define ONE_LOCK_H

/* How it behaves; all atomic. */
struct one_lock {
	int there;	/* it is in use at all */
	int busy_loops; /* of each call, with the lock held */
	int hold;	/* the next call keeps the lock, */
	int holding;	/* says so here, */
	int let_go;	/* and spins until this is set */
};

extern struct one_lock one_lock;

#endif
