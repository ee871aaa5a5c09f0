/* SPDX-License-Identifier: MIT */
/*
 * goro/go.hpp: goro::go(), goro::run(), goro::defer(), and calls that lead through the C library and back. See goro.hpp.
 *
 * A callable is kept whole until its goroutine has run: one that is small and copied as bytes goes into the goroutine's record, any other is moved to memory from
 * operator new, which the goroutine owns from the moment at which it exists, and which is given back here if it does not come to exist.
 */
#ifndef GORO_GO_HPP
#define GORO_GO_HPP

#include <cerrno>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#if defined(__GLIBCXX__)
# include <cxxabi.h>
#endif

#include <goro/time.hpp>

/*
 * Stands before a "catch (...)" that keeps what it catches. What leaves the frames of a recovered panic, or of goro_exit(), is no exception that one could keep; libstdc++
 * has a type for it, of which there is no object: UBSan, which would say so, leaves functions that are GORO__CATCHES alone.
 */
#define GORO__CATCHES __attribute__((__no_sanitize__("null")))
#if defined(__GLIBCXX__)
# define GORO__CATCH_FORCED catch (::abi::__forced_unwind &) { throw; }
#else
# define GORO__CATCH_FORCED
#endif

namespace goro {

namespace detail {

/* How many bytes the record of a goroutine has room for. */
inline constexpr size_t inline_bytes = 64;

template <class F>
inline constexpr bool fits_inline = std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F> && sizeof(F) <= inline_bytes &&
				    alignof(F) <= alignof(uint64_t);

template <class F> void run_inline(void *p)
{
	std::invoke(std::move(*static_cast<F *>(p)));
}

template <class F> void run_owned(void *p)
{
	const std::unique_ptr<F> own(static_cast<F *>(p));

	std::invoke(std::move(*own));
}

/* Starts a goroutine that calls a copy of c, which takes no arguments. */
template <class C> int spawn(const struct goro_spawn_opts *opts, C &&c)
{
	using F = std::decay_t<C>;
	struct goro_spawn_opts o = GORO_SPAWN_OPTS_INIT;

	if (opts)
		o = *opts;
	if constexpr (fits_inline<F>) {
		const F copy(std::forward<C>(c));

		o.copy = &copy;
		o.copy_size = sizeof(copy);
		return goro_spawn_opts(run_inline<F>, nullptr, &o);
	} else {
		std::unique_ptr<F> own(new (std::nothrow) F(std::forward<C>(c)));
		int r = -ENOMEM;

		if (own)
			r = goro_spawn_opts(run_owned<F>, own.get(), &o);
		if (r == 0)
			own.release();
		return r;
	}
}

/* f and a... as a callable without arguments, copied or moved now. */
template <class F, class... A> auto bind(F &&f, A &&...a)
{
	static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...>,
		      "goro::go: the function cannot be called with copies of these arguments; use std::ref for a reference");
	if constexpr (sizeof...(A) == 0)
		return std::decay_t<F>(std::forward<F>(f));
	else
		return [f = std::decay_t<F>(std::forward<F>(f)), t = std::tuple<std::decay_t<A>...>(std::forward<A>(a)...)]() mutable {
			return std::apply(std::move(f), std::move(t));
		};
}

/*
 * A call by a C function, fn(arg), that an exception must not leave: it is kept, and thrown behind that C function. F is called with no arguments.
 */
template <class F> class through {
public:
	using R = std::invoke_result_t<F &>;

	explicit through(F &f) : f_(f) {}
	static void call(void *p) { static_cast<through *>(p)->run(); }
	static void *call_null(void *p)
	{
		call(p);
		return nullptr;
	}
	R get()
	{
		if (error_)
			std::rethrow_exception(std::move(error_));
		if constexpr (!std::is_void_v<R>)
			return static_cast<R>(std::move(*value_));
	}

private:
	using kept = std::conditional_t<std::is_void_v<R>, char, std::conditional_t<std::is_reference_v<R>, std::add_pointer_t<R>, R>>;
	static_assert(!std::is_reference_v<R>, "goro: the function returns a reference; let it return a pointer");

	GORO__CATCHES void run()
	{
		try {
			if constexpr (std::is_void_v<R>)
				f_();
			else
				value_.emplace(f_());
		}
		GORO__CATCH_FORCED
		catch (...) {
			error_ = std::current_exception();
		}
	}

	F &f_;
	std::exception_ptr error_;
	std::optional<kept> value_;
};

} // namespace detail

/*
 * Go's go f(a...): starts a goroutine that calls f(a...) with f and a... as std::thread would: anything that can be called, lambdas and arguments that can only be
 * moved too, all copied or moved here and now. What f returns is dropped. Returns 0, or the error of goro_spawn(): then nothing is left over.
 * Parks: no. From: as goro_spawn().
 */
template <class F, class... A> int go(F &&f, A &&...a)
{
	return detail::spawn(nullptr, detail::bind(std::forward<F>(f), std::forward<A>(a)...));
}

/* The same with options (a name, the size of the stack, ...); copy and copy_size are not used. */
template <class F, class... A> int go_with(const struct goro_spawn_opts &opts, F &&f, A &&...a)
{
	return detail::spawn(&opts, detail::bind(std::forward<F>(f), std::forward<A>(a)...));
}

/* goro_run(): runs f() as the main goroutine, and returns what it returns, 0 if that is void. */
template <class F> int run(F &&f, const struct goro_config *cfg = nullptr)
{
	using T = std::remove_reference_t<F>;

	if constexpr (std::is_function_v<T>) {
		T *pointer = &f;

		return run(pointer, cfg);
	} else {
		static_assert(std::is_invocable_v<T &>, "goro::run: the main goroutine's function takes no arguments");
		using R = std::invoke_result_t<T &>;
		static_assert(std::is_void_v<R> || std::is_convertible_v<R, int>, "goro::run: the main goroutine's function returns an int or nothing");
		const goro_main_fn start = [](void *p) -> int {
			if constexpr (std::is_void_v<R>) {
				std::invoke(*static_cast<T *>(p));
				return 0;
			} else {
				return std::invoke(*static_cast<T *>(p));
			}
		};

		return goro_run(cfg, start, const_cast<void *>(static_cast<const void *>(std::addressof(f))));
	}
}

inline void yield() { goro_yield(); }
inline uint64_t id() { return goro_id(); }
inline long count() { return goro_count(); }

/* What calls its function when the scope ends, in whichever way. */
template <class F> class deferred {
public:
	explicit deferred(F &&f) : f_(std::move(f)) {}
	explicit deferred(const F &f) : f_(f) {}
	deferred(const deferred &) = delete;
	deferred &operator=(const deferred &) = delete;
	~deferred() noexcept(false)
	{
		if (armed_)
			f_();
	}
	/* It will not be called. */
	void cancel() { armed_ = false; }

private:
	F f_;
	bool armed_ = true;
};

/*
 * auto d = goro::defer([&] { ... }); calls the lambda at the end of the scope: on return, by an exception, by a panic that is recovered further down, by goro_exit().
 * (When a panic ends the process no destructor runs. GORO_DEFER() does then, and can recover.)
 */
template <class F> [[nodiscard]] deferred<std::decay_t<F>> defer(F &&f)
{
	static_assert(std::is_invocable_v<std::decay_t<F> &>, "goro::defer: what is deferred takes no arguments; let a lambda capture them");
	return deferred<std::decay_t<F>>(std::forward<F>(f));
}

namespace detail {
struct on_exit {
	template <class F> deferred<F> operator+(F &&f) const { return deferred<F>(std::move(f)); }
};
} // namespace detail

/* GORO_ON_EXIT { statements }; is goro::defer() of a lambda that captures by reference. */
#define GORO_ON_EXIT const auto GORO__CAT(goro_on_exit_, __COUNTER__) = ::goro::detail::on_exit() + [&]()

/* goro_blocking(): calls f, which may block in the kernel for long. Returns what f returns; its exceptions come through. Parks: as that. */
template <class F> std::invoke_result_t<F &> blocking(F &&f)
{
	detail::through<F> t(f);

	goro_blocking(detail::through<F>::call_null, &t);
	return t.get();
}

/* goro_call_on_stack(): calls f on a stack of at least size bytes. Throws std::bad_alloc if there is none. Exceptions come through. Parks: if f does. */
template <class F> std::invoke_result_t<F &> call_on_stack(size_t size, F &&f)
{
	detail::through<F> t(f);

	if (goro_call_on_stack(size, detail::through<F>::call, &t) != 0)
		throw std::bad_alloc();
	return t.get();
}

/* What goro::recovered() tells of a panic: a copy of struct goro_panicked. */
struct panicked {
	std::string text;
	void *value;
	unsigned flags;
	int signal;
};

namespace detail {

using trial = std::optional<panicked>;

inline void note_panic(trial *t)
{
	if (const struct goro_panicked *p = GORO_RECOVER())
		*t = panicked{p->text, p->value, p->flags, p->signal};
}

/* In a frame of its own: what the function that defers has made since then is not destructed when a panic is recovered. */
template <class F> __attribute__((__noinline__)) void apart(F *f)
{
	(*f)();
}

template <class F> __attribute__((__noinline__)) void attempt(trial *t, F *f)
{
	GORO_DEFER(note_panic, t);
	apart(f);
}

} // namespace detail

/* Calls f(); a panic in it, a fault too, is recovered and returned. Exceptions pass. Parks: if f does. */
template <class F> std::optional<panicked> recovered(F &&f)
{
	detail::trial t;

	detail::attempt(&t, std::addressof(f));
	return t;
}

} // namespace goro

#endif
