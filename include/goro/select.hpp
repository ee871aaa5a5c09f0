/* SPDX-License-Identifier: MIT */
/*
 * goro/select.hpp: Go's select statement over channels of C++, with a lambda for each case. See goro.hpp.
 *
 *	goro::select(
 *		goro::on_recv(jobs, [&](std::optional<job> j) { ... }),		none when jobs is closed
 *		goro::on_send(results, std::move(r), [&] { ... }),
 *		goro::on_recv(ctx.done(), [&] { stop = true; }),
 *		goro::on_timeout(100ms, [&] { ... }));
 */
#ifndef GORO_SELECT_HPP
#define GORO_SELECT_HPP

#include <goro/chan.hpp>
#include <goro/select.h>

namespace goro {

namespace detail {

struct select_case {
	static constexpr bool is_default = false, is_timeout = false;
	int64_t until() const { return GORO_FOREVER; }
};

template <class> inline constexpr bool never = false;

template <class T, class H> class recv_case : public select_case {
public:
	recv_case(source<T> c, H &&h) : c_(c), h_(std::move(h)) {}
	void fill(struct goro_case &k) { k = {{c_.native()}, GORO_RECV, 0, in_.place()}; }
	void not_chosen() {}
	void chosen(int ret)
	{
		if constexpr (std::is_invocable_v<H &, std::optional<T>>) {
			h_(ret > 0 ? std::optional<T>(in_.take()) : std::optional<T>());
		} else if constexpr (std::is_invocable_v<H &, T>) {
			static_assert(std::is_default_constructible_v<T>, "goro::on_recv: when the channel is closed there is no T to call the "
									  "handler with; let it take a std::optional<T>");
			h_(ret > 0 ? in_.take() : T());
		} else if constexpr (std::is_invocable_v<H &>) {
			if (ret > 0)
				in_.drop();
			h_();
		} else {
			static_assert(never<H>, "goro::on_recv: the handler takes a std::optional of the channel's element, an element, or nothing");
		}
	}

private:
	source<T> c_;
	H h_;
	incoming<T> in_;
};

template <class T, class H> class send_case : public select_case {
public:
	template <class... V> send_case(struct goro_chan *c, H &&h, V &&...v) : c_(c), out_(std::forward<V>(v)...), h_(std::move(h)) {}
	void fill(struct goro_case &k) { k = {{c_}, GORO_SEND, 0, const_cast<void *>(out_.place())}; }
	void not_chosen() { out_.keep(); }
	void chosen(int)
	{
		out_.sent();
		h_();
	}

private:
	struct goro_chan *c_;
	outgoing<T> out_;
	H h_;
};

template <class H, bool Default> class other_case : public select_case {
public:
	static constexpr bool is_default = Default, is_timeout = !Default;
	other_case(int64_t until, H &&h) : until_(until), h_(std::move(h)) {}
	void fill(struct goro_case &k) { k = {{nullptr}, 0, 0, nullptr}; }
	int64_t until() const { return until_; }
	void not_chosen() {}
	void chosen(int) { h_(); }

private:
	int64_t until_;
	H h_;
};

struct nothing {
	void operator()() const {}
};

template <class C> inline constexpr bool is_case = std::is_base_of_v<select_case, std::remove_cv_t<std::remove_reference_t<C>>>;

/* The cases with their numbers, so that each can be asked whether it is the one. */
template <class... C, size_t... I> int select_all(std::index_sequence<I...>, C &...c)
{
	constexpr bool has_default = (C::is_default || ...), has_timeout = (C::is_timeout || ...);
	constexpr int other = has_default || has_timeout ? static_cast<int>(((C::is_default || C::is_timeout ? I : 0) + ...)) : -1;
	static_assert((C::is_default + ...) + (C::is_timeout + ...) <= 1, "goro::select: one on_default() or on_timeout() at most");
	struct goro_case k[sizeof...(C)];
	int64_t until = GORO_FOREVER;
	int i;

	(c.fill(k[I]), ...);
	((C::is_default || C::is_timeout ? void(until = c.until()) : void()), ...);
	i = goro_select(k, sizeof...(C), until);
	if (i == -EAGAIN || i == -ETIMEDOUT)
		i = other;
	((static_cast<int>(I) == i ? void() : c.not_chosen()), ...);
	((static_cast<int>(I) == i ? c.chosen(k[I].ret) : void()), ...);
	return i;
}

} // namespace detail

/*
 * The cases. A handler of on_recv() takes a std::optional<T>, which has no value when the channel is closed; or a T, T() then, as in Go; or nothing. What handlers return
 * is dropped. A value that on_send() was to move, and that was not sent, is where it was; so one variable is moved in one case only.
 */
template <class T, class H> detail::recv_case<T, std::decay_t<H>> on_recv(source<T> c, H &&h)
{
	return {c, std::decay_t<H>(std::forward<H>(h))};
}

template <class T, class H> detail::recv_case<T, std::decay_t<H>> on_recv(const chan<T> &c, H &&h)
{
	return {c.from(), std::decay_t<H>(std::forward<H>(h))};
}

template <class T, class V, class H = detail::nothing> detail::send_case<T, std::decay_t<H>> on_send(const chan<T> &c, V &&v, H &&h = H())
{
	static_assert(std::is_convertible_v<V &&, T>, "goro::on_send: the value does not convert to the channel's element");
	static_assert(std::is_invocable_v<std::decay_t<H> &>, "goro::on_send: the handler takes no arguments");
	if constexpr (std::is_same_v<std::decay_t<V>, T>)
		return {c.native(), std::decay_t<H>(std::forward<H>(h)), std::forward<V>(v)};
	else
		return {c.native(), std::decay_t<H>(std::forward<H>(h)), std::in_place, std::forward<V>(v)};
}

/* What is chosen if no other case can go on at once: Go's default branch. */
template <class H = detail::nothing> detail::other_case<std::decay_t<H>, true> on_default(H &&h = H())
{
	return {GORO_NOW, std::decay_t<H>(std::forward<H>(h))};
}

/* What is chosen if no other case can go on until then. */
template <class H = detail::nothing> detail::other_case<std::decay_t<H>, false> on_timeout(deadline until, H &&h = H())
{
	return {until.ns(), std::decay_t<H>(std::forward<H>(h))};
}

/*
 * Waits until one of the cases can go on, does it, calls its handler, and returns its index, or -ENOMEM (more than 16 cases). Among several that can go on each has the same
 * chance. Without cases it waits for ever. An exception of the handler passes. Parks: yes.
 */
template <class... C> int select(C &&...c)
{
	static_assert((detail::is_case<C> && ...), "goro::select: each argument is to be an on_recv(), on_send(), on_default() or on_timeout()");
	if constexpr (sizeof...(C) == 0)
		return goro_select(nullptr, 0, GORO_FOREVER);
	else
		return detail::select_all(std::index_sequence_for<C...>(), c...);
}

} // namespace goro

#endif
