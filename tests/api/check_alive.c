/* SPDX-License-Identifier: MIT */
/*
 * check_alive.c: no false alarm: "all goroutines are asleep" is not said as long as something may still wake one.
 *
 * Each case is the main goroutine of a child process. For QUIET, several times what an alarm would take, nothing happens in it; then something does, and it
 * ends with status ALIVE.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/short.h>
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

#define QUIET (400 * GORO_MILLISECOND)
#define QUIET_US 400000
#define ALIVE 100 /* what api_child() makes of 0 */

static struct goro_chan *news;

static int waits_for_news(void)
{
	return goro_chan_recv(news, NULL, GORO_FOREVER) < 0;
}

static void tells(void *arg)
{
	goro_chan_send(news, arg, GORO_FOREVER);
}

static void sleeps_for_ever(void)
{
	goro_chan_recv(NULL, NULL, GORO_FOREVER);
}

static void ends_alive(void)
{
	_exit(ALIVE);
}

/* ---- timers ----------------------------------------------------------------------------------------------------------- */

static int sleeps(void *arg)
{
	(void)arg;
	return goro_sleep(QUIET);
}

static int hears_a_ticker(void *arg)
{
	struct goro_ticker *t = goro_ticker_new(QUIET / 2);
	int64_t now;

	(void)arg;
	for (int i = 0; i < 2; i++)
		t_check_int(goro_chan_recv(goro_ticker_chan(t), &now, GORO_FOREVER), ==, 1);
	goro_ticker_free(t);
	return 0;
}

static int has_an_after_func(void *arg)
{
	t_check(goro_timer_func(QUIET, tells, arg) != NULL);
	return waits_for_news();
}

static void last_words(void *arg)
{
	(void)arg;
	ends_alive();
}

static int leaves_an_after_func(void *arg)
{
	t_check(goro_timer_func(QUIET, last_words, arg) != NULL);
	goro_exit();
}

static int waits_for_a_context(void *arg)
{
	struct goro_context *c = goro_context_with_timeout(goro_context_background(), QUIET);

	return goro_chan_recv(goro_context_done(c), arg, GORO_FOREVER) > 0;
}

static int waits_with_a_deadline(void *arg)
{
	static struct goro_mutex mu;

	(void)arg;
	goro_mutex_lock(&mu);
	return goro_mutex_lock_until(&mu, goro_after(QUIET)) == 0;
}

/* ---- input and output ------------------------------------------------------------------------------------------------- */

/*
 * QUIET_US here and below is how long nothing happens: what is tested. A process that writes a byte to fd after it. It
 * is forked by a goroutine: system calls are all that it may make.
 */
static void writes_later(int fd)
{
	if (fork() == 0) {
		usleep(QUIET_US);
		_exit(write(fd, "x", 1) != 1);
	}
}

static int reads_a_socket(void *arg)
{
	char c;
	int fd[2];

	(void)arg;
	t_check_int(api_link(API_TCP4, fd), ==, 0);
	writes_later(fd[1]);
	return goro_read(fd[0], &c, 1, GORO_FOREVER) != 1;
}

static int reads_a_pipe(void *arg)
{
	char c;
	int fd[2];

	(void)arg;
	t_check_int(pipe2(fd, O_CLOEXEC), ==, 0);
	writes_later(fd[1]);
	return goro_read(fd[0], &c, 1, GORO_FOREVER) != 1;
}

static int accepts(void *arg)
{
	static char path[108];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int l, fd;

	(void)arg;
	snprintf(path, sizeof path, "@goro-alive-%d", (int)getpid());
	memcpy(a.sun_path + 1, path + 1, strlen(path + 1));
	l = goro_unix_listen(path, 0);
	t_check_int(l, >=, 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fork() == 0) {
		usleep(QUIET_US);
		_exit(connect(fd, (void *)&a, (socklen_t)(sizeof(sa_family_t) + strlen(path))));
	}
	return goro_accept(l, NULL, NULL, GORO_FOREVER) < 0;
}

static int syncs_files(void *arg)
{
	char dir[64], path[96];
	int64_t end = goro_after(QUIET);
	int fd;

	(void)arg;
	api_temp_dir(dir, sizeof dir);
	snprintf(path, sizeof path, "%s/f", dir);
	fd = goro_file_open(path, O_CREAT | O_RDWR, 0600, GORO_FOREVER);
	t_check_int(fd, >=, 0);
	while (goro_now() < end) {
		t_check_int(goro_file_write(fd, path, sizeof path, 0, GORO_FOREVER), ==, sizeof path);
		t_check_int(goro_file_sync(fd, 0, GORO_FOREVER), ==, 0);
	}
	goro_close(fd);
	unlink(path);
	rmdir(dir);
	return 0;
}

/* ---- threads of ours -------------------------------------------------------------------------------------------------- */

static void *blocks(void *arg)
{
	usleep(QUIET_US);
	return arg;
}

static int in_a_blocking_call(void *arg)
{
	return goro_blocking(blocks, arg) != arg;
}

static void blocks_and_tells(void)
{
	goro_blocking(blocks, NULL);
	tells(NULL);
}

static int another_one_in_a_blocking_call(void *arg)
{
	(void)arg;
	t_check_int(go(blocks_and_tells), ==, 0);
	return waits_for_news();
}

static void blocks_unannounced(void)
{
	usleep(QUIET_US);
	tells(NULL);
}

static int unannounced_sleep(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		t_check_int(go(blocks_unannounced), ==, 0);
	for (int i = 0; i < 3; i++)
		waits_for_news();
	return 0;
}

static int unannounced_read(void *arg)
{
	char c;
	int fd[2];

	(void)arg;
	t_check_int(go(sleeps_for_ever), ==, 0);
	t_check_int(pipe2(fd, O_CLOEXEC), ==, 0);
	writes_later(fd[1]);
	return read(fd[0], &c, 1) != 1;
}

static int computes(void *arg)
{
	int64_t end = goro_after(QUIET);

	(void)arg;
	t_check_int(go(sleeps_for_ever), ==, 0);
	while (goro_now() < end)
		;
	return 0;
}

/*
 * Blocks, without saying so, until all others are asleep: another process writes a byte when ours has used no CPU for a while, a few ticks of sysmon's. Who
 * looked from inside would wake what he looks at.
 */
static void blocks_until_all_are_asleep(void)
{
	enum { STEP_US = 1000, QUIET_STEPS = 25, STEPS = 20000 };
	clockid_t clock;
	int fd[2];
	char c;

	t_check_int(pipe2(fd, O_CLOEXEC), ==, 0);
	t_check_int(clock_getcpuclockid(getpid(), &clock), ==, 0);
	if (fork() == 0) {
		struct timespec last = { 0, 0 }, now;

		for (int i = 0, quiet = 0; i < STEPS && quiet < QUIET_STEPS; i++) {
			usleep(STEP_US);
			clock_gettime(clock, &now);
			quiet = memcmp(&now, &last, sizeof now) == 0 ? quiet + 1 : 0;
			last = now;
			if (quiet == QUIET_STEPS)
				_exit(write(fd[1], "x", 1) != 1);
		}
		_exit(1);
	}
	close(fd[1]);
	t_check_int(read(fd[0], &c, 1), ==, 1);
	close(fd[0]);
}

static int changes_the_number_of_processors(void *arg)
{
	int64_t end = goro_after(QUIET);

	(void)arg;
	t_check_int(go(sleeps_for_ever), ==, 0);
	for (int i = 1; goro_now() < end; i++) {
		t_check_int(goro_maxprocs(1 + i % 5), >, 0);
		blocks_until_all_are_asleep();
	}
	return 0;
}

static void bound(void)
{
	goro_thread_lock();
	waits_for_news();
	tells(NULL);
}

static int bound_ones(void *arg)
{
	t_check_int(go(bound), ==, 0);
	goro_thread_lock();
	t_check(goro_timer_func(QUIET, tells, arg) != NULL);
	goro_sleep(QUIET + QUIET / 4);
	return waits_for_news();
}

/* ---- plain threads ---------------------------------------------------------------------------------------------------- */

static void *tells_later(void *arg)
{
	usleep(QUIET_US);
	tells(arg);
	return NULL;
}

static int waits_for_a_thread(void *arg)
{
	api_thread(tells_later, arg);
	return waits_for_news();
}

static void *tells_after_a_deadline(void *arg)
{
	goro_chan_recv(NULL, NULL, goro_after(QUIET));
	tells(arg);
	return NULL;
}

static int waits_for_a_thread_that_waits_with_a_deadline(void *arg)
{
	api_thread(tells_after_a_deadline, arg);
	return waits_for_news();
}

static struct goro_chan *chain[3];

static void *passes_on(void *arg)
{
	long i = (long)arg;

	goro_chan_recv(chain[i], NULL, GORO_FOREVER);
	goro_chan_send(i == 2 ? news : chain[i + 1], NULL, GORO_FOREVER);
	return NULL;
}

static void *begins_the_chain(void *arg)
{
	usleep(QUIET_US);
	goro_chan_send(chain[0], NULL, GORO_FOREVER);
	sleeps_for_ever();
	return arg;
}

static int waits_for_a_chain_of_threads(void *arg)
{
	for (long i = 0; i < 3; i++)
		chain[i] = goro_chan_new(0, 0);
	for (long i = 0; i < 3; i++)
		api_thread(passes_on, (void *)i);
	api_thread(begins_the_chain, arg);
	return waits_for_news();
}

static int64_t end_of_the_row;

static void *passes_to_a_new_thread(void *arg)
{
	usleep(2000); /* its life: whoever looks finds one that sleeps, more often than one that begins or ends */
	if (goro_now() < end_of_the_row)
		api_thread(passes_to_a_new_thread, arg);
	else
		tells(arg);
	return NULL;
}

/* Each thread of a long row makes the next one and ends: at no moment is there none. */
static int waits_for_a_row_of_threads(void *arg)
{
	end_of_the_row = goro_after(QUIET);
	api_thread(passes_to_a_new_thread, arg);
	return waits_for_news();
}

static void *spawns_later(void *arg)
{
	usleep(QUIET_US);
	t_check_int(goro_spawn(last_words, arg), ==, 0);
	return NULL;
}

static int leaves_a_thread_that_spawns(void *arg)
{
	api_thread(spawns_later, arg);
	goro_exit();
}

static void *tells_and_unholds(void *arg)
{
	tells_later(arg);
	goro_unhold();
	return NULL;
}

static int declares_a_thread(void *arg)
{
	goro_hold();
	api_thread(tells_and_unholds, arg);
	return waits_for_news();
}

static void on_alarm(int sig)
{
	(void)sig;
	ends_alive();
}

static int is_held(void *arg)
{
	struct itimerval it = { .it_value.tv_usec = QUIET_US };

	(void)arg;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &it, NULL);
	goro_hold();
	sleeps_for_ever();
	return 1;
}

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

static int blocks_until_all_are_quiet(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++)
		t_check_int(go(sleeps_for_ever), ==, 0);
	for (int i = 0; i < 10; i++)
		goro_yield();
	usleep(60000 + (unsigned)t_seed() % 20000); /* the run ends about when sysmon asks whether it is dead */
	return 0;
}

START_TEST(the_end_of_a_run_is_no_deadlock)
{
	for (long n = t_scaled(20); n > 0; n--)
		api_run_procs(api_procs[_i], blocks_until_all_are_quiet, NULL);
}
END_TEST

static const struct {
	const char *name;
	goro_main_fn fn;
} cases[] = {
	{ "goro_sleep()", sleeps },
	{ "a ticker", hears_a_ticker },
	{ "a timer's function", has_an_after_func },
	{ "a timer's function, and main has called goro_exit()", leaves_an_after_func },
	{ "a context with a timeout", waits_for_a_context },
	{ "a lock with a deadline", waits_with_a_deadline },
	{ "a read on a socket", reads_a_socket },
	{ "a read on a pipe", reads_a_pipe },
	{ "an accept", accepts },
	{ "files", syncs_files },
	{ "goro_blocking()", in_a_blocking_call },
	{ "goro_blocking() of another goroutine", another_one_in_a_blocking_call },
	{ "goroutines that block without saying so", unannounced_sleep },
	{ "a read that blocks without saying so", unannounced_read },
	{ "a goroutine that computes", computes },
	{ "goro_maxprocs()", changes_the_number_of_processors },
	{ "goroutines that are bound to their threads", bound_ones },
	{ "a plain thread that wakes one", waits_for_a_thread },
	{ "a plain thread with a deadline", waits_for_a_thread_that_waits_with_a_deadline },
	{ "a chain of plain threads", waits_for_a_chain_of_threads },
	{ "a row of plain threads", waits_for_a_row_of_threads },
	{ "a plain thread that spawns, and main has called goro_exit()", leaves_a_thread_that_spawns },
	{ "goro_hold() and a signal handler", is_held },
};

static void stays_alive(unsigned n, goro_main_fn fn)
{
	news = t_keep(goro_chan_new(0, 0));
	api_expect_end(n, fn, NULL, ALIVE, NULL);
}

START_TEST(nobody_is_said_to_be_asleep_for_ever_as_long_as_something_may_wake_somebody)
{
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		printf("%s\n", cases[i].name);
		fflush(stdout);
		stays_alive(api_procs[_i], cases[i].fn);
	}
}
END_TEST

START_TEST(a_declared_thread_counts_where_only_declared_ones_do)
{
	setenv("GORO_DEADLOCK", "declared", 1);
	stays_alive(api_procs[_i], declares_a_thread);
}
END_TEST

static int deadlock_with_an_alarm(void *arg)
{
	struct itimerval it = { .it_value.tv_usec = QUIET_US };

	(void)arg;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &it, NULL);
	sleeps_for_ever();
	return 1;
}

START_TEST(GORO_DEADLOCK_off_says_nothing_whatever_happens)
{
	setenv("GORO_DEADLOCK", "off", 1);
	stays_alive(api_procs[_i], deadlock_with_an_alarm);
}
END_TEST

static void no_deadlock_by_flag(unsigned flag)
{
	struct goro_config cfg = GORO_CONFIG_INIT;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		cfg.flags = flag;
		_exit(goro_run(&cfg, deadlock_with_an_alarm, NULL));
	}
	t_check(waitpid(pid, &status, 0) == pid);
	t_check(WIFEXITED(status) && WEXITSTATUS(status) == (flag == GORO_NO_DEADLOCK ? ALIVE : 2), "%#x", status);
}

START_TEST(the_flags_of_goro_config_do_the_same)
{
	no_deadlock_by_flag(GORO_NO_DEADLOCK);
	no_deadlock_by_flag(GORO_THREADS_DECLARED);
}
END_TEST

/* ---- what it costs ---------------------------------------------------------------------------------------------------- */

static void *measures(void *arg)
{
	int64_t *cpu = arg, t;

	usleep(500000); /* what the start has left to do is done; else there is another try */
	t = api_cpu_ns();
	sleep(2); /* what is measured */
	*cpu = api_cpu_ns() - t;
	tells(NULL);
	return NULL;
}

static int is_idle(void *arg)
{
	api_thread(measures, arg);
	return waits_for_news();
}

/* The watchdog is one of the threads that might wake somebody: it is asked about four times a second. */
START_TEST(an_idle_process_with_a_foreign_thread_uses_at_most_a_millisecond_a_second)
{
	static int64_t cpu;

	for (int i = 0;; i++) {
		news = goro_chan_new(0, 0);
		api_run_procs(2, is_idle, &cpu);
		if (cpu <= 2 * GORO_MILLISECOND || !api_timing_is_sound())
			break;
		t_check(i < 5, "%lld us in 2 s", (long long)cpu / 1000);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("alive");
	TCase *tc = t_case(s, "alive", 180);

	tcase_add_loop_test(tc, nobody_is_said_to_be_asleep_for_ever_as_long_as_something_may_wake_somebody, 0, 3);
	tcase_add_loop_test(tc, a_declared_thread_counts_where_only_declared_ones_do, 0, 3);
	tcase_add_loop_test(tc, GORO_DEADLOCK_off_says_nothing_whatever_happens, 0, 3);
	tcase_add_test(tc, the_flags_of_goro_config_do_the_same);
	tcase_add_loop_test(tc, the_end_of_a_run_is_no_deadlock, 0, 3);
	tcase_add_test(tc, an_idle_process_with_a_foreign_thread_uses_at_most_a_millisecond_a_second);
	return t_main(s);
}
