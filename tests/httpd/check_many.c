/* SPDX-License-Identifier: MIT */
/* check_many.c: ten thousand connections at once on examples/httpd. Skipped where the descriptors for them are refused. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "t.h"

#define MANY 10000
#define SPARE 100		   /* descriptors beside the connections, on either side */
#define KIB_PER_CONNECTION_MAX 12L /* user memory: two pages of stack, the goroutine, and what the allocator holds */

static int fds[MANY];
static char buf[65536];

static long resident_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	t_check(f != NULL);
	while (kib == 0 && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "VmRSS: %ld", &kib);
	fclose(f);
	return kib;
}

/* All clients ask, then all hear: so all requests are in flight at the same time. */
static void everybody_asks(const char *request)
{
	int i;

	for (i = 0; i < MANY; i++)
		say(fds[i], request);
	for (i = 0; i < MANY; i++)
		t_check(hear(fds[i], buf, sizeof(buf)) == 200, "connection %d: %s", i, buf);
}

START_TEST(ten_thousand_connections_are_served_at_once)
{
	struct server_process s;
	long before, each;
	int i, status;

	SERVER_BEGIN(&s, "--idle-timeout=600", "--request-timeout=600");
	t_check_int(get(&s, "/", buf, sizeof(buf)), ==, 200);
	before = resident_kib(s.pid);
	for (i = 0; i < MANY; i++) {
		fds[i] = dial(&s);
		t_check(fds[i] >= 0, "connection %d: %s", i, strerror(errno));
	}
	everybody_asks("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
	t_check(metric(&s, "httpd_connections_open") == MANY + 1, "%g", metric(&s, "httpd_connections_open"));
	each = (resident_kib(s.pid) - before) / MANY;
	fprintf(stderr, "%ld KiB for each of %d connections\n", each, MANY);
	t_check(getenv("GORO_TEST_DIVISOR") != NULL || each <= KIB_PER_CONNECTION_MAX, "%ld KiB", each);
	everybody_asks("GET /slow?ms=100 HTTP/1.1\r\nHost: t\r\n\r\n");
	for (i = 0; i < MANY / 2; i++)
		close(fds[i]);
	t_eventually(metric(&s, "httpd_connections_open") == MANY / 2 + 1, 20000);
	t_check_int(ask(fds[MANY - 1], "GET / HTTP/1.1\r\nHost: t\r\n\r\n", buf, sizeof(buf)), ==, 200);
	kill(s.pid, SIGTERM);
	for (i = MANY / 2; i < MANY; i++)
		t_check(ends_within(fds[i], 20000), "connection %d stays", i);
	status = server_reap(&s, 20000);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", (unsigned)status);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("httpd many");
	TCase *tc = tcase_create("many");
	struct rlimit rl;

	t_skip_unless(access(server_program(), X_OK) == 0, "%s is not built (libhttp-parser, jansson, libbsd)", server_program());
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	t_skip_unless(rl.rlim_max >= MANY + SPARE && setrlimit(RLIMIT_NOFILE, &rl) == 0,
		      "only %lu descriptors are allowed here (ulimit -Hn)", (unsigned long)rl.rlim_max);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, ten_thousand_connections_are_served_at_once);
	suite_add_tcase(s, tc);
	return t_main(s);
}
