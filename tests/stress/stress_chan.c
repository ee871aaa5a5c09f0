/* SPDX-License-Identifier: MIT */
/*
 * stress_chan.c: goroutines and threads send and receive on a few channels at random, with and without
 * deadlines, while one after another is closed. What was sent is received exactly once, in order per sender and channel.
 */
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "t.h"

#define CHANNELS 4
#define SENDERS 6 /* per channel; the last is a thread */
#define RECEIVERS 5 /* per channel; the last is a thread */

struct message {
	uint32_t sender;
	uint32_t number;
	uint64_t check;
};

struct pipe {
	struct goro_chan *c;
	struct goro_mutex m;
	uint64_t sent, received; /* these four under m */
	uint64_t sum_sent, sum_received;
	int64_t end;
	uint64_t seed;
	struct goro_waitgroup senders, receivers;
};

static int64_t some_deadline(uint64_t *rng)
{
	switch (api_below(rng, 4)) {
	case 0:
		return GORO_NOW;
	case 1:
		return goro_after(api_below(rng, 100000));
	default:
		return goro_after(API_PATIENCE * GORO_MILLISECOND);
	}
}

static void sender(struct pipe *p, int who)
{
	uint64_t rng = p->seed + (uint64_t)who, sum = 0;
	struct message m = { .sender = (uint32_t)who };
	uint32_t n = 0;

	while (goro_now() < p->end) {
		int ret;

		m.number = n;
		m.check = (uint64_t)n * 31 + (uint64_t)who;
		ret = goro_chan_send(p->c, &m, some_deadline(&rng));
		t_check(ret == 0 || ret == -ETIMEDOUT || ret == -EAGAIN, "send gave %d", ret);
		if (ret == 0) {
			sum += m.check;
			n++;
		} else if (ret == -EAGAIN) {
			goro_yield();
		}
	}
	goro_mutex_lock(&p->m);
	p->sent += n;
	p->sum_sent += sum;
	goro_mutex_unlock(&p->m);
	goro_waitgroup_done(&p->senders);
}

static void receiver(struct pipe *p, int who, int alone)
{
	uint64_t rng = p->seed + 1000 + (uint64_t)who, sum = 0, n = 0;
	uint32_t last[SENDERS] = { 0 };
	struct message m;

	for (;;) {
		int ret = goro_chan_recv(p->c, &m, some_deadline(&rng));

		if (ret == 0)
			break;
		if (ret < 0) {
			t_check(ret == -ETIMEDOUT || ret == -EAGAIN, "recv gave %d", ret);
			if (ret == -EAGAIN)
				goro_yield();
			continue;
		}
		t_check(m.sender < SENDERS && m.check == (uint64_t)m.number * 31 + m.sender);
		/* One receiver sees each sender's numbers rise; the only one sees every number. */
		t_check(alone ? m.number == last[m.sender] : m.number + 1 > last[m.sender],
			"sender %u: %u after %u", m.sender, m.number, last[m.sender]);
		last[m.sender] = m.number + 1;
		sum += m.check;
		n++;
	}
	goro_mutex_lock(&p->m);
	p->received += n;
	p->sum_received += sum;
	goro_mutex_unlock(&p->m);
	goro_waitgroup_done(&p->receivers);
}

static void *sender_thread(void *arg)
{
	sender(arg, SENDERS - 1);
	return NULL;
}

static void *receiver_thread(void *arg)
{
	receiver(arg, RECEIVERS - 1, 0);
	return NULL;
}

static void one_channel(struct pipe *p, size_t cap, int alone, struct goro_waitgroup *done)
{
	int receivers = alone ? 1 : RECEIVERS;
	pthread_t t[2] = { 0 };

	p->c = goro_chan_new(sizeof(struct message), cap);
	goro_waitgroup_add(&p->senders, SENDERS);
	goro_waitgroup_add(&p->receivers, receivers);
	t[0] = api_thread(sender_thread, p);
	if (!alone)
		t[1] = api_thread(receiver_thread, p);
	for (int i = 0; i < SENDERS - 1; i++)
		t_check_int(GORO_GO(sender, p, i), ==, 0);
	for (int i = 0; i < receivers - !alone; i++)
		t_check_int(GORO_GO(receiver, p, i, alone), ==, 0);
	t_check_int(goro_waitgroup_wait(&p->senders, GORO_FOREVER), ==, 0);
	goro_chan_close(p->c);
	t_check_int(goro_waitgroup_wait(&p->receivers, GORO_FOREVER), ==, 0);
	api_join(t[0]);
	if (!alone)
		api_join(t[1]);
	t_check_int(p->sent, ==, p->received);
	t_check(p->sum_sent == p->sum_received);
	t_check(p->sent > 0);
	goro_chan_free(p->c);
	goro_waitgroup_done(done);
}

static int channels_main(void *arg)
{
	static const size_t caps[CHANNELS] = { 0, 1, 7, 128 };
	static struct pipe pipes[CHANNELS];
	struct goro_waitgroup done = GORO_WAITGROUP_INIT;

	memset(pipes, 0, sizeof pipes);
	goro_waitgroup_add(&done, CHANNELS);
	for (int i = 0; i < CHANNELS; i++) {
		pipes[i].seed = t_seed() + (uint64_t)i * 77;
		pipes[i].end = goro_after(api_stress_ns());
		t_check_int(GORO_GO(one_channel, &pipes[i], caps[i], *(int *)arg, &done), ==, 0);
	}
	t_check_int(goro_waitgroup_wait(&done, GORO_FOREVER), ==, 0);
	t_eventually(goro_count() == 1, API_PATIENCE);
	return 0;
}

START_TEST(channels_lose_nothing_and_keep_order)
{
	int alone = _i / 3;

	api_run_procs(api_procs[_i % 3], channels_main, &alone);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress: channels");
	TCase *tc = t_case(s, "crowds", api_stress_limit());

	tcase_add_loop_test(tc, channels_lose_nothing_and_keep_order, 0, 6);
	return t_main(s);
}
