/* SPDX-License-Identifier: MIT */
/*
 * mistake_forgotten_wait: without the wait the program is over while the work waits for its turn; what it had to say is lost. Start it again with
 * the wait and all is there.
 *
 * Prints:
 *     wrong: 0 of 10 saved
 *     right: 10 of 10 saved
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static int saved;

static void save(struct goro_chan *disk)
{
	goro_chan_recv(disk, NULL, GORO_FOREVER);
	__atomic_add_fetch(&saved, 1, __ATOMIC_RELAXED);
}

/* arg: the WaitGroup to wait for, or NULL. */
static int start(void *arg)
{
	struct goro_waitgroup own = GORO_WAITGROUP_INIT, *wg = arg ? arg : &own;
	struct goro_chan *disk = goro_chan_new(0, 0);

	for (int i = 0; i < 10; i++)
		GORO_WAITGROUP_GO(wg, save, disk);
	if (arg == NULL)
		return 0; /* the mistake: ends all of them, where they are */
	goro_chan_close(disk);
	return goro_waitgroup_wait(wg, GORO_FOREVER);
}

int main(void)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	goro_run(NULL, start, NULL);
	printf("wrong: %d of 10 saved\n", saved);
	saved = 0;
	goro_run(NULL, start, &wg); /* a runtime may be started again */
	printf("right: %d of 10 saved\n", saved);
	return 0;
}
