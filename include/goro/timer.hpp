/* SPDX-License-Identifier: MIT */
/*
 * goro/timer.hpp: timers and tickers that are given back by their destructors. See goro.hpp, and goro_timer(3) for what they do.
 *
 * Who frees the function of an after_func: it may be called once for each time that the timer was set, in a goroutine that may begin when the timer is gone. So it is counted: the
 * object holds one reference, and so does each setting that has not been stopped, until its call has returned. Stop tells whether it was in time.
 */
#ifndef GORO_TIMER_HPP
#define GORO_TIMER_HPP

#include <atomic>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <goro/chan.hpp>
#include <goro/go.hpp>
#include <goro/timer.h>

namespace goro {

namespace detail {

template <class T> T *no_null(T *p)
{
	if (!p)
		throw std::bad_alloc();
	return p;
}

} // namespace detail

/* Delivers the time once, on c(). Throws std::bad_alloc without memory, or if no runtime runs. */
class timer {
public:
	template <class Rep, class Period> explicit timer(std::chrono::duration<Rep, Period> d) : t_(detail::no_null(goro_timer_new(detail::nanoseconds(d)))) {}
	timer(const timer &) = delete;
	timer &operator=(const timer &) = delete;
	~timer() { goro_timer_free(t_); }
	source<time_point> c() const { return source<time_point>(goro_timer_chan(t_)); }
	/* true if this call keeps it from firing. */
	bool stop() { return goro_timer_stop(t_) != 0; }
	/* true if it had been active. */
	template <class Rep, class Period> bool reset(std::chrono::duration<Rep, Period> d) { return goro_timer_reset(t_, detail::nanoseconds(d)) > 0; }

private:
	struct goro_timer *t_;
};

/* Delivers the time every d, on c(). A period that is not positive is a panic. Throws as timer. */
class ticker {
public:
	template <class Rep, class Period> explicit ticker(std::chrono::duration<Rep, Period> d) : t_(detail::no_null(goro_ticker_new(detail::nanoseconds(d)))) {}
	ticker(const ticker &) = delete;
	ticker &operator=(const ticker &) = delete;
	~ticker() { goro_ticker_free(t_); }
	source<time_point> c() const { return source<time_point>(goro_ticker_chan(t_)); }
	void stop() { goro_ticker_stop(t_); }
	template <class Rep, class Period> int reset(std::chrono::duration<Rep, Period> d) { return goro_ticker_reset(t_, detail::nanoseconds(d)); }

private:
	struct goro_ticker *t_;
};

/*
 * Go's AfterFunc: calls f() in a goroutine of its own when d has passed. The destructor stops it; a call that has begun goes on. Throws as timer.
 */
class after_func {
public:
	template <class Rep, class Period, class F> after_func(std::chrono::duration<Rep, Period> d, F &&f)
	{
		std::unique_ptr<shared> s(new held<std::decay_t<F>>(std::forward<F>(f)));

		t_ = detail::no_null(goro_timer_func(detail::nanoseconds(d), run, s.get()));
		s_ = s.release();
	}
	after_func(const after_func &) = delete;
	after_func &operator=(const after_func &) = delete;
	~after_func()
	{
		stop();
		goro_timer_free(t_);
		s_->unref();
	}
	/* true if this call keeps it from being called. */
	bool stop()
	{
		if (goro_timer_stop(t_) == 0)
			return false;
		s_->unref();
		return true;
	}
	/* It will be called when d has passed; true if it had been active. */
	template <class Rep, class Period> bool reset(std::chrono::duration<Rep, Period> d)
	{
		const bool stopped = goro_timer_stop(t_) != 0;
		int r;

		if (!stopped)
			s_->ref();
		r = goro_timer_reset(t_, detail::nanoseconds(d));
		if (r != 0) /* not set, or another one's setting was stopped by this one */
			s_->unref();
		return stopped || r > 0;
	}

private:
	class shared {
	public:
		virtual ~shared() = default;
		virtual void call() = 0;
		void ref() { refs_.fetch_add(1, std::memory_order_relaxed); }
		void unref()
		{
			if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
				delete this;
		}

	private:
		std::atomic<size_t> refs_{2}; /* the object, and the first setting */
	};
	template <class F> class held final : public shared {
		static_assert(std::is_invocable_v<F &>, "goro::after_func: the function takes no arguments");

	public:
		template <class G> explicit held(G &&g) : f_(std::forward<G>(g)) {}
		void call() override { f_(); }

	private:
		F f_;
	};
	static void run(void *p)
	{
		shared *s = static_cast<shared *>(p);
		const deferred end([s] { s->unref(); });

		s->call();
	}

	shared *s_;
	struct goro_timer *t_;
};

} // namespace goro

#endif
