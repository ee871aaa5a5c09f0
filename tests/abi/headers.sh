#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh: each public header compiles alone, first in its file, as C11 and as C++17, those of C++ as C++17 and C++20, without a warning.
set -eu
top=${top_srcdir:-$(dirname "$0")/../..}
CC=${CC:-cc}
CXX=${CXX:-c++}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0
warnings="-Wall -Wextra -Wshadow -Werror"

have_cxx=yes
echo 'int main() { return 0; }' >"$tmp/try.cc"
$CXX -fsyntax-only "$tmp/try.cc" 2>/dev/null || { have_cxx=no; echo "no C++ compiler: C only"; }

for h in "$top"/include/goro.h "$top"/include/goro/*.h; do
	name=${h#"$top"/include/}
	# Twice, to see that the guard works.
	printf '#include <%s>\n#include <%s>\nextern int x; int x;\n' "$name" "$name" >"$tmp/h.c"
	cp "$tmp/h.c" "$tmp/h.cc"
	if ! $CC -std=c11 $warnings -Wstrict-prototypes -I"$top/include" -fsyntax-only "$tmp/h.c"; then
		echo "<$name> does not compile alone as C11"
		status=1
	fi
	if [ $have_cxx = yes ] && ! $CXX -std=c++17 $warnings -I"$top/include" -fsyntax-only "$tmp/h.cc"; then
		echo "<$name> does not compile alone as C++17"
		status=1
	fi
done
for h in "$top"/include/goro.hpp "$top"/include/goro/*.hpp; do
	[ $have_cxx = yes ] || break
	name=${h#"$top"/include/}
	printf '#include <%s>\n#include <%s>\nextern int x; int x;\n' "$name" "$name" >"$tmp/h.cc"
	for std in c++17 c++20; do
		if ! $CXX -std=$std $warnings -I"$top/include" -fsyntax-only "$tmp/h.cc"; then
			echo "<$name> does not compile alone as $std"
			status=1
		fi
	done
done
exit $status
