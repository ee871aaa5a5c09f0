#!/bin/sh
# SPDX-License-Identifier: MIT
# sanitizers.sh: the library as it is, without a sanitizer of its own, serves programs that are built with one: a correct program is
# silent, a race and a use after free are reported. With every compiler that is here.
set -eu
top=${top_srcdir:-$(dirname "$0")/../..}
lib=$PWD/lib/.libs/libgoro.so
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0 ran=0

[ -f "$lib" ] || { echo "no shared library in this build"; exit 77; }
if nm -D "$lib" | grep -qE ' U __(t|a)san_init'; then
	echo "the library has a sanitizer of its own"
	exit 77
fi
norandom=
setarch "$(uname -m)" -R true 2>/dev/null && norandom="setarch $(uname -m) -R"

try() { # compiler, sanitizer, argument that it must find
	$1 -g -O1 -fsanitize="$2" -I"$top/include" "$top/tests/abi/race.c" -o "$tmp/race" "$lib" -Wl,-rpath,"$(dirname "$lib")" \
		>"$tmp/out" 2>&1 || { echo "$1: no $2 sanitizer here"; return; }
	echo 'int main() { return 0; }' >"$tmp/nothing.c"
	$1 -fsanitize="$2" "$tmp/nothing.c" -o "$tmp/nothing" && $norandom "$tmp/nothing" >/dev/null 2>&1 ||
		{ echo "$1: $2 does not run here"; return; }
	ran=1
	if ! timeout 60 $norandom "$tmp/race" >"$tmp/out" 2>&1 || grep -q 'Sanitizer' "$tmp/out"; then
		echo "$1 $2: a correct program is reported:"
		head -40 "$tmp/out"
		status=1
	fi
	if timeout 60 $norandom "$tmp/race" "$3" >"$tmp/out" 2>&1 || ! grep -q 'Sanitizer' "$tmp/out"; then
		echo "$1 $2: $3 is not reported"
		status=1
	fi
}

for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	try $cc thread race
	try $cc thread readers
	try $cc address free
done
[ $ran = 1 ] || exit 77
exit $status
