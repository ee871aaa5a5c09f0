/* SPDX-License-Identifier: MIT */
/* goro/context.hpp: Go's context as a counted handle. See goro.hpp, and goro_context(3) for what it does. */
#ifndef GORO_CONTEXT_HPP
#define GORO_CONTEXT_HPP

#include <new>
#include <utility>

#include <goro/chan.hpp>
#include <goro/context.h>
#include <goro/go.hpp>

namespace goro {

/* A key of values of type T in contexts: an object that lives as long as they do, known by its address. */
template <class T> class context_key {
public:
	constexpr context_key() = default;
	context_key(const context_key &) = delete;
	context_key &operator=(const context_key &) = delete;
};

/*
 * A handle; copies mean the same context, which goes when the last one and all its children are gone. The default is the background. All that makes one throws
 * std::bad_alloc without memory. cancel() of a copy cancels all copies; when the last handle goes nothing is cancelled, as nobody is left to see it:
 * Go's `defer cancel()` is GORO_ON_EXIT { ctx.cancel(); };
 */
class context {
public:
	context() : c_(goro_context_background()) {}
	context(const context &o) : c_(goro_context_ref(o.c_)) {}
	context(context &&o) noexcept : c_(std::exchange(o.c_, nullptr)) {}
	context &operator=(context o) noexcept
	{
		std::swap(c_, o.c_);
		return *this;
	}
	~context() { goro_context_unref(c_); }

	/* One more reference of a context of the C functions. */
	static context share(struct goro_context *c) { return context(goro_context_ref(c)); }

	context with_cancel() const { return made(goro_context_with_cancel(get())); }
	/* cause: what cause() gives when the deadline has passed. */
	context with_deadline(deadline until, int cause = 0) const { return made(goro_context_with_deadline_cause(get(), until.ns(), cause)); }
	context without_cancel() const { return made(goro_context_without_cancel(get())); }
	template <class T, class V> context with_value(const context_key<T> &key, V &&value) const
	{
		static_assert(std::is_constructible_v<T, V &&>, "goro::context::with_value: the value is not of the key's type");
		std::unique_ptr<T> own(new T(std::forward<V>(value)));
		context child = made(goro_context_with_value(get(), &key, own.get(), [](void *p) { delete static_cast<T *>(p); }));

		own.release();
		return child;
	}

	/* The nearest value of the key, NULL if there is none; it lives as long as the context. */
	template <class T> const T *value(const context_key<T> &key) const { return static_cast<const T *>(goro_context_value(get(), &key)); }

	/* 0, or -EINVAL for a context that cannot be cancelled by itself. */
	int cancel(int cause = 0) const { return goro_context_cancel_cause(get(), cause); }
	/* Is closed when the context is cancelled: for selects and receives. Must not outlive the context. */
	source<none> done() const { return source<none>(goro_context_done(get())); }
	/* 0, -ECANCELED or -ETIMEDOUT. */
	int err() const { return goro_context_err(get()); }
	int cause() const { return goro_context_cause(get()); }
	bool cancelled() const { return err() != 0; }
	/* For any call that waits. */
	goro::deadline until() const { return goro::deadline::of(goro_context_deadline(get())); }
	struct goro_context *native() const { return get(); }

	/*
	 * Calls f() in a goroutine of its own once the context is cancelled; the guard that is returned keeps that from happening when it goes, unless it has begun or
	 * keep() was called. Throws std::bad_alloc.
	 */
	class after;
	template <class F> [[nodiscard]] after after_func(F &&f) const;

private:
	explicit context(struct goro_context *c) : c_(c) {}
	static context made(struct goro_context *c)
	{
		if (!c)
			throw std::bad_alloc();
		return context(c);
	}
	/* A context that was moved from is as the background. */
	struct goro_context *get() const { return c_ ? c_ : goro_context_background(); }

	struct goro_context *c_;
};

class context::after {
public:
	after(const after &) = delete;
	after &operator=(const after &) = delete;
	~after()
	{
		if (!kept_)
			stop();
		goro_context_func_free(func_);
	}
	/* true if this call keeps the function from being called. */
	bool stop()
	{
		if (!goro_context_func_stop(func_))
			return false;
		drop_(arg_);
		return true;
	}
	void keep() { kept_ = true; }

private:
	friend class context;
	template <class F> after(struct goro_context *c, std::unique_ptr<F> own)
		: func_(nullptr), arg_(own.get()), drop_([](void *p) { delete static_cast<F *>(p); })
	{
		if (goro_context_after_func(c, detail::run_owned<F>, arg_, &func_) != 0)
			throw std::bad_alloc();
		own.release();
	}
	struct goro_context_func *func_;
	void *arg_;
	void (*drop_)(void *);
	bool kept_ = false;
};

template <class F> context::after context::after_func(F &&f) const
{
	using C = std::decay_t<F>;

	static_assert(std::is_invocable_v<C>, "goro::context::after_func: the function takes no arguments");
	return after(get(), std::unique_ptr<C>(new C(std::forward<F>(f))));
}

} // namespace goro

#endif
