/* SPDX-License-Identifier: MIT */
/* mem.c: the door to malloc, see mem.h. */
#include "mem.h"

#include <stdlib.h>

#define LINE 64

void *goro__mem_alloc(size_t n)
{
	void *p;

	return posix_memalign(&p, LINE, n) == 0 ? p : NULL;
}

void goro__mem_free(void *p)
{
	free(p);
}
