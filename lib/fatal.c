/* SPDX-License-Identifier: MIT */
/* fatal.c: the reports that end the process; texts and exit status are Go's. */
#include "fatal.h"

#include <unistd.h>

#include "print.h"
#include "sched.h"

/* The first one to die reports; another thread that dies meanwhile waits for the end of the process. */
static void only_once(void)
{
	static uint32_t dying;

	if (xchg_seq(&dying, 1) == 0)
		return;
	for (int i = 0; i < 2000; i++)
		usleep(1000);
	_exit(2);
}

static _Noreturn void die(const char *kind, const char *msg, const char *more, bool all)
{
	only_once();
	print_start();
	print_str(kind);
	print_str(msg);
	print_str(more);
	print_str("\n\n");
	print_end(2);
	goro__dump_self(2);
	if (all)
		goro__dump_all(2, false);
	_exit(2);
}

void goro__throw(const char *msg)
{
	die("fatal error: ", msg, "", true);
}

void goro__throw_errtext(const char *msg, const char *more)
{
	die("fatal error: ", msg, more, true);
}

void goro__panic(const char *msg)
{
	die("panic: ", msg, "", false);
}
