/* SPDX-License-Identifier: MIT */
/* hpp.h: the head of the programs that test goro.hpp. */
#ifndef HPP_H
#define HPP_H

#include <goro.hpp>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
#include "api.h"
}
#include "t.h"

#undef fail /* libcheck's macro */

using namespace std::chrono_literals;

/* Things that count themselves: as many were constructed and not yet destructed. */
inline std::atomic<int> alive;

#endif
