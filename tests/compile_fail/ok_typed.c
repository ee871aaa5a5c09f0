/* SPDX-License-Identifier: MIT */
/* All that typed channels take. */
#include <goro/typed.h>

struct point {
	int x, y;
};
struct nothing {};
GORO_CHAN_TYPE(longs, long);
GORO_CHAN_TYPE(texts, const char *);
GORO_CHAN_TYPE(points, struct point);
GORO_CHAN_TYPE(signals, struct nothing);
GORO_CHAN_TYPE(chans, struct longs *);

void use(struct longs *l, struct texts *t, struct points *p, struct signals *s);

/* And all cases. */
static int use_cases(struct goro_context *ctx, struct goro_timer *timer, struct goro_ticker *ticker, short fd)
{
	int64_t when;
	struct goro_case k[] = {GORO_CASE_DONE(ctx), GORO_CASE_TIMER(timer, &when), GORO_CASE_TICKER(ticker, NULL), GORO_CASE_READABLE(fd),
				GORO_CASE_WRITABLE(1), GORO_CASE_DONE(NULL == ctx ? goro_context_background() : ctx)};

	return goro_select(k, 6, GORO_NOW);
}

int caller(struct longs *l, struct texts *t, struct points *p, struct signals *s, struct chans *cc)
{
	char buf[4] = "abc";
	const long constant = 3;
	long n, many[2];
	const char *text;
	struct point pt = {1, 2};
	struct goro_case k[] = {GORO_CASE_SEND(l, &constant), GORO_CASE_RECV(l, &n), GORO_CASE_RECV(t, &text), GORO_CASE_SEND(p, &pt)};

	GORO_CHAN_SEND(l, 1L, GORO_FOREVER);
	GORO_CHAN_SEND(l, constant, GORO_NOW);
	GORO_CHAN_SEND(t, "literal", GORO_FOREVER);
	GORO_CHAN_SEND(t, buf, GORO_FOREVER);
	GORO_CHAN_SEND(t, (const char *)buf, GORO_FOREVER);
	GORO_CHAN_SEND(p, pt, GORO_FOREVER);
	GORO_CHAN_SEND(p, ((struct point){3, 4}), GORO_FOREVER);
	GORO_CHAN_SEND(s, (struct nothing){}, GORO_FOREVER);
	GORO_CHAN_SEND(cc, l, GORO_FOREVER);
	GORO_CHAN_RECV(l, &n, GORO_FOREVER);
	GORO_CHAN_RECV(l, many, GORO_FOREVER);
	GORO_CHAN_RECV(t, &text, GORO_FOREVER);
	GORO_CHAN_RANGE(inner, cc)
		GORO_CHAN_RANGE(v, inner)
			n += v;
	GORO_GO(use, l, t, p, s);
	l = GORO_CHAN_NEW(struct longs, 3);
	GORO_CHAN_CLOSE(l);
	GORO_CHAN_FREE(l);
	use_cases(NULL, NULL, NULL, 0);
	return goro_select(k, 4, GORO_NOW) + (int)goro_chan_len(GORO_CHAN_PTR(t));
}
