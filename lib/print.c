/* SPDX-License-Identifier: MIT */
/* print.c: see print.h. */
#include "print.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "sys.h"

static char buf[4096];
static size_t len;
static uint32_t turn; /* atomic: somebody writes */

void goro__print_start(void)
{
	for (int i = 0; i < 100000 && xchg_acq(&turn, 1) != 0; i++)
		sys_sched_yield();
	len = 0;
}

void goro__print_flush(int fd)
{
	size_t done = 0;

	while (done < len) {
		long r = sys_write(fd, buf + done, len - done);

		if (r <= 0 && r != -EINTR)
			break;
		if (r > 0)
			done += (size_t)r;
	}
	len = 0;
}

void goro__print_end(int fd)
{
	goro__print_flush(fd);
	store_rel(&turn, 0);
}

/* What does not fit is cut: reports flush line by line. */
void goro__print_str(const char *s)
{
	size_t n = strlen(s);

	if (n > sizeof(buf) - len)
		n = sizeof(buf) - len;
	memcpy(buf + len, s, n);
	len += n;
}

void goro__print_u64(uint64_t v)
{
	char d[24], *p = d + sizeof(d);

	*--p = 0;
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	goro__print_str(p);
}

void goro__print_hex(uint64_t v)
{
	char d[24], *p = d + sizeof(d);

	*--p = 0;
	do
		*--p = "0123456789abcdef"[v % 16];
	while (v /= 16);
	*--p = 'x';
	*--p = '0';
	goro__print_str(p);
}
