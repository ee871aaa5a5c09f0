/* SPDX-License-Identifier: MIT */
/*
 * stress_mixed.c: everything at once, as in a server: requests come over sockets and from threads, go through channels to
 * workers that lock, sleep, select, block and read files, and come back, while the number of processors changes. Then the
 * runtime stops in the middle of it and starts again.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

#define WORKERS 8
#define CLIENTS 12
#define THREADS 2

struct job {
	uint64_t question;
	struct goro_chan *answer;
};

struct shop {
	struct goro_chan *jobs;
	struct goro_mutex m;
	uint64_t done; /* under m */
	int file;
	int64_t end;
	uint64_t seed;
	long asked, answered; /* atomic */
	struct goro_waitgroup wg;
};

static uint64_t answer_to(uint64_t question)
{
	return question * 3 + 1;
}

/* For goro_blocking(): a system call that blocks for a while. */
static void *nap(void *arg)
{
	struct timespec ts = { 0, 20000 };

	nanosleep(&ts, NULL);
	return arg;
}

static void labour(struct shop *s, uint64_t *rng)
{
	char byte = 0;

	switch (api_below(rng, 8)) {
	case 0:
		goro_sleep(api_below(rng, 50000));
		break;
	case 1:
		goro_mutex_lock(&s->m);
		if (api_below(rng, 4) == 0)
			goro_yield();
		goro_mutex_unlock(&s->m);
		break;
	case 2:
		if (goro_mutex_lock_until(&s->m, goro_after(api_below(rng, 20000))) == 0)
			goro_mutex_unlock(&s->m);
		break;
	case 3:
		if (api_below(rng, 8) == 0)
			goro_blocking(nap, NULL);
		break;
	case 4:
		t_check_int(goro_file_read(s->file, &byte, 1, api_below(rng, 4096), GORO_FOREVER), ==, 1);
		t_check_int(byte, ==, 'f');
		break;
	default:
		goro_yield();
		break;
	}
}

static void worker(struct shop *s, int who)
{
	uint64_t rng = s->seed + (uint64_t)who;
	struct job j;

	while (goro_chan_recv(s->jobs, &j, GORO_FOREVER) > 0) {
		uint64_t a = answer_to(j.question);

		labour(s, &rng);
		goro_mutex_lock(&s->m);
		s->done++;
		goro_mutex_unlock(&s->m);
		t_check_int(goro_chan_send(j.answer, &a, GORO_FOREVER), ==, 0);
	}
	goro_waitgroup_done(&s->wg);
}

static void ask(struct shop *s, struct goro_chan *answer, uint64_t question)
{
	struct job j = { question, answer };
	uint64_t a = 0;
	int ret;
	struct goro_case cases[] = { { .chan = s->jobs, .op = GORO_SEND, .elem = &j }, { .chan = NULL, .op = GORO_RECV, .elem = NULL } };

	t_check_int(goro_select(cases, 2, GORO_FOREVER), ==, 0);
	__atomic_add_fetch(&s->asked, 1, __ATOMIC_RELAXED);
	cases[0] = (struct goro_case){ .chan = answer, .op = GORO_RECV, .elem = &a };
	ret = goro_select(cases, 1, goro_after(API_PATIENCE * GORO_MILLISECOND));
	if (ret != 0)
		goro_dump(STDERR_FILENO);
	t_check_int(ret, ==, 0);
	t_check(cases[0].ret == 1 && a == answer_to(question));
	__atomic_add_fetch(&s->answered, 1, __ATOMIC_RELAXED);
}

/* A connection: eight bytes of question in, eight of answer out. */
static void front(struct shop *s, int fd)
{
	struct goro_chan *answer = goro_chan_new(sizeof(uint64_t), 1);
	uint64_t q;

	while (goro_read_full(fd, &q, sizeof q, GORO_FOREVER) == sizeof q) {
		ask(s, answer, q);
		q = answer_to(q);
		t_check_int(goro_write(fd, &q, sizeof q, GORO_FOREVER), ==, sizeof q);
	}
	goro_chan_free(answer);
	t_check_int(goro_close(fd), ==, 0);
	goro_waitgroup_done(&s->wg);
}

static void client(struct shop *s, int who)
{
	uint64_t rng = s->seed + 500 + (uint64_t)who, q, a;
	int fd[2];

	t_check_int(api_link(who & 1 ? API_TCP4 : API_PAIR, fd), ==, 0);
	t_check_int(GORO_GO(front, s, fd[1]), ==, 0);
	while (goro_now() < s->end) {
		q = t_rand(&rng);
		t_check_int(goro_write(fd[0], &q, sizeof q, GORO_FOREVER), ==, sizeof q);
		t_check_int(goro_read_full(fd[0], &a, sizeof a, goro_after(API_PATIENCE * GORO_MILLISECOND)), ==,
			    sizeof a);
		t_check(a == answer_to(q));
		if (api_below(&rng, 200) == 0)
			t_check_int(goro_maxprocs(1 + (int)api_below(&rng, 8)), >, 0);
	}
	t_check_int(goro_close(fd[0]), ==, 0);
	goro_waitgroup_done(&s->wg);
}

static void *asking_thread(void *arg)
{
	struct shop *s = arg;
	struct goro_chan *answer = goro_chan_new(sizeof(uint64_t), 0);

	for (uint64_t q = 1; goro_now() < s->end; q++)
		ask(s, answer, q);
	goro_chan_free(answer);
	goro_waitgroup_done(&s->wg);
	return NULL;
}

static void open_shop(struct shop *s)
{
	char page[4096];
	FILE *f = tmpfile();

	t_check(f != NULL);
	memset(page, 'f', sizeof page);
	t_check(fwrite(page, 1, sizeof page, f) == sizeof page && fflush(f) == 0);
	s->file = dup(fileno(f));
	fclose(f);
	s->jobs = goro_chan_new(sizeof(struct job), 4);
	s->end = goro_after(api_stress_ns());
	for (int i = 0; i < WORKERS; i++)
		t_check_int(GORO_GO(worker, s, i), ==, 0);
}

static int shop_main(void *arg)
{
	struct shop *s = arg;
	pthread_t t[THREADS];

	open_shop(s);
	goro_waitgroup_add(&s->wg, 2 * CLIENTS + THREADS);
	for (int i = 0; i < THREADS; i++)
		t[i] = api_thread(asking_thread, s);
	for (int i = 0; i < CLIENTS; i++)
		t_check_int(GORO_GO(client, s, i), ==, 0);
	t_check_int(goro_waitgroup_wait(&s->wg, GORO_FOREVER), ==, 0);
	for (int i = 0; i < THREADS; i++)
		api_join(t[i]);
	goro_waitgroup_add(&s->wg, WORKERS);
	goro_chan_close(s->jobs);
	t_check_int(goro_waitgroup_wait(&s->wg, GORO_FOREVER), ==, 0);
	t_check(s->asked > 0);
	t_check_int(s->asked, ==, s->answered);
	t_check_int(s->done, ==, s->asked);
	t_eventually(goro_count() == 1, API_PATIENCE);
	goro_chan_free(s->jobs);
	t_check_int(goro_close(s->file), ==, 0);
	return 0;
}

START_TEST(every_question_gets_its_answer)
{
	struct shop s = { .seed = t_seed() + (uint64_t)_i };
	int fds = api_fds();

	api_run_procs(api_procs[_i], shop_main, &s);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

/* The clients of the run that is cut off: their descriptors are closed by us, after the runtime. */
static int cut_fd[CLIENTS][2];

static void cut_client(int fd, uint64_t rng)
{
	char buf[100];

	for (;;) {
		int64_t d = api_below(&rng, 3) ? GORO_FOREVER : goro_after(api_below(&rng, 50000));

		if (api_below(&rng, 2))
			goro_write(fd, buf, sizeof buf, d);
		else
			goro_read(fd, buf, sizeof buf, d);
	}
}

static int cut_main(void *arg)
{
	uint64_t rng = *(uint64_t *)arg;

	for (int i = 0; i < CLIENTS; i++) {
		t_check_int(GORO_GO(cut_client, cut_fd[i][0], t_rand(&rng)), ==, 0);
		t_check_int(GORO_GO(cut_client, cut_fd[i][1], t_rand(&rng)), ==, 0);
	}
	for (unsigned n = api_below(&rng, 30); n > 0; n--)
		goro_yield();
	if (api_below(&rng, 2))
		goro_sleep(api_below(&rng, 300000));
	return 3;
}

START_TEST(the_runtime_stops_with_io_in_flight)
{
	int64_t end = goro_after(api_stress_ns());
	struct goro_config cfg = GORO_CONFIG_INIT;
	int fds = api_fds();
	uint64_t seed = t_seed();

	cfg.maxprocs = api_procs[_i];
	while (goro_now() < end) {
		seed++;
		for (int i = 0; i < CLIENTS; i++)
			t_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, cut_fd[i]) == 0);
		t_check_int(goro_run(&cfg, cut_main, &seed), ==, 3);
		for (int i = 0; i < CLIENTS; i++)
			t_check(close(cut_fd[i][0]) == 0 && close(cut_fd[i][1]) == 0);
		t_check_int(api_fds(), ==, fds);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: mixed");
	TCase *tc = t_case(s, "shop", api_stress_limit());

	tcase_add_loop_test(tc, every_question_gets_its_answer, 0, 3);
	tcase_add_loop_test(tc, the_runtime_stops_with_io_in_flight, 0, 3);
	return t_main(s);
}
