/* SPDX-License-Identifier: MIT */
/*
 * chameneos: creatures of three colours go to a place where two can meet. Both leave it in the colour that complements the two, or as they were if they were alike. The
 * place is a goroutine: it pairs those who come, in order of arrival, until it has seen so many meetings, and then turns everybody away.
 *
 * Prints:
 *     blue + red -> yellow, red + yellow -> blue, yellow + blue -> red
 *     3 creatures: 20000 meetings, nobody met himself
 *     10 creatures: 20000 meetings, nobody met himself
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

#define MEETINGS 20000
#define MOST 10

enum colour { BLUE, RED, YELLOW };
static const char *const names[] = { "blue", "red", "yellow" };

static enum colour complement(enum colour a, enum colour b)
{
	return a == b ? a : (enum colour)(BLUE + RED + YELLOW - a - b);
}

/* What one brings to the place, and what he takes home. */
struct visitor {
	int who; /* -1: the place is closed */
	enum colour colour;
};
GORO_CHAN_TYPE(door, struct visitor);

struct creature {
	int id;
	enum colour colour;
	int met, met_himself;
	struct door *in, *answer; /* in is the same for all */
};

static void creature(struct creature *me)
{
	struct visitor other;

	for (;;) {
		struct visitor self = { me->id, me->colour };

		GORO_CHAN_SEND(me->in, self, GORO_FOREVER);
		GORO_CHAN_RECV(me->answer, &other, GORO_FOREVER);
		if (other.who < 0)
			return;
		me->met++;
		me->met_himself += other.who == me->id;
		me->colour = complement(me->colour, other.colour);
	}
}

static void place(struct door *in, struct creature *all, int n)
{
	const struct visitor nobody = { -1, BLUE };
	struct visitor a, b;

	for (int i = 0; i < MEETINGS; i++) {
		GORO_CHAN_RECV(in, &a, GORO_FOREVER);
		GORO_CHAN_RECV(in, &b, GORO_FOREVER);
		GORO_CHAN_SEND(all[a.who].answer, b, GORO_FOREVER);
		GORO_CHAN_SEND(all[b.who].answer, a, GORO_FOREVER);
	}
	for (; n > 0; n--) {
		GORO_CHAN_RECV(in, &a, GORO_FOREVER);
		GORO_CHAN_SEND(all[a.who].answer, nobody, GORO_FOREVER);
	}
}

/* The number of meetings that the creatures report, or -1 if something is wrong. */
static int meet(int n)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	struct door *in = GORO_CHAN_NEW(struct door, 0);
	struct creature all[MOST];
	int met = 0, himself = 0;

	for (int i = 0; i < n; i++)
		all[i] = (struct creature){ i, (enum colour)(i % 3), 0, 0, in, GORO_CHAN_NEW(struct door, 1) };
	for (int i = 0; i < n; i++)
		GORO_WAITGROUP_GO(&wg, creature, &all[i]);
	GORO_WAITGROUP_GO(&wg, place, in, &all[0], n);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	for (int i = 0; i < n; i++) {
		met += all[i].met;
		himself += all[i].met_himself;
		GORO_CHAN_FREE(all[i].answer);
	}
	GORO_CHAN_FREE(in);
	return met % 2 || himself ? -1 : met / 2;
}

static int start(void *arg)
{
	static const int sizes[] = { 3, MOST };

	(void)arg;
	for (int i = 0; i < 3; i++) {
		enum colour a = (enum colour)i, b = (enum colour)((i + 1) % 3);

		printf("%s%s + %s -> %s", i ? ", " : "", names[a], names[b], names[complement(a, b)]);
	}
	printf("\n");
	for (int i = 0; i < 2; i++) {
		int met = meet(sizes[i]);

		if (met != MEETINGS)
			return 1;
		printf("%d creatures: %d meetings, nobody met himself\n", sizes[i], met);
	}
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
