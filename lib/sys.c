/* SPDX-License-Identifier: MIT */
/* sys.c: fault injection for the system calls of sys.h, in a library that is built for tests, and the one call that must not be raw. */
#include "sys.h"

#include <errno.h>
#include <unistd.h>

long goro__sys_close_noticed(int fd)
{
	return close(fd) == 0 ? 0 : -errno; /* errno: right behind the call, nothing switches in between */
}

#ifdef SYS_TSAN
uint32_t goro__sys_maps;
#endif

#ifdef GORO_TESTING
#include <stdlib.h>
#include <string.h>

#include "atomic.h"

#define NFAULTS 8

struct fault {
	long nr;
	long at;      /* the call, counted from 1, that fails */
	long err;     /* positive errno */
	bool sticky;  /* and each one after it */
	long seen;    /* calls so far; atomic */
};

static struct fault faults[NFAULTS]; /* read-only after goro__sys_faults_init() */
static int nfaults;

static const struct {
	const char *name;
	long nr;
} names[] = {
	{ "mmap", SYS_mmap },	      { "madvise", SYS_madvise },
	{ "mprotect", SYS_mprotect }, { "io_uring_setup", SYS_io_uring_setup },
	{ "accept4", SYS_accept4 },   { "socket", SYS_socket },
	{ "epoll_create1", SYS_epoll_create1 }, { "eventfd2", SYS_eventfd2 },
	{ "epoll_ctl", SYS_epoll_ctl }, { "io_uring_enter", SYS_io_uring_enter },
	{ "recvfrom", SYS_recvfrom }, { "sendto", SYS_sendto },
	{ "io_uring_register", SYS_io_uring_register },
};

static bool parse_one(const char *s, struct fault *f)
{
	size_t n = strcspn(s, ":");
	char *end;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) != n || strncmp(names[i].name, s, n) != 0 || s[n] != ':')
			continue;
		f->nr = names[i].nr;
		f->at = strtol(s + n + 1, &end, 10);
		if (*end != ':')
			return false;
		f->err = strtol(end + 1, &end, 10);
		f->sticky = *end == '*';
		f->seen = 0;
		return true;
	}
	return false;
}

/* Reads GORO_FAULT; counts start anew. Called at the start of goro_run(), before any other thread of ours. */
void goro__sys_faults_init(void)
{
	const char *s = getenv("GORO_FAULT");

	nfaults = 0;
	while (s && *s && nfaults < NFAULTS) {
		if (parse_one(s, &faults[nfaults]))
			nfaults++;
		s = strchr(s, ',');
		if (s)
			s++;
	}
}

long goro__sys_faulty(long nr, long a, long b, long c, long d, long e, long f)
{
	for (int i = 0; i < nfaults; i++) {
		long n;

		if (faults[i].nr != nr)
			continue;
		n = add_rlx(&faults[i].seen, 1);
		if (n == faults[i].at || (faults[i].sticky && n > faults[i].at))
			return -faults[i].err;
	}
	return arch_syscall6(nr, a, b, c, d, e, f);
}
#endif
