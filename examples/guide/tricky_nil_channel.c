/* SPDX-License-Identifier: MIT */
/*
 * tricky_nil_channel: a receive on NULL waits for ever, here until its deadline. On purpose it switches a case of a select off: a channel that is
 * closed would be chosen again and again, so its case becomes NULL.
 *
 * Prints:
 *     nil: timed out
 *     sum of both: 21
 */
#include <errno.h>
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

GORO_CHAN_TYPE(numbers, int);

static void count(struct numbers *c, int from, int to)
{
	for (int i = from; i <= to; i++)
		GORO_CHAN_SEND(c, i, GORO_FOREVER);
	GORO_CHAN_CLOSE(c);
}

static int start(void *arg)
{
	struct numbers *a = GORO_CHAN_NEW(struct numbers, 0), *b = GORO_CHAN_NEW(struct numbers, 0), *nil = NULL;
	int v, sum = 0, open = 2, i;
	struct goro_case cases[] = { GORO_CASE_RECV(a, &v), GORO_CASE_RECV(b, &v) };

	(void)arg;
	if (GORO_CHAN_RECV(nil, &v, goro_after(GORO_MILLISECOND)) == -ETIMEDOUT)
		puts("nil: timed out");
	go(count, a, 1, 3);
	go(count, b, 4, 6);
	while (open > 0) {
		i = goro_select(cases, 2, GORO_FOREVER);
		if (cases[i].ret > 0) {
			sum += v;
		} else {
			cases[i].chan = NULL;
			open--;
		}
	}
	printf("sum of both: %d\n", sum);
	GORO_CHAN_FREE(a);
	GORO_CHAN_FREE(b);
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
