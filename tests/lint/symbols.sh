#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols.sh: the library's symbol tables, run in the build directory.
#
# 1. libgoro.a defines no global symbol outside goro_.
# 2. libgoro.so exports nothing internal (goro__).
# 3. No object contains LTO code: the switch has to stay an opaque call.
# 4. Nothing refers to the allocator, stdio, the dynamic loader or pthread's locks, because the runtime may have stopped
#    a goroutine that is inside one of them. What tests/lint/symbols.allow lists, with a reason each, is excepted.
set -eu
NM=${NM:-nm}
allow=${top_srcdir:-$(dirname "$0")/../..}/tests/lint/symbols.allow
a=lib/.libs/libgoro.a
so=lib/.libs/libgoro.so
[ -f $a ] || a=lib/libgoro.a
status=0
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT

if [ -f $a ]; then
	if $NM -g --defined-only $a | awk 'NF == 3 { print $3 }' | grep -vE '^goro_|^__asan|^__odr_asan|^DW\.ref'; then
		echo "the symbols above, global in libgoro.a, do not start with goro_"
		status=1
	fi
	if $NM $a 2>/dev/null | grep -E '__gnu_lto|gnu\.lto'; then
		echo "libgoro.a contains LTO code"
		status=1
	fi
	# "object symbol" of each undefined reference.
	$NM -u -A $a | sed -n 's/.*libgoro_la-\([A-Za-z0-9_]*\)\.o: *[Uw] \([A-Za-z0-9_]*\).*/\1 \2/p' |
		grep -E ' (__)?(malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|strdup|strndup|asprintf|vasprintf|[a-z]*printf|[a-z]*scanf|[vf]*n?printf_chk|fprintf_chk|snprintf_chk|f?puts|f?putc|putchar|f?open|fdopen|fclose|fread|fwrite|fflush|fgets|getline|perror|syslog|dl[a-z_]+|pthread_(mutex|rwlock|cond|spin)_[a-z]+|exit|atexit|getenv|setenv|qsort|localtime|getaddrinfo|strerror)$' |
		LC_ALL=C sort -u >"$tmp"
	while read -r object symbol; do
		if ! awk -v o="$object" -v s="$symbol" '!/^#/ && $1 == o && $2 == s && NF > 2 { found = 1 } END { exit !found }' "$allow"; then
			echo "$object refers to $symbol, which tests/lint/symbols.allow does not excuse"
			status=1
		fi
	done <"$tmp"
	awk '!/^#/ && NF { print $1, $2 }' "$allow" | LC_ALL=C sort -u | while read -r line; do
		grep -qxF "$line" "$tmp" || echo "note: symbols.allow excuses \"$line\", which nothing needs"
	done
fi
if [ -f $so ] && $NM -D --defined-only $so | grep goro__; then
	echo "libgoro.so exports the internal symbols above"
	status=1
fi
[ -f $a ] || [ -f $so ] || { echo "no library in $(pwd)/lib"; status=1; }
exit $status
