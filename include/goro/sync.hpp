/* SPDX-License-Identifier: MIT */
/*
 * goro/sync.hpp: the locks of <goro/sync.h> as the standard library wants them: std::lock_guard, std::unique_lock, std::scoped_lock and std::shared_lock take them. They
 * are shared by goroutines and plain threads, and cannot be copied or moved. All that waits parks. See goro.hpp.
 */
#ifndef GORO_SYNC_HPP
#define GORO_SYNC_HPP

#include <condition_variable>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include <goro/go.hpp>
#include <goro/sync.h>

namespace goro {

namespace detail {
struct pinned {
	constexpr pinned() = default;
	pinned(const pinned &) = delete;
	pinned &operator=(const pinned &) = delete;
};
} // namespace detail

/* TimedLockable. */
class mutex : detail::pinned {
public:
	constexpr mutex() = default;
	void lock() { goro_mutex_lock(&mu_); }
	bool try_lock() { return goro_mutex_trylock(&mu_) != 0; }
	bool try_lock_until(deadline until) { return goro_mutex_lock_until(&mu_, until.ns()) == 0; }
	bool try_lock_for(deadline until) { return try_lock_until(until); }
	void unlock() { goro_mutex_unlock(&mu_); }
	struct goro_mutex *native_handle() { return &mu_; }

private:
	struct goro_mutex mu_ = GORO_MUTEX_INIT;
};

/* SharedTimedLockable. */
class rwmutex : detail::pinned {
public:
	constexpr rwmutex() = default;
	void lock() { goro_rwmutex_lock(&rw_); }
	bool try_lock() { return goro_rwmutex_trylock(&rw_) != 0; }
	bool try_lock_until(deadline until) { return goro_rwmutex_lock_until(&rw_, until.ns()) == 0; }
	bool try_lock_for(deadline until) { return try_lock_until(until); }
	void unlock() { goro_rwmutex_unlock(&rw_); }
	void lock_shared() { goro_rwmutex_rlock(&rw_); }
	bool try_lock_shared() { return goro_rwmutex_tryrlock(&rw_) != 0; }
	bool try_lock_shared_until(deadline until) { return goro_rwmutex_rlock_until(&rw_, until.ns()) == 0; }
	bool try_lock_shared_for(deadline until) { return try_lock_shared_until(until); }
	void unlock_shared() { goro_rwmutex_runlock(&rw_); }
	struct goro_rwmutex *native_handle() { return &rw_; }

private:
	struct goro_rwmutex rw_ = GORO_RWMUTEX_INIT;
};

/*
 * A condition variable, of goro::mutex and both sides of goro::rwmutex. No wait ends without a notification or its deadline; the condition is to be looked at in a loop all the
 * same, which the forms with a predicate do. They return what it says at the end.
 */
class cond : detail::pinned {
public:
	constexpr cond() = default;
	void notify_one() { goro_cond_signal(&c_); }
	void notify_all() { goro_cond_broadcast(&c_); }

	template <class L> void wait(L &lock) { wait_ns(lock, GORO_FOREVER); }
	template <class L> std::cv_status wait(L &lock, deadline until)
	{
		return wait_ns(lock, until.ns()) == 0 ? std::cv_status::no_timeout : std::cv_status::timeout;
	}
	template <class L, class P, class = std::enable_if_t<std::is_invocable_r_v<bool, P &>>> void wait(L &lock, P holds)
	{
		while (!holds())
			wait(lock);
	}
	template <class L, class P> bool wait(L &lock, deadline until, P holds)
	{
		while (!holds())
			if (wait(lock, until) == std::cv_status::timeout)
				return holds();
		return true;
	}

private:
	int wait_ns(std::unique_lock<mutex> &l, int64_t until) { return goro_cond_wait(&c_, l.mutex()->native_handle(), until); }
	int wait_ns(std::unique_lock<rwmutex> &l, int64_t until) { return goro_cond_wait_lock(&c_, l.mutex()->native_handle(), until); }
	int wait_ns(std::shared_lock<rwmutex> &l, int64_t until) { return goro_cond_wait_rlock(&c_, l.mutex()->native_handle(), until); }

	struct goro_cond c_ = GORO_COND_INIT;
};

class waitgroup : detail::pinned {
public:
	constexpr waitgroup() = default;
	void add(int delta = 1) { goro_waitgroup_add(&wg_, delta); }
	void done() { goro_waitgroup_done(&wg_); }
	void wait() { goro_waitgroup_wait(&wg_, GORO_FOREVER); }
	bool wait(deadline until) { return goro_waitgroup_wait(&wg_, until.ns()) == 0; }

	/* Go's wg.Go: goro::go() of a goroutine that is counted until f has returned. Returns what that returns; after an error nothing is counted. */
	template <class F, class... A> int go(F &&f, A &&...a)
	{
		struct goro_waitgroup *wg = &wg_;
		int r;

		add();
		deferred undo([wg] { goro_waitgroup_done(wg); }); /* a copy may throw */
		r = goro::go([wg, call = detail::bind(std::forward<F>(f), std::forward<A>(a)...)]() mutable {
			run_counted(wg, std::move(call));
		});
		if (r == 0)
			undo.cancel();
		return r;
	}
	struct goro_waitgroup *native_handle() { return &wg_; }

private:
	template <class C> static void run_counted(struct goro_waitgroup *wg, C &&call)
	{
		deferred counted([wg] { goro_waitgroup_done(wg); });
		C own(std::move(call)); /* gone before the group is told */

		own();
	}

	struct goro_waitgroup wg_ = GORO_WAITGROUP_INIT;
};

/*
 * Go's sync.Once: call(f) calls f() if it is the first call, and returns when that one call has returned. An exception of f goes to who made that call, and the
 * others return: unlike with std::call_once f is not called again.
 */
class once : detail::pinned {
public:
	constexpr once() = default;
	template <class F> void call(F &&f)
	{
		detail::through<F> t(f);

		static_assert(std::is_void_v<std::invoke_result_t<F &>>, "goro::once: the function returns nothing");
		goro_once_do(&once_, detail::through<F>::call, &t);
		t.get();
	}

private:
	struct goro_once once_ = GORO_ONCE_INIT;
};

/* Weighted, with n tokens; see goro_semaphore(3). */
class semaphore : detail::pinned {
public:
	explicit semaphore(uint64_t n) : sem_{n, 0} {}
	void acquire(uint64_t n = 1) { goro_semaphore_acquire(&sem_, n, GORO_FOREVER); }
	bool try_acquire(uint64_t n = 1) { return goro_semaphore_tryacquire(&sem_, n) != 0; }
	bool try_acquire_until(deadline until, uint64_t n = 1) { return goro_semaphore_acquire(&sem_, n, until.ns()) == 0; }
	bool try_acquire_for(deadline until, uint64_t n = 1) { return try_acquire_until(until, n); }
	void release(uint64_t n = 1) { goro_semaphore_release(&sem_, n); }

private:
	struct goro_semaphore sem_;
};

} // namespace goro

#endif
