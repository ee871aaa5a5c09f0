/* SPDX-License-Identifier: MIT */
/*
 * power_series: calculating with infinite power series, after M. Douglas McIlroy, "Squinting at Power Series" (1990). A series is a goroutine that hands out its
 * coefficients, exact fractions, one by one; an operation on series is a goroutine that asks those of its arguments. Nobody computes a coefficient before it is asked for:
 * so a series may be defined by itself, like the exponential function, which is 1 plus its own integral.
 *
 * A series has two channels, one for requests and one for coefficients. Who reads it ends it, by closing the requests; it then ends what it reads itself and closes the
 * other channel, after which the reader frees both. A coefficient that two want goes through split(), which remembers it for the slower one.
 *
 * Prints:
 *     1/(1-x)              1 1 1 1 1 1 1 1 1 1
 *     1/(1-x) + 1/(1-x)    2 2 2 2 2 2 2 2 2 2
 *     1/(1-x)^2            1 2 3 4 5 6 7 8 9 10
 *     -ln(1-x)             0 1 1/2 1/3 1/4 1/5 1/6 1/7 1/8 1/9
 *     exp(x)               1 1 1/2 1/6 1/24 1/120 1/720 1/5040 1/40320 1/362880
 *     1/exp(x)             1 -1 1/2 -1/6 1/24 -1/120 1/720 -1/5040 1/40320 -1/362880
 *     exp(x) * 1/exp(x)    1 0 0 0 0 0 0 0 0 0
 *     tan(x)               0 1 0 1/3 0 2/15 0 17/315 0 62/2835
 *     goroutines left: 1
 */
#include <goro.h>
#include <goro/short.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SHOWN 10
#define KEPT 64 /* more coefficients than are ever asked of one split() */

struct fraction {
	int64_t num, den; /* in lowest terms, den above 0 */
};
GORO_CHAN_TYPE(requests, char);
GORO_CHAN_TYPE(coefficients, struct fraction);

struct series {
	struct requests *ask;
	struct coefficients *get;
};

/* ---------------------------------------------------------------------------------------------------- */
/* Fractions */

static int64_t gcd(int64_t a, int64_t b)
{
	return b ? gcd(b, a % b) : a < 0 ? -a : a;
}

static struct fraction ratio(int64_t num, int64_t den)
{
	int64_t d = gcd(num, den);

	if (den < 0)
		d = -d;
	return (struct fraction){ num / d, den / d };
}

static struct fraction plus(struct fraction a, struct fraction b)
{
	int64_t d = gcd(a.den, b.den);

	return ratio(a.num * (b.den / d) + b.num * (a.den / d), a.den / d * b.den);
}

static struct fraction times(struct fraction a, struct fraction b)
{
	struct fraction x = ratio(a.num, b.den), y = ratio(b.num, a.den);

	return (struct fraction){ x.num * y.num, x.den * y.den };
}

/* ---------------------------------------------------------------------------------------------------- */
/* Reading and ending a series; waiting to be read */

static struct series *series(void)
{
	struct series *s = malloc(sizeof(*s));

	if (!s)
		abort();
	*s = (struct series){ GORO_CHAN_NEW(struct requests, 0), GORO_CHAN_NEW(struct coefficients, 0) };
	return s;
}

static struct fraction next(struct series *s)
{
	struct fraction c;

	GORO_CHAN_SEND(s->ask, (char)1, GORO_FOREVER);
	GORO_CHAN_RECV(s->get, &c, GORO_FOREVER);
	return c;
}

/* Frees a series whose producer has been told to end. */
static void bury(struct series *s)
{
	GORO_CHAN_RECV(s->get, (struct fraction *)NULL, GORO_FOREVER);
	GORO_CHAN_FREE(s->ask);
	GORO_CHAN_FREE(s->get);
	free(s);
}

static void end(struct series *s)
{
	GORO_CHAN_CLOSE(s->ask);
	bury(s);
}

/* Is one more coefficient wanted? */
static int wanted(struct series *out)
{
	return GORO_CHAN_RECV(out->ask, (char *)NULL, GORO_FOREVER);
}

static void give(struct series *out, struct fraction c)
{
	GORO_CHAN_SEND(out->get, c, GORO_FOREVER);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Operations. Each is a goroutine that writes to its first argument and owns the others */

static void ones(struct series *out)
{
	while (wanted(out))
		give(out, ratio(1, 1));
	GORO_CHAN_CLOSE(out->get);
}

static void sum(struct series *out, struct series *f, struct series *g)
{
	while (wanted(out)) {
		struct fraction a = next(f), b = next(g);

		give(out, plus(a, b));
	}
	end(f);
	end(g);
	GORO_CHAN_CLOSE(out->get);
}

/* num/den * f */
static void scaled(struct series *out, int64_t num, int64_t den, struct series *f)
{
	while (wanted(out))
		give(out, times(ratio(num, den), next(f)));
	end(f);
	GORO_CHAN_CLOSE(out->get);
}

/* num/den + x f. It gives the first coefficient without asking f: that is what lets f depend on it. */
static void led(struct series *out, int64_t num, int64_t den, struct series *f)
{
	for (int first = 1; wanted(out); first = 0)
		give(out, first ? ratio(num, den) : next(f));
	end(f);
	GORO_CHAN_CLOSE(out->get);
}

/* num + the integral of f from 0 */
static void integral(struct series *out, int64_t num, struct series *f)
{
	for (int64_t n = 0; wanted(out); n++)
		give(out, n == 0 ? ratio(num, 1) : times(next(f), ratio(1, n)));
	end(f);
	GORO_CHAN_CLOSE(out->get);
}

/*
 * Two readers of one series. It looks at both, and at the series, at the same time: the series may itself ask one of the two for an earlier coefficient before it can
 * answer. When the first reader has had enough no more will be asked, so the series is told to end, which may be what ends the second reader.
 */
static void split(struct series *f, struct series *out0, struct series *out1)
{
	struct series *out[2] = { out0, out1 };
	struct fraction kept[KEPT], c;
	int n = 0, asked = 0, given[2] = { 0, 0 }, waits[2] = { 0, 0 }, open = 2;

	while (open > 0) {
		struct goro_case cases[] = {
			{ .chan = out[0] ? GORO_CHAN_PTR(out[0]->ask) : NULL, .op = GORO_RECV },
			{ .chan = out[1] ? GORO_CHAN_PTR(out[1]->ask) : NULL, .op = GORO_RECV },
			{ .chan = asked ? GORO_CHAN_PTR(f->get) : NULL, .op = GORO_RECV, .elem = &c },
		};
		int i = goro_select(cases, 3, GORO_FOREVER);

		if (i == 2) {
			kept[n++] = c;
			asked = 0;
		} else if (cases[i].ret > 0) {
			waits[i] = 1;
		} else {
			GORO_CHAN_CLOSE(out[i]->get);
			out[i] = NULL;
			if (open-- == 2)
				GORO_CHAN_CLOSE(f->ask);
		}
		for (i = 0; i < 2; i++)
			if (waits[i] && given[i] < n) {
				waits[i] = 0;
				give(out[i], kept[given[i]++]);
			}
		if ((waits[0] || waits[1]) && !asked) {
			asked = 1;
			GORO_CHAN_SEND(f->ask, (char)1, GORO_FOREVER);
		}
	}
	bury(f);
}

static struct series *sum_of(struct series *f, struct series *g);
static struct series *product_of(struct series *f, struct series *g);
static struct series *scale(struct fraction by, struct series *f);
static struct series *lead(struct fraction first, struct series *f);

/* (f0 + x F) * (g0 + x G) = f0 g0 + x (f0 G + g0 F + x F G); this is what stands in brackets. */
static struct series *product_tail(struct fraction f0, struct fraction g0, struct series *f, struct series *g)
{
	struct series *f1 = series(), *f2 = series(), *g1 = series(), *g2 = series();

	go(split, f, f1, f2);
	go(split, g, g1, g2);
	return sum_of(sum_of(scale(g0, f1), scale(f0, g1)), lead(ratio(0, 1), product_of(f2, g2)));
}

static void product(struct series *out, struct series *f, struct series *g)
{
	struct series *tail = NULL;

	while (wanted(out)) {
		struct fraction a, b;

		if (tail) {
			give(out, next(tail));
			continue;
		}
		a = next(f);
		b = next(g);
		give(out, times(a, b));
		tail = product_tail(a, b, f, g);
	}
	if (tail) {
		end(tail);
	} else {
		end(f);
		end(g);
	}
	GORO_CHAN_CLOSE(out->get);
}

/* ---------------------------------------------------------------------------------------------------- */
/* Series made of operations */

static struct series *all_ones(void)
{
	struct series *s = series();

	go(ones, s);
	return s;
}

static struct series *sum_of(struct series *f, struct series *g)
{
	struct series *s = series();

	go(sum, s, f, g);
	return s;
}

static struct series *product_of(struct series *f, struct series *g)
{
	struct series *s = series();

	go(product, s, f, g);
	return s;
}

static struct series *scale(struct fraction by, struct series *f)
{
	struct series *s = series();

	go(scaled, s, by.num, by.den, f);
	return s;
}

/* first + x f */
static struct series *lead(struct fraction first, struct series *f)
{
	struct series *s = series();

	go(led, s, first.num, first.den, f);
	return s;
}

static struct series *integral_of(struct series *f)
{
	struct series *s = series();

	go(integral, s, (int64_t)0, f);
	return s;
}

/* E = 1 + the integral of E */
static struct series *exponential(void)
{
	struct series *e = series(), *out = series(), *back = series();

	go(split, e, out, back);
	go(integral, e, (int64_t)1, back);
	return out;
}

/* 1/f for f = f0 + x F: it is R with R = 1/f0 - x/f0 F R */
static struct series *reciprocal(struct series *f)
{
	struct series *r = series(), *out = series(), *back = series();
	struct fraction f0 = next(f);

	go(split, r, out, back);
	go(led, r, f0.den, f0.num, scale(ratio(-f0.den, f0.num), product_of(f, back)));
	return out;
}

/* T = the integral of 1 + T^2 */
static struct series *tangent(void)
{
	struct series *t = series(), *out = series(), *back = series(), *left = series(), *right = series();

	go(split, t, out, back);
	go(split, back, left, right);
	go(integral, t, (int64_t)0, sum_of(lead(ratio(1, 1), scale(ratio(0, 1), all_ones())), product_of(left, right)));
	return out;
}

static void show(const char *name, struct series *s)
{
	printf("%-20s", name);
	for (int i = 0; i < SHOWN; i++) {
		struct fraction c = next(s);

		printf(" %lld", (long long)c.num);
		if (c.den != 1)
			printf("/%lld", (long long)c.den);
	}
	printf("\n");
	end(s);
}

static int start(void *arg)
{
	(void)arg;
	show("1/(1-x)", all_ones());
	show("1/(1-x) + 1/(1-x)", sum_of(all_ones(), all_ones()));
	show("1/(1-x)^2", product_of(all_ones(), all_ones()));
	show("-ln(1-x)", integral_of(all_ones()));
	show("exp(x)", exponential());
	show("1/exp(x)", reciprocal(exponential()));
	show("exp(x) * 1/exp(x)", product_of(exponential(), reciprocal(exponential())));
	show("tan(x)", tangent());
	while (goro_count() > 1) /* a goroutine closes its channel before it ends */
		goro_yield();
	printf("goroutines left: %ld\n", goro_count());
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
