/* SPDX-License-Identifier: MIT */
/*
 * model_chan.c: channels and select, in all interleavings of two or three goroutines with a few operations each.
 *
 * Each scenario's check tells every outcome that Go's language allows; the explorer adds: nobody hangs, each parked goroutine is made
 * ready exactly once and not too early, no waiter is left in a list, and memory that was given back is not touched.
 */
#include "doors.h"

/* mem.h: memory at the same addresses in each execution. */
#define LIB_MEM_H
static char arena[4096] __attribute__((aligned(64)));
static size_t arena_used;

static void *goro__mem_alloc(size_t n)
{
	void *p = arena + arena_used;

	arena_used += (n + 63) & ~(size_t)63;
	return arena_used <= sizeof(arena) ? p : NULL;
}

static void goro__mem_free(void *p)
{
	(void)p;
}

#define SELECT_ON_STACK 3
#include "../../lib/chan.c"
#include "../../lib/select.c"

#include "t.h"

static struct goro_chan *a, *b;
static size_t cap_a, cap_b;
static int ret[MODEL_THREADS][3], got[MODEL_THREADS][3]; /* what the calls of each thread returned and received */

static void reset(void)
{
	model_doors_reset();
	arena_used = 0;
	a = goro_chan_new(sizeof(int), cap_a);
	b = goro_chan_new(sizeof(int), cap_b);
	for (int i = 0; i < MODEL_THREADS * 3; i++) {
		ret[i / 3][i % 3] = 99;
		got[i / 3][i % 3] = -1;
	}
}

static void nobody_listed(void)
{
	model_check(!a->recvq.first && !a->sendq.first && !b->recvq.first && !b->sendq.first);
}

static void explore(size_t ca, size_t cb, struct model m)
{
	cap_a = ca;
	cap_b = cb;
	m.setup = reset;
	model_explore(&m);
}

static void send_to(struct goro_chan *c, int k, int v, int64_t deadline)
{
	ret[model_self()][k] = goro_chan_send(c, &v, deadline);
}

static void recv_from(struct goro_chan *c, int k, int64_t deadline)
{
	ret[model_self()][k] = goro_chan_recv(c, &got[model_self()][k], deadline);
}

/* ---- send and receive ---------------------------------------------------------------------------------- */

static void sends_two(void)
{
	send_to(a, 0, 10 * model_self() + 1, GORO_FOREVER);
	send_to(a, 1, 10 * model_self() + 2, GORO_FOREVER);
}

static void sends_one(void)
{
	send_to(a, 0, 10 * model_self() + 1, GORO_FOREVER);
}

static void recvs_two(void)
{
	recv_from(a, 0, GORO_FOREVER);
	recv_from(a, 1, GORO_FOREVER);
}

static void recvs_one(void)
{
	recv_from(a, 0, GORO_FOREVER);
}

static void recvs_three(void)
{
	recvs_two();
	recv_from(a, 2, GORO_FOREVER);
}

static void two_in_order(void)
{
	nobody_listed();
	model_check(ret[0][0] == 0 && ret[0][1] == 0 && ret[1][0] == 1 && ret[1][1] == 1);
	model_check(got[1][0] == 1 && got[1][1] == 2);
	model_check(a->count == 0);
}

START_TEST(values_arrive_in_the_order_sent)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_two, recvs_two }, .check = two_in_order });
}
END_TEST

static void two_and_one(void)
{
	int first = -1, second = -1, other = -1;

	nobody_listed();
	for (int k = 0; k < 3; k++) {
		model_check(ret[2][k] == 1);
		first = got[2][k] == 1 ? k : first;
		second = got[2][k] == 2 ? k : second;
		other = got[2][k] == 11 ? k : other;
	}
	model_check(first >= 0 && second > first && other >= 0);
}

START_TEST(two_senders_share_a_receiver_and_nothing_is_lost_or_doubled)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_two, sends_one, recvs_three }, .check = two_and_one });
}
END_TEST

static void shared_out(void)
{
	nobody_listed();
	model_check(ret[0][0] == 0 && ret[0][1] == 0 && ret[1][0] == 1 && ret[2][0] == 1);
	model_check(got[1][0] + got[2][0] == 3 && got[1][0] != got[2][0]);
}

START_TEST(two_receivers_share_a_sender)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_two, recvs_one, recvs_one }, .check = shared_out });
}
END_TEST

static void first_served(void)
{
	nobody_listed();
	model_check(ret[0][0] == 0 && ret[0][1] == 0 && got[1][0] == 1 && a->count == 1);
}

START_TEST(a_receive_from_a_full_buffer_lets_the_waiting_sender_go_on)
{
	explore(1, 0, (struct model){ .thread = { sends_two, recvs_one }, .check = first_served });
}
END_TEST

/* ---- close ----------------------------------------------------------------------------------------------- */

static void sends_and_closes(void)
{
	sends_one();
	goro_chan_close(a);
}

static void one_then_zero(void)
{
	nobody_listed();
	model_check(ret[0][0] == 0);
	model_check(ret[1][0] == 1 && got[1][0] == 1);
	model_check(ret[1][1] == 0 && got[1][1] == 0);
}

START_TEST(a_receiver_drains_and_then_learns_of_the_close)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_and_closes, recvs_two }, .check = one_then_zero });
}
END_TEST

static void closes(void)
{
	goro_chan_close(a);
}

static void panic_or_sent(void)
{
	bool got_it = ret[2][0] == 1;

	nobody_listed();
	if (model_panics[0])
		model_check(strcmp(model_panics[0], "send on closed channel") == 0 && !got_it);
	else
		model_check(ret[0][0] == 0 && (got_it || a->count == 1));
	model_check(got_it ? got[2][0] == 1 : ret[2][0] == 0 && got[2][0] == 0);
}

START_TEST(a_send_against_a_close_is_delivered_or_panics)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_one, closes, recvs_one }, .check = panic_or_sent });
}
END_TEST

static void one_close_panics(void)
{
	nobody_listed();
	model_check((model_panics[0] != NULL) + (model_panics[1] != NULL) == 1);
	model_check(ret[2][0] == 0);
}

START_TEST(of_two_closes_one_panics)
{
	explore(0, 0, (struct model){ .thread = { closes, closes, recvs_one }, .check = one_close_panics });
}
END_TEST

/* The receiver that learns of the end frees the channel: the sender must not touch it any more. */
static void recvs_to_the_end_and_frees(void)
{
	recv_from(a, 0, GORO_FOREVER);
	recv_from(a, 1, GORO_FOREVER);
	model_check(ret[1][0] == 1 && ret[1][1] == 0);
	goro_chan_free(a);
	model_forbid(a, sizeof(*a));
}

START_TEST(who_learns_of_the_close_may_free_the_channel)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_and_closes, recvs_to_the_end_and_frees } });
}
END_TEST

/* The same for one that polls, and so learns of it without the lock. */
static void polls_and_frees(void)
{
	for (int i = 0; i < 3; i++)
		if ((ret[1][0] = goro_chan_recv(a, &got[1][0], GORO_NOW)) == 0) {
					goro_chan_free(a);
			model_forbid(a, sizeof(*a));
			return;
		}
}

START_TEST(who_polls_may_free_the_channel_too)
{
	explore(1, 0, (struct model){ .thread = { closes, polls_and_frees } });
}
END_TEST

/* ---- not waiting, and deadlines ---------------------------------------------------------------------------- */

static void fills_and_closes(void)
{
	send_to(a, 0, 1, GORO_NOW);
	goro_chan_close(a);
}

static void polls_twice(void)
{
	recv_from(a, 0, GORO_NOW);
	recv_from(a, 1, GORO_NOW);
}

/* Once the channel is known to be closed, the element has been received. */
static void poll_is_of_one_moment(void)
{
	bool first = ret[1][0] == 1, second = ret[1][1] == 1;

	model_check(ret[0][0] == 0);
	model_check(ret[1][0] == 1 || ret[1][0] == -EAGAIN);
	model_check(first ? ret[1][1] == -EAGAIN || ret[1][1] == 0 : second || ret[1][1] == -EAGAIN);
	model_check(a->count == !(first || second));
}

START_TEST(a_poll_never_finds_a_channel_closed_before_it_is_drained)
{
	explore(1, 0, (struct model){ .thread = { fills_and_closes, polls_twice }, .check = poll_is_of_one_moment });
}
END_TEST

/* An element that is always in one of two channels: a poll of both must find it (Go's TestNonblockSelectRace). */
static void moves(void)
{
	send_to(b, 0, 7, GORO_NOW);
	recv_from(a, 1, GORO_NOW);
}

static void reset_filled(void)
{
	int v = 7;

	reset();
	goro_chan_send(a, &v, GORO_NOW);
}

static void polls_both(void)
{
	int v = -1;
	struct goro_case k[] = { { .chan = a, .op = GORO_RECV, .elem = &v }, { .chan = b, .op = GORO_RECV, .elem = &v } };

	ret[1][0] = goro_select(k, 2, GORO_NOW);
	got[1][0] = v;
}

static void found_it(void)
{
	nobody_listed();
	model_check(ret[1][0] >= 0 && got[1][0] == 7);
}

START_TEST(a_poll_of_two_channels_is_of_one_moment)
{
	struct model m = { .setup = reset_filled, .thread = { moves, polls_both }, .check = found_it };

	cap_a = cap_b = 1;
	model_explore(&m);
}
END_TEST

static void sends_one_until(void)
{
	send_to(a, 0, 1, MODEL_DEADLINE);
}

static void recvs_one_until(void)
{
	recv_from(a, 0, MODEL_DEADLINE);
}

static void timed_receive_loses_nothing(void)
{
	if (ret[0][0] == 99) {
		model_check(ret[1][0] == -ETIMEDOUT && got[1][0] == -1 && a->sendq.first && !a->recvq.first);
		return;
	}
	nobody_listed();
	model_check(ret[0][0] == 0);
	if (ret[1][0] == 1)
		model_check(got[1][0] == 1 && a->count == 0);
	else
		model_check(ret[1][0] == -ETIMEDOUT && got[1][0] == -1 && a->count == 1);
}

START_TEST(a_receive_that_times_out_loses_nothing)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_one, recvs_one_until, the_deadline }, .daemons = 5,
					       .check = timed_receive_loses_nothing });
}
END_TEST

static void timed_send_happens_or_not(void)
{
	if (ret[1][0] == 99) {
		model_check(ret[0][0] == -ETIMEDOUT && a->recvq.first && !a->sendq.first);
		return;
	}
	nobody_listed();
	model_check(ret[0][0] == 0 && ret[1][0] == 1 && got[1][0] == 1);
}

START_TEST(a_send_that_times_out_has_sent_nothing)
{
	explore(0, 0, (struct model){ .thread = { sends_one_until, recvs_one, the_deadline }, .daemons = 6,
				      .check = timed_send_happens_or_not });
}
END_TEST

static void timed_send_against_close(void)
{
	nobody_listed();
	model_check(model_panics[0] ? ret[0][0] == 99 : ret[0][0] == -ETIMEDOUT);
}

START_TEST(a_deadline_against_a_close)
{
	explore(0, 0, (struct model){ .thread = { sends_one_until, closes, the_deadline }, .daemons = 4,
				      .check = timed_send_against_close });
}
END_TEST

/* ---- select ------------------------------------------------------------------------------------------------ */

static void selects_recv(int k, int64_t deadline)
{
	int v[2] = { -1, -1 };
	struct goro_case c[] = { { .chan = a, .op = GORO_RECV, .elem = &v[0] }, { .chan = b, .op = GORO_RECV, .elem = &v[1] } };
	int i = goro_select(c, 2, deadline);

	ret[model_self()][k] = i;
	if (i >= 0) {
		model_check(v[1 - i] == -1);
		got[model_self()][k] = c[i].ret == 1 ? v[i] : c[i].ret - 100;
	}
}

static void selects_one(void)
{
	selects_recv(0, GORO_FOREVER);
}

static void selects_two(void)
{
	selects_one();
	selects_recv(1, GORO_FOREVER);
}

static void sends_b(void)
{
	send_to(b, 0, 10 * model_self() + 1, GORO_FOREVER);
}

static void both_received(void)
{
	nobody_listed();
	model_check(ret[0][0] == 0 && ret[1][0] == 0);
	model_check(ret[2][0] + ret[2][1] == 1);
	for (int k = 0; k < 2; k++)
		model_check(got[2][k] == (ret[2][k] == 0 ? 1 : 11));
}

START_TEST(a_select_takes_from_two_senders_each_once)
{
	explore((size_t)_i, (size_t)_i, (struct model){ .thread = { sends_one, sends_b, selects_two }, .check = both_received });
}
END_TEST

/* Of two senders one is taken, the other one still waits and is served by a plain receive. */
static void selects_then_takes_the_other(void)
{
	selects_one();
	recv_from(ret[model_self()][0] == 0 ? b : a, 1, GORO_FOREVER);
}

static void select_and_rest(void)
{
	nobody_listed();
	model_check(got[2][0] + got[2][1] == 12 && ret[2][1] == 1);
}

START_TEST(what_a_select_did_not_take_is_still_there)
{
	explore(0, 0, (struct model){ .thread = { sends_one, sends_b, selects_then_takes_the_other }, .check = select_and_rest });
}
END_TEST

static void selects_send_a_or_recv_b(void)
{
	int out = 5, in = -1, me = model_self();
	struct goro_case c[] = { { .chan = a, .op = GORO_SEND, .elem = &out }, { .chan = b, .op = GORO_RECV, .elem = &in } };

	ret[me][0] = goro_select(c, 2, GORO_FOREVER);
	got[me][0] = in;
}

static void selects_send_b_or_recv_a(void)
{
	int out = 6, in = -1, me = model_self();
	struct goro_case c[] = { { .chan = a, .op = GORO_RECV, .elem = &in }, { .chan = b, .op = GORO_SEND, .elem = &out } };

	ret[me][0] = goro_select(c, 2, GORO_FOREVER);
	got[me][0] = in;
}

static void two_selects_met(void)
{
	nobody_listed();
	model_check(ret[0][0] == ret[1][0]);
	model_check(ret[0][0] == 0 ? got[0][0] == -1 && got[1][0] == 5 : got[0][0] == 6 && got[1][0] == -1);
}

START_TEST(two_selects_meet_in_exactly_one_case)
{
	explore(0, 0, (struct model){ .thread = { selects_send_a_or_recv_b, selects_send_b_or_recv_a }, .check = two_selects_met });
}
END_TEST

/* The same channel in both directions and twice in one: a select does not meet itself. */
static void selects_both_ways(void)
{
	int out = 5, in[2] = { -1, -1 }, me = model_self();
	struct goro_case c[] = { { .chan = a, .op = GORO_SEND, .elem = &out }, { .chan = a, .op = GORO_RECV, .elem = &in[0] },
				 { .chan = a, .op = GORO_RECV, .elem = &in[1] } };

	ret[me][0] = goro_select(c, 3, GORO_FOREVER);
	got[me][0] = ret[me][0] > 0 ? in[ret[me][0] - 1] : -1;
}

static void met_another(void)
{
	nobody_listed();
	model_check((ret[0][0] == 0) != (ret[1][0] == 0));
	model_check(ret[0][0] == 0 ? got[1][0] == 5 : got[0][0] == 5);
}

START_TEST(a_select_on_one_channel_both_ways_meets_another_and_not_itself)
{
	explore(0, 0, (struct model){ .thread = { selects_both_ways, selects_both_ways }, .check = met_another });
}
END_TEST

static void closes_b(void)
{
	goro_chan_close(b);
}

static void one_or_closed(void)
{
	if (ret[0][0] == 99) {
		model_check(ret[2][0] == 1 && got[2][0] == -100 && a->sendq.first);
		return;
	}
	nobody_listed();
	model_check(ret[2][0] == 0 ? got[2][0] == 1 : ret[2][0] == 1 && got[2][0] == -100);
}

START_TEST(a_close_wakes_a_select_or_comes_too_late)
{
	explore((size_t)_i, 0, (struct model){ .thread = { sends_one, closes_b, selects_one }, .daemons = 1, .check = one_or_closed });
}
END_TEST

static void selects_until(void)
{
	selects_recv(0, MODEL_DEADLINE);
}

static void select_timed_or_got(void)
{
	model_check(!a->recvq.first && !b->recvq.first);
	if (ret[0][0] == 99)
		model_check(ret[1][0] == -ETIMEDOUT && a->sendq.first);
	else
		model_check(ret[0][0] == 0 && ret[1][0] == 0 && got[1][0] == 1);
}

START_TEST(a_select_that_times_out_has_taken_nothing)
{
	explore(0, 0, (struct model){ .thread = { sends_one, selects_until, the_deadline }, .daemons = 5,
				      .check = select_timed_or_got });
}
END_TEST

/* When select has returned, nobody touches its waiters: they lie on its stack. Here it is the memory of a large select. */
static struct place places[2];

static void selects_and_forgets(void)
{
	int v = -1;
	struct goro_case c[] = { { .chan = a, .op = GORO_RECV, .elem = &v }, { .chan = b, .op = GORO_RECV, .elem = &v } };
	struct selection s = { .cases = c, .n = 2, .deadline = GORO_FOREVER, .places = places, .sel.wakefd = -1 };
	int index, result;

	select_all(rt_enter(), &s, &index, &result);
	model_check(result == 1 || result == 0);
	model_forbid(places, sizeof(places));
	model_forbid(&s, sizeof(s));
}

START_TEST(nobody_touches_a_waiter_when_its_select_is_over)
{
	explore(0, 0, (struct model){ .thread = { sends_one, _i ? closes_b : sends_b, selects_and_forgets }, .daemons = 3 });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("model of chan and select");
	TCase *tc = tcase_create("chan");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, values_arrive_in_the_order_sent, 0, 3);
	tcase_add_loop_test(tc, two_senders_share_a_receiver_and_nothing_is_lost_or_doubled, 0, 2);
	tcase_add_loop_test(tc, two_receivers_share_a_sender, 0, 2);
	tcase_add_test(tc, a_receive_from_a_full_buffer_lets_the_waiting_sender_go_on);
	tcase_add_loop_test(tc, a_receiver_drains_and_then_learns_of_the_close, 0, 2);
	tcase_add_loop_test(tc, a_send_against_a_close_is_delivered_or_panics, 0, 2);
	tcase_add_test(tc, of_two_closes_one_panics);
	tcase_add_loop_test(tc, who_learns_of_the_close_may_free_the_channel, 0, 2);
	tcase_add_test(tc, who_polls_may_free_the_channel_too);
	tcase_add_test(tc, a_poll_never_finds_a_channel_closed_before_it_is_drained);
	tcase_add_loop_test(tc, a_receive_that_times_out_loses_nothing, 0, 2);
	tcase_add_test(tc, a_send_that_times_out_has_sent_nothing);
	tcase_add_test(tc, a_deadline_against_a_close);
	suite_add_tcase(s, tc);
	tc = tcase_create("select");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_poll_of_two_channels_is_of_one_moment);
	tcase_add_loop_test(tc, a_select_takes_from_two_senders_each_once, 0, 2);
	tcase_add_test(tc, what_a_select_did_not_take_is_still_there);
	tcase_add_test(tc, two_selects_meet_in_exactly_one_case);
	tcase_add_test(tc, a_select_on_one_channel_both_ways_meets_another_and_not_itself);
	tcase_add_loop_test(tc, a_close_wakes_a_select_or_comes_too_late, 0, 2);
	tcase_add_test(tc, a_select_that_times_out_has_taken_nothing);
	tcase_add_loop_test(tc, nobody_touches_a_waiter_when_its_select_is_over, 0, 2);
	suite_add_tcase(s, tc);
	return model_main(s);
}
