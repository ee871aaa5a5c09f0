/* SPDX-License-Identifier: MIT */
/*
 * select.c: waiting for one of several channels.
 *
 * Concepts. A select that must wait has a waiter (chan.h) in the list of each of its channels, and one word, sel->fired, that decides which
 * of them counts: wakers come under different locks, so the first to change it from 0 has won, and whoever finds it changed
 * drops the waiter and looks at the next one in his list. The rest of the protocol is the same for anything that could be
 * waited for: an event source needs (a) a test whether it is ready, (b) a list of waiters under a lock, (c) sel_take() before it serves one
 * and waiter_wake() afterwards. Timers and contexts deliver through channels. Descriptors have no list of waiters; how they come in is told in
 * select_fd.c, to which a select goes that names one.
 *
 * The passes:
 *   1 look at all cases without a lock, take one of those that seem ready by chance, lock its channel alone and try.
 *   2 nothing seemed ready, or another was faster: lock all channels in the order of their addresses, each once, and look again. If
 *     some are ready, unlock the others and do one; if the caller does not wait, unlock all and say so.
 *   3 else list a waiter for each case, unlock all, and park by token until sel->done, or the deadline.
 *   4 unlist the waiters that are still listed, one channel lock at a time.
 *
 * Invariants:
 *   I1 the answer "none is ready" is true of one moment: all locks are held in pass 2. (Looking at one after the other is not enough:
 *      between two looks the first may become ready and the second cease to be, and never both be blocked.)
 *   I2 no event between pass 2 and the park is lost: the waiters are listed under the same hold of all locks, and from then on
 *      each waker finds one, wins sel->fired and notifies; a token that comes before the park makes the park return (park.c, I4).
 *   I3 sel->fired goes from 0 to one value, once: by a waker [SELECT-1] or by the select's own expiry [SELECT-2].
 *   I4 the winner may use the waiter and the element until he sets sel->done; the select leaves pass 3 only after done, or after
 *      it has won itself. The loser touches the waiter only under the channel's lock, as it takes it off the list, and pass 4 takes
 *      that lock after him. So no waiter is touched when goro_select() has returned.
 *   I5 the notification may come late, after the select is over: tokens allow that (park.c, I5). Waits for sel->done loop.
 *
 * Why not park under the locks, as Go does? goro__park() releases one lock when the context is saved; here are n, and a waker that
 * finds the waiter is not held off by them for long enough: so the token, which needs no lock. It costs two more locked instructions,
 * on the way of those who really wait.
 *
 *	select				waker on channel a			waker on channel b
 *	lists on a and b, unlocks
 *					takes a's waiter off, fired = a
 *									takes b's waiter off, loses: next in the list
 *	parks (or not yet)		copies, done = 1, notifies
 *	sees done, locks b: not listed; locks a: not listed; returns
 *
 *	expires: fired = EXPIRED
 *					takes a's waiter off, loses: nobody was served, the sender goes on looking
 *	unlists; returns -ETIMEDOUT: no element was taken or lost
 *
 * Fairness. Each look counts the ready cases and keeps the k-th with probability 1/k, so each of r ready ones is taken with
 * probability 1/r, with r - 1 random numbers and no permutation of the cases (Go shuffles n indexes for each select). Between two
 * selects nothing is remembered.
 *
 * Two waiters of one select on the same channel are two entries of its list; a channel that stands in several cases is
 * locked once. A select never meets itself: its waiters are listed after its last look.
 *
 * Cost: a select of which a case is ready takes one lock. One that waits takes each lock twice. Up to SELECT_ON_STACK cases nothing
 * is allocated, beyond that 80 bytes a case come from malloc, in user context: a select of 1,000 cases runs on the smallest
 * stack. (If the main goroutine returns while such a select waits, its memory is not given back: goroutines stop where they are.)
 */
#include "select.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <goro/time.h>

#include "clock.h"
#include "mem.h"
#include "rand.h"

/* Fills the list of distinct channels by address. Shell's sort: short, in place, and never quadratic. */
void goro__select_order(struct selection *s)
{
	struct place *p = s->places;
	unsigned n = 0, u = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (is_live(&s->cases[i]))
			p[n++].order = s->cases[i].chan;
	for (unsigned gap = n < 8 ? 1 : n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
		for (unsigned i = gap; i < n; i++) {
			struct goro_chan *c = p[i].order;
			unsigned j = i;

			for (; j >= gap && (uintptr_t)p[j - gap].order > (uintptr_t)c; j -= gap)
				p[j].order = p[j - gap].order;
			p[j].order = c;
		}
	for (unsigned i = 0; i < n; i++)
		if (u == 0 || p[u - 1].order != p[i].order)
			p[u++].order = p[i].order;
	s->nlocks = u;
}

void goro__select_lock(struct selection *s)
{
	for (unsigned i = 0; i < s->nlocks; i++)
		goro__lock(&s->places[i].order->lock);
}

/* Unlocks all channels but one, which may be NULL. */
void goro__select_unlock(struct selection *s, struct goro_chan *but)
{
	for (unsigned i = s->nlocks; i-- > 0;)
		if (s->places[i].order != but)
			goro__unlock(&s->places[i].order->lock);
}

void goro__select_forget(struct undo *u)
{
	struct selection *s = container_of(u, struct selection, undo);

	for (unsigned i = 0; i < s->n; i++)
		goro__waiter_forget(&s->places[i].w);
	goro__mem_free(s->heap);
}

void goro__select_list(struct m *m, struct selection *s)
{
	s->sel.fired = 0;
	s->sel.done = 0;
	s->undo.fn = goro__select_forget;
	goro__undoes(goro__self(m), &s->undo);
	for (unsigned i = 0; i < s->n; i++) {
		struct goro_case *k = &s->cases[i];
		struct waiter *w = &s->places[i].w;

		if (!is_live(k)) {
			w->listed = false;
			continue;
		}
		w->elem = k->elem;
		w->g = goro__self(m);
		w->sel = &s->sel;
		w->c = k->chan;
		w->index = i + 1;
		w->sends = k->op == GORO_SEND;
		san_release(w);
		waitq_append(w->sends ? &k->chan->sendq : &k->chan->recvq, w);
	}
}

void goro__select_unlist(struct m *m, struct selection *s)
{
	goro__undoes(goro__self(m), NULL);
	for (unsigned i = 0; i < s->n; i++) {
		struct goro_case *k = &s->cases[i];
		struct waiter *w = &s->places[i].w;

		if (!is_live(k) || load_rlx(&s->sel.fired) == w->index)
			continue;
		goro__lock(&k->chan->lock);
		if (w->listed)
			waitq_remove(w->sends ? &k->chan->sendq : &k->chan->recvq, w);
		goro__unlock(&k->chan->lock);
	}
}

/* Pass 3: waits until a waker has done a case, or the deadline has passed and no waker was there first. */
static GORO_PARKS struct m *await(struct m *m, struct selection *s)
{
	int64_t deadline = s->deadline;

	/* [SELECT-4] acquire: pairs with [SELECT-3]. Without it the element may be read before it is written. */
	while (load_acq(&s->sel.done) == 0) {
		uint32_t none = 0;

		if (likely(deadline < 0)) {
			m = goro__park_token(m, WAIT_SELECT);
			continue;
		}
		if (goro__now() < deadline) {
			m = goro__park_token_until(m, WAIT_SELECT, deadline);
			continue;
		}
		/* [SELECT-2] acq_rel: pairs with [SELECT-1]: a waker and the expiry cannot both win. */
		if (cas_ar(&s->sel.fired, &none, SEL_EXPIRED))
			break;
		deadline = GORO_FOREVER; /* a waker is at work */
	}
	return m;
}

/* Passes 2 to 4, in the runtime. Returns the index of the case and its result in *ret_result, or a negative errno. */
static GORO_PARKS struct m *select_all(struct m *m, struct selection *s, int *ret_index, int *ret_result)
{
	uint32_t ready;
	int i;

	goro__select_order(s);
	for (;;) {
		goro__select_lock(s);
		i = look(m, s->cases, s->n, &ready);
		if (i < 0)
			break;
		goro__select_unlock(s, s->cases[i].chan);
		*ret_index = i;
		*ret_result = step(m, &s->cases[i]);
		if (*ret_result != -EAGAIN)
			return m;
		/* What seemed to wait there had been served elsewhere, and is off the list now. */
		goro__unlock(&s->cases[i].chan->lock);
	}
	if (s->deadline >= 0 && (s->deadline == GORO_NOW || s->deadline <= goro__now())) {
		goro__select_unlock(s, NULL);
		*ret_index = s->deadline == GORO_NOW ? -EAGAIN : -ETIMEDOUT;
		return m;
	}
	goro__select_list(m, s);
	goro__select_unlock(s, NULL);
	m = await(m, s);
	goro__select_unlist(m, s);
	if (load_rlx(&s->sel.fired) == SEL_EXPIRED) {
		*ret_index = -ETIMEDOUT;
		return m;
	}
	*ret_index = (int)load_rlx(&s->sel.fired) - 1;
	san_acquire(&s->places[*ret_index].w);
	*ret_result = s->places[*ret_index].w.result;
	return m;
}

static NOINLINE int select_small(struct m *m, struct goro_case *cases, unsigned n, int64_t deadline)
{
	struct place places[SELECT_ON_STACK];
	struct selection s = { .cases = cases, .n = n, .deadline = deadline, .places = places, .sel.wakefd = -1 };
	int index, result = 0;

	m = select_all(m, &s, &index, &result);
	rt_exit(m);
	return index < 0 ? index : finish(&cases[index], index, result);
}

/* In user context. */
static COLD int select_large(struct goro_case *cases, unsigned n, int64_t deadline)
{
	struct selection s = { .cases = cases, .n = n, .deadline = deadline, .sel.wakefd = -1 };
	int index, result = 0;
	struct m *m;

	s.places = goro__mem_alloc(n * sizeof(struct place));
	s.heap = s.places;
	if (!s.places)
		return -ENOMEM;
	m = rt_enter();
	m = select_all(m, &s, &index, &result);
	rt_exit(m);
	goro__mem_free(s.places);
	return index < 0 ? index : finish(&cases[index], index, result);
}

#define OTHERS INT_MIN /* not a negative errno */

/* Checks the cases: how many can ever fire; -EINVAL; OTHERS: not all of them are of channels. */
static inline int check(const struct goro_case *cases, unsigned n)
{
	int live = 0;

	if (unlikely((n > 0 && !cases) || n > INT_MAX))
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		const struct goro_case *k = &cases[i];

		if (unlikely(k->op > GORO_RECV))
			return OTHERS;
		if (!is_live(k))
			continue;
		if (unlikely(k->op == GORO_SEND && !k->elem && k->chan->elem_size != 0))
			return -EINVAL;
		live++;
	}
	return live;
}

int goro_select(struct goro_case *cases, unsigned n, int64_t deadline)
{
	int live = check(cases, n), i, result;
	uint32_t ready;
	struct m *m;

	if (unlikely(live <= 0))
		return live == OTHERS ? goro__select_mixed(cases, n, deadline) : live < 0 ? live :
		       goro__wait_in_vain(n ? WAIT_SELECT : WAIT_SELECT_NONE, deadline);
	m = rt_enter();
	i = look(m, cases, n, &ready);
	if (likely(i >= 0)) {
		goro__lock(&cases[i].chan->lock);
		result = step(m, &cases[i]);
		if (likely(result != -EAGAIN)) {
			rt_exit(m);
			return finish(&cases[i], i, result);
		}
		goro__unlock(&cases[i].chan->lock);
	} else if (live == 1 && deadline == GORO_NOW) {
		/* One look at one channel is of one moment. */
		rt_exit(m);
		return -EAGAIN;
	}
	if (likely(n <= SELECT_ON_STACK))
		return select_small(m, cases, n, deadline);
	rt_exit(m);
	return select_large(cases, n, deadline);
}
