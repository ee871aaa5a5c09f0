#!/bin/sh
# SPDX-License-Identifier: MIT
# notes.sh: every kernel feature that lib/probe.c probes has its kernel-note, and every note has the seven headings and
# a line in the index. A row of the table names its note as a string "kernel-notes/NAME.md" or "NAME.md".
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
status=0

notes=$(grep -ohE '"(kernel-notes/)?[a-z0-9-]+\.md"' lib/probe.c lib/probe.h | tr -d '"' | sed 's|^kernel-notes/||' | LC_ALL=C sort -u)
if [ -z "$notes" ]; then
	echo "lib/probe.c names no kernel-note"
	status=1
fi
for n in $notes; do
	if [ ! -f "kernel-notes/$n" ]; then
		echo "lib/probe.c names kernel-notes/$n, which does not exist"
		status=1
	fi
done

for f in kernel-notes/*.md; do
	for heading in 'What we use it for' 'Since' 'Probe' 'Fallback' 'Traps' 'Verified' 'Open questions'; do
		if ! grep -qE "^#+ +$heading" "$f"; then
			echo "$f: no heading \"$heading\""
			status=1
		fi
	done
	if ! grep -qF "$(basename "$f")" kernel-notes/README; then
		echo "$f: not in kernel-notes/README"
		status=1
	fi
done
exit $status
