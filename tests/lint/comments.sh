#!/bin/sh
# SPDX-License-Identifier: MIT
# comments.sh: both ends of a barrier carry its tag, and files begin as they should.
#
# 1. A tag [NAME-1] stands at one end of a barrier and is named at the other: a tag that appears only once in
#    all of lib has lost its other end.
# 2. The first or second line of each file has the SPDX line.
# 3. // comments are for code that is not to be committed.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
status=0

tags=$(find lib include -name '*.[chS]' -exec grep -ohE '\[[A-Z][A-Z0-9_]*-[0-9]+\]' {} + | LC_ALL=C sort) || true
for t in $(echo "$tags" | uniq -u); do
	if [ "$(echo "$tags" | grep -cF "$t")" -lt 2 ]; then
		grep -rnF "$t" lib include | head -1
		echo "    $t appears only once: where is its other end?"
		status=1
	fi
done
for f in $(find lib include tests benchmarks examples -name '*.[chS]' -o -name '*.cc' -o -name '*.sh' -o -name '*.mk' |
	LC_ALL=C sort) Makefile.am configure.ac; do
	if ! head -n 2 "$f" | grep -q 'SPDX-License-Identifier: '; then
		echo "$f: no SPDX line"
		status=1
	fi
done

if find lib include -name '*.[ch]' | LC_ALL=C sort | xargs grep -nE '(^|[[:space:];{}])//([[:space:]]|[A-Za-z])' |
	grep -vE '://|} // namespace'; then
	echo "// comments are not for committed code"
	status=1
fi
exit $status
