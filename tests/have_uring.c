/* SPDX-License-Identifier: MIT */
/* have_uring.c: ends with 0 if the io_uring backend works here, else says why not. tests/driver asks it. */
#include <goro/runtime.h>
#include <stdio.h>
#include <string.h>

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

int main(void)
{
	struct goro_config cfg = GORO_CONFIG_INIT;
	int r;

	cfg.backend = GORO_BACKEND_URING;
	r = goro_run(&cfg, nothing, NULL);
	if (r < 0)
		printf("goro_run() with io_uring: %s\n", strerror(-r));
	return r != 0;
}
