#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh: compiles each case beside it with $CC and, where it is installed, the other one of gcc and clang ($CXX and g++,
# clang++ for .cc). A case must not compile, and each of its lines "/* EXPECT: regex */" must match the
# compiler's messages; one for a single compiler is written EXPECT-gcc or EXPECT-clang. Files named ok_* must
# compile without a warning. Writes a line per case and compiler to libcheck's TAP file for tests/driver.
set -eu
top=${top_srcdir:-$(dirname "$0")/../..}
. "$top/tests/tap.sh"
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT

# kind COMPILER: gcc or clang
kind() {
	if $1 --version 2>/dev/null | grep -q clang; then echo clang; else echo gcc; fi
}

# try CASE COMPILER FLAGS...
try() {
	case=$1
	compiler=$2
	shift 2
	k=$(kind "$compiler")
	name="$(basename "$case"):$k"
	if $compiler "$@" -Wall -Wextra -Wshadow -I"$top/include" -fsyntax-only "$case" >"$tmp" 2>&1; then
		compiled=yes
	else
		compiled=no
	fi
	case $(basename "$case") in
	ok_*)
		if [ $compiled = no ] || [ -s "$tmp" ]; then
			report "not ok" "$name" "must compile without a warning" "$tmp"
		else
			report ok "$name" Passed
		fi
		return ;;
	esac
	if [ $compiled = yes ]; then
		report "not ok" "$name" "must not compile" "$tmp"
		return
	fi
	sed -nE "s|^/\* EXPECT(-$k)?: (.*) \*/.*|\2|p" "$case" >"$tmp.expect"
	missing=
	[ -s "$tmp.expect" ] || missing="(no EXPECT line)"
	while read -r regex; do
		grep -qE -e "$regex" "$tmp" || missing="$missing $regex"
	done <"$tmp.expect"
	rm -f "$tmp.expect"
	if [ -n "$missing" ]; then
		report "not ok" "$name" "the message does not match: $missing" "$tmp"
	else
		report ok "$name" Passed
	fi
}

# others COMPILER GCC CLANG: the compiler itself, and the other kind if it is there.
others() {
	$1 --version >/dev/null 2>&1 || return 0
	echo "$1"
	if [ "$(kind "$1")" = clang ]; then other=$2; else other=$3; fi
	! command -v "$other" >/dev/null 2>&1 || echo "$other"
}

# -O0 by intent: a check that works only when the optimizer helps is none.
others "${CC:-cc}" gcc clang >"$tmp.cc"
others "${CXX:-c++}" g++ clang++ >"$tmp.cxx"
trap 'rm -f "$tmp" "$tmp".*' EXIT
for c in "$(dirname "$0")"/*.c; do
	[ -f "$c" ] || continue
	while read -r compiler; do try "$c" "$compiler" -std=gnu11; done <"$tmp.cc"
done
for c in "$(dirname "$0")"/*.cc; do
	[ -f "$c" ] || continue
	while read -r compiler; do
		try "$c" "$compiler" -std=c++17
		# What must compile does in the next language, too, and without run-time types.
		case $c in */ok_*) try "$c" "$compiler" -std=c++20 -fno-rtti ;; esac
	done <"$tmp.cxx"
done
finish 1 cases
