/* SPDX-License-Identifier: MIT */
/*
 * ring: 100,000 goroutines in a ring, each connected to the next by a channel. A token goes round, and everybody adds one to it. At any time all but one of them are
 * parked; each costs a record, a page of stack, and a channel.
 *
 * Prints:
 *     100001 goroutines
 *     after 2 rounds the token says 200000
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMBERS 100000
#define ROUNDS 2

GORO_CHAN_TYPE(link, long);

static void member(struct link *in, struct link *out)
{
	long token;

	for (int i = 0; i < ROUNDS; i++) {
		GORO_CHAN_RECV(in, &token, GORO_FOREVER);
		token++;
		GORO_CHAN_SEND(out, token, GORO_FOREVER);
	}
}

static int start(void *arg)
{
	struct link **links = calloc(MEMBERS + 1, sizeof(*links));
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	long token = 0;

	(void)arg;
	if (!links)
		return 1;
	for (int i = 0; i <= MEMBERS; i++)
		if (!(links[i] = GORO_CHAN_NEW(struct link, 0)))
			return 1;
	for (int i = 0; i < MEMBERS; i++)
		if (GORO_WAITGROUP_GO(&wg, member, links[i], links[i + 1]) != 0)
			return 1;
	printf("%ld goroutines\n", goro_count());
	/* The main goroutine closes the ring. */
	for (int i = 0; i < ROUNDS; i++) {
		GORO_CHAN_SEND(links[0], token, GORO_FOREVER);
		GORO_CHAN_RECV(links[MEMBERS], &token, GORO_FOREVER);
	}
	printf("after %d rounds the token says %ld\n", ROUNDS, token);
	goro_waitgroup_wait(&wg, GORO_FOREVER);
	for (int i = 0; i <= MEMBERS; i++)
		GORO_CHAN_FREE(links[i]);
	free(links);
	return token != (long)ROUNDS * MEMBERS;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
