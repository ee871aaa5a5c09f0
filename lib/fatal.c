/* SPDX-License-Identifier: MIT */
/* fatal.c: the reports that end the process; texts and exit status are Go's. */
#include "fatal.h"

#include <goro/time.h>
#include <signal.h>
#include <unistd.h>

#include "print.h"
#include "report.h"
#include "sched.h"

static uint32_t dying; /* atomic: somebody reports */

void goro__wait_if_dying(void)
{
	if (likely(load_rlx(&dying) == 0))
		return;
	for (int i = 0; i < 2000; i++)
		goro_sleep(1000000);
	_exit(2);
}

/* The first one to die reports; another thread that dies meanwhile waits for the end of the process. */
static void only_once(void)
{
	if (xchg_seq(&dying, 1) == 0)
		return;
	for (int i = 0; i < 2000; i++)
		usleep(1000);
	_exit(2);
}

struct message {
	const char *text, *more;
};

static void print_message(const void *arg)
{
	const struct message *msg = arg;

	print_str("fatal error: ");
	print_str(msg->text);
	print_str(msg->more);
	print_str("\n\n");
}

/* Whose goroutines are written. */
enum { SELF = 1, OTHERS = 2 };

static _Noreturn void die(void (*print)(const void *arg), const void *arg, unsigned whose)
{
	only_once();
	print_start();
	print(arg);
	print_end(2);
	if ((whose & SELF) && goro__traceback != TRACEBACK_NONE)
		goro__dump_self(2);
	if (whose & OTHERS)
		goro__dump_all(2, false);
	if (goro__traceback == TRACEBACK_CRASH) {
		signal(SIGABRT, SIG_DFL);
		raise(SIGABRT);
	}
	_exit(2);
}

void goro__throw_errtext(const char *msg, const char *more)
{
	struct message m = { msg, more };

	die(print_message, &m, SELF | OTHERS);
}

void goro__throw_asleep(const char *msg)
{
	struct message m = { msg, "" };

	die(print_message, &m, goro__traceback != TRACEBACK_NONE ? OTHERS : 0);
}

void goro__throw(const char *msg)
{
	goro__throw_errtext(msg, "");
}

void goro__die(void (*print)(const void *arg), const void *arg)
{
	die(print, arg, goro__traceback >= TRACEBACK_ALL ? SELF | OTHERS : SELF);
}
