/* SPDX-License-Identifier: MIT */
/*
 * fd.c: the descriptor table: who is inside a call on a descriptor, and closing it under them. Layer 7.
 *
 * A descriptor is a plain int that the program may have got anywhere, so the table is by number and an entry exists for each
 * number from its first use on: two levels, chunks that are mapped on demand and never move.
 *
 * The question it answers is when close(2) may be called. A call that has read its argument and is about to enter the kernel must not find
 * that the number now names another file; and a request in the kernel holds the file, so close(2) alone neither ends it nor
 * tells its goroutine. Hence goro_close():
 *
 *	a call				goro_close()
 *	1 [FD-1] count itself in	1 [FD-2] set FD_CLOSING; new calls get -EBADF
 *	2 closing? count out, -EBADF	2 under the lock: cancel the listed operations, say who waits
 *	3 list its operation		3 wait until nobody is inside; [FD-4] the last one out wakes it
 *	  (closing? -ECANCELED)		4 FD_CLOSING becomes FD_COMMITTED; forget what was known of it
 *	4 unlist, count out [FD-3]	5 close(2)
 *					6 clear FD_COMMITTED
 *
 * Invariants:
 *   F1 while a call is counted in, the number names the same file, if the program closes by goro_close() only.
 *   F2 an operation is listed from before it is begun until its goroutine has seen its end; so who holds the lock may cancel it.
 *   F3 the kernel may give the number to somebody else before step 6, who may already use it: a call that finds FD_COMMITTED waits for
 *	step 6, a system call away, instead of failing. A call on the old descriptor that comes this late gets the kernel's answer.
 *   F4 what an entry says about the kind of file is a hint. After a plain close(2) behind our back it is stale, and the
 *	kernel's answer (ENOTSOCK and the like) corrects it; no decision that could lose or mix up data rests on it.
 *
 * Rejected: an object of our own per descriptor (Go's *FD): then setsockopt() and friends, and every other library, would need it
 * unwrapped and F1 would be lost anyway. A generation in the public int: it would be no descriptor.
 */
#include "fd.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "atomic.h"
#include "blocking.h"
#include "context.h"
#include "op.h"
#include "park.h"
#include "sys.h"

#define CHUNK 1024
#define NCHUNKS 4096 /* four million descriptors; the usual limit of a process, fs.nr_open, is one million */

static struct fdent *table[NCHUNKS]; /* atomic; NULL or constant */
static struct lock table_lock = LOCK_INIT(RANK_LEAF);

static COLD struct fdent *make_chunk(uint32_t c)
{
	struct fdent *chunk;
	long mem;

	goro__lock(&table_lock);
	chunk = load_rlx(&table[c]);
	if (!chunk) {
		mem = sys_mmap(NULL, CHUNK * sizeof(struct fdent), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!sys_is_err(mem)) {
			chunk = (struct fdent *)mem;
#ifdef GORO_DEBUG
			for (int i = 0; i < CHUNK; i++)
				lock_init(&chunk[i].lock, RANK_FD);
#endif
			/* [FD-5] release: pairs with [FD-6]. Without it a reader may find the lock's rank unset. */
			store_rel(&table[c], chunk);
		}
	}
	goro__unlock(&table_lock);
	return chunk;
}

/* The entry of fd, made if need be; NULL without memory. fd is in range. */
static inline struct fdent *entry(int fd)
{
	struct fdent *chunk = load_acq(&table[fd / CHUNK]); /* [FD-6] acquire: pairs with [FD-5] */

	if (unlikely(!chunk)) {
		chunk = make_chunk((uint32_t)fd / CHUNK);
		if (!chunk)
			return NULL;
	}
	return &chunk[fd % CHUNK];
}

struct fdent *goro__fd_entry(int fd)
{
	return fd >= 0 && fd < CHUNK * NCHUNKS ? entry(fd) : NULL;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Calls */

int goro__fd_enter(struct m **mp, int fd, struct fdent **ret)
{
	struct fdent *e;
	uint32_t w;

	if (unlikely(fd < 0 || fd >= CHUNK * NCHUNKS))
		return -EBADF;
	e = entry(fd);
	if (unlikely(!e))
		return -ENOMEM;
	for (;;) {
		/* [FD-1] seq_cst: pairs with [FD-2]: either we see that it is closing or goro_close() sees us inside. */
		w = add_seq(&e->word, 1);
		if (likely((w & (FD_CLOSING | FD_COMMITTED)) == 0)) {
			*ret = e;
			return 0;
		}
		goro__fd_leave(*mp, e);
		if (!(w & FD_COMMITTED))
			return -EBADF;
		*mp = goro__yield(*mp);
	}
}

void goro__fd_leave(struct m *m, struct fdent *e)
{
	struct g *g;

	/* [FD-3] seq_cst: pairs with [FD-4]. What we did with the descriptor is done before goro_close() goes on. */
	if (likely(add_seq(&e->word, -1u) != FD_CLOSING))
		return;
	goro__lock(&e->lock);
	g = e->closer;
	goro__unlock(&e->lock);
	if (g)
		goro__notify(m, g);
}

int goro__fd_adopt(struct m **mp, int fd, enum fd_kind kind, uint8_t hint)
{
	struct fdent *e = fd < CHUNK * NCHUNKS ? entry(fd) : NULL;

	if (unlikely(!e)) {
		sys_close(fd);
		return -ENOMEM;
	}
	/* Its last owner may still be on his way from close(2) to clearing the bit. */
	while (load_acq(&e->word) & FD_COMMITTED) /* [FD-8] acquire: pairs with [FD-7] */
		*mp = goro__yield(*mp);
	store_rlx(&e->kind, (uint8_t)kind);
	store_rlx(&e->hint, hint);
	return 0;
}

void goro__fd_link(struct fdent *e, struct op *op)
{
	op->next = e->ops;
	op->link = &e->ops;
	if (op->next)
		op->next->link = &op->next;
	e->ops = op;
}

void goro__fd_unlink(struct op *op)
{
	*op->link = op->next;
	if (op->next)
		op->next->link = op->link;
}

/* ---------------------------------------------------------------------------------------------------- */
/* Closing */

/* Steps 1 and 2: 0, -EBADF if somebody else is closing it, -EAGAIN if he is almost done. */
static int begin_close(struct m *m, struct fdent *e)
{
	uint32_t w;

	goro__lock(&e->lock);
	w = load_rlx(&e->word);
	if (w & (FD_CLOSING | FD_COMMITTED)) {
		goro__unlock(&e->lock);
		return w & FD_COMMITTED ? -EAGAIN : -EBADF;
	}
	e->closer = goro__self(m);
	or_seq(&e->word, FD_CLOSING); /* [FD-2] seq_cst: pairs with [FD-1] */
	for (struct op *op = e->ops; op; op = op->next)
		goro__op_cancel(m, e, op, OP_BY_CLOSE);
	goro__unlock(&e->lock);
	return 0;
}

/* Steps 3 and 4. */
static struct m *wait_alone(struct m *m, struct fdent *e)
{
	for (;;) {
		uint32_t w = FD_CLOSING;

		/* [FD-4] seq_cst: pairs with [FD-3]: either we see that the last one is out or he sees who waits. */
		if (cas_seq(&e->word, &w, FD_COMMITTED))
			break;
		m = goro__park_token(m, WAIT_IO_CLOSE);
	}
	goro__lock(&e->lock);
	e->closer = NULL;
	goro__unlock(&e->lock);
	return m;
}

int goro__fd_close(struct m **mp, int fd)
{
	struct m *m = *mp;
	struct fdent *e;
	bool slow;
	long r;

	if (fd < 0 || fd >= CHUNK * NCHUNKS)
		return -EBADF;
	e = entry(fd);
	if (!e)
		return -ENOMEM;
	while ((r = begin_close(m, e)) == -EAGAIN)
		m = goro__yield(m);
	if (r == 0) {
		m = wait_alone(m, e);
		/* A file's last close may write it back (network file systems); a socket's does not wait unless it lingers. */
		slow = load_rlx(&e->kind) == FD_FILE;
		store_rlx(&e->kind, FD_UNKNOWN);
		store_rlx(&e->hint, 0);
		if (slow)
			goro__block_begin(m, WAIT_IO_CLOSE);
		r = unlikely(goro__san) ? goro__san_close(fd) : sys_close(fd);
		/* [FD-7] release: pairs with [FD-8] and [FD-1]: who gets the number next finds the entry clean. */
		and_seq(&e->word, ~FD_COMMITTED);
		if (slow)
			m = goro__block_end();
	}
	*mp = m;
	/* Linux has closed it even when it says EINTR. */
	return r == -EINTR ? 0 : (int)r;
}

/* ---------------------------------------------------------------------------------------------------- */
/* The rest */

/*
 * Drops the calls of goroutines, which will never run again: each of them is listed, for it parked in one. Foreign threads
 * are still in theirs, and one that waits in goro_close() may now go on.
 */
static void reset_entry(struct m *m, struct fdent *e)
{
	struct g *closer;
	uint32_t gone = 0, w;

	goro__lock(&e->lock);
	for (struct op *op = e->ops, *next; op; op = next) {
		next = op->next;
		if (op->wakefd < 0) {
			goro__fd_unlink(op);
			gone++;
		}
	}
	closer = e->closer;
	if (closer && !(closer->flags & G_FOREIGN)) {
		and_seq(&e->word, ~FD_CLOSING);
		closer = e->closer = NULL;
	}
	w = add_seq(&e->word, -gone);
	goro__unlock(&e->lock);
	if (closer && w == FD_CLOSING)
		goro__notify(m, closer);
}

void goro__fds_reset(struct m *m)
{
	for (uint32_t c = 0; c < NCHUNKS; c++) {
		struct fdent *chunk = load_acq(&table[c]); /* [FD-6] */

		for (int i = 0; chunk && i < CHUNK; i++)
			if (load_rlx(&chunk[i].word) != 0)
				reset_entry(m, &chunk[i]);
	}
}

int goro__fd_classify(int fd)
{
	struct stat st;
	int type;
	socklen_t len = sizeof(type);
	long r = SYS5(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len);

	if (r == 0)
		return FD_SOCKET;
	if (r != -ENOTSOCK)
		return (int)r;
	r = SYS2(SYS_fstat, fd, &st);
	if (r < 0)
		return (int)r;
	return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode) ? FD_FILE : FD_POLLABLE;
}
