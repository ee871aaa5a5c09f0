#!/bin/sh
# SPDX-License-Identifier: MIT
# errno.sh: the library does not use errno, which is thread-local: see tls.sh. The one way to the kernel is sys.h,
# whose calls return -errno. Files where user code or a C library call is bracketed say so with
# the comment "errno: " and the reason on the same line.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"

status=0
for f in $(find lib -name '*.[ch]' | LC_ALL=C sort); do
	awk -f tests/lint/strip.awk "$f" | grep -E '\berrno\b|__errno_location' | grep -vE '#[[:space:]]*include' |
		cut -d: -f2 | while read -r n; do
		sed -n "${n}p" "$f" | grep -q '/\* errno: ' || echo "$f:$n: $(sed -n "${n}p" "$f")"
	done
done | grep . && status=1
exit $status
