#!/bin/sh
# SPDX-License-Identifier: MIT
# layers.sh: what may include what, read from the list in lib/local.mk.
#
# 1. Every file of lib is listed there, and a file includes headers of its own layer and of lower ones only.
# 2. Layers 7 to 9 see of the scheduler (layer 6) only the headers in `door`; diagnosis, layer 10, sees all.
# 3. <liburing.h> is for the files in `uring` only, jemalloc's header for mem.c.
# 4. A .c file that has a header of its own name includes it first (before any other "header").
# 5. No header includes the umbrella <goro.h>; api tests, examples and benchmarks (but for that of the bare context
#    switch) include no header of lib.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"

door="park.h spawn.h netpoll.h blocking.h cancel.h"
uring="ring.c ring_setup.c ring_probe.c bufring.c"

find lib -name '*.[chS]' | LC_ALL=C sort | xargs awk -v door="$door" -v uring="$uring" '
	function bad(what) { print where ": " what; status = 1 }
	BEGIN {
		while ((getline line < "lib/local.mk") > 0) {
			if (line ~ /^# -- [0-9]+ /) {
				split(line, word, " ")
				layer = word[3]
			} else if (line ~ /^goro_sources \+= /) {
				n = split(line, word, " ")
				for (i = 3; i <= n; i++)
					if (sub(/^%D%\//, "", word[i]))
						level[word[i]] = layer
			}
		}
		n = split(door, word, " ")
		for (i = 1; i <= n; i++)
			is_door[word[i]] = 1
		n = split(uring, word, " ")
		for (i = 1; i <= n; i++)
			is_uring[word[i]] = 1
	}
	FNR == 1 {
		me = FILENAME
		sub(/^lib\//, "", me)
		where = FILENAME
		own = me
		sub(/\.c$/, ".h", own)
		wants_own = me ~ /\.c$/ && (own in level)
		if (!(me in level))
			bad("not listed in lib/local.mk")
	}
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		where = FILENAME ":" FNR
		split($0, word, "\"")
		h = word[2]
		# Beside the file itself, or below lib.
		dir = me
		if (sub(/\/[^\/]*$/, "/", dir) && (dir h) in level)
			h = dir h
		if (wants_own && h != own)
			bad("includes \"" h "\" before its own header")
		wants_own = 0
		if (!(h in level))
			bad("includes \"" h "\", which lib/local.mk does not list")
		else if (level[h] > level[me])
			bad("layer " level[me] " includes \"" h "\" of layer " level[h])
		else if (level[h] == 6 && level[me] > 6 && level[me] < 10 && !(h in is_door))
			bad("layer " level[me] " reaches into the scheduler: \"" h "\"")
	}
	/^[ \t]*#[ \t]*include[ \t]*</ {
		where = FILENAME ":" FNR
		if (/<liburing/ && !(me in is_uring))
			bad("<liburing.h> is not for this file")
		if (/<jemalloc/ && me != "mem.c")
			bad("jemalloc is for mem.c only")
		if (/<goro\.h>/)
			bad("includes the umbrella <goro.h>")
	}
	END { exit status }
' || status=1

if grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<goro\.h>' include/goro/*.h; then
	echo "a header of include/goro includes the umbrella <goro.h>"
	status=1
fi

# Programs that stand for applications: their "headers" lie beside them or in tests, never in lib.
for f in tests/api/*.c benchmarks/*.c examples/*.c examples/*/*.c; do
	[ -f "$f" ] && [ "$f" != benchmarks/bench_switch.c ] || continue
	for h in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$f"); do
		if [ -f "lib/$h" ] && [ ! -f "$(dirname "$f")/$h" ]; then
			echo "$f: includes the private \"$h\""
			status=1
		fi
	done
done

exit "${status:-0}"
