#!/bin/sh
# SPDX-License-Identifier: MIT
# sizes.sh: a source file has at most 600 lines, a function at most 60.
#
# A function is what lies between a line "{" in the first column and the next "}" in the first column. Longer ones that
# are one table or one switch may stay if they say so: "/* long: reason */" on the line before the brace.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"

find lib include tests benchmarks examples \( -name '*.[chS]' -o -name '*.cc' \) ! -path 'benchmarks/peers/*' |
	LC_ALL=C sort | xargs awk '
	function close_file() { if (lines > 600) { print file ": " lines " lines, more than 600"; status = 1 } }
	FNR == 1 { close_file(); file = FILENAME; start = 0; previous = "" }
	{ lines = FNR }
	/^\{/ { start = FNR; excused = previous ~ /\/\* long: / }
	/^\}/ {
		if (start && FNR - start - 1 > 60 && !excused) {
			print file ":" start ": a function of " FNR - start - 1 " lines, more than 60"
			status = 1
		}
		start = 0
	}
	{ previous = $0 }
	END { close_file(); exit status }'
