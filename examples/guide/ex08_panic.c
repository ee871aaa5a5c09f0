/* SPDX-License-Identifier: MIT */
/*
 * ex08_panic: a panic that its goroutine does not recover from ends the whole process, whatever the others do.
 *
 * Ends with status 2 and, on stderr:
 *     panic: boom
 */
#include <goro.h>
#include <goro/short.h>
#include <stdio.h>

static void explode(void)
{
	panic("boom");
}

static int start(void *arg)
{
	(void)arg;
	go(explode);
	goro_sleep(60 * GORO_SECOND);
	puts("never printed");
	return 0;
}

int main(void)
{
	return goro_run(NULL, start, NULL);
}
