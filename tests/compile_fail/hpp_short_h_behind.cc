/* SPDX-License-Identifier: MIT */
/* EXPECT: goro.hpp has functions named go and defer: do not include <goro/short.h> with it */
#include <goro.hpp>
#include <goro/short.h>
