/* SPDX-License-Identifier: MIT */
/*
 * backend.h: what the tests of the two backends share, each of a backend alone. There is no scheduler: a P that nobody else knows is polled by
 * hand, and the "goroutine" that operations notify is this thread's proxy. BACKEND is the one under test.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <goro/time.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "m.h"
#include "netpoll.h"
#include "p.h"
#include "t.h"

static struct p p;
static struct m *m;

static void pair(int s[2])
{
	t_check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), ==, 0);
}

static void put(int fd, char c)
{
	t_check_int(write(fd, &c, 1), ==, 1);
}

/* ---- sleeping: the bodies of tests that both have; something may be in flight, but nothing completes ------------------ */

static void wake_then_wait(void)
{
	for (int i = 0; i < 100; i++) {
		BACKEND.wake(&p);
		t_check_int(BACKEND.poll(m, &p, GORO_FOREVER), ==, 0);
	}
}

static uint32_t asked, stop; /* atomic */

static void *waker(void *arg)
{
	uint32_t seen = 0;

	(void)arg;
	while (!load_acq(&stop))
		if (load_acq(&asked) != seen) {
			seen++;
			BACKEND.wake(&p);
		}
	return NULL;
}

/* One wake for each wait: a lost one is a wait that does not end, which the watchdog tells. */
static void wait_for_a_thread(void)
{
	long n = t_scaled(3000);
	pthread_t t;

	t_check_int(pthread_create(&t, NULL, waker, NULL), ==, 0);
	for (long i = 0; i < n; i++) {
		add_rlx(&asked, 1);
		t_check_int(BACKEND.poll(m, &p, GORO_FOREVER), ==, 0);
	}
	store_rel(&stop, 1);
	pthread_join(t, NULL);
}

static void wait_until_deadlines(void)
{
	for (int i = 0; i < 5; i++) {
		int64_t t, until = goro__now() + 3 * GORO_MILLISECOND;

		while ((t = goro__now()) < until)
			t_check_int(BACKEND.poll(m, &p, until), ==, 0);
		t_check_int(t - until, <, 10 * GORO_SECOND);
	}
	t_check_int(BACKEND.poll(m, &p, 1), ==, 0);
}

#endif
