#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh: every program of examples/guide and examples/classics does what the comment at its head says, on one processor and on four.
#
# NAME.want is what NAME prints. Lines of it that begin with "# " tell how to compare:
#     # sorted         the order of the lines is nobody's business
#     # last LINE      and this one is the last all the same
#     # status N       the exit status, if not 0
#     # stderr LINE    how the first line on stderr begins; without this one stderr is empty
# A line "? LINE" may be missing, and PROCS stands for the number of processors. The comment must contain each line.
# Writes a line per run to libcheck's TAP file for tests/driver.
set -eu
LC_ALL=C
export LC_ALL
top=${top_srcdir:-$(dirname "$0")/../..}
. "$top/tests/tap.sh"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# To leak a goroutine is what some of the guide's show.
asan_guide="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
asan_classics=${ASAN_OPTIONS:-}

# directive WORD FILE: what follows "# WORD" there, "yes" if nothing does
directive() {
	sed -n "s/^# $1\$/yes/p; s/^# $1 //p" "$2"
}

# differs guide|classics/NAME PROCS: runs it and prints what is not as it should be
differs() {
	want=$top/examples/$1.want
	rc=0
	case $1 in guide/*) ASAN_OPTIONS=$asan_guide ;; *) ASAN_OPTIONS=$asan_classics ;; esac
	export ASAN_OPTIONS
	GORO_MAXPROCS=$2 timeout -k 5 "${T_GUIDE_TIMEOUT:-240}" "./examples/$1" >"$tmp/out" 2>"$tmp/err" </dev/null || rc=$?
	expected=$(directive status "$want")
	[ $rc -eq "${expected:-0}" ] || { echo "exit status $rc"; cat "$tmp/err"; }
	first=$(directive stderr "$want")
	case $(head -n 1 "$tmp/err") in
	"$first"*) [ -n "$first" ] || [ ! -s "$tmp/err" ] || cat "$tmp/err" ;;
	*) echo "stderr:"; cat "$tmp/err" ;;
	esac
	last=$(directive last "$want")
	[ -z "$last" ] || [ "$(tail -n 1 "$tmp/out")" = "$last" ] || echo "the last line is not: $last"
	sed -n 's/^? //p' "$want" >"$tmp/maybe"
	grep -vxFf "$tmp/maybe" "$tmp/out" >"$tmp/got" || true
	grep -v '^[#?] ' "$want" | sed "s/PROCS/$2/" >"$tmp/want" || true
	if [ -n "$(directive sorted "$want")" ]; then
		sort -o "$tmp/got" "$tmp/got"
		sort -o "$tmp/want" "$tmp/want"
	fi
	diff -u "$tmp/want" "$tmp/got" | tail -n +3
}

# undocumented guide|classics/NAME: the lines of its .want that the comment at the head of NAME.c lacks
undocumented() {
	sed '/^ \*\/$/q' "$top/examples/$1.c" >"$tmp/head"
	sed 's/^# stderr //; /^# /d; s/^? //' "$top/examples/$1.want" | while IFS= read -r line; do
		grep -qF -e " *     $line" "$tmp/head" || echo "$line"
	done
}

for c in "$top"/examples/guide/*.c "$top"/examples/classics/*.c; do
	name=$(basename "$(dirname "$c")")/$(basename "$c" .c)
	if [ ! -x "examples/$name" ] || [ ! -f "${c%.c}.want" ]; then
		report "not ok" "$name" "is not built, or has no .want file; see examples/local.mk"
		continue
	fi
	why=$(undocumented "$name")
	[ -z "$why" ] || report "not ok" "$name" "not in its head: $why"
	for procs in 1 4; do
		why=$(differs "$name" $procs)
		if [ -z "$why" ]; then
			report ok "$name-$procs" Passed
		else
			report "not ok" "$name-$procs" "$(echo "$why" | head -n 1)"
			echo "$why"
		fi
	done
done
finish 100 runs
