/* SPDX-License-Identifier: MIT */
/*
 * stack.c: where goroutine stacks come from and where they rest.
 *
 * What is asked of it: a million stacks at once on default sysctls, each with a guard; one page of memory for a
 * stack that has only just begun; a nanosecond or two to take one and to give it back.
 *
 * The terms.  An arena is one mapping (NORESERVE: address space costs nothing), cut into slots of one size, a
 * power of two, its class.  A slot is a stack: guard at the bottom, everything above is usable.  Slots are carved
 * from the newest arena of their class in order, in batches, and never go back to it: a stack that is not in use is
 * in the cache of a P (stack.h), or in the pool of its class here.
 *
 * Invariants.
 *   I1. A slot has its guard before anybody can get it, and keeps it until goro__stack_fini().
 *   I2. The pool of a class has room for every slot of the class, so giving a stack back cannot fail.
 *   I3. An arena that is listed never changes; so goro__stack_find() needs no lock and may run in a signal handler.
 *   I4. No system call is made under the lock.  Who carves takes the slots first, who maps raises `growing`, who trims
 *       raises `floor`; the others wait for that by yielding the CPU.
 *
 * Guards (guard.c).  A guard region costs no mapping.  Where the kernel has none, vm.max_map_count ends it at about 32,000
 * stacks, and the error says so.  The guard is 4 KiB for small slots and 1/16 of larger ones up to 64 KiB, against frames
 * that jump it.
 *
 * Limits.  Under RLIMIT_AS, vm.overcommit_memory=2 or mlockall(MCL_FUTURE) address space is not free: arenas start
 * small and grow slowly.  If a mapping fails anyway, half of it is tried, down to one slot.
 *
 * Memory.  A stack that is reused is warm, so it is given out last in, first out, and nothing is unmapped on the way. The
 * pool is an array and not a list through the stacks: a stack whose pages are gone stays so while it waits. When the
 * process is idle for seconds, sysmon calls goro__stack_trim(), which drops the pages of the pool from the cold end.
 *
 * Rejected: a mapping per stack (two mappings each, 6 us); MAP_GROWSDOWN (unbounded, races with neighbours); trimming
 * at each exit (2.4 us and the fault again); huge pages (16 times the memory, hence MADV_NOHUGEPAGE).
 * Figures and sources: kernel-notes/stacks-and-guards.md.
 */
#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "guard.h"
#include "lock.h"
#include "mem.h"
#include "sys.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define ARENAS 1024
#define ARENA_FIRST (64 * MIB)
#define ARENA_MOST (16 * GIB)
#define ARENA_FIRST_LIMITED (4 * MIB)
#define ARENA_MOST_LIMITED (64 * MIB)

#define BATCH 128		/* most slots to carve at once: a caller may hold a channel's lock meanwhile */
#define BATCH_BYTES (32 * MIB)	/* and most address space: a page table page for each 2 MiB */
#define REFILL (STK_MAG_CAP / 2)
#define STK_WORDS (sizeof(struct stk) / sizeof(mem_word))
#define CACHE_KEEP 8		/* stays in a cache that is trimmed */
#define POOL_WARM 64		/* stays warm, that is keeps its top page, in a pool that is trimmed */
#define TRIM_BATCH 128		/* stacks that one goro__stack_trim() drops */

struct arena {
	uintptr_t base, end;
	unsigned cls;
};

struct pool {
	struct lock lock;
	/* All under the lock. */
	uint32_t n;			/* stacks in v */
	uint32_t floor;			/* those below belong to goro__stack_trim() for the moment */
	uint32_t cold;			/* those below have no memory */
	uint32_t cap;			/* room in v, at least `slots`; atomic: goro__stack_trim() looks without the lock */
	uint32_t batch;			/* slots to carve next time */
	bool growing;			/* somebody maps an arena; the others wait */
	struct stk *v;
	uintptr_t next, end;		/* what is left of the newest arena */
	uint64_t slots;			/* in all arenas of the class */
	uint64_t carved;
};

static struct {
	struct pool pool[STK_CLASSES];
	struct arena arenas[ARENAS];
	uint32_t narenas;		/* how many of them are listed; atomic: written under arena_lock, read without */
	struct lock arena_lock;
	bool plain_guards;		/* atomic: the last batch needed no mapping of its own */
	uint8_t policy;			/* atomic: POLICY_... */
	const char *error;		/* atomic */
} stacks = {
	.pool = {[0 ... STK_CLASSES - 1] = {.lock = LOCK_INIT(RANK_STACK)}},
	.arena_lock = LOCK_INIT(RANK_LEAF),
};

enum { POLICY_UNKNOWN, POLICY_FREE, POLICY_LIMITED };

static void set_error(const char *text)
{
	store_rlx(&stacks.error, text);
}

const char *goro__stack_error(void)
{
	const char *text = load_rlx(&stacks.error);

	return text ? text : "no error";
}

static size_t page_size(void)
{
	static size_t cached;		/* atomic; every writer writes the same */
	size_t n = load_rlx(&cached);

	if (unlikely(n == 0)) {
		n = getauxval(AT_PAGESZ);
		store_rlx(&cached, n);
	}
	return n;
}

size_t goro__stack_guard_size(unsigned cls)
{
	size_t guard = (STK_MIN << cls) / 16, page = page_size();

	if (guard > 64 * KIB)
		guard = 64 * KIB;
	return guard > page ? guard : page;
}

int goro__stack_class(size_t bytes)
{
	unsigned cls = 0;

	if (bytes == 0)
		bytes = STK_DEFAULT;
	if (bytes > STK_MAX)
		return -EINVAL;
	while ((STK_MIN << cls) < bytes || (STK_MIN << cls) < 2 * page_size())
		cls++;
	return (int)cls;
}

/* ---- Is address space free here? ---- */

static bool overcommit_never(void)
{
	char c = 0;
	long fd = SYS3(SYS_openat, AT_FDCWD, "/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (sys_read((int)fd, &c, 1) < 1)
		c = 0;
	sys_close((int)fd);
	return c == '2';
}

/* Under mlockall(MCL_FUTURE) a new mapping has its memory at once. */
static bool populated_at_once(void)
{
	unsigned char resident = 0;
	size_t page = page_size();
	long a = sys_mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_is_err(a))
		return true;
	if (SYS3(SYS_mincore, a, page, &resident) < 0)
		resident = 0;
	sys_munmap((void *)a, page);
	return resident & 1;
}

static bool limited(void)
{
	struct rlimit as = {0, 0};
	uint8_t p = load_rlx(&stacks.policy);

	if (likely(p != POLICY_UNKNOWN))
		return p == POLICY_LIMITED;
	p = POLICY_FREE;
	if (SYS4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &as) == 0 && as.rlim_cur != RLIM_INFINITY)
		p = POLICY_LIMITED;
	else if (overcommit_never() || populated_at_once())
		p = POLICY_LIMITED;
	store_rlx(&stacks.policy, p);
	return p == POLICY_LIMITED;
}

/* ---- Arenas ---- */

static bool list_arena(uintptr_t base, size_t len, unsigned cls)
{
	uint32_t n;

	goro__lock(&stacks.arena_lock);
	n = stacks.narenas;
	if (n < ARENAS) {
		stacks.arenas[n] = (struct arena){base, base + len, cls};
		/* [STACK-1] release: pairs with [STACK-2]. Without it the fault handler may read an arena that is not filled in. */
		store_rel(&stacks.narenas, n + 1);
	}
	goro__unlock(&stacks.arena_lock);
	return n < ARENAS;
}

static size_t arena_size(const struct pool *p, unsigned cls)
{
	size_t size = STK_MIN << cls, total = p->slots * size;
	size_t first = limited() ? ARENA_FIRST_LIMITED : ARENA_FIRST;
	size_t most = limited() ? ARENA_MOST_LIMITED : ARENA_MOST;
	size_t len = limited() ? total / 2 : total;

	if (len < first)
		len = first;
	if (len > most)
		len = most;
	return len < size ? size : len & ~(size - 1);
}

static void no_space(void)
{
	set_error(limited() ? "no address space for stacks: RLIMIT_AS (ulimit -v), vm.overcommit_memory=2 or "
			      "locked memory limit it"
			    : "no address space for stacks: mmap failed, see vm.max_map_count and "
			      "vm.overcommit_memory");
}

/* Maps an arena of *len bytes or, if that is too much, half of it and so on. Returns its address, 0 if even one slot fails. */
static uintptr_t map_arena(size_t *len, unsigned cls)
{
	long a;

	for (;;) {
		a = sys_mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (!sys_is_err(a))
			break;
		if (*len <= STK_MIN << cls) {
			no_space();
			return 0;
		}
		*len /= 2;
	}
	/* Both are wishes: a kernel without huge pages or names says EINVAL. */
	sys_madvise((void *)a, *len, MADV_NOHUGEPAGE);
	SYS5(SYS_prctl, 0x53564d41 /* PR_SET_VMA */, 0 /* ANON_NAME */, a, *len, "goro stacks");
	return (uintptr_t)a;
}

/* Gives the class another arena, and its pool room for the new slots. p->growing is ours; the lock is free. */
static int grow(struct pool *p, unsigned cls)
{
	size_t len = arena_size(p, cls), old_bytes;
	uintptr_t base = map_arena(&len, cls);
	uint64_t slots = p->slots + len / (STK_MIN << cls);
	size_t bytes = (slots * sizeof(struct stk) + page_size() - 1) & ~(page_size() - 1);
	void *old;
	long v;

	if (base == 0)
		return -ENOMEM;
	v = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_is_err(v) || !list_arena(base, len, cls)) {
		if (!sys_is_err(v))
			sys_munmap((void *)v, bytes);
		sys_munmap((void *)base, len);
		no_space();
		return -ENOMEM;
	}
	goro__lock(&p->lock);
	old = p->v;
	old_bytes = p->cap * sizeof(struct stk);
	if (old)
		goro__mem_move_words((void *)v, old, p->n * STK_WORDS);
	p->v = (struct stk *)v;
	store_rlx(&p->cap, (uint32_t)(bytes / sizeof(struct stk)));
	p->slots = slots;
	p->next = base;
	p->end = base + len;
	goro__unlock(&p->lock);
	if (old)
		sys_munmap(old, old_bytes);
	return 0;
}

/* ---- Carving: new stacks from the newest arena ---- */

/* How many slots to take now; later more, so that a small program pays for few. Under the lock. */
static unsigned carve_count(struct pool *p, unsigned cls)
{
	size_t size = STK_MIN << cls, left = (p->end - p->next) / size, most = BATCH_BYTES / size;
	unsigned n = p->batch ? p->batch : 16;

	if (n > most)
		n = most ? (unsigned)most : 1;
	p->batch = n < BATCH ? 2 * n : BATCH;
	return n < left ? n : (unsigned)left;
}

static void pool_push(struct pool *p, struct stk s)
{
	p->v[p->n++] = s;
}

/*
 * Sets up n slots from base on, which are ours, and gives the first REFILL of them to the cache and the rest to the pool.
 * Slots whose guards fail return to the arena if nobody has carved since; else they are lost, as address space only.
 */
static int carve(struct stkcache *c, struct pool *p, unsigned cls, uintptr_t base, unsigned n)
{
	struct stkmag *m = &c->mag[cls];
	size_t size = STK_MIN << cls;
	unsigned done, here, i;
	bool plain;
	int err;

	done = goro__guard_slots(base, size, goro__stack_guard_size(cls), n, &plain, &err);
	store_rlx(&stacks.plain_guards, plain);
	if (err < 0)
		set_error(err == -ENOMEM ? "too many mappings: without MADV_GUARD_INSTALL (Linux 6.13) or with locked memory "
					   "each stack needs two; raise vm.max_map_count"
					 : "mprotect of a stack's guard failed");
	here = done < REFILL ? done : REFILL;

	/* The lowest one last, so that it is taken first. */
	for (i = here; i-- > 0;)
		m->v[m->n++] = (struct stk){(base + i * size) | cls};
	goro__lock(&p->lock);
	for (i = done; i-- > here;)
		pool_push(p, (struct stk){(base + i * size) | cls});
	p->carved += done;
	if (done < n && p->next == base + n * size)
		p->next = base + done * size;
	goro__unlock(&p->lock);
	return done ? 0 : -ENOMEM;
}

/* ---- The slow paths of stack.h ---- */

/* Moves up to REFILL stacks from the pool to the cache, hottest last. Under the lock. */
static bool refill(struct stkmag *m, struct pool *p)
{
	uint32_t avail = p->n - p->floor, k = avail < REFILL ? avail : REFILL;

	if (k == 0)
		return false;
	p->n -= k;
	goro__mem_move_words(&m->v[m->n], &p->v[p->n], k * STK_WORDS);
	m->n = (uint16_t)(m->n + k);
	if (p->cold > p->n)
		p->cold = p->n;
	return true;
}

int goro__stack_get_slow(struct stkcache *c, unsigned cls, struct stk *ret)
{
	struct pool *p = &stacks.pool[cls];
	struct stkmag *m = &c->mag[cls];
	uintptr_t base;
	unsigned n;
	int r = 0;

	m->cap = STK_MAG_CAP;
	while (m->n == 0) {
		goro__lock(&p->lock);
		if (refill(m, p)) {
			goro__unlock(&p->lock);
		} else if (p->floor != 0 || p->growing) {
			/* Someone is about to make some available: see I4. */
			goro__unlock(&p->lock);
			sys_sched_yield();
		} else if (p->next < p->end) {
			base = p->next;
			n = carve_count(p, cls);
			p->next = base + n * (STK_MIN << cls);
			goro__unlock(&p->lock);
			r = carve(c, p, cls, base, n);
		} else {
			p->growing = true;
			goro__unlock(&p->lock);
			r = grow(p, cls);
			goro__lock(&p->lock);
			p->growing = false;
			goro__unlock(&p->lock);
		}
		if (r < 0)
			return r;
	}
	*ret = m->v[--m->n];
	return 0;
}

/* Moves the k coldest of a cache to the pool. */
static void spill(struct stkmag *m, unsigned cls, unsigned k)
{
	struct pool *p = &stacks.pool[cls];

	goro__lock(&p->lock);
	goro__mem_move_words(&p->v[p->n], m->v, k * STK_WORDS);
	p->n += k;
	goro__unlock(&p->lock);
	m->n = (uint16_t)(m->n - k);
	goro__mem_move_words(m->v, m->v + k, m->n * STK_WORDS);
}

void goro__stack_put_slow(struct stkcache *c, struct stk s)
{
	struct stkmag *m = &c->mag[stk_class(s)];

	if (m->cap != 0)
		spill(m, stk_class(s), STK_MAG_CAP - REFILL);
	m->cap = STK_MAG_CAP;
	m->v[m->n++] = s;
}

void goro__stack_cache_flush(struct stkcache *c)
{
	for (unsigned cls = 0; cls < STK_CLASSES; cls++)
		if (c->mag[cls].n != 0)
			spill(&c->mag[cls], cls, c->mag[cls].n);
}

void goro__stack_cache_trim(struct stkcache *c)
{
	for (unsigned cls = 0; cls < STK_CLASSES; cls++)
		if (c->mag[cls].n > CACHE_KEEP)
			spill(&c->mag[cls], cls, c->mag[cls].n - CACHE_KEEP);
}

/* ---- Trimming ---- */

/*
 * Drops the pages of v[from] up to v[to], but the top page from v[warm] on. v does not change meanwhile: the floor is
 * above, and nobody grows the pool while there is a floor. Locked memory stays (EINVAL): whoever locks it wants it so.
 */
static void drop_pages(const struct stk *v, uint32_t from, uint32_t to, uint32_t warm)
{
	struct iovec iov[GUARD_VECTOR];
	unsigned n, done;
	int err;

	while (from < to) {
		for (n = 0; n < GUARD_VECTOR && from < to; n++, from++) {
			uintptr_t hi = stk_hi(v[from]) - (from < warm ? 0 : page_size());

			iov[n] = (struct iovec){(void *)stk_lo(v[from]), hi - stk_lo(v[from])};
		}
		for (done = 0; done < n; done += err != 0)
			done += goro__advise(iov + done, n - done, MADV_DONTNEED, &err);
	}
}

static bool trim_class(struct pool *p)
{
	uint32_t from, to, warm;
	const struct stk *v;
	bool more;

	goro__lock(&p->lock);
	from = p->cold;
	if (p->growing || p->floor != 0 || from == p->n) {
		goro__unlock(&p->lock);
		return false;
	}
	warm = p->n > POOL_WARM ? p->n - POOL_WARM : 0;
	to = p->n - from > TRIM_BATCH ? from + TRIM_BATCH : p->n;
	more = to < p->n;
	p->floor = to;
	v = p->v;
	goro__unlock(&p->lock);
	drop_pages(v, from, to, warm);
	goro__lock(&p->lock);
	p->floor = 0;
	p->cold = to;
	goro__unlock(&p->lock);
	return more;
}

bool goro__stack_trim(void)
{
	bool more = false;

	for (unsigned cls = 0; cls < STK_CLASSES; cls++)
		if (load_rlx(&stacks.pool[cls].cap) != 0 && trim_class(&stacks.pool[cls]))
			more = true;
	return more;
}

/* ---- Looking up, counting, the end ---- */

int goro__stack_find(uintptr_t addr, struct stack_info *ret)
{
	/* [STACK-2] acquire: pairs with [STACK-1]; what is listed is filled in. */
	uint32_t n = load_acq(&stacks.narenas);

	for (uint32_t i = 0; i < n; i++) {
		const struct arena *a = &stacks.arenas[i];
		size_t size = STK_MIN << a->cls;

		if (addr < a->base || addr >= a->end)
			continue;
		ret->base = a->base + ((addr - a->base) & ~(size - 1));
		ret->lo = ret->base + goro__stack_guard_size(a->cls);
		ret->hi = ret->base + size;
		ret->size = size;
		ret->in_guard = addr < ret->lo;
		return 0;
	}
	return -ENOENT;
}

void goro__stack_stats(struct stack_stats *ret)
{
	*ret = (struct stack_stats){.arenas = load_acq(&stacks.narenas) /* [STACK-2] */,
				    .guard_regions = load_rlx(&stacks.plain_guards)};
	for (unsigned cls = 0; cls < STK_CLASSES; cls++) {
		struct pool *p = &stacks.pool[cls];

		goro__lock(&p->lock);
		ret->reserved += p->slots * (STK_MIN << cls);
		ret->carved += p->carved;
		ret->pooled += p->n;
		ret->trimmed += p->cold;
		goro__unlock(&p->lock);
	}
}

void goro__stack_fini(void)
{
	for (uint32_t i = 0; i < stacks.narenas; i++)
		sys_munmap((void *)stacks.arenas[i].base, stacks.arenas[i].end - stacks.arenas[i].base);
	for (unsigned cls = 0; cls < STK_CLASSES; cls++) {
		struct pool *p = &stacks.pool[cls];

		if (p->v)
			sys_munmap(p->v, p->cap * sizeof(struct stk));
		*p = (struct pool){.lock = LOCK_INIT(RANK_STACK)};
	}
	stacks.narenas = 0;
	stacks.policy = POLICY_UNKNOWN;
	stacks.error = NULL;
}
