/* SPDX-License-Identifier: MIT */
/*
 * goro.hpp: goro for C++17 and later, header-only over the C interface, in the namespace goro. goro_hpp(7) is its manual.
 *
 *	int main()
 *	{
 *		return goro::run([] {
 *			goro::chan<std::string> words;
 *			goro::go([words] {
 *				words.send("hello");
 *				words.close();
 *			});
 *			for (const std::string &w : words)
 *				std::puts(w.c_str());
 *		});
 *	}
 *
 * What the C functions promise holds here: what parks, from where a call may be made, which misuse is a panic. Three things are of C++:
 *   - An exception that leaves a goroutine ends the process as an unrecovered panic with its what(). goro::errgroup carries exceptions to its wait().
 *   - A panic that is recovered, and goro_exit(), run the destructors of the frames that they leave. So do not swallow in "catch (...)" what you do not know: throw it again.
 *   - When the main goroutine returns the others stop where they are: nothing of theirs is destructed.
 */
#ifndef GORO_HPP
#define GORO_HPP

#include <goro/chan.hpp>
#include <goro/context.hpp>
#include <goro/errgroup.hpp>
#include <goro/go.hpp>
#include <goro/select.hpp>
#include <goro/sync.hpp>
#include <goro/time.hpp>
#include <goro/timer.hpp>

#endif
