/* SPDX-License-Identifier: MIT */
/*
 * check_signals.c: the signals of the program stay its own although one of them stops goroutines. Hazard 18; issue 3: "own SIGURG handlers of the
 * application and out-of-band data keep working, whether installed before or after"; hazard 4, a thread that sprays the signal.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

static int count;	/* calls of the handler; atomic */
static int last_value;	/* of the last siginfo */
static int foreign;	/* calls with a siginfo that is not ours */

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (sig != SIGURG || info->si_pid != getpid() || (info->si_code != SI_USER && info->si_code != SI_QUEUE))
		pre_add(&foreign, 1);
	if (info->si_code == SI_QUEUE)
		pre_set(&last_value, info->si_value.sival_int);
	pre_add(&count, 1);
}

static void install(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };

	t_check(sigaction(SIGURG, &sa, NULL) == 0);
}

static void check_installed(void)
{
	struct sigaction sa;

	t_check(sigaction(SIGURG, NULL, &sa) == 0);
	t_check((sa.sa_flags & SA_SIGINFO) && sa.sa_sigaction == handler);
}

/* Goroutines that are stopped again and again meanwhile. */
#define HOGS 4
static int stop;

static void start_hogs(void)
{
	for (int i = 0; i < HOGS; i++)
		t_check_int(GORO_GO(pre_hog, &stop), ==, 0);
}

static void end_hogs(void)
{
	pre_set(&stop, 1);
	t_eventually(goro_count() == 1, API_PATIENCE);
	pre_set(&stop, 0);
}

static bool send_one(int i)
{
	union sigval v = { .sival_int = i };

	return (i % 2 ? kill(getpid(), SIGURG) : sigqueue(getpid(), SIGURG, v)) == 0;
}

/*
 * One at a time, since a second one is merged with a first that is still pending. Where the runtime's own are counted too (not exactly), one of those
 * may have been taken for an answer to the first, so the second is sent until it is seen.
 */
static void send_and_see(int n, int exactly)
{
	for (int i = 1; i <= n; i++) {
		int before = pre_get(&count);

		t_check(send_one(i));
		t_eventually(pre_get(&count) > before, API_PATIENCE);
		if (!exactly && i % 2 == 0)
			t_eventually(pre_get(&last_value) == i || !send_one(i), API_PATIENCE);
		if (exactly)
			t_check_int(pre_get(&count), ==, before + 1);
		if (i % 2 == 0)
			t_eventually(pre_get(&last_value) == i, API_PATIENCE);
	}
}

static int before_main(void *arg)
{
	uint64_t preemptions;

	(void)arg;
	start_hogs();
	/* The hogs' own signals are none of the application's. */
	preemptions = pre_stats().preemptions;
	while (pre_stats().preemptions < preemptions + 50)
		goro_sleep(GORO_MILLISECOND);
	t_check_int(pre_get(&count), ==, 0);
	send_and_see(30, 1);
	t_check_int(pre_get(&foreign), ==, 0);
	end_hogs();
	return 0;
}

START_TEST(a_handler_installed_before_gets_the_programs_signals_and_no_others)
{
	install();
	for (int i = 0; i < 2; i++) {
		count = 0;
		pre_run(1 + (unsigned)_i, PRE_SHORT, before_main, NULL);
		check_installed();
		/* And without a runtime. */
		send_and_see(2, 1);
	}
}
END_TEST

static int after_main(void *arg)
{
	uint64_t preemptions;

	(void)arg;
	start_hogs();
	goro_sleep(5 * GORO_MILLISECOND);
	install();
	send_and_see(30, 0);
	/* Preemption goes on: if it were over, this sleep would not end. */
	preemptions = pre_stats().preemptions;
	while (pre_stats().preemptions < preemptions + 20)
		goro_sleep(GORO_MILLISECOND);
	send_and_see(30, 0);
	end_hogs();
	return 0;
}

/* A library that takes the signal while the runtime runs: it gets its signals, goroutines are still stopped, and it has it afterwards. */
START_TEST(a_handler_installed_after_gets_the_programs_signals)
{
	for (int i = 0; i < 2; i++) {
		signal(SIGURG, SIG_DFL);
		pre_run(1 + (unsigned)_i, PRE_SHORT, after_main, NULL);
		check_installed();
		send_and_see(2, 1);
	}
}
END_TEST

/* With another signal for preemption SIGURG is not touched at all. */
static int other_main(void *arg)
{
	(void)arg;
	check_installed();
	return before_main(NULL);
}

START_TEST(another_signal_for_preemption_leaves_sigurg_alone)
{
	struct goro_config cfg;
	struct sigaction sa;

	install();
	pre_config(&cfg, 1, PRE_SHORT);
	cfg.preempt_signal = SIGUSR2;
	t_check_int(goro_run(&cfg, other_main, NULL), ==, 0);
	check_installed();
	t_check(sigaction(SIGUSR2, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL);
}
END_TEST

static int default_main(void *arg)
{
	(void)arg;
	start_hogs();
	for (int i = 0; i < 100; i++) {
		t_check(kill(getpid(), SIGURG) == 0);
		goro_yield();
	}
	end_hogs();
	return 0;
}

START_TEST(without_a_handler_the_signal_stays_ignored)
{
	struct sigaction sa;

	pre_run(1, PRE_SHORT, default_main, NULL);
	t_check(sigaction(SIGURG, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL);
	t_check(kill(getpid(), SIGURG) == 0);
}
END_TEST

/* ---- out-of-band data ------------------------------------------------------------------------------------------ */

static void urgent(int sig)
{
	(void)sig;
	pre_add(&count, 1);
}

static int oob_main(void *arg)
{
	int fd[2];
	char c;

	(void)arg;
	t_check_int(api_link(API_TCP4, fd), ==, 0);
	t_check(fcntl(fd[1], F_SETOWN, getpid()) == 0);
	start_hogs();
	for (int i = 0; i < 10; i++) {
		int before = pre_get(&count);
		char sent = (char)('a' + i);

		t_check(send(fd[0], &sent, 1, MSG_OOB) == 1);
		t_eventually(pre_get(&count) > before, API_PATIENCE);
		t_check(recv(fd[1], &c, 1, MSG_OOB) == 1);
		t_check_int(c, ==, sent);
	}
	end_hogs();
	t_check(goro_close(fd[0]) == 0 && goro_close(fd[1]) == 0);
	return 0;
}

START_TEST(out_of_band_data_is_reported)
{
	t_check(signal(SIGURG, urgent) != SIG_ERR);
	pre_run(1 + (unsigned)_i, PRE_SHORT, oob_main, NULL);
}
END_TEST

/* ---- a spray of signals (hazard 4) --------------------------------------------------------------------------------- */

static int spraying;

/* To the process, and to each thread of it. */
static void *spray(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (pre_get(&spraying)) {
		DIR *d = opendir("/proc/self/task");
		struct dirent *e;

		t_check(d != NULL);
		while ((e = readdir(d)))
			if (e->d_name[0] != '.')
				syscall(SYS_tgkill, getpid(), atoi(e->d_name), SIGURG);
		closedir(d);
		for (int i = 0; i < 20; i++)
			kill(getpid(), SIGURG);
	}
	return arg;
}

static void compute(uint64_t seed, struct goro_waitgroup *wg)
{
	for (long n = t_scaled(30); n > 0 || pre_unseen(); n--) {
		uint64_t x = seed, y = seed;
		void *p = malloc(1 + (size_t)(n & 63));

		for (int i = 0; i < 100000; i++)
			x = x * 6364136223846793005u + 1442695040888963407u;
		for (int i = 0; i < 100000; i++)
			y = y * 6364136223846793005u + 1442695040888963407u;
		t_check(x == y && p != NULL);
		free(p);
	}
	goro_waitgroup_done(wg);
}

static int spray_main(void *arg)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	pthread_t t;

	(void)arg;
	pre_set(&spraying, 1);
	t = api_thread(spray, NULL);
	goro_waitgroup_add(&wg, 8);
	for (uint64_t i = 0; i < 8; i++)
		t_check_int(GORO_GO(compute, i, &wg), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	pre_set(&spraying, 0);
	api_join(t);
	t_check_int(pre_stats().preemptions, >, 0);
	return 0;
}

START_TEST(a_spray_of_signals_disturbs_nobody)
{
	if (_i & 1)
		t_check(signal(SIGURG, urgent) != SIG_ERR);
	pre_run(_i & 2 ? 2 : 1, PRE_SHORT, spray_main, NULL);
	if (_i & 1)
		t_check_int(count, >, 0);
}
END_TEST

/* ---- other signals ------------------------------------------------------------------------------------------------- */

static int timer_main(void *arg)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, off = { { 0, 0 }, { 0, 0 } };
	uint64_t before = pre_stats().preemptions;

	(void)arg;
	start_hogs();
	t_check(setitimer(ITIMER_REAL, &every, NULL) == 0);
	t_eventually(pre_get(&count) >= 50 && pre_stats().preemptions > before, API_PATIENCE);
	t_check(setitimer(ITIMER_REAL, &off, NULL) == 0);
	end_hogs();
	return 0;
}

/* All but one thread sit in the handler with every signal blocked; the timer's signals still come. */
START_TEST(signals_to_the_process_arrive_while_goroutines_are_stopped)
{
	struct sigaction sa = { .sa_handler = urgent, .sa_flags = SA_RESTART };

	t_check(sigaction(SIGALRM, &sa, NULL) == 0);
	pre_run(1, PRE_SHORT, timer_main, NULL);
}
END_TEST

static uint64_t mask_job(uint64_t seed)
{
	sigset_t set, now;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for (long n = t_scaled(200); n > 0; n--) {
		t_check(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
		for (volatile int i = 0; i < 30000; i++)
			;
		t_check(pthread_sigmask(SIG_UNBLOCK, &set, &now) == 0);
		t_check(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0 && sigismember(&now, SIGURG) == 0);
	}
	return seed;
}

START_TEST(the_signal_mask_of_a_goroutines_thread_survives)
{
	pre_agree(mask_job, 6);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: signals");
	TCase *tc = tcase_create("own");

	tcase_add_loop_test(tc, a_handler_installed_before_gets_the_programs_signals_and_no_others, 0, 2);
	tcase_add_loop_test(tc, a_handler_installed_after_gets_the_programs_signals, 0, 2);
	tcase_add_test(tc, another_signal_for_preemption_leaves_sigurg_alone);
	tcase_add_test(tc, without_a_handler_the_signal_stays_ignored);
	tcase_add_loop_test(tc, out_of_band_data_is_reported, 0, 2);
	suite_add_tcase(s, tc);

	tc = tcase_create("spray");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_spray_of_signals_disturbs_nobody, 0, 4);
	tcase_add_test(tc, signals_to_the_process_arrive_while_goroutines_are_stopped);
	tcase_add_test(tc, the_signal_mask_of_a_goroutines_thread_survives);
	suite_add_tcase(s, tc);
	return t_main(s);
}
