/* SPDX-License-Identifier: MIT */
/*
 * mistake_shared_buffer: a channel copies its elements, but not what they point to. Three pointers to one buffer are the last line, three times. Right:
 * send the line itself, or a buffer that the receiver owns from then on.
 *
 * Prints:
 *     wrong: line 3, line 3, line 3
 *     right: line 1, line 2, line 3
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

struct line {
	char text[24];
};
GORO_CHAN_TYPE(pointers, struct line *);
GORO_CHAN_TYPE(lines, struct line);

static void read_lines(struct pointers *wrong, struct lines *right)
{
	static struct line buffer; /* one for all lines */

	for (int i = 1; i <= 3; i++) {
		snprintf(buffer.text, sizeof(buffer.text), "line %d", i);
		GORO_CHAN_SEND(wrong, &buffer, GORO_FOREVER);
		GORO_CHAN_SEND(right, buffer, GORO_FOREVER);
	}
	GORO_CHAN_CLOSE(wrong);
	GORO_CHAN_CLOSE(right);
}

static int start(void *arg)
{
	struct pointers *wrong = GORO_CHAN_NEW(struct pointers, 3);
	struct lines *right = GORO_CHAN_NEW(struct lines, 3);
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	const char *sep = "wrong: ";

	(void)arg;
	GORO_WAITGROUP_GO(&wg, read_lines, wrong, right);
	goro_waitgroup_wait(&wg, GORO_FOREVER); /* or reading here would be a race with writing there, too */
	GORO_CHAN_RANGE(p, wrong) {
		printf("%s%s", sep, p->text);
		sep = ", ";
	}
	sep = "\nright: ";
	GORO_CHAN_RANGE(line, right) {
		printf("%s%s", sep, line.text);
		sep = ", ";
	}
	putchar('\n');
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
