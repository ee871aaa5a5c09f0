/* SPDX-License-Identifier: MIT */
/*
 * goro/chan.hpp: channels of any type that can be moved. See goro.hpp.
 *
 * How an element travels. The C channel copies bytes. An element that may be copied as bytes (std::is_trivially_copyable, up to 64 KiB) is what it
 * copies; any other lies in memory of its own, and the channel copies the pointer to it: a box. A box belongs to its sender until the send has succeeded, then to the
 * channel, then to who receives it. So a send that fails gives the value back to the variable that it came from, a send that panics destructs it, and the last
 * handle of a channel destructs what is still inside.
 */
#ifndef GORO_CHAN_HPP
#define GORO_CHAN_HPP

#include <cerrno>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <goro/time.hpp>

namespace goro {

/* The element of a channel that says nothing but that something has happened. */
struct none {};

/*
 * What a receive with a deadline gives: a value, or the reason why there is none. error() is 0, -EPIPE if the channel is closed and drained, -ETIMEDOUT, or
 * -EAGAIN if it was not to wait.
 */
template <class T> class result {
public:
	result(T &&v) : value_(std::move(v)), error_(0) {}
	static result failed(int error) { return result(error, 0); }

	bool has_value() const { return error_ == 0; }
	explicit operator bool() const { return has_value(); }
	bool closed() const { return error_ == -EPIPE; }
	bool timed_out() const { return error_ == -ETIMEDOUT || error_ == -EAGAIN; }
	int error() const { return error_; }

	/* operator* and -> are for a result that has a value; value() throws std::bad_optional_access if it has none. */
	T &operator*() & { return *value_; }
	const T &operator*() const & { return *value_; }
	T &&operator*() && { return std::move(*value_); }
	T *operator->() { return &*value_; }
	const T *operator->() const { return &*value_; }
	T &value() & { return value_.value(); }
	T &&value() && { return std::move(value_).value(); }
	template <class U> T value_or(U &&other) && { return std::move(value_).value_or(std::forward<U>(other)); }

private:
	result(int error, int) : error_(error) {}
	std::optional<T> value_;
	int error_;
};

namespace detail {

/* struct goro_chan's limit. */
inline constexpr size_t largest_element = 65536;

template <class T>
inline constexpr bool by_value = std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && sizeof(T) <= largest_element;

/* Bytes of an element in the C channel. Of an object without members there is nothing to be copied. */
template <class T> inline constexpr size_t wire_size = !by_value<T> ? sizeof(T *) : std::is_empty_v<T> ? 0 : sizeof(T);

/* An element on its way in. */
template <class T, bool = by_value<T>> class incoming {
public:
	void *place() { return wire_size<T> ? bytes_ : nullptr; }
	T take() { return *std::launder(reinterpret_cast<T *>(bytes_)); }
	void drop() {}

private:
	alignas(T) unsigned char bytes_[sizeof(T)];
};

template <class T> class incoming<T, false> {
public:
	incoming() = default;
	incoming(const incoming &) = delete;
	incoming &operator=(const incoming &) = delete;
	void *place() { return &box_; }
	T take()
	{
		const std::unique_ptr<T> own(std::exchange(box_, nullptr));

		return std::move(*own);
	}
	void drop() { delete std::exchange(box_, nullptr); }

private:
	T *box_ = nullptr;
};

/* An element on its way out. from: where it was moved from, and goes back to if it is not sent; NULL for a copy. */
template <class T, bool = by_value<T>> class outgoing {
public:
	outgoing(const T &v) : value_(v) {}
	outgoing(T &&v) : value_(std::move(v)) {}
	template <class V> outgoing(std::in_place_t, V &&v) : value_(std::forward<V>(v)) {}
	const void *place() const { return wire_size<T> ? static_cast<const void *>(std::addressof(value_)) : nullptr; }
	void sent() {}
	void keep() {}

private:
	const T value_;
};

template <class T> class outgoing<T, false> {
public:
	outgoing(const T &v) : box_(new T(v)), from_(nullptr) {}
	outgoing(T &&v) : box_(new T(std::move(v))), from_(std::addressof(v)) {}
	template <class V> outgoing(std::in_place_t, V &&v) : box_(new T(std::forward<V>(v))), from_(nullptr) {}
	const void *place()
	{
		pointer_ = box_.get();
		return &pointer_;
	}
	void sent() { box_.release(); }
	void keep()
	{
		if constexpr (std::is_move_assignable_v<T>)
			if (from_)
				*from_ = std::move(*box_);
	}

private:
	std::unique_ptr<T> box_;
	T *from_, *pointer_ = nullptr;
};

template <class T> void dispose(struct goro_chan *c)
{
	if constexpr (!by_value<T>) {
		incoming<T> box;

		while (goro_chan_recv(c, box.place(), GORO_NOW) > 0)
			box.drop();
	}
	goro_chan_free(c);
}

} // namespace detail

/*
 * What one can receive from, without owning it: a chan<T>, the channel of a timer, the done channel of a context. It must not outlive that. Without a channel it
 * is Go's nil channel, from which nothing ever comes.
 */
template <class T> class source {
public:
	constexpr source() : c_(nullptr) {}
	/* Of a channel of the C functions, whose elements are as those of a chan<T>. */
	constexpr explicit source(struct goro_chan *c) : c_(c) {}

	/* The next element, without one when the channel is closed and drained. Parks: yes. */
	std::optional<T> recv() const
	{
		detail::incoming<T> in;

		if (goro_chan_recv(c_, in.place(), GORO_FOREVER) <= 0)
			return std::nullopt;
		return in.take();
	}

	/* The same until a deadline. A timeout loses no element. Parks: yes. */
	result<T> recv(deadline until) const
	{
		detail::incoming<T> in;
		const int r = goro_chan_recv(c_, in.place(), until.ns());

		if (r <= 0)
			return result<T>::failed(r == 0 ? -EPIPE : r);
		return result<T>(in.take());
	}

	result<T> try_recv() const { return recv(deadline::no_wait()); }

	size_t len() const { return goro_chan_len(c_); }
	size_t cap() const { return goro_chan_cap(c_); }
	explicit operator bool() const { return c_ != nullptr; }
	struct goro_chan *native() const { return c_; }

	/* for (T &v : c): each element until the channel is closed and drained. Parks: yes, in begin() and ++. */
	struct sentinel {};
	class iterator {
	public:
		using iterator_category = std::input_iterator_tag;
		using value_type = T;
		using difference_type = std::ptrdiff_t;
		using pointer = T *;
		using reference = T &;

		explicit iterator(source c) : from_(c) { ++*this; }
		T &operator*() { return *value_; }
		T *operator->() { return &*value_; }
		iterator &operator++()
		{
			value_.reset();
			if (std::optional<T> next = from_.recv())
				value_.emplace(std::move(*next));
			return *this;
		}
		bool operator!=(sentinel) const { return value_.has_value(); }
		bool operator==(sentinel) const { return !value_.has_value(); }

	private:
		source from_;
		std::optional<T> value_;
	};
	iterator begin() const { return iterator(*this); }
	sentinel end() const { return {}; }

private:
	struct goro_chan *c_;
};

/*
 * A channel of T. It is a handle, as in Go: copies mean the same channel, which is freed, with what is still inside, when the last one is gone. chan<T>() is unbuffered,
 * chan<T>(n) has room for n elements, chan<T>(nullptr) is Go's nil channel. Throws std::bad_alloc.
 */
template <class T> class chan {
	static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>, "goro::chan: the element is to be an object type without const");
	static_assert(std::is_move_constructible_v<T>, "goro::chan: the element cannot be moved; send a std::unique_ptr to it");

public:
	explicit chan(size_t capacity = 0)
	{
		struct goro_chan *c = goro_chan_new(detail::wire_size<T>, capacity);

		if (!c)
			throw std::bad_alloc();
		c_.reset(c, detail::dispose<T>);
	}
	chan(std::nullptr_t) {}

	/*
	 * Sends. "send on closed channel" is a panic, as is the close of a closed channel. The forms with a deadline return 0, or -ETIMEDOUT (-EAGAIN for no_wait()):
	 * then nothing was sent, and a value that was to be moved is where it was. Parks: yes, but for try_send().
	 */
	void send(const T &v) const { out(v, GORO_FOREVER); }
	void send(T &&v) const { out(std::move(v), GORO_FOREVER); }
	[[nodiscard]] int send(const T &v, deadline until) const { return out(v, until.ns()); }
	[[nodiscard]] int send(T &&v, deadline until) const { return out(std::move(v), until.ns()); }
	[[nodiscard]] bool try_send(const T &v) const { return out(v, GORO_NOW) == 0; }
	[[nodiscard]] bool try_send(T &&v) const { return out(std::move(v), GORO_NOW) == 0; }
	void close() const { goro_chan_close(c_.get()); }

	/* As those of source<T>. */
	std::optional<T> recv() const { return from().recv(); }
	[[nodiscard]] result<T> recv(deadline until) const { return from().recv(until); }
	[[nodiscard]] result<T> try_recv() const { return from().try_recv(); }
	size_t len() const { return from().len(); }
	size_t cap() const { return from().cap(); }
	auto begin() const { return from().begin(); }
	auto end() const { return from().end(); }

	source<T> from() const { return source<T>(c_.get()); }
	operator source<T>() const { return from(); }
	struct goro_chan *native() const { return c_.get(); }
	explicit operator bool() const { return c_ != nullptr; }
	friend bool operator==(const chan &a, const chan &b) { return a.c_ == b.c_; }
	friend bool operator!=(const chan &a, const chan &b) { return a.c_ != b.c_; }

private:
	template <class V> int out(V &&v, int64_t until) const
	{
		detail::outgoing<T> e(std::forward<V>(v));
		const int r = goro_chan_send(c_.get(), e.place(), until);

		if (r == 0)
			e.sent();
		else
			e.keep();
		return r;
	}

	std::shared_ptr<struct goro_chan> c_;
};

} // namespace goro

#endif
