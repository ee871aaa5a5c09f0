/* SPDX-License-Identifier: MIT */
/* goro/errgroup.hpp: Go's errgroup for functions that return an error or throw. See goro.hpp, and goro_errgroup(3) for what it does. */
#ifndef GORO_ERRGROUP_HPP
#define GORO_ERRGROUP_HPP

#include <goro/context.hpp>
#include <goro/errgroup.h>
#include <goro/sync.hpp>

namespace goro {

/*
 * Goroutines that work on one task. Each is a function that returns an int, 0 or an error, or nothing. The first error, or the first exception, is the group's: wait()
 * returns it or throws it. It also cancels ctx(), if the group was made with a context; of an exception the cause is -ECANCELED.
 * wait() is to be called before the group goes; its destructor does so otherwise, and drops what it says.
 */
class errgroup {
public:
	errgroup() = default;
	explicit errgroup(const context &parent)
	{
		if (!goro_errgroup_with_context(&eg_, parent.native()))
			throw std::bad_alloc();
	}
	errgroup(const errgroup &) = delete;
	errgroup &operator=(const errgroup &) = delete;
	~errgroup()
	{
		goro_errgroup_wait(&eg_, GORO_FOREVER);
		goro_errgroup_fini(&eg_);
	}

	/* Only of a group with a context. */
	context ctx() const { return context::share(eg_.ctx); }
	void set_limit(int n) { goro_errgroup_set_limit(&eg_, n); }

	/*
	 * Starts a goroutine that calls f(a...), copied as goro::go() does. go() waits while that would exceed the limit; try_go() returns false instead. go() returns 0 or
	 * the error of goro_errgroup_go(), and then f is not called; nor is it if try_go() throws, std::bad_alloc or what a copy throws. Parks: go().
	 */
	template <class F, class... A> int go(F &&f, A &&...a) { return start(GORO_FOREVER, std::forward<F>(f), std::forward<A>(a)...); }
	template <class F, class... A> int go_until(deadline until, F &&f, A &&...a)
	{
		return start(until.ns(), std::forward<F>(f), std::forward<A>(a)...);
	}
	template <class F, class... A> bool try_go(F &&f, A &&...a)
	{
		const int r = start(GORO_NOW, std::forward<F>(f), std::forward<A>(a)...);

		if (r != 0 && r != -EAGAIN)
			throw std::bad_alloc();
		return r == 0;
	}

	/* Waits until all have ended; returns the first error or 0, or throws the first exception. Afterwards the group may be used again. Parks: yes. */
	int wait()
	{
		const int r = goro_errgroup_wait(&eg_, GORO_FOREVER);

		if (r != thrown)
			return r;
		std::rethrow_exception(error_);
	}

private:
	static constexpr int thrown = -ECANCELED - 0x10000; /* no errno: the first error was an exception */

	template <class C> struct task {
		errgroup *eg;
		C call;

		GORO__CATCHES static int run(void *p)
		{
			const std::unique_ptr<task> own(static_cast<task *>(p));

			try {
				if constexpr (std::is_void_v<std::invoke_result_t<C &>>) {
					own->call();
					return 0;
				} else {
					return own->call();
				}
			}
			GORO__CATCH_FORCED
			catch (...) {
				own->eg->failed(std::current_exception());
				return thrown;
			}
		}
	};

	void failed(std::exception_ptr e)
	{
		const std::lock_guard<goro::mutex> guard(mu_);

		if (error_)
			return;
		error_ = std::move(e);
		if (eg_.ctx)
			goro_context_cancel_cause(eg_.ctx, 0);
	}

	template <class F, class... A> int start(int64_t until, F &&f, A &&...a)
	{
		auto call = detail::bind(std::forward<F>(f), std::forward<A>(a)...);
		using C = decltype(call);
		using R = std::invoke_result_t<C &>;
		static_assert(std::is_void_v<R> || std::is_same_v<R, int>, "goro::errgroup: the function returns int, 0 or an error, or nothing");
		std::unique_ptr<task<C>> own(new (std::nothrow) task<C>{this, std::move(call)});
		int r = -ENOMEM;

		if (own)
			r = goro_errgroup_go(&eg_, task<C>::run, own.get(), until);
		if (r == 0)
			own.release();
		return r;
	}

	struct goro_errgroup eg_ = GORO_ERRGROUP_INIT;
	goro::mutex mu_;
	std::exception_ptr error_; /* under mu_; the first */
};

} // namespace goro

#endif
