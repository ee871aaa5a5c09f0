#!/bin/sh
# SPDX-License-Identifier: MIT
# check-map.sh: what the headers declare with GORO_API, what lib/libgoro.map lists, and what libgoro.so exports are
# the same set of names, and each name stands in one release's node only.
set -eu
NM=${NM:-nm}
top=${top_srcdir:-$(dirname "$0")/../..}
so=lib/.libs/libgoro.so
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

find "$top/include" -name '*.h' | xargs awk -f "$top/tests/lint/strip.awk" | sed 's/^[^:]*:[0-9]*://' | grep -v '^[[:space:]]*#' |
	tr '\n' ' ' | grep -oE 'GORO_API [^;{]*;' | sed -E 's/[^a-z]*\b(goro_[a-z0-9_]+) *\(.*/ @\1/; s/.*@//' |
	LC_ALL=C sort >"$tmp/headers"
sed -nE 's/^[[:space:]]*(goro_[a-z0-9_]+);.*/\1/p' "$top/lib/libgoro.map" | LC_ALL=C sort >"$tmp/map"

# differ FILE FILE WHAT: lines of the first that the second lacks.
differ() {
	LC_ALL=C comm -23 "$tmp/$1" "$tmp/$2" >"$tmp/d"
	[ -s "$tmp/d" ] || return 0
	sed 's/^/    /' "$tmp/d"
	echo "$3"
	status=1
}

uniq -d "$tmp/map" >"$tmp/twice"
[ ! -s "$tmp/twice" ] || { cat "$tmp/twice"; echo "listed twice in libgoro.map"; status=1; }
differ headers map "declared with GORO_API, but not in libgoro.map"
differ map headers "in libgoro.map, but no header declares it with GORO_API"

if [ -f $so ]; then
	$NM -D --defined-only $so | awk '$2 ~ /[TDBRWV]/ { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort -u >"$tmp/so"
	differ map so "in libgoro.map, but libgoro.so does not define it"
	differ so map "exported by libgoro.so, but not in libgoro.map"
fi
echo "$(wc -l <"$tmp/map") names in libgoro.map"
exit $status
