/* SPDX-License-Identifier: MIT */
/*
 * stress_context.c: contexts that are cancelled, time out, get children and functions, and are given back, all at once. Each function is called or stopped,
 * never both; GORO_SEED repeats a run.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>

#include "api.h"
#include "t.h"

#define PATIENCE (API_PATIENCE + (int)(api_stress_ns() / GORO_MILLISECOND))

enum { ACTORS = 8, THREADS = 2, SLOTS = 4 };

static struct {
	struct goro_mutex mu;
	struct goro_context *ctx;
} slot[SLOTS];
static uint32_t funcs, ran; /* atomic */
static int64_t until;

static void counts(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
}

static struct goro_context *borrow(unsigned i)
{
	struct goro_context *c;

	goro_mutex_lock(&slot[i].mu);
	c = goro_context_ref(slot[i].ctx);
	goro_mutex_unlock(&slot[i].mu);
	return c;
}

static void replace(unsigned i, struct goro_context *with)
{
	struct goro_context *old;

	goro_mutex_lock(&slot[i].mu);
	old = slot[i].ctx;
	slot[i].ctx = with;
	goro_mutex_unlock(&slot[i].mu);
	goro_context_unref(old);
}

static void round_of(uint64_t *rng)
{
	struct goro_context *p = borrow(api_below(rng, SLOTS)), *c;
	struct goro_context_func *f = NULL;
	int err, stopped = 0;

	switch (api_below(rng, 4)) {
	case 0:
		c = goro_context_with_cancel(p);
		break;
	case 1:
		c = goro_context_with_value(p, rng, NULL, NULL);
		break;
	default:
		c = goro_context_with_timeout_cause(p, api_below(rng, 300) * 1000, -ENOSPC);
	}
	t_check(c != NULL);
	t_check_int(goro_context_after_func(c, counts, NULL, &f), ==, 0);
	switch (api_below(rng, 6)) {
	case 0:
		goro_context_cancel_cause(c, -EIO);
		break;
	case 1:
		goro_context_cancel_cause(p, -EPIPE);
		break;
	case 2:
		replace(api_below(rng, SLOTS), goro_context_ref(c));
		break;
	case 3:
		goro_chan_recv(goro_context_done(c), NULL, goro_after(200000));
		break;
	case 4:
		replace(api_below(rng, SLOTS), goro_context_with_cancel(goro_context_background()));
		break;
	default:
		stopped = goro_context_func_stop(f);
	}
	err = goro_context_err(c);
	t_check(err == 0 || err == -ECANCELED || err == -ETIMEDOUT);
	if (err)
		t_check_int(goro_context_err(c), ==, err);
	if (!stopped)
		stopped = goro_context_func_stop(f);
	if (!stopped)
		__atomic_add_fetch(&funcs, 1, __ATOMIC_SEQ_CST);
	goro_context_func_free(f);
	goro_context_unref(p);
	goro_context_unref(c);
}

static void actor(void *arg, int who)
{
	uint64_t rng = t_seed() + (uint64_t)who * 1001;

	(void)arg;
	while (goro_now() < until) {
		for (int i = 0; i < 10; i++)
			round_of(&rng);
		goro_yield();
	}
}

static int stress_main(void *arg)
{
	(void)arg;
	until = goro_after(api_stress_ns());
	funcs = ran = 0;
	for (int i = 0; i < SLOTS; i++)
		slot[i].ctx = goro_context_with_cancel(goro_context_background());
	api_crowd(ACTORS, THREADS, actor, NULL);
	for (int i = 0; i < SLOTS; i++)
		goro_context_unref(slot[i].ctx);
	t_eventually(__atomic_load_n(&ran, __ATOMIC_SEQ_CST) == funcs, PATIENCE);
	t_eventually(goro_count() == 1, PATIENCE); /* timeouts that were on their way */
	return 0;
}

START_TEST(cancel_meets_timeout_meets_children)
{
	api_run_procs(api_procs[_i], stress_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress context");
	TCase *tc = t_case(s, "context", api_stress_limit());

	tcase_add_loop_test(tc, cancel_meets_timeout_meets_children, 0, 3);
	return t_main(s);
}
