/* SPDX-License-Identifier: MIT */
/* api.c: see api.h. */
#define _GNU_SOURCE
#include "api.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t.h"

#define CHILD_SECONDS 120

void api_run(goro_main_fn fn, void *arg)
{
	int ret = goro_run(NULL, fn, arg);

	t_check(ret == 0);
}

void api_run_procs(unsigned procs, goro_main_fn fn, void *arg)
{
	struct goro_config cfg = GORO_CONFIG_INIT;
	int ret;

	cfg.maxprocs = procs;
	ret = goro_run(&cfg, fn, arg);
	t_check(ret == 0);
}

unsigned api_below(uint64_t *state, unsigned n)
{
	return (unsigned)((t_rand(state) >> 33) % n);
}

int api_timing_is_sound(void)
{
	return t_scaled(100) >= 100;
}

const unsigned api_procs[3] = { 1, 2, 8 };

int64_t api_stress_ns(void)
{
	const char *s = getenv("GORO_STRESS_SECONDS");
	double seconds = s ? atof(s) : 2;
	long ms = t_scaled((long)(seconds * 1000 / 3)), least = (long)(100 * t_multiplier());

	/* Shortened where all is slow, but not until nothing happens any more. */
	return (ms > least ? ms : least) * GORO_MILLISECOND;
}

double api_stress_limit(void)
{
	return 60 + 3.0 * (double)api_stress_ns() / 1e9;
}

int api_waiting(const char *why)
{
	int n = 0, fd = memfd_create("dump", MFD_CLOEXEC);
	FILE *f = fdopen(fd, "w+");
	char line[256];

	t_check(f != NULL);
	goro_dump(fd);
	rewind(f);
	while (fgets(line, sizeof line, f)) {
		const char *reason = strstr(line, " [");

		if (reason && (strncmp(line, "goroutine ", 10) == 0 || strncmp(line, "plain thread ", 13) == 0))
			n += strncmp(reason + 2, why, strlen(why)) == 0;
	}
	fclose(f);
	return n;
}

int api_asleep(pid_t tid)
{
	char path[64], buf[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	t_check(fd >= 0);
	n = read(fd, buf, sizeof buf - 1);
	close(fd);
	t_check(n > 0);
	buf[n] = 0;
	return strstr(buf, ") S ") != NULL;
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	t_check(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

int api_fds(void)
{
	return entries("/proc/self/fd") - 1;
}

int api_threads(void)
{
	return entries("/proc/self/task");
}

long api_rss_kib(void)
{
	char buf[256];
	long total, rss;
	ssize_t n;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	t_check(fd >= 0);
	n = read(fd, buf, sizeof buf - 1);
	close(fd);
	t_check(n > 0);
	buf[n] = 0;
	t_check(sscanf(buf, "%ld %ld", &total, &rss) == 2);
	return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

int64_t api_cpu_ns(void)
{
	struct timespec ts;

	t_check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0);
	return ts.tv_sec * GORO_SECOND + ts.tv_nsec;
}

static void child_main(int fd, unsigned procs, goro_main_fn fn, void *arg)
{
	struct goro_config cfg = GORO_CONFIG_INIT;

	alarm(CHILD_SECONDS); /* nobody watches this child but its parent, which waits */
	dup2(fd, STDERR_FILENO);
	cfg.maxprocs = procs;
	_exit(100 + goro_run(&cfg, fn, arg));
}

/* Reads all that comes into buf, keeping the first size - 1 bytes. */
static void drain(int fd, char *buf, size_t size)
{
	char waste[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, waste, sizeof waste)) > 0) {
		size_t room = size - 1 - len;
		size_t take = (size_t)n < room ? (size_t)n : room;

		memcpy(buf + len, waste, take);
		len += take;
	}
	buf[len] = 0;
}

int api_child(unsigned procs, goro_main_fn fn, void *arg, char *err, size_t size)
{
	int p[2], status;
	pid_t pid;

	fflush(NULL);
	t_check(pipe2(p, O_CLOEXEC) == 0);
	pid = fork();
	t_check(pid >= 0);
	if (pid == 0)
		child_main(p[1], procs, fn, arg);
	close(p[1]);
	drain(p[0], err, size);
	close(p[0]);
	t_check(waitpid(pid, &status, 0) == pid);
	return status;
}

char api_err[1 << 16];

void api_expect_end(unsigned procs, goro_main_fn fn, void *arg, int status, const char *begins)
{
	int got = api_child(procs, fn, arg, api_err, sizeof api_err);

	t_check(WIFEXITED(got) && WEXITSTATUS(got) == status, "%#x: %.2000s", got, api_err);
	if (begins)
		t_check(strncmp(api_err, begins, strlen(begins)) == 0, "%.2000s", api_err);
	else
		t_check(api_err[0] == 0, "%.2000s", api_err);
}

void api_expect_fatal(goro_main_fn fn, void *arg, const char *text)
{
	api_expect_fatal_procs(0, fn, arg, text);
}

void api_expect_fatal_procs(unsigned procs, goro_main_fn fn, void *arg, const char *text)
{
	int status = api_child(procs, fn, arg, api_err, sizeof api_err);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 2 || !strstr(api_err, text))
		fprintf(stderr, "wanted '%s' and exit status 2, got wait status %#x and:\n%s\n", text, status, api_err);
	t_check(strstr(api_err, text) != NULL);
	t_check(WIFEXITED(status));
	t_check(WEXITSTATUS(status) == 2);
}

pthread_t api_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	t_check(pthread_create(&t, NULL, fn, arg) == 0);
	return t;
}

static void *join(void *arg)
{
	t_check(pthread_join(*(pthread_t *)arg, NULL) == 0);
	return NULL;
}

void api_join(pthread_t t)
{
	goro_blocking(join, &t);
}

struct crowd {
	void (*work)(void *arg, int who);
	void *arg;
	struct goro_waitgroup wg;
};

struct member {
	struct crowd *crowd;
	pthread_t thread;
	int who;
};

static void in_crowd(struct crowd *c, int who)
{
	c->work(c->arg, who);
	goro_waitgroup_done(&c->wg);
}

static void *crowd_thread(void *arg)
{
	struct member *m = arg;

	in_crowd(m->crowd, m->who);
	return NULL;
}

void api_crowd(int goroutines, int threads, void (*work)(void *arg, int who), void *arg)
{
	struct crowd c = { .work = work, .arg = arg };
	struct member m[API_CROWD_THREADS];

	t_check_int(threads, <=, API_CROWD_THREADS);
	goro_waitgroup_add(&c.wg, goroutines + threads);
	for (int i = 0; i < threads; i++) {
		m[i] = (struct member){ .crowd = &c, .who = goroutines + i + 1 };
		m[i].thread = api_thread(crowd_thread, &m[i]);
	}
	for (int i = 1; i <= goroutines; i++)
		t_check_int(GORO_GO(in_crowd, &c, i), ==, 0);
	t_check_int(goro_waitgroup_wait(&c.wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < threads; i++)
		api_join(m[i].thread);
}

static void (*body)(void);

static int in_goroutine(void *arg)
{
	(void)arg;
	body();
	return 0;
}

static void *thread_body(void *arg)
{
	(void)arg;
	body();
	return NULL;
}

static int beside_thread(void *arg)
{
	(void)arg;
	api_join(api_thread(thread_body, NULL));
	return 0;
}

void api_everywhere(void (*fn)(void))
{
	body = fn;
	api_run_procs(1, in_goroutine, NULL);
	api_run_procs(8, in_goroutine, NULL);
	api_run_procs(1, beside_thread, NULL);
	api_run_procs(2, beside_thread, NULL);
}

static int tcp_link(const char *host, int fd[2])
{
	int l = goro_tcp_listen(host, 0, 0);

	if (l < 0)
		return l;
	fd[0] = goro_tcp_dial(host, (unsigned)goro_tcp_port(l), GORO_FOREVER);
	t_check_int(fd[0], >=, 0);
	fd[1] = goro_accept(l, NULL, NULL, GORO_FOREVER);
	t_check_int(fd[1], >=, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

static int unix_link(const char *path, int fd[2])
{
	int l = goro_unix_listen(path, 0);

	t_check_int(l, >=, 0);
	fd[0] = goro_unix_dial(path, GORO_FOREVER);
	t_check_int(fd[0], >=, 0);
	fd[1] = goro_accept(l, NULL, NULL, GORO_FOREVER);
	t_check_int(fd[1], >=, 0);
	t_check_int(goro_close(l), ==, 0);
	return 0;
}

int api_link(enum api_link kind, int fd[2])
{
	char dir[64], path[96];

	switch (kind) {
	case API_TCP4:
		return tcp_link("127.0.0.1", fd);
	case API_TCP6:
		return tcp_link("::1", fd);
	case API_UNIX:
		api_temp_dir(dir, sizeof dir);
		snprintf(path, sizeof path, "%s/s", dir);
		unix_link(path, fd);
		t_check(unlink(path) == 0 && rmdir(dir) == 0);
		return 0;
	case API_ABSTRACT:
		snprintf(path, sizeof path, "@goro-api-%d-%llx", (int)getpid(),
			 (unsigned long long)goro_now());
		return unix_link(path, fd);
	default:
		t_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
		return 0;
	}
}

const char *api_link_name(enum api_link kind)
{
	static const char *const names[] = { "TCP over IPv4", "TCP over IPv6", "UNIX path", "UNIX abstract",
					     "socketpair" };

	return names[kind];
}

void api_temp_dir(char *path, size_t size)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, size, "%s/goro-api-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	t_check(mkdtemp(path) != NULL);
}
