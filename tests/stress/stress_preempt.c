/* SPDX-License-Identifier: MIT */
/*
 * stress_preempt.c: everything that preemption has to live with, at once: goroutines that compute, allocate, print,
 * block their threads, announce that, wait for sockets and timers, are bound to threads, start storms of others, while
 * the number of processors changes and signals come from outside. Each actor does rounds; none may wait for its next
 * one much longer than some slices. Then the same, cut off in the middle, and started again.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

/* LeakSanitizer asks: what a goroutine that is cut off has allocated is lost, by design. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

#define ACTORS 26
#define STARVED (4 * GORO_SECOND) /* a round takes a few milliseconds; this machine may be busy, too */

struct play;

struct actor {
	struct play *play;
	const char *name;
	void (*round)(struct actor *a);
	uint64_t rng;
	long rounds;	 /* atomic */
	int64_t last;	 /* atomic: when the last round ended */
	int fd[2], raw[2];
	struct goro_chan *chan;
};

struct play {
	int stop, fired; /* atomic */
	int64_t end, worst;
	uint64_t seed;
	pthread_mutex_t mutex; /* ERRORCHECK */
	struct goro_mutex gmutex;
	long under_mutex, under_gmutex, entered, gentered; /* the first two under theirs, the others atomic */
	FILE *out;
	struct goro_waitgroup wg;
	struct actor actors[ACTORS];
};

/* ---- what a round can be --------------------------------------------------------------------------------------- */

static void compute(struct actor *a)
{
	uint64_t x = a->rng, y = x;

	for (long n = 1000L * api_below(&a->rng, 1000); n > 0; n--) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		y = y * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(x));
	}
	t_check(x == y);
}

static void allocate(struct actor *a)
{
	void *p[100];
	size_t size[100];

	for (int i = 0; i < 100; i++) {
		size[i] = 1 + api_below(&a->rng, 3000);
		p[i] = malloc(size[i]);
		t_check(p[i] != NULL);
		memset(p[i], i, size[i]);
	}
	for (int i = 0; i < 100; i++) {
		t_check(*((unsigned char *)p[i] + size[i] - 1) == i);
		free(p[i]);
	}
}

static void print(struct actor *a)
{
	char text[64], word[16];
	long n = (long)api_below(&a->rng, 1000000), back = 0;
	double d = (double)n / 7, dback = 0;

	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "%ld %.17g goro", n, d);
		t_check(sscanf(text, "%ld %lf %15s", &back, &dback, word) == 3 && back == n && dback == d, "%s", text);
		fprintf(a->play->out, "%s\n", text);
	}
}

static void nap(struct actor *a)
{
	struct timespec ts = { 0, (long)api_below(&a->rng, 3000000) };

	nanosleep(&ts, NULL); /* a stray signal of the test may cut it short */
}

static void wait_for_byte(struct actor *a)
{
	char c = 0;

	t_check(read(a->raw[0], &c, 1) == 1 && c == 'b');
}

static void *announced(void *arg)
{
	struct actor *a = arg;
	int v = 1;

	nap(a);
	t_check_int(goro_chan_send(a->chan, &v, GORO_FOREVER), ==, 0);
	nap(a);
	t_check_int(goro_chan_recv(a->chan, &v, GORO_FOREVER), ==, 1);
	return a;
}

static void announce(struct actor *a)
{
	if (api_below(&a->rng, 2)) {
		t_check(goro_blocking(announced, a) == a);
	} else {
		goro_block_enter();
		nap(a);
		goro_mutex_lock(&a->play->gmutex);
		goro_mutex_unlock(&a->play->gmutex);
		goro_block_exit();
	}
}

static void lock_pthread(struct actor *a)
{
	struct play *p = a->play;

	t_check_int(pthread_mutex_lock(&p->mutex), ==, 0);
	p->under_mutex++;
	for (volatile unsigned i = api_below(&a->rng, 30000); i > 0; i--)
		;
	t_check_int(pthread_mutex_unlock(&p->mutex), ==, 0);
	__atomic_add_fetch(&p->entered, 1, __ATOMIC_RELAXED);
	/* The mutex is not fair: whoever locks it again at once starves the others, on threads too. */
	goro_sleep(api_below(&a->rng, 200000));
}

static void lock_goro(struct actor *a)
{
	struct play *p = a->play;

	for (int i = 0; i < 50; i++) {
		goro_mutex_lock(&p->gmutex);
		p->under_gmutex++;
		if (api_below(&a->rng, 16) == 0)
			goro_yield();
		goro_mutex_unlock(&p->gmutex);
		__atomic_add_fetch(&p->gentered, 1, __ATOMIC_RELAXED);
	}
}

static void talk(struct actor *a)
{
	unsigned char out[512], in[512];
	size_t n = 1 + api_below(&a->rng, sizeof out);

	memset(out, (int)n, n);
	t_check_int(goro_write(a->fd[0], out, n, GORO_FOREVER), ==, n);
	t_check_int(goro_read_full(a->fd[1], in, n, GORO_FOREVER), ==, n);
	t_check(memcmp(in, out, n) == 0);
}

static void sleep_round(struct actor *a)
{
	goro_sleep(api_below(&a->rng, 2000000));
}

static void bound(struct actor *a)
{
	pid_t tid;

	goro_thread_lock();
	tid = gettid();
	for (int i = 0; i < 5; i++) {
		sleep_round(a);
		t_check_int(gettid(), ==, tid);
		lock_pthread(a);
	}
	goro_thread_unlock();
}

static void leaf(struct goro_waitgroup *wg, uint64_t seed)
{
	if (seed % 7 == 0)
		pre_burn((int64_t)(seed % 300) * GORO_MICROSECOND);
	goro_waitgroup_done(wg);
}

static void spawn_storm(struct actor *a)
{
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;
	int n = 1 + (int)api_below(&a->rng, 100);

	goro_waitgroup_add(&wg, n);
	for (int i = 0; i < n; i++)
		t_check_int(GORO_GO(leaf, &wg, t_rand(&a->rng)), ==, 0);
	t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
}

static void hold_off(struct actor *a)
{
	goro_preempt_off();
	for (int i = 0; i < 20; i++) {
		allocate(a);
		GORO_POLL();
	}
	goro_preempt_on();
}

static void change_procs(struct actor *a)
{
	t_check_int(goro_maxprocs(1 + (int)api_below(&a->rng, 8)), >, 0);
	goro_sleep(GORO_MILLISECOND + api_below(&a->rng, 10000000));
}

static void be_preempted(struct actor *a)
{
	pre_burn((int64_t)api_below(&a->rng, 20) * GORO_MILLISECOND);
}

static const struct {
	const char *name;
	void (*round)(struct actor *a);
} cast[ACTORS] = {
	{ "compute", compute },	      { "compute", compute },	    { "compute long", be_preempted }, { "compute long", be_preempted },
	{ "allocate", allocate },     { "allocate", allocate },	    { "print", print },		      { "print", print },
	{ "nanosleep", nap },	      { "nanosleep", nap },	    { "read", wait_for_byte },	      { "read", wait_for_byte },
	{ "announce", announce },     { "announce", announce },	    { "pthread", lock_pthread },      { "pthread", lock_pthread },
	{ "pthread", lock_pthread },  { "goro mutex", lock_goro },  { "goro mutex", lock_goro },      { "talk", talk },
	{ "talk", talk },	      { "sleep", sleep_round },	    { "bound", bound },		      { "storm", spawn_storm },
	{ "off", hold_off },	      { "maxprocs", change_procs },
};

/* ---- the play ----------------------------------------------------------------------------------------------------- */

static void act(struct actor *a)
{
	while (!pre_get(&a->play->stop)) {
		a->round(a);
		__atomic_add_fetch(&a->rounds, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&a->last, pre_now(), __ATOMIC_RELAXED);
	}
	goro_waitgroup_done(&a->play->wg);
}

/* Feeds those that block in read(), and shoots at random threads. */
static void *outside(void *arg)
{
	struct play *p = arg;
	uint64_t rng = p->seed ^ 0x5555;

	while (!pre_get(&p->fired)) {
		struct timespec ts = { 0, 1000000 + (long)api_below(&rng, 3000000) };
		DIR *d = opendir("/proc/self/task");
		struct dirent *e;

		t_check(d != NULL);
		while ((e = readdir(d)))
			if (e->d_name[0] != '.' && api_below(&rng, 16) == 0)
				syscall(SYS_tgkill, getpid(), atoi(e->d_name), SIGURG);
		closedir(d);
		for (int i = 0; i < ACTORS; i++)
			if (p->actors[i].round == wait_for_byte)
				t_check(write(p->actors[i].raw[1], "b", 1) == 1);
		nanosleep(&ts, NULL);
	}
	return NULL;
}

static void open_play(struct play *p, uint64_t seed)
{
	pthread_mutexattr_t attr;

	memset(p, 0, sizeof *p);
	p->seed = seed;
	p->out = fopen("/dev/null", "we");
	t_check(p->out != NULL);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	t_check(pthread_mutex_init(&p->mutex, &attr) == 0);
	for (int i = 0; i < ACTORS; i++) {
		struct actor *a = &p->actors[i];

		a->play = p;
		a->name = cast[i].name;
		a->round = cast[i].round;
		a->rng = seed + (uint64_t)i * 1000;
		t_check(pipe2(a->raw, O_CLOEXEC) == 0);
		t_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a->fd) == 0);
		a->chan = goro_chan_new(sizeof(int), 1);
	}
}

static void close_play(struct play *p)
{
	for (int i = 0; i < ACTORS; i++) {
		struct actor *a = &p->actors[i];

		t_check(close(a->raw[0]) == 0 && close(a->raw[1]) == 0 && close(a->fd[0]) == 0 && close(a->fd[1]) == 0);
	}
}

static void start_actors(struct play *p)
{
	goro_waitgroup_add(&p->wg, ACTORS);
	for (int i = 0; i < ACTORS; i++) {
		p->actors[i].last = pre_now();
		t_check_int(GORO_GO(act, &p->actors[i]), ==, 0);
	}
}

/* Nobody has been waiting for too long. */
static void nobody_starves(struct play *p)
{
	int64_t now = pre_now();

	for (int i = 0; i < ACTORS; i++) {
		struct actor *a = &p->actors[i];
		int64_t since = now - __atomic_load_n(&a->last, __ATOMIC_RELAXED);

		p->worst = since > p->worst ? since : p->worst;
		if (since > pre_patient(STARVED))
			goro_dump(STDERR_FILENO);
		t_check(since <= pre_patient(STARVED), "%s: no round for %.1f s", a->name, (double)since / 1e9);
	}
}

static bool all_had_a_round(struct play *p)
{
	for (int i = 0; i < ACTORS; i++)
		if (__atomic_load_n(&p->actors[i].rounds, __ATOMIC_RELAXED) == 0)
			return false;
	return true;
}

static int play_main(void *arg)
{
	struct play *p = arg;
	pthread_t t = api_thread(outside, p);
	struct goro_stats st;

	start_actors(p);
	/* A short play may not be long enough for a round of each; who has none for STARVED fails. */
	while (goro_now() < p->end || !all_had_a_round(p) || pre_unseen() || (pre_stats().retakes == 0 && goro_now() < p->end + 10 * GORO_SECOND)) {
		t_check_int(goro_sleep(10 * GORO_MILLISECOND), ==, 0);
		nobody_starves(p);
	}
	pre_set(&p->stop, 1);
	t_check_int(goro_waitgroup_wait(&p->wg, GORO_FOREVER), ==, 0);
	pre_set(&p->fired, 1);
	api_join(t);
	t_eventually(goro_count() == 1, API_PATIENCE);
	t_check_int(p->under_mutex, ==, p->entered);
	t_check_int(p->under_gmutex, ==, p->gentered);
	for (int i = 0; i < ACTORS; i++)
		t_check(p->actors[i].rounds > 0, "%s", p->actors[i].name);
	st = pre_stats();
	t_check_int(st.preemptions, >, 0);
	t_check_int(st.retakes, >, 0);
	printf("preemptions %llu, retakes %llu, longest wait for a round %.0f ms\n", (unsigned long long)st.preemptions,
	       (unsigned long long)st.retakes, (double)p->worst / 1e6);
	for (int i = 0; i < ACTORS; i++)
		goro_chan_free(p->actors[i].chan);
	return 0;
}

static void sigurg(int sig)
{
	(void)sig;
}

START_TEST(everybody_gets_on_and_nothing_is_lost)
{
	static const unsigned slices[] = { PRE_SHORT, 1000, 300 };
	static struct play p;
	int fds = api_fds();

	if (_i % 2)
		t_check(signal(SIGURG, sigurg) != SIG_ERR);
	open_play(&p, t_seed() + (uint64_t)_i);
	p.end = goro_after(api_stress_ns());
	pre_run(api_procs[_i], slices[_i], play_main, &p);
	fclose(p.out);
	close_play(&p);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

/* ---- cut off in the middle ------------------------------------------------------------------------------------------- */

static int cut_main(void *arg)
{
	struct play *p = arg;
	uint64_t rng = p->seed;

	start_actors(p);
	for (unsigned n = api_below(&rng, 4); n > 0; n--)
		goro_sleep(api_below(&rng, 4000000));
	return 3;
}

START_TEST(the_runtime_stops_in_the_middle_of_it)
{
	int64_t end = goro_after(api_stress_ns());
	uint64_t seed = t_seed() + 77;
	struct goro_config cfg;

	for (int i = 0; goro_now() < end; i++, seed++) {
		/* What is left of a play may still look at it. */
		struct play *p = malloc(sizeof *p);

		t_check(p != NULL);
		open_play(p, seed);
		pre_config(&cfg, api_procs[_i], i % 2 ? PRE_SHORT : 1000);
		t_check_int(goro_run(&cfg, cut_main, p), ==, 3);
		close(fileno(p->out)); /* not fclose(): whoever was cut off may hold its lock */
		close_play(p);
		free(malloc(1000 + (size_t)i));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: preemption");
	TCase *tc = t_case(s, "play", api_stress_limit());

	tcase_add_loop_test(tc, everybody_gets_on_and_nothing_is_lost, 0, 3);
	tcase_add_loop_test(tc, the_runtime_stops_in_the_middle_of_it, 0, 3);
	return t_main(s);
}
