#!/bin/sh
# SPDX-License-Identifier: MIT
# examples.sh: every program in the manual and in README compiles without a warning, and runs and returns 0.
#
# In a man page a program is what lies between .Bd and .Ed after a line `.\" EXAMPLE`; in README what is indented, from a line
# "#include <goro.h>" on. They are run against the library of the build folder that this is called in, if there is one and it is made for
# this machine without a sanitizer. Writes a line per program to libcheck's TAP file for tests/driver.
set -eu
top=${top_srcdir:-$(dirname "$0")/../..}
CC=${CC:-cc}
. "$top/tests/tap.sh"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for f in "$top"/man/*.[37]; do
	awk -v stem="$tmp/$(basename "$f")" '
		/^\.\\" EXAMPLE/ { wanted = 1; next }
		wanted && /^\.Bd/ { out = stem "-" ++i ".c"; wanted = 0; next }
		/^\.Ed/ { if (out) close(out); out = "" }
		out { gsub(/\\&/, ""); gsub(/\\e/, "\\"); gsub(/\\-/, "-"); print >out }' "$f"
done
awk -v stem="$tmp/README" '
	!out && /^    #include <goro\.h>/ { out = stem "-" ++i ".c" }
	out && /^[^ ]/ { close(out); out = "" }
	out { sub(/^    /, ""); print >out }' "$top/README"

run=yes
[ -f lib/libgoro.la ] && [ -x libtool ] || run=no
[ -z "${SAN_CFLAGS:-}" ] || run=no
case $($CC -dumpmachine 2>/dev/null) in
"$(uname -m)"-*) ;;
*) run=no ;;
esac

for c in "$tmp"/*.c; do
	name=$(basename "$c" .c)
	if ! $CC -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -pthread -I"$top/include" -c "$c" -o "$tmp/$name.o" >"$tmp/out" 2>&1; then
		report "not ok" "$name" "does not compile" "$tmp/out"
	elif [ $run = no ]; then
		report ok "$name" "compiled"
	elif ! ./libtool --quiet --tag=CC --mode=link $CC -pthread -no-install "$tmp/$name.o" lib/libgoro.la -o "$tmp/$name" \
		>"$tmp/out" 2>&1; then
		report "not ok" "$name" "does not link" "$tmp/out"
	elif ! timeout 60 "$tmp/$name" >"$tmp/out" 2>&1 </dev/null; then
		report "not ok" "$name" "does not return 0" "$tmp/out"
	else
		report ok "$name" Passed
	fi
done
finish 15 programs
