#!/bin/sh
# SPDX-License-Identifier: MIT
# tls.sh: thread-local variables live in lib/tls.c and nowhere else. A compiler may keep the address of one over a
# call that parks, and the goroutine may be on another thread after it.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"

! find lib include -name '*.[chS]' ! -path lib/tls.c | LC_ALL=C sort |
	xargs awk -f tests/lint/strip.awk | grep -E '\b(_Thread_local|__thread|thread_local)\b'
