/* SPDX-License-Identifier: MIT */
/* goro/time.hpp: deadlines, and sleeping, in terms of <chrono>. See goro.hpp. */
#ifndef GORO_TIME_HPP
#define GORO_TIME_HPP

#include <chrono>
#include <cstdint>

#include <goro.h>

#if defined(GORO_SHORT_H)
# error "goro.hpp has functions named go and defer: do not include <goro/short.h> with it"
#endif

namespace goro {

/* The clock of goro_now(): CLOCK_MONOTONIC, in nanoseconds. */
using clock = std::chrono::steady_clock;
using time_point = clock::time_point;
static_assert(sizeof(time_point) == sizeof(int64_t) && std::is_same_v<time_point::period, std::nano>,
	      "steady_clock counts nanoseconds in 64 bits: a time that the C functions give is one of its time points");

namespace detail {

/* Nanoseconds, as many as fit. */
template <class Rep, class Period> int64_t nanoseconds(std::chrono::duration<Rep, Period> d)
{
	const double seconds = std::chrono::duration<double>(d).count();

	if (seconds > 9e9)
		return INT64_MAX;
	if (seconds < -9e9)
		return INT64_MIN;
	return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

} // namespace detail

/*
 * Until when a call waits: a time point, or a duration from now. What has passed already makes a call that would wait fail with -ETIMEDOUT, no_wait()
 * with -EAGAIN.
 */
class deadline {
public:
	deadline(time_point t) : ns_(t.time_since_epoch().count() > 0 ? t.time_since_epoch().count() : 1) {}
	template <class Rep, class Period> deadline(std::chrono::duration<Rep, Period> d)
	{
		const int64_t n = detail::nanoseconds(d);

		ns_ = goro_after(n > 0 ? n : 0);
	}

	static deadline forever() { return deadline(GORO_FOREVER); }
	static deadline no_wait() { return deadline(GORO_NOW); }
	/* From a deadline of the C functions, that of a context for instance. */
	static deadline of(int64_t ns) { return deadline(ns); }

	int64_t ns() const { return ns_; }

private:
	explicit deadline(int64_t ns) : ns_(ns) {}
	int64_t ns_;
};

inline time_point now() { return time_point(std::chrono::nanoseconds(goro_now())); }

/* Parks, as all that follows. */
inline void sleep(deadline until) { goro_sleep_until(until.ns()); }

} // namespace goro

#endif
