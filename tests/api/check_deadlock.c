/* SPDX-License-Identifier: MIT */
/*
 * check_deadlock.c: "fatal error: all goroutines are asleep - deadlock!", when it is true. check_alive.c has the cases in which it must not be said.
 *
 * Each case is the main goroutine of a child process that must end with status 2.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/short.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

#define ASLEEP "fatal error: all goroutines are asleep - deadlock!\n\n"
#define NONE "fatal error: no goroutines (main called runtime.Goexit) - deadlock!\n\n"

/* ---- each object ------------------------------------------------------------------------------------------------------ */

static int recv_of_empty(void *arg)
{
	struct goro_chan *c = goro_chan_new(sizeof(int), 3);

	return goro_chan_recv(c, arg, GORO_FOREVER);
}

static int send_without_receiver(void *arg)
{
	return goro_chan_send(goro_chan_new(0, 0), arg, GORO_FOREVER);
}

static int send_to_full(void *arg)
{
	struct goro_chan *c = goro_chan_new(0, 2);

	for (int i = 0; i < 3; i++)
		goro_chan_send(c, arg, GORO_FOREVER);
	return 0;
}

static int recv_of_nil(void *arg)
{
	return goro_chan_recv(NULL, arg, GORO_FOREVER);
}

static int send_to_nil(void *arg)
{
	return goro_chan_send(NULL, arg, GORO_FOREVER);
}

static int select_of_nothing(void *arg)
{
	return goro_select(arg, 0, GORO_FOREVER);
}

static int select_blocked(void *arg)
{
	struct goro_case cases[] = {
		{ .chan = goro_chan_new(0, 0), .op = GORO_RECV },
		{ .chan = goro_chan_new(0, 0), .op = GORO_SEND },
		{ .chan = arg, .op = GORO_RECV },
	};

	return goro_select(cases, 3, GORO_FOREVER);
}

static int mutex_twice(void *arg)
{
	static struct goro_mutex mu;

	(void)arg;
	goro_mutex_lock(&mu);
	goro_mutex_lock(&mu);
	return 0;
}

static int waitgroup_never_done(void *arg)
{
	static struct goro_waitgroup wg;

	(void)arg;
	goro_waitgroup_add(&wg, 1);
	return goro_waitgroup_wait(&wg, GORO_FOREVER);
}

static int cond_never_signalled(void *arg)
{
	static struct goro_mutex mu;
	static struct goro_cond cond;

	(void)arg;
	goro_mutex_lock(&mu);
	return goro_cond_wait(&cond, &mu, GORO_FOREVER);
}

static int semaphore_used_up(void *arg)
{
	static struct goro_semaphore sem = GORO_SEMAPHORE_INIT(1);

	(void)arg;
	goro_semaphore_acquire(&sem, 1, GORO_FOREVER);
	return goro_semaphore_acquire(&sem, 1, GORO_FOREVER);
}

static int write_lock_of_a_reader(void *arg)
{
	static struct goro_rwmutex rw;

	(void)arg;
	goro_rwmutex_rlock(&rw);
	goro_rwmutex_lock(&rw);
	return 0;
}

static int read_lock_of_a_writer(void *arg)
{
	static struct goro_rwmutex rw;

	(void)arg;
	goro_rwmutex_lock(&rw);
	goro_rwmutex_rlock(&rw);
	return 0;
}

static int background_is_never_done(void *arg)
{
	return goro_chan_recv(goro_context_done(goro_context_background()), arg, GORO_FOREVER);
}

static int never_cancelled(void *arg)
{
	return goro_chan_recv(goro_context_done(goro_context_with_cancel(goro_context_background())), arg, GORO_FOREVER);
}

static int sleeps_for_ever(void *arg)
{
	(void)arg;
	return goro_sleep_until(GORO_FOREVER);
}

static void calls_it_again(void *once)
{
	goro_once_do(once, calls_it_again, once);
}

static int once_in_once(void *arg)
{
	static struct goro_once once;

	(void)arg;
	calls_it_again(&once);
	return 0;
}

static int bound_to_its_thread(void *arg)
{
	goro_thread_lock();
	return goro_chan_recv(NULL, arg, GORO_FOREVER);
}

static void waits_there(void *arg)
{
	goro_chan_recv(NULL, arg, GORO_FOREVER);
}

static int on_a_larger_stack(void *arg)
{
	return goro_call_on_stack(0, waits_there, arg);
}

static const struct {
	goro_main_fn fn;
	const char *reason;
} objects[] = {
	{ recv_of_empty, "chan receive" },
	{ send_without_receiver, "chan send" },
	{ send_to_full, "chan send" },
	{ recv_of_nil, "chan receive (nil chan)" },
	{ send_to_nil, "chan send (nil chan)" },
	{ select_of_nothing, "select (no cases)" },
	{ select_blocked, "select" },
	{ mutex_twice, "sync.Mutex.Lock" },
	{ waitgroup_never_done, "sync.WaitGroup.Wait" },
	{ cond_never_signalled, "sync.Cond.Wait" },
	{ semaphore_used_up, "semacquire" },
	{ write_lock_of_a_reader, "sync.RWMutex.Lock" },
	{ read_lock_of_a_writer, "sync.RWMutex.RLock" },
	{ background_is_never_done, "chan receive (nil chan)" },
	{ never_cancelled, "chan receive" },
	{ sleeps_for_ever, "sleep" },
	{ once_in_once, NULL },
	{ bound_to_its_thread, "chan receive (nil chan)" },
	{ on_a_larger_stack, "chan receive (nil chan)" },
};

static void ends_so(unsigned n, goro_main_fn fn, void *arg, const char *begins)
{
	api_expect_end(n, fn, arg, 2, begins);
}

START_TEST(a_goroutine_that_waits_for_ever_alone_is_a_deadlock_whatever_it_waits_on)
{
	for (unsigned i = 0; i < sizeof objects / sizeof objects[0]; i++) {
		char want[80];

		printf("object %u\n", i);
		fflush(stdout);
		ends_so(api_procs[_i], objects[i].fn, NULL, ASLEEP);
		snprintf(want, sizeof want, "\ngoroutine 1 \"main\" [%s]:\n", objects[i].reason ? objects[i].reason : "");
		t_check(!objects[i].reason || strstr(api_err, want) != NULL, "%u: %.2000s", i, api_err);
	}
}
END_TEST

/* ---- several ---------------------------------------------------------------------------------------------------------- */

static struct goro_chan *ring[3];

/* Global, for their names in backtraces. */
void first_in_the_cycle(void);
void second_in_the_cycle(void);

__attribute__((noinline)) void first_in_the_cycle(void)
{
	goro_set_name("first");
	goro_chan_recv(ring[0], NULL, GORO_FOREVER);
	goro_chan_send(ring[1], NULL, GORO_FOREVER);
}

__attribute__((noinline)) void second_in_the_cycle(void)
{
	struct goro_case c = { .chan = ring[1], .op = GORO_RECV };

	goro_set_name("second");
	goro_select(&c, 1, GORO_FOREVER);
	goro_chan_send(ring[2], NULL, GORO_FOREVER);
}

static int a_cycle(void *arg)
{
	for (int i = 0; i < 3; i++)
		ring[i] = goro_chan_new(0, 0);
	t_check_int(go(first_in_the_cycle), ==, 0);
	t_check_int(go(second_in_the_cycle), ==, 0);
	goro_chan_recv(ring[2], arg, GORO_FOREVER);
	goro_chan_send(ring[0], arg, GORO_FOREVER);
	return 0;
}

START_TEST(of_goroutines_in_a_cycle_each_is_written_with_its_wait_reason_and_where_it_is)
{
	ends_so(api_procs[_i], a_cycle, NULL, ASLEEP);
	t_check(strstr(api_err, "\"main\" [chan receive]:\n") != NULL, "%.3000s", api_err);
	t_check(strstr(api_err, "\"first\" [chan receive]:\n") != NULL, "%.3000s", api_err);
	t_check(strstr(api_err, "\"second\" [select]:\n") != NULL, "%.3000s", api_err);
	t_check(strstr(api_err, "first_in_the_cycle") != NULL && strstr(api_err, "second_in_the_cycle") != NULL, "%.3000s", api_err);
	t_check(strstr(api_err, "created by goroutine 1 at ") != NULL, "%.3000s", api_err);
}
END_TEST

static void waits(struct goro_chan *c)
{
	goro_chan_recv(c, NULL, GORO_FOREVER);
}

static int many(void *arg)
{
	struct goro_chan *c = goro_chan_new(0, 0);

	(void)arg;
	for (long i = t_scaled(3000); i > 0; i--)
		t_check_int(go(waits, c), ==, 0);
	waits(c);
	return 0;
}

START_TEST(thousands_that_wait_are_a_deadlock_too)
{
	ends_so(api_procs[_i], many, NULL, ASLEEP);
}
END_TEST

/* ---- after a life ----------------------------------------------------------------------------------------------------- */

/* As long as it lasts this thread might wake somebody: whatever the others do meanwhile, it is a deadlock behind it only. */
static void *sleeps_a_little(void *arg)
{
	usleep(20000);
	return arg;
}

/* The kernel's workers for it are threads of this process, and stay for seconds. */
static void syncs_a_file(void)
{
	char dir[64], path[96];
	int fd;

	api_temp_dir(dir, sizeof dir);
	snprintf(path, sizeof path, "%s/f", dir);
	fd = goro_file_open(path, O_CREAT | O_RDWR, 0600, GORO_FOREVER);
	t_check_int(fd, >=, 0);
	t_check_int(goro_file_write(fd, path, sizeof path, 0, GORO_FOREVER), ==, sizeof path);
	t_check_int(goro_file_sync(fd, 0, GORO_FOREVER), ==, 0);
	t_check_int(goro_close(fd), ==, 0);
	unlink(path);
	rmdir(dir);
}

static int did_a_lot(void *arg)
{
	struct goro_chan *c = goro_time_after(30 * GORO_MILLISECOND);
	int fd[2], n = 4;
	char buf[8];

	t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==, 0);
	t_check_int(goro_read(fd[0], buf, sizeof buf, goro_after(10 * GORO_MILLISECOND)), ==, -ETIMEDOUT);
	t_check_int(goro_write(fd[1], "x", 1, GORO_FOREVER), ==, 1);
	t_check_int(goro_read(fd[0], buf, sizeof buf, GORO_FOREVER), ==, 1);
	goro_blocking(sleeps_a_little, NULL);
	usleep(30000); /* blocks without saying so: its P is taken */
	goro_maxprocs(n);
	goro_maxprocs(1);
	goro_chan_recv(c, &(int64_t){ 0 }, GORO_FOREVER);
	api_join(api_thread(sleeps_a_little, NULL));
	goro_sleep(200 * GORO_MILLISECOND); /* long enough for all to go to sleep towards a late timer */
	goro_maxprocs(3);
	syncs_a_file();
	waits(NULL);
	return arg != NULL;
}

START_TEST(what_has_been_timers_io_blocking_calls_and_threads_hides_nothing)
{
	ends_so(api_procs[_i], did_a_lot, NULL, ASLEEP);
}
END_TEST

static int exits(void *arg)
{
	if (arg)
		t_check_int(go(waits, (struct goro_chan *)NULL), ==, 0);
	goro_exit();
}

START_TEST(main_that_calls_goro_exit_leaves_either_no_goroutines_or_some_that_sleep)
{
	ends_so(api_procs[_i], exits, NULL, NONE);
	ends_so(api_procs[_i], exits, "x", ASLEEP);
	t_check(strstr(api_err, "[chan receive (nil chan)]:\n") != NULL, "%.2000s", api_err);
}
END_TEST

START_TEST(it_takes_well_below_a_second)
{
	for (int i = 0;; i++) {
		int64_t t = goro_now();

		ends_so(2, recv_of_nil, NULL, ASLEEP);
		t = goro_now() - t;
		if (t < 500 * GORO_MILLISECOND || !api_timing_is_sound())
			break;
		t_check(i < 20, "%lld ms, again and again", (long long)t / 1000000);
	}
}
END_TEST

START_TEST(GORO_TRACEBACK_none_leaves_the_message_alone)
{
	setenv("GORO_TRACEBACK", "none", 1);
	ends_so(0, recv_of_nil, NULL, ASLEEP);
	t_check(strstr(api_err, "goroutine 1") == NULL, "%.2000s", api_err);
}
END_TEST

/* ---- plain threads ---------------------------------------------------------------------------------------------------- */

static struct goro_chan *meeting;

static void *waits_as_thread(void *arg)
{
	waits(meeting);
	return arg;
}

static int thread_waits_too(void *arg)
{
	meeting = goro_chan_new(0, 0);
	api_thread(waits_as_thread, arg);
	api_thread(waits_as_thread, arg);
	waits(meeting);
	return 0;
}

static void *sleeps_as_thread(void *arg)
{
	sleeps_for_ever(arg);
	return arg;
}

static int thread_waits_by_token(void *arg)
{
	api_thread(sleeps_as_thread, arg);
	waits(NULL);
	return 0;
}

static int thread_ends(void *arg)
{
	api_thread(sleeps_a_little, arg);
	waits(NULL);
	return 0;
}

static void *pauses(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int thread_pauses(void *arg)
{
	api_thread(pauses, arg);
	waits(NULL);
	return 0;
}

static void *unholds(void *arg)
{
	usleep(200000); /* several times what an alarm takes: were the hold not seen it would come too early, and without our thread in it */
	goro_unhold();
	return arg;
}

static int held_for_a_while(void *arg)
{
	goro_hold();
	goro_hold();
	goro_unhold();
	api_thread(unholds, arg);
	waits(NULL);
	return 0;
}

START_TEST(a_plain_thread_that_waits_for_goroutines_is_one_of_the_sleepers)
{
	ends_so(api_procs[_i], thread_waits_too, NULL, ASLEEP);
	t_check(strstr(api_err, "\nplain thread ") != NULL && strstr(api_err, " [chan receive]\n") != NULL, "%.2000s", api_err);
	ends_so(api_procs[_i], thread_waits_by_token, NULL, ASLEEP);
}
END_TEST

START_TEST(when_the_last_thread_that_could_have_woken_somebody_ends_it_is_said)
{
	ends_so(api_procs[_i], thread_ends, NULL, ASLEEP);
}
END_TEST

START_TEST(when_the_last_hold_ends_it_is_said)
{
	ends_so(api_procs[_i], held_for_a_while, NULL, ASLEEP);
}
END_TEST

START_TEST(with_declared_threads_only_holds_count)
{
	setenv("GORO_DEADLOCK", "declared", 1);
	ends_so(api_procs[_i], thread_pauses, NULL, ASLEEP);
	ends_so(api_procs[_i], held_for_a_while, NULL, ASLEEP);
}
END_TEST

static int unholds_unheld(void *arg)
{
	(void)arg;
	goro_unhold();
	return 0;
}

START_TEST(unhold_without_hold_is_fatal)
{
	api_expect_fatal(unholds_unheld, NULL, "fatal error: goro_unhold without goro_hold");
}
END_TEST

#if defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define HAS_TSAN 1
# endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(HAS_TSAN)
# define OWN_THREADS 2 /* ThreadSanitizer has one, which the library knows of */
#else
# define OWN_THREADS 1
#endif

int main(void)
{
	Suite *s = suite_create("deadlock");
	TCase *tc = tcase_create("asleep");
	bool alone = api_threads() <= OWN_THREADS;

	/* An emulator of user programs has threads of its own: only declared ones can be told apart there. */
	if (!alone)
		setenv("GORO_DEADLOCK", "declared", 1);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_goroutine_that_waits_for_ever_alone_is_a_deadlock_whatever_it_waits_on, 0, 3);
	tcase_add_loop_test(tc, of_goroutines_in_a_cycle_each_is_written_with_its_wait_reason_and_where_it_is, 0, 3);
	tcase_add_loop_test(tc, thousands_that_wait_are_a_deadlock_too, 0, 3);
	tcase_add_loop_test(tc, what_has_been_timers_io_blocking_calls_and_threads_hides_nothing, 0, 3);
	tcase_add_loop_test(tc, main_that_calls_goro_exit_leaves_either_no_goroutines_or_some_that_sleep, 0, 3);
	tcase_add_test(tc, it_takes_well_below_a_second);
	tcase_add_test(tc, GORO_TRACEBACK_none_leaves_the_message_alone);
	tcase_add_test(tc, unhold_without_hold_is_fatal);
	tcase_add_loop_test(tc, when_the_last_hold_ends_it_is_said, 0, 3);
	tcase_add_loop_test(tc, with_declared_threads_only_holds_count, 0, 3);
	tcase_add_loop_test(tc, a_plain_thread_that_waits_for_goroutines_is_one_of_the_sleepers, 0, 3);
	if (alone)
		tcase_add_loop_test(tc, when_the_last_thread_that_could_have_woken_somebody_ends_it_is_said, 0, 3);
	suite_add_tcase(s, tc);
	return t_main(s);
}
