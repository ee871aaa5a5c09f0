/* SPDX-License-Identifier: MIT */
/*
 * goro.h: everything that goro offers, in one include.
 *
 * goro gives a C program Go's goroutines: goro_run() runs a function as the main goroutine on as many
 * threads as the machine has processors, GORO_GO(f, a, b) starts another goroutine, channels and
 * WaitGroups connect them. One header per noun lives in <goro/...>; <goro/short.h>, which is not
 * included here, adds the short spelling go(f, a, b).
 */
#ifndef GORO_H
#define GORO_H

#include <goro/version.h>
#include <goro/attr.h>
#include <goro/runtime.h>
#include <goro/go.h>
#include <goro/time.h>
#include <goro/timer.h>
#include <goro/sync.h>
#include <goro/chan.h>
#include <goro/select.h>
#include <goro/typed.h>
#include <goro/context.h>
#include <goro/errgroup.h>
#include <goro/local.h>
#include <goro/net.h>
#include <goro/file.h>
#include <goro/preempt.h>
#include <goro/panic.h>
#include <goro/debug.h>

#endif
