/* SPDX-License-Identifier: MIT */
/* check_hpp_chan.cc: goro::chan and goro::select(): elements of all kinds, none lost and none destructed twice. Issue 4: "chan<T>, select". */
#include "hpp.h"

#include <map>

namespace {

/* Lies in a box; has no default and cannot be copied. */
struct item {
	int value;
	explicit item(int v) : value(v) { alive++; }
	item(item &&o) noexcept : value(std::exchange(o.value, -1)) { alive++; }
	item &operator=(item &&o) noexcept
	{
		value = std::exchange(o.value, -1);
		return *this;
	}
	~item() { alive--; }
};

struct point {
	int x, y;
	double z;
};

struct large {
	char bytes[70000];
};

static_assert(goro::detail::by_value<point> && !goro::detail::by_value<item> && !goro::detail::by_value<large> && !goro::detail::by_value<std::string>);
static_assert(goro::detail::wire_size<goro::none> == 0 && goro::detail::wire_size<std::string> == sizeof(void *));

/* ---------------------------------------------------------------------------------------------------- */

template <class T, class Make, class Same> void round_trip(Make make, Same same)
{
	for (size_t cap : { 0, 1, 7 }) {
		goro::chan<T> c(cap);
		int n = 0;

		t_check(goro::go([c, make] {
			for (int i = 0; i < 50; i++)
				c.send(make(i));
			c.close();
		}) == 0);
		for (T &v : c)
			t_check(same(v, n++));
		t_check_int(n, ==, 50);
		t_check(!c.recv() && !c.recv() && c.try_recv().closed() && c.recv(1s).closed() && c.cap() == cap);
	}
}

int kinds_main(void *)
{
	round_trip<int>([](int i) { return i; }, [](int v, int i) { return v == i; });
	round_trip<point>([](int i) { return point{ i, -i, i / 2.0 }; }, [](point p, int i) { return p.x == i && p.y == -i && p.z == i / 2.0; });
	round_trip<goro::none>([](int) { return goro::none(); }, [](goro::none, int) { return true; });
	round_trip<std::string>([](int i) { return std::string(static_cast<size_t>(i), 's'); },
				[](const std::string &s, int i) { return s == std::string(static_cast<size_t>(i), 's'); });
	round_trip<std::unique_ptr<int>>([](int i) { return std::make_unique<int>(i); }, [](auto &p, int i) { return *p == i; });
	round_trip<std::map<int, std::string>>([](int i) { return std::map<int, std::string>{ { i, "x" } }; }, [](auto &m, int i) { return m[i] == "x"; });
	round_trip<item>([](int i) { return item(i); }, [](item &v, int i) { return v.value == i; });
	round_trip<large>([](int i) { return large{ { static_cast<char>(i) } }; }, [](large &l, int i) { return l.bytes[0] == i; });
	round_trip<goro::chan<int>>([](int i) { return goro::chan<int>(static_cast<size_t>(i)); }, [](auto &c, int i) { return c.cap() == static_cast<size_t>(i); });
	t_eventually(alive == 0, API_PATIENCE);
	return 0;
}

START_TEST(elements_of_every_kind_arrive_in_order)
{
	api_run_procs(api_procs[_i], kinds_main, nullptr);
}
END_TEST

int lost_main(void *)
{
	{
		goro::chan<item> c(10);

		for (int i = 0; i < 7; i++)
			c.send(item(i));
		t_check(c.len() == 7 && alive == 7);
		c.close();
	}
	t_check_int(alive.load(), ==, 0);
	{
		/* Channels inside of a channel go with it. */
		goro::chan<goro::chan<item>> outer(3);
		goro::chan<item> inner(3);

		inner.send(item(1));
		outer.send(inner);
		outer.send(std::move(inner));
	}
	t_check_int(alive.load(), ==, 0);
	return 0;
}

START_TEST(what_is_left_in_a_channel_goes_with_its_last_handle)
{
	api_run(lost_main, nullptr);
	lost_main(nullptr); /* without a runtime */
}
END_TEST

int kept_main(void *)
{
	goro::chan<item> c, full(1);
	goro::chan<std::string> nil(nullptr);
	item v(5);
	std::string s = "stays";

	t_check(!c.try_send(std::move(v)) && v.value == 5);
	t_check_int(c.send(std::move(v), 1ms), ==, -ETIMEDOUT);
	t_check_int(v.value, ==, 5);
	t_check(full.try_send(item(1)) && !full.try_send(std::move(v)) && v.value == 5);
	t_check_int(full.recv()->value, ==, 1);
	t_check(full.send(std::move(v), 1s) == 0 && v.value == -1);
	t_check(!nil && nil.send(std::move(s), 1ms) == -ETIMEDOUT && s == "stays" && nil.recv(1ms).timed_out() && nil.len() == 0);
	t_check(goro::select(goro::on_send(c, item(8)), goro::on_default()) == 1);
	v.value = 6;
	t_check(goro::select(goro::on_send(c, std::move(v)), goro::on_timeout(1ms)) == 1 && v.value == 6);
	t_check(goro::select(goro::on_send(nil, s), goro::on_default()) == 1 && s == "stays");

	const auto p = goro::recovered([] {
		goro::chan<item> closed;

		closed.close();
		closed.send(item(1));
	});
	t_check(p && p->text == "send on closed channel" && (p->flags & GORO_PANIC_RUNTIME));
	const auto q = goro::recovered([] {
		goro::chan<item> closed;

		closed.close();
		goro::select(goro::on_send(closed, item(1)));
	});
	t_check(q && q->text == "send on closed channel");
	t_check_int(alive.load(), ==, 2); /* v, and the one in full */
	return 0;
}

START_TEST(a_send_that_fails_gives_the_value_back)
{
	api_run_procs(api_procs[_i], kept_main, nullptr);
	t_check_int(alive.load(), ==, 0);
}
END_TEST

int results_main(void *)
{
	goro::chan<std::string> c(1);
	goro::result<std::string> r = c.try_recv();
	int thrown = 0;

	t_check(!r && r.timed_out() && !r.closed() && r.error() == -EAGAIN);
	try {
		static_cast<void>(r.value());
	} catch (const std::bad_optional_access &) {
		thrown++;
	}
	t_check(thrown == 1 && c.recv(1ms).error() == -ETIMEDOUT && std::move(r).value_or("none") == "none");
	c.send("text");
	r = c.recv(goro::now() + 1s);
	t_check(r && r.error() == 0 && *r == "text" && r->size() == 4 && std::move(r).value() == "text");
	t_check(c == goro::chan<std::string>(c) && c != goro::chan<std::string>());
	return 0;
}

START_TEST(a_receive_with_a_deadline_says_what_has_happened)
{
	api_run(results_main, nullptr);
}
END_TEST

/* ---------------------------------------------------------------------------------------------------- */

int select_main(void *)
{
	goro::chan<int> numbers(1);
	goro::chan<std::string> words;
	goro::chan<item> items;
	goro::context ctx = goro::context().with_cancel();
	goro::timer never(1h);
	std::string said;
	const auto once = [&] {
		return goro::select(goro::on_recv(numbers, [&](std::optional<int> n) { said = n ? std::to_string(*n) : "closed"; }),
				    goro::on_recv(words, [&](const std::string &w) { said = w; }),
				    goro::on_recv(items, [&](std::optional<item> i) { said = "item " + std::to_string(i ? i->value : -1); }),
				    goro::on_recv(ctx.done(), [&] { said = "done"; }),
				    goro::on_recv(never.c(), [&](goro::time_point) { said = "never"; }),
				    goro::on_timeout(20ms, [&] { said = "late"; }));
	};

	t_check(once() == 5 && said == "late");
	numbers.send(3);
	t_check(once() == 0 && said == "3");
	numbers.close();
	t_check(once() == 0 && said == "closed");
	numbers = goro::chan<int>(nullptr);
	t_check(goro::go([words] { words.send("word"); }) == 0);
	t_check(once() == 1 && said == "word");
	t_check(goro::go([items] { items.send(item(9)); }) == 0);
	t_check(once() == 2 && said == "item 9");
	ctx.cancel();
	t_check(once() == 3 && said == "done");
	words.close();
	int empty = 0;
	t_check(goro::select(goro::on_recv(words, [&](std::string w) { empty += w.empty(); }), goro::on_default()) == 0 && empty == 1);

	/* An exception of a handler passes, and its element is not lost on the way there. */
	goro::chan<item> one(1);
	one.send(item(4));
	int caught = 0;
	try {
		goro::select(goro::on_recv(one, [](std::optional<item> i) { throw i->value; }));
	} catch (int v) {
		caught = v;
	}
	t_check_int(caught, ==, 4);
	/* Nobody wants the element. */
	one.send(item(5));
	t_check(goro::select(goro::on_recv(one, [] {})) == 0);
	t_eventually(alive == 0, API_PATIENCE);
	return 0;
}

START_TEST(select_calls_the_handler_of_the_case_that_it_did)
{
	api_run_procs(api_procs[_i], select_main, nullptr);
}
END_TEST

/* Senders and receivers, half of them by select with a deadline: everything arrives once. */
int many_main(void *)
{
	goro::chan<item> a, b(3);
	goro::waitgroup senders, receivers;
	std::atomic<long> sum{ 0 };
	const int each = static_cast<int>(t_scaled(400));

	for (int s = 0; s < 8; s++)
		senders.go([a, b, each, s] {
			for (int i = 1; i <= each; i++) {
				const goro::chan<item> &to = i % 2 ? a : b;
				item v(i);

				if (s % 2)
					to.send(std::move(v));
				else
					while (goro::select(goro::on_send(to, std::move(v)), goro::on_timeout(50us)) == 1)
						t_check_int(v.value, ==, i);
			}
		});
	for (int r = 0; r < 8; r++)
		receivers.go([a, b, &sum]() mutable {
			while (a || b)
				goro::select(goro::on_recv(a, [&](std::optional<item> i) { i ? void(sum += i->value) : void(a = nullptr); }),
					     goro::on_recv(b, [&](std::optional<item> i) { i ? void(sum += i->value) : void(b = nullptr); }),
					     goro::on_timeout(50us));
		});
	senders.wait();
	a.close();
	b.close();
	receivers.wait();
	t_check_int(sum.load(), ==, 8L * each * (each + 1) / 2);
	t_check_int(alive.load(), ==, 0);
	return 0;
}

START_TEST(many_senders_and_receivers_lose_nothing)
{
	api_run_procs(api_procs[_i], many_main, nullptr);
}
END_TEST

} // namespace

int main()
{
	Suite *s = suite_create("hpp: chan");
	TCase *tc = t_case(s, "chan", 60);

	tcase_add_loop_test(tc, elements_of_every_kind_arrive_in_order, 0, 3);
	tcase_add_test(tc, what_is_left_in_a_channel_goes_with_its_last_handle);
	tcase_add_loop_test(tc, a_send_that_fails_gives_the_value_back, 0, 3);
	tcase_add_test(tc, a_receive_with_a_deadline_says_what_has_happened);
	tc = t_case(s, "select", 120);
	tcase_add_loop_test(tc, select_calls_the_handler_of_the_case_that_it_did, 0, 3);
	tcase_add_loop_test(tc, many_senders_and_receivers_lose_nothing, 0, 3);
	return t_main(s);
}
