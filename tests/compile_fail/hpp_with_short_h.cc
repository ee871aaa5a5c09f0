/* SPDX-License-Identifier: MIT */
/* EXPECT: goro.hpp has functions named go and defer: do not include <goro/short.h> with it */
#include <goro/short.h>
#include <goro.hpp>
